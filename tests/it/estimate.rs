//! `earnest estimate`: the daily job's calculation without a warehouse.

use crate::support::{earnest, golden_programs, project};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn estimate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_earnest"))
        .current_dir(project())
        .arg("estimate")
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The one file of a folder whose name begins so.
fn file(folder: &Path, begin: &str) -> PathBuf {
    let mut files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("one"));
    let found = files.find(|entry| entry.file_name().to_string_lossy().starts_with(begin));
    found.unwrap_or_else(|| panic!("{begin} in {}", folder.display())).path()
}

/// The columns `wanted` of a CSV, as a sorted list of lines.
fn lines(csv: &[u8], wanted: &[&str]) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(csv);
    let header = reader.headers().expect("a header").clone();
    let place = |name: &&str| header.iter().position(|column| column == *name).expect("a column");
    let places: Vec<usize> = wanted.iter().map(place).collect();
    let mut lines: Vec<String> = reader
        .records()
        .map(|record| {
            let record = record.expect("a record");
            places.iter().map(|&place| &record[place]).collect::<Vec<_>>().join(",")
        })
        .collect();
    lines.sort();
    lines
}

/// With every export given, an estimate has the earnings of the daily job, line by line.
#[test]
fn with_every_export_it_is_the_daily_job() {
    let exports = tempfile::tempdir().expect("a folder");
    let request = earnest::generate::Request {
        rows: 3_000,
        months: 1,
        seed: 7,
        out: exports.path(),
        pipelines: &project().join("pipelines"),
    };
    let generated = earnest::generate::generate(&request).expect("exports");
    let as_of = generated.last_known_on.to_string();
    // They ask for nothing that an estimate assumes.
    golden_programs(&generated.pipeline);
    let warehouse = tempfile::tempdir().expect("a folder");
    let run = earnest(&generated.pipeline, warehouse.path(), &["run", "--as-of", &as_of]);
    assert!(matches!(run.status.code(), Some(0 | 1)), "{}", text(&run.stderr));
    let partners = exports.path().join("partners");
    let given = [
        ("--products", "product-groups_"),
        ("--rates", "exchange-rates_"),
        ("--memberships", "memberships_"),
        ("--agreements", "agreements_"),
        ("--competencies", "competencies_"),
        ("--enrollments", "enrollments_"),
        ("--participant-map", "participant-map_"),
    ];
    let invoices = file(&exports.path().join("nce"), "nce_").display().to_string();
    let mut arguments = vec!["--transactions".to_owned(), invoices];
    for (option, begin) in given {
        arguments.extend([option.to_owned(), file(&partners, begin).display().to_string()]);
    }
    let columns = [
        "program",
        "term",
        "lever",
        "earning_type",
        "period",
        "participant_id",
        "transaction_id",
        "base",
        "earning_rate",
        "exchange_rate",
        "earning_amount",
        "program_amount",
        "estimated_payment_month",
    ];
    for program in ["csp-direct-bill", "csp-indirect-provider", "csp-indirect-reseller"] {
        let file = format!("tests/golden/programs/{program}.toml");
        let mut all = vec!["--program", &file, "--format", "nce-invoice-reconciliation"];
        all.extend(["--as-of", &as_of, "-o", "csv"]);
        all.extend(arguments.iter().map(String::as_str));
        let output = estimate(&all);
        assert_eq!(output.status.code(), Some(0), "{program}: {}", text(&output.stderr));
        assert!(!text(&output.stderr).contains("assumed"), "{}", text(&output.stderr));
        let sql = format!("select * from earnings where program = '{program}'");
        let daily = earnest(&generated.pipeline, warehouse.path(), &["query", "-o", "csv", &sql]);
        let expected = lines(&daily.stdout, &columns);
        assert!(expected.len() > 100, "{program}: {} earnings", expected.len());
        assert_eq!(lines(&output.stdout, &columns), expected, "{program}");
    }
}

/// 4 % of 256.00 and of 128.00, split 60/40: 6.14 + 4.10 and 3.07 + 2.05.
#[test]
fn what_is_not_given_is_assumed_and_said() {
    let arguments = [
        "--program",
        "pipelines/programs/csp-direct-bill.toml",
        "--transactions",
        "sample-data/transactions/harborline-direct_2021-03-03.csv",
        "--products",
        "sample-data/partners/product_groups_2021-01-04.csv",
        "--as-of",
        "2021-06-20",
    ];
    let output = estimate(&[&arguments[..], &["-o", "csv"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let columns = ["transaction_id", "earning_type", "program_amount", "estimated_payment_month"];
    let expected = [
        "HL-000418,coop,4.10,",
        "HL-000418,rebate,6.14,2021-03",
        "HL-000455,coop,2.05,",
        "HL-000455,rebate,3.07,2021-04",
    ];
    assert_eq!(lines(&output.stdout, &columns), expected);
    let said = text(&output.stderr);
    for assumed in ["mpn_agreement", "competency", "participant-map", "enrollments"] {
        assert!(said.contains(assumed), "{assumed}: {said}");
    }
    let table = text(&estimate(&arguments).stdout);
    assert!(table.contains("below the minimum"), "{table}");
    let json = estimate(&[&arguments[..], &["-o", "json", "--lever", "core-azure"]].concat());
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["earnings"], serde_json::json!([]), "another lever earns nothing here");
    assert_eq!(json["out_of_scope"].as_array().map(Vec::len), Some(2));
    // Of the term alone, without the rates and caps of others.
    let term = estimate(&[&arguments[..], &["-o", "csv", "--term", "FY21"]].concat());
    assert_eq!(lines(&term.stdout, &columns), expected, "{}", text(&term.stderr));
}

/// Messages name the files that were given, not the copies that the job reads.
#[test]
fn bad_files_are_named_as_they_were_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = "pipelines/programs/csp-direct-bill.toml";
    let whole = project().join("sample-data/transactions/harborline-direct_2021-03-03.csv");
    let whole = std::fs::read_to_string(whole).expect("an export");
    let cases = [
        ("empty.csv", String::new(), Some(3), "expected a header"),
        ("sales.csv", whole.replace("Amount", "Amnt"), Some(3), "expected the columns `Amount`"),
        ("sales.csv", whole.replace("256.00", "2x6"), Some(1), "record 1: column `Amount`"),
        ("sales", whole, Some(3), "expected a file ending with .csv"),
    ];
    for (name, text, code, expected) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        let path = path.display().to_string();
        let output = estimate(&["--program", program, "--transactions", &path]);
        assert_eq!(output.status.code(), code, "{name}");
        let said = self::text(&output.stderr);
        assert!(said.contains(expected) && said.contains(&path), "{name}: {said}");
    }
}

#[test]
fn unknown_levers_and_terms_are_named_with_the_known_ones() {
    let program = "pipelines/programs/csp-direct-bill.toml";
    let transactions = "sample-data/transactions/harborline-direct_2021-03-03.csv";
    for (option, known) in [("--lever", "core-azure"), ("--term", "FY21")] {
        let output =
            estimate(&["--program", program, "--transactions", transactions, option, "nope"]);
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        assert!(said.contains("found `nope`") && said.contains(known), "{said}");
    }
}

#[test]
fn a_lever_on_another_s_earning_is_not_estimated_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let template = project().join("pipelines/programs/templates/stack.toml");
    let text = std::fs::read_to_string(template).expect("a template");
    assert!(text.contains("after core"));
    let program = folder.path().join("program.toml");
    std::fs::write(&program, text.replace("after core", "earned by core")).expect("a file");
    let program = program.display().to_string();
    let transactions = "sample-data/transactions/harborline-direct_2021-03-03.csv";
    let arguments = ["--program", &program, "--transactions", transactions, "--lever"];
    let output = estimate(&[&arguments[..], &["accelerator"]].concat());
    let said = self::text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("earns by itself, found `accelerator`"), "{said}");
    assert!(said.contains("it earns on what is earned by core"), "{said}");
    let alone = estimate(&[&arguments[..], &["core"]].concat());
    assert_eq!(alone.status.code(), Some(0), "{}", self::text(&alone.stderr));
}

/// 18,000.00 + 3,000.00 at 4 % and 500.00 at 4.75 %; 100 units at 5.00 and 50 at 6.50.
#[test]
fn several_programs_and_files_are_estimated_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, header: &str, rows: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, format!("{header}\n{rows}\n")).expect("a file");
        path.display().to_string()
    };
    let products = write(
        "products.csv",
        "product_group,product_id,sku_id,from,until",
        "azure,AZ,,,\nmodern-work-security,MW,,,\nbusiness-applications,BA,,,",
    );
    let header = "LineId,OriginalLineId,TransactionDate,BilledPartnerId,ResellerPartnerId,CustomerId,\
                  ProductId,Quantity,Amount,Currency";
    let november = write("november.csv", header, "L1,,2021-11-02,01,,C1,AZ,1,18000.00,USD");
    let sold = "L2,,2021-12-02,01,,C2,MW,150,3000.00,USD\nL3,,2021-12-02,01,,C2,BA,1,500.00,USD";
    let december = write("december.csv", header, sold);
    let (rates, units) =
        ("pipelines/programs/templates/rates.toml", "pipelines/programs/templates/units.toml");
    let arguments = ["--program", rates, "--transactions", &november, "--transactions", &december];
    let rest = ["--products", &products, "--as-of", "2021-12-31", "-o", "csv"];
    let arguments = [&arguments[..], &rest].concat();
    let output = estimate(&[&arguments[..], &["--program", units]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let mut cents = BTreeMap::new();
    for line in lines(&output.stdout, &["program", "program_amount"]) {
        let (program, amount) = line.split_once(',').expect("two columns");
        let amount: i64 = amount.replace('.', "").parse().expect("an amount");
        *cents.entry(program.to_owned()).or_insert(0) += amount;
    }
    let expected = [("my-rates", 86_375), ("my-units", 82_500)];
    assert_eq!(cents, expected.map(|(program, cents)| (program.to_owned(), cents)).into());
    let said = text(&output.stderr);
    assert_eq!(said.matches("is its own participant").count(), 1, "said once: {said}");
    // Which of them a lever or term belongs to isn't known; the same one twice is named as it was given.
    let same = write("other/november.csv", header, "L4,,2021-11-02,01,,C1,AZ,1,1.00,USD");
    for one in [["--lever", "core"], ["--term", "FY22"]] {
        let output = estimate(&[&arguments[..], &["--program", units], &one].concat());
        let said = text(&output.stderr);
        let expected = "one program file beside a lever or term, found 2";
        assert!(output.status.code() == Some(2) && said.contains(expected), "{said}");
    }
    let twice = text(&estimate(&[&arguments[..], &["--program", rates]].concat()).stderr);
    assert!(twice.contains(&format!("{rates}: expected a name of its own")), "{twice}");
    let same = text(&estimate(&[&arguments[..], &["--transactions", &same]].concat()).stderr);
    assert!(same.contains("names of their own, found `november.csv` twice"), "{same}");
}

/// What one program file earns on lines of products, by line id.
fn earned(program: &str, products: &str, lines: &str, wanted: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, header: &str, rows: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{header}\n{rows}")).expect("a file");
        path.display().to_string()
    };
    let products = write(
        "product_groups_2018-01-01.csv",
        "product_group,product_id,sku_id,from,until",
        products,
    );
    let lines = write(
        "lines_2026-01-01.csv",
        "LineId,OriginalLineId,TransactionDate,BilledPartnerId,ResellerPartnerId,CustomerId,ProductId,\
         Amount,Currency",
        lines,
    );
    let program = format!("pipelines/programs/{program}.toml");
    let output = estimate(&[
        "--program",
        &program,
        "--transactions",
        &lines,
        "--products",
        &products,
        "--as-of",
        "2026-01-01",
        "-o",
        "csv",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    self::lines(&output.stdout, wanted)
}

/// One line of 1,000.00 per published rate, each of a new customer.
#[test]
fn the_reseller_s_rates_are_those_of_their_days() {
    let products = "azure,AZ,,,\noffice-365,OF,,,\nmodern-work-security,OF,,,\n\
                    modern-work-security,MW,,,\nbusiness-applications,BA,,,\nstrategic,ST,,,\n\
                    strategic-tier-1,ST,,,\nstrategic-tier-2,E5,,,\n";
    let line = |id: &str, day: &str, product: &str| {
        format!("{id},,{day},0300001,0400001,C-{id},{product},1000.00,USD\n")
    };
    let lines: String = [
        line("a1", "2018-07-01", "AZ"),
        line("a2", "2019-10-01", "AZ"),
        line("b1", "2018-12-31", "OF"),
        line("b2", "2019-01-01", "OF"),
        line("b3", "2019-01-01", "MW"),
        line("b4", "2019-10-01", "OF"),
        line("b5", "2023-10-01", "MW"),
        line("c1", "2019-12-31", "ST"),
        line("c2", "2019-09-30", "ST"),
        line("c3", "2025-06-30", "ST"),
        line("c4", "2025-07-01", "ST"),
        line("c5", "2025-07-01", "E5"),
        line("d1", "2021-01-05", "BA"),
        line("d2", "2025-06-30", "BA"),
    ]
    .concat();
    let wanted = ["transaction_id", "lever", "earning_rate", "earning_type", "program_amount"];
    let found = earned("csp-indirect-reseller", products, &lines, &wanted);
    let expected = [
        "a1,core-azure,0.080000000,rebate,80.00",
        "a2,core-azure,0.040000000,rebate,40.00",
        "b1,core-modern-work,0.080000000,rebate,80.00",
        "b2,core-modern-work,0.060000000,rebate,60.00",
        "b2,customer-add,0.020000000,rebate,20.00",
        "b3,core-modern-work,0.080000000,rebate,80.00",
        "b3,customer-add,0.020000000,rebate,20.00",
        "b4,core-modern-work,0.040000000,rebate,40.00",
        "b5,core-modern-work,0.037500000,coop,15.00",
        "b5,core-modern-work,0.037500000,rebate,22.50",
        "b5,customer-add-first-year,0.150000000,coop,60.00",
        "b5,customer-add-first-year,0.150000000,rebate,90.00",
        "c1,strategic,0.050000000,rebate,50.00",
        "c2,strategic,0.020000000,rebate,20.00",
        "c3,strategic-tier-1,0.050000000,coop,20.00",
        "c3,strategic-tier-1,0.050000000,rebate,30.00",
        "c4,strategic-tier-1,0.030000000,coop,12.00",
        "c4,strategic-tier-1,0.030000000,rebate,18.00",
        "c5,strategic-tier-2,0.070000000,coop,28.00",
        "c5,strategic-tier-2,0.070000000,rebate,42.00",
        "d1,core-business-applications,0.047500000,coop,19.00",
        "d1,core-business-applications,0.047500000,rebate,28.50",
        "d2,core-business-applications,0.047500000,coop,19.00",
        "d2,core-business-applications,0.047500000,rebate,28.50",
    ];
    let trimmed: Vec<String> = expected.iter().map(|line| trim_rate(line)).collect();
    assert_eq!(found.iter().map(|line| trim_rate(line)).collect::<Vec<_>>(), trimmed);
}

/// The line with its rate written without needless zeros.
fn trim_rate(line: &str) -> String {
    let trim = |cell: &str| match cell.strip_prefix("0.") {
        Some(decimals) => format!("0.{}", decimals.trim_end_matches('0')),
        None => cell.to_owned(),
    };
    line.split(',').map(trim).collect::<Vec<_>>().join(",")
}

/// 2.5 % of 500,000.00 are 12,500.00, of which the campaign pays 12,000.00.
#[test]
fn the_campaign_is_capped_per_participant() {
    let lines = "L1,,2020-05-04,0300001,0400001,C1,P,300000.00,USD\n\
                 L2,,2020-06-30,0300001,0400001,C2,P,200000.00,USD\n\
                 L3,,2020-06-30,0300001,0400002,C2,P,200000.00,USD\n\
                 L4,,2020-07-01,0300001,0400002,C2,P,200000.00,USD\n";
    let wanted =
        ["transaction_id", "participant_id", "gross_amount", "forgone_amount", "program_amount"];
    let expected = [
        "L1,0400001,7500.00,0.00,7500.00",
        "L2,0400001,5000.00,500.00,4500.00",
        "L3,0400002,5000.00,0.00,5000.00",
    ];
    assert_eq!(earned("cee-booster-2020", "all,P,,,\n", lines, &wanted), expected);
}

/// Every template of a program file says what it earns on a handful of lines.
#[test]
fn every_template_estimates() {
    let folder = tempfile::tempdir().expect("a folder");
    let products = folder.path().join("product_groups_2021-01-01.csv");
    std::fs::write(
        &products,
        "product_group,product_id,sku_id,from,until\nazure,AZ,,,\nmodern-work-security,MW,,,\n\
         business-applications,BA,,,\nstrategic,MW,,,\n",
    )
    .expect("a file");
    let lines = folder.path().join("lines_2021-12-31.csv");
    std::fs::write(
        &lines,
        "LineId,OriginalLineId,TransactionDate,BilledPartnerId,ResellerPartnerId,CustomerId,ProductId,\
         Quantity,Amount,Currency\n\
         L1,,2021-11-02,01,,C1,AZ,1,9000.00,USD\nL2,,2021-12-02,01,,C1,AZ,1,9000.00,USD\n\
         L3,,2021-12-02,01,,C2,MW,150,3000.00,USD\nL4,,2021-12-02,01,,C2,BA,1,500.00,USD\n",
    )
    .expect("a file");
    // 18,000 × 4 % + 3,000 × 4 % + 500 × 4.75 %; 18,000 × 2 %; no year before: 500 × 8 %;
    // 100 × 5 + 50 × 6.50; 21,000 × 3.75 % + 3,000 × 7 %; 150 × 2; 9,000 × 1 % + 9,000 × 3 %; twice
    // 5,000 × 1 % + 9,000 × 2 %, two packages, a flat of November's; 21,000 × 5 %; 21,500 × 3, 4, 2 and 1 %.
    let expected = [
        ("rates", "863.75"),
        ("tiers", "360.00"),
        ("growth", "40.00"),
        ("units", "825.00"),
        ("caps", "997.50"),
        ("seats", "300.00"),
        ("company", "360.00"),
        ("shapes", "565.00"),
        // 180.00 in each of two months, topped up.
        ("guarantee", "400.00"),
        ("draw", "400.00"),
        // 1,000; 21,000 × 3.75 % + 15 %; max(180, 200) × 2 + 18,500 × 1 % + 3,000 × 4 %.
        ("amounts", "1000.00"),
        ("customer-add", "3937.50"),
        ("engagement", "705.00"),
        // 21,000 × 4 % + (3,000 − 120) × 7 %; nobody shares with a reseller: 21,000 × 4 %.
        ("stack", "1041.60"),
        // 840.00, and a tenth of what 3,000 × 4 % are.
        ("accelerator", "852.00"),
        ("payees", "840.00"),
        ("filters", "1050.00"),
        ("requirements", "645.00"),
        ("coop", "860.00"),
        ("payment", "430.00"),
        ("names", "215.00"),
    ];
    let templates = project().join("pipelines/programs/templates");
    let count = std::fs::read_dir(&templates).expect("templates").count();
    assert_eq!(count, expected.len(), "each template has a case here");
    for (name, total) in expected {
        let path = |path: &Path| path.display().to_string();
        let program = path(&templates.join(format!("{name}.toml")));
        let (lines, products) = (path(&lines), path(&products));
        let arguments = ["--program", &program, "--transactions", &lines, "--products", &products];
        let arguments = [&arguments[..], &["--format", "transactions", "--as-of", "2021-12-31"]];
        let csv = estimate(&[arguments.concat(), vec!["-o", "csv"]].concat());
        assert!(csv.status.success(), "{name}: {}", text(&csv.stderr));
        let amounts = self::lines(&csv.stdout, &["program_amount"]);
        let cents: i64 = amounts
            .iter()
            .map(|amount| amount.replace('.', "").parse::<i64>().expect("an amount"))
            .sum();
        let found = format!("{}.{:02}", cents / 100, cents % 100);
        assert_eq!(found, total, "{name}: {amounts:?}");
        let table = text(&estimate(&arguments.concat()).stdout);
        assert!(table.contains("Tiers") && table.contains("Caps"), "{table}");
        let told = [
            ("tiers", "tier 2 18000 × 0.02 = 360.00"),
            ("growth", "baseline 0: tier 1 500"),
            ("accelerator", "on 120 that the lever before earned"),
            ("guarantee", "tier 1 9000 × 0.02 = 180.00, topped up by 20.00 → 200.00"),
            ("draw", "topped up by 40.00 → 400.00, less 200.00 before"),
            ("company", "days before 18000"),
        ];
        let told =
            told.iter().find(|(of, _)| *of == name).is_none_or(|(_, how)| table.contains(how));
        assert!(told, "{table}");
    }
}

/// A lever whose rates lie in other terms is not there; what comes after it comes after what it came after.
#[test]
fn levers_of_other_terms_leave_their_place_to_those_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let lever = |name: &str, rest: &str| {
        format!(
            "[[lever]]\nlever = \"{name}\"\nname = \"L\"\ndraws = \"billing\"\n\
             product_groups = [\"*\"]\n{rest}\n"
        )
    };
    let program = [
        "program = \"p\"\nname = \"P\"\ncurrency = \"USD\"\npays = [\"direct\"]\n",
        "[[term]]\nterm = \"T1\"\nuntil = \"2020-12-31\"\n",
        "[[term]]\nterm = \"T2\"\nfrom = \"2021-01-01\"\n",
        &lever("core", "[[lever.rate]]\nrate = \"0.10\""),
        &lever(
            "gone",
            "on = \"after core\"\n[[lever.rate]]\nuntil = \"2020-12-31\"\nrate = \"0.05\"",
        ),
        &lever("last", "on = \"after gone\"\n[[lever.rate]]\nrate = \"0.02\""),
        "[payment]\nminimum = \"0\"\n",
    ];
    let program = write("program.toml", &program.concat());
    let sales = write(
        "sales_2021-05-08.csv",
        "LineId,OriginalLineId,TransactionDate,BilledPartnerId,ResellerPartnerId,CustomerId,\
         ProductId,Amount,Currency\nL1,,2021-04-12,0100001,,C1,AZ,1000.00,USD\n",
    );
    let columns = ["lever", "program_amount"];
    for term in [&[][..], &["--term", "T2"]] {
        let arguments = ["--program", &program, "--transactions", &sales, "-o", "csv"];
        let output = estimate(&[&arguments[..], term].concat());
        let found = lines(&output.stdout, &columns);
        assert_eq!(found, ["core,100.00", "last,18.00"], "{}", text(&output.stderr));
    }
}

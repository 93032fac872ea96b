//! The command line as a stranger meets it: exit codes, what stands on stdout, what on stderr.

use crate::support::{self, project};
use std::path::Path;
use std::process::Output;

/// Runs the binary on the sample story, with a warehouse of the test's own.
fn earnest(warehouse: &Path, arguments: &[&str]) -> Output {
    let pipeline = project().join("pipelines/daily.toml");
    support::earnest(&pipeline, warehouse, arguments)
}

/// What a command prints that ends well.
fn answer(warehouse: &Path, arguments: &[&str]) -> String {
    let output = earnest(warehouse, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A warehouse with the sample story in it.
fn sample() -> tempfile::TempDir {
    let warehouse = tempfile::tempdir().expect("a folder");
    let run = earnest(warehouse.path(), &["run", "--as-of", "2021-06-20"]);
    assert_eq!(run.status.code(), Some(1), "{}", stderr(&run));
    for expected in ["Read", "Rejected", "Earned", "Not earned", "Out of scope", "Ordered"] {
        assert!(stdout(&run).contains(&format!("\n{expected}\n")), "{}", stdout(&run));
    }
    assert!(stdout(&run).contains(&format!("{}/tables", warehouse.path().display())));
    warehouse
}

#[test]
fn the_sample_story_can_be_asked() {
    let warehouse = sample();
    let ask = |arguments: &[&str]| answer(warehouse.path(), arguments);
    let csv = ask(&["query", "-o", "csv", "select count(*) as payments from payments"]);
    assert!(csv.starts_with("payments\n") && csv != "payments\n0\n", "{csv}");
    let json =
        ask(&["query", "-o", "json", "select 1.50::decimal(18,3) as amount, null as nothing"]);
    assert_eq!(json, "[\n  {\"amount\": \"1.50\", \"nothing\": null}\n]\n");
    let empty = ask(&["query", "-o", "json", "select 1 as one where false"]);
    assert_eq!(empty, "[]\n");
    for output in ["table", "csv", "json"] {
        let runs = ask(&["query", "-o", output, "select started_at from runs"]);
        let day = chrono::Utc::now().format("%Y-").to_string();
        assert!(runs.contains(&day) && runs.contains('Z'), "{output}: {runs}");
    }
    let joined = ask(&[
        "query",
        "select e.program, m.location_name, sum(p.total_payment) from earnings e \
         join memberships_in_force m on m.location_id = e.participant_id \
         join payments p using (program, participant_id) group by all order by all",
    ]);
    assert!(joined.contains("csp-direct-bill"), "{joined}");
    assert!(ask(&["check", "--deep"]).contains("recompute        ok"));
    assert!(ask(&["check", "--list"]).contains("journal"));
    let status = ask(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["snapshot"], 1);
    assert_eq!(status["current_json_behind"], false);
    assert!(ask(&["status"]).contains("exchange-rates"));
    assert!(ask(&["report"]).contains("reports/00000001/program_summary.csv"));
    of_one_month(warehouse.path());
    let catalog = ask(&["catalog"]);
    assert!(Path::new(catalog.trim()).is_file(), "{catalog}");
}

/// Reports of a month have its rows of the whole ones, in their order; a month without any is refused.
fn of_one_month(warehouse: &Path) {
    let listed = answer(warehouse, &["report", "--period", "2021-03"]);
    let of_month = |name: &str| {
        let whole = warehouse.join("reports/00000001").join(name);
        let whole = std::fs::read_to_string(whole).expect("the whole report");
        let mut rows = whole.lines();
        let header = rows.next().expect("a header");
        let place = header.split(',').position(|column| column == "period" || column == "month");
        let place = place.expect("a period");
        let rows = rows.filter(|row| row.split(',').nth(place) == Some("2021-03"));
        std::iter::once(header).chain(rows).collect::<Vec<_>>().join("\n") + "\n"
    };
    for name in ["program_summary.csv", "participant_statement.csv", "trial_balance.csv"] {
        let path = warehouse.join("reports/00000001/2021-03").join(name);
        assert!(listed.contains(&path.display().to_string()), "{listed}");
        let rows = std::fs::read_to_string(path).expect("the report of a month");
        assert!(rows.lines().count() > 2, "{rows}");
        assert_eq!(rows, of_month(name), "{name}");
    }
    assert!(!listed.contains("freshness") && !listed.contains("coop."), "{listed}");
    let none = earnest(warehouse, &["report", "--period", "2031-01"]);
    assert_eq!(none.status.code(), Some(2), "{}", stderr(&none));
    assert!(stderr(&none).contains("found 2031-01"), "{}", stderr(&none));
}

/// What a command says that ends with 0.
fn well(pipeline: &Path, warehouse: &Path, arguments: &[&str]) -> String {
    let output = support::earnest(pipeline, warehouse, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

/// The number that the rules work through: EUR 352.00, most of it co-op that became rebate.
#[test]
fn converted_coop_is_explained_down_to_its_transactions() {
    let warehouse = tempfile::tempdir().expect("a folder");
    let pipeline = project().join("tests/golden/worked-number-converted/job.toml");
    let ask = |arguments: &[&str]| well(&pipeline, warehouse.path(), arguments);
    ask(&["run", "--as-of", "2021-08-20"]);
    let sql = "select payment_id from payments where cycle = '2021-08'";
    let id = ask(&["query", "-o", "csv", sql]).lines().nth(1).expect("a payment").to_owned();
    let page = ask(&["explain", "payment", &id]);
    for found in ["1232.00 USD  10000.00 USD", "L1 ", "reverses L1", "= 1232.00 USD is the item ✓"]
    {
        assert!(page.contains(found), "{found}: {page}");
    }
    assert!(!page.contains('✗'), "{page}");
    let page = ask(&["explain", "participant", "0100001"]);
    assert!(page.contains("2021-08") && !page.contains('✗'), "{page}");
}

/// A refund of the next half's first month that was known at the decision converts with it.
#[test]
fn a_refund_that_converts_before_its_own_cycle_is_explained() {
    let warehouse = tempfile::tempdir().expect("a folder");
    let pipeline = project().join("tests/golden/close-threshold-refund-known/job.toml");
    let ask = |arguments: &[&str]| well(&pipeline, warehouse.path(), arguments);
    let explained = || {
        let sql = "select payment_id from payments where cycle = '2021-08'";
        let id = ask(&["query", "-o", "csv", sql]).lines().nth(1).expect("a payment").to_owned();
        let page = ask(&["explain", "payment", &id]);
        assert!(page.contains("= 288.00 USD is the item ✓") && !page.contains('✗'), "{page}");
        assert!(page.contains("R1 ") && !page.contains("R2 "), "{page}");
    };
    ask(&["run", "--as-of", "2021-08-20"]);
    explained();
    ask(&["close", "2021-08", "--as-of", "2021-08-20"]);
    ask(&["run", "--as-of", "2021-09-20"]);
    explained();
    // A refund of a sum says which line it takes back.
    let warehouse = tempfile::tempdir().expect("a folder");
    let pipeline = project().join("tests/golden/refund-of-a-sum/job.toml");
    well(&pipeline, warehouse.path(), &["run", "--as-of", "2021-09-20"]);
    let page = well(&pipeline, warehouse.path(), &["explain", "transaction", "R3"]);
    let reversed = page.lines().filter(|line| line.contains("C2/azure/2021-07/EUR/2021-04-30  L3"));
    assert_eq!(reversed.count(), 2, "{page}");
}

#[test]
fn a_fund_and_its_claims_are_explained() {
    let warehouse = tempfile::tempdir().expect("a folder");
    let pipeline = project().join("tests/golden/claim-paid/job.toml");
    let ask = |arguments: &[&str]| well(&pipeline, warehouse.path(), arguments);
    ask(&["run", "--as-of", "2021-06-20"]);
    let sql = "select payment_id from payments where payment_currency = 'EUR'";
    let id = ask(&["query", "-o", "csv", sql]).lines().nth(1).expect("a payment").to_owned();
    let page = ask(&["explain", "payment", &id]);
    for found in [
        "= 600.00 USD is gross × exchange rate, rounded once ✓",
        "K1 ",
        "= 500.00 EUR is the item ✓",
    ] {
        assert!(page.contains(found), "{found}: {page}");
    }
    assert!(!page.contains('✗'), "{page}");
    let page = ask(&["explain", "participant", "0100001"]);
    for found in
        ["= 400.00 USD is what is left of plain in FY21H1 ✓", "Less was allowed than was asked"]
    {
        assert!(page.contains(found), "{found}: {page}");
    }
    assert!(page.contains("2021-08-16") && !page.contains('✗'), "{page}");
    let report = warehouse.path().join("reports/00000001/coop.csv");
    let report = std::fs::read_to_string(report).expect("the report");
    let available = report.lines().find(|line| line.contains(",available,")).expect("a line");
    assert!(available.contains("300.00") && available.ends_with(",57"), "{available}");
}

/// What balances of a group gave each other, and what was paid as it was earned.
#[test]
fn offsets_and_currencies_of_orders_are_explained() {
    for (case, page, found) in [
        ("offset-group", "payment", "= -250.00 USD is the item ✓"),
        ("offset-group", "participant", "Offset against other balances"),
        ("paid-as-earned", "payment", "= -120.00 GBP is paid ✓"),
        (
            "paid-as-earned",
            "participant",
            "= -124.00 USD is what plain leaves in 2021-04 (rebate) ✓",
        ),
    ] {
        let warehouse = tempfile::tempdir().expect("a folder");
        let pipeline = project().join(format!("tests/golden/{case}/job.toml"));
        let ask = |arguments: &[&str]| {
            let output = support::earnest(&pipeline, warehouse.path(), arguments);
            assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
            stdout(&output)
        };
        ask(&["run", "--as-of", "2021-06-20"]);
        let ids = ask(&["query", "-o", "csv", "select payment_id from payments"]);
        let ids: Vec<&str> = match page {
            "payment" => ids.lines().skip(1).collect(),
            _ => vec!["0100001"],
        };
        let pages: String = ids.iter().map(|id| ask(&["explain", page, id])).collect();
        assert!(pages.contains(found) && !pages.contains('✗'), "{case}, {found}: {pages}");
    }
}

#[test]
fn payments_participants_and_transactions_are_explained() {
    let warehouse = sample();
    let ask = |arguments: &[&str]| answer(warehouse.path(), arguments);
    let one = |sql: &str| {
        let csv = ask(&["query", "-o", "csv", sql]);
        csv.lines().nth(1).unwrap_or_else(|| panic!("{sql}: no row")).to_owned()
    };
    let payments = ask(&["query", "-o", "csv", "select payment_id from payments"]);
    for payment in payments.lines().skip(1) {
        let page = ask(&["explain", "payment", payment]);
        assert!(
            page.contains("is the order's gross in payment currency ✓") && !page.contains('✗'),
            "{page}"
        );
    }
    let payee = one("select participant_id from payments where payment_currency = 'EUR'");
    let page = ask(&["explain", "participant", &payee]);
    assert!(page.contains("\nEarned\n") && page.contains("\nBalances\n"), "{page}");
    let month = ask(&["explain", "participant", &payee, "--period", "2021-04", "--json"]);
    let month: serde_json::Value = serde_json::from_str(&month).expect("JSON");
    assert_eq!(month["adds_up"], true);
    let refund =
        one("select transaction_id from earnings where original_transaction_id is not null");
    let page = ask(&["explain", "transaction", &refund]);
    assert!(page.contains("reverses"), "{page}");
    let refused = one("select transaction_id from unearned where reason = 'NORATE'");
    let page = ask(&["explain", "transaction", &refused]);
    assert!(page.contains("No exchange rate for the currency and month"), "{page}");
}

#[test]
fn queries_read_the_warehouse_and_nothing_else() {
    let warehouse = sample();
    let refused = |sql: &str, expected: &str| {
        let output = earnest(warehouse.path(), &["query", sql]);
        assert_eq!(output.status.code(), Some(2), "`{sql}`: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "`{sql}`: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "`{sql}`");
    };
    refused("select 1; select 2", "expected one statement, found 2");
    refused("", "expected one statement, found 0");
    refused("copy earnings to 'x.csv'", "expected a SELECT, found another statement");
    refused("create table t (a int)", "expected a SELECT, found another statement");
    refused("set threads = 1", "expected a SELECT, found another statement");
    refused("select * from read_csv('/etc/hostname')", "only the warehouse's own tables");
    refused("select * from '/etc/hostname'", "");
    refused("selec 1", "expected SQL, found syntax error");
    refused("select nothing from earnings", "hint: `DESCRIBE <table>` lists a table's columns");
    refused("select * from nowhere", "hint: `SHOW TABLES` lists the tables");
    refused("select error('x')", "query: ");
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |warehouse: &Path, arguments: &[&str], expected: &str| {
        let output = earnest(warehouse, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    };
    let missing = folder.path().join("missing");
    refused(&missing, &["status"], "expected a folder, found none\nhint: `earnest run` makes it");
    refused(folder.path(), &["status"], "expected a snapshot, found none");
    refused(folder.path(), &["run", "--as-of", "yesterday"], "invalid value 'yesterday'");
    refused(folder.path(), &["nonsense"], "unrecognized subcommand");
    // Files that an estimate is given.
    let (program, sales) = (
        "pipelines/programs/csp-direct-bill.toml",
        "sample-data/transactions/harborline-direct_2021-03-03.csv",
    );
    for (program, rates) in [("nowhere.toml", sales), (program, "nowhere.csv")] {
        let given = ["--program", program, "--transactions", sales, "--rates", rates];
        refused(folder.path(), &[&["estimate"][..], &given].concat(), "error: nowhere.");
        refused(folder.path(), &[&["estimate"][..], &given].concat(), "expected a file, found");
    }
    let warehouse = sample();
    let warehouse = warehouse.path();
    refused(warehouse, &["check", "nonsense"], "hint: the checks are `rows_read`");
    refused(warehouse, &["explain", "payment", "P0"], "payment `P0`: expected a payment id");
    refused(warehouse, &["explain", "participant", "0"], "participant `0`: expected a participant");
    refused(warehouse, &["explain", "transaction", "0"], "transaction `0`: expected a transaction");
    refused(
        warehouse,
        &["explain", "participant", "0", "--period", "May"],
        "`--period`: expected a month YYYY-MM, found `May`",
    );
    refused(warehouse, &["query", "-o", "parquet", "select 1"], "expected `--out FILE`");
    refused(warehouse, &["query", "--at", "9", "select 1"], "expected a snapshot, found nothing");
    refused(
        warehouse,
        &["run", "--as-of", "2021-06-19"],
        "hint: a run as of an earlier date takes `--out DIR`",
    );
    assert_eq!(earnest(warehouse, &["--help"]).status.code(), Some(0));
    assert_eq!(earnest(warehouse, &["--version"]).status.code(), Some(0));
}

#[test]
fn messages_can_be_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = earnest(folder.path(), &["status", "--log", "json"]);
    let line: serde_json::Value = serde_json::from_str(stderr(&output).trim()).expect("JSON");
    assert_eq!(line["exit_code"], 2);
    assert_eq!(line["hint"], "`earnest run` publishes the first one");
}

/// The tour in the README shows real output: each of its lines is printed by one of its commands.
#[test]
fn the_readme_shows_what_is_printed() {
    let readme = std::fs::read_to_string(project().join("README.md")).expect("README.md");
    let tour = readme.split("## A tour").nth(1).and_then(|rest| rest.split("### Look").next());
    let tour = tour.expect("a tour");
    let warehouse = tempfile::tempdir().expect("a folder");
    let mut printed = stdout(&earnest(warehouse.path(), &["run", "--as-of", "2021-06-20"]));
    for block in tour.split("```sh\n./just earnest ").skip(1) {
        let command = block.split("\n```").next().unwrap_or_default();
        let words = command.split_once(' ').map_or((command, ""), |(first, rest)| (first, rest));
        let arguments: Vec<&str> = match words.1.strip_prefix('"') {
            Some(sql) => vec![words.0, sql.trim_end_matches('"')],
            None => command.split(' ').collect(),
        };
        printed.push_str(&stdout(&earnest(warehouse.path(), &arguments)));
    }
    for block in tour.split("```text\n").skip(1) {
        for line in block.split("```").next().unwrap_or_default().lines() {
            let shown = line.trim() == "…" || printed.lines().any(|printed| printed == line);
            assert!(shown, "README.md: expected a line that is printed, found\n{line}\n{printed}");
        }
    }
}

#[test]
fn a_flipped_bit_is_found() {
    let warehouse = sample();
    let payments = warehouse.path().join("tables/payments");
    let file = std::fs::read_dir(payments)
        .expect("the folder")
        .next()
        .expect("a file")
        .expect("an entry")
        .path();
    let mut bytes = std::fs::read(&file).expect("its bytes");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).expect("written");
    let output = earnest(warehouse.path(), &["check", "--deep", "rows_read"]);
    assert_eq!(output.status.code(), Some(3), "{}", stdout(&output));
    assert!(stdout(&output).contains("expected SHA-256"), "{}", stdout(&output));
}

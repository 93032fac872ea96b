//! Worked examples through the daily job: each case is written as a program file and rows, all of them
//! are one job, and what it published is compared. No rule is computed here; a key that the job doesn't
//! publish (an average, a share) is left to the kernels.

mod trials;

use super::Case;
use super::compare::{Found, Row};
use super::fields::{Failure, Fields, Reader};
use crate::support::{must_run, options, project, rows};
use earnest_core::decimal::{AMOUNT_SCALE, EXACT_SCALE, parse};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use toml::Value;

/// A case as a program file and rows, and how to read what came of it.
pub struct Trial {
    pub program: String,
    /// Product and the rest of a line: day, quantity, amount; the line it refunds.
    pub lines: Vec<Sold>,
    pub read: Reading,
}

/// How to read what came of a case.
pub type Reading = Box<dyn Fn(&Results) -> Result<Row, Failure>>;

pub struct Sold {
    /// What tells products of the case apart.
    pub product: &'static str,
    pub day: String,
    pub quantity: String,
    pub amount: String,
    pub refunds: Option<usize>,
}

/// What the job published of one case.
#[derive(Default)]
pub struct Results {
    /// Period, lever, transaction, earning type, gross, forgone, amount, rate, tier detail, day.
    pub earnings: Vec<Vec<String>>,
    /// Cycle, opening, earned, ordered, forfeited, closing, below minimum.
    pub balances: Vec<Vec<String>>,
    /// Earned, converted, left.
    pub funds: Vec<Vec<String>>,
    /// Cycle, due day, gross.
    pub payments: Vec<Vec<String>>,
    /// Gross, used, left.
    pub caps: Vec<Vec<String>>,
}

impl Results {
    pub fn exact(text: &str) -> Result<i128, Failure> {
        Ok(parse(text, EXACT_SCALE)?)
    }

    /// A sum of a column of earnings.
    pub fn sum(&self, column: usize, keep: impl Fn(&[String]) -> bool) -> Result<i128, Failure> {
        let kept = self.earnings.iter().filter(|row| keep(row));
        kept.map(|row| Results::exact(&row[column])).sum()
    }

    /// The tiers of the one measured earning that is kept.
    pub fn detail(&self, keep: impl Fn(&[String]) -> bool) -> Result<Json, Failure> {
        let kept: Vec<_> = self.earnings.iter().filter(|row| keep(row)).collect();
        let [row] = kept[..] else {
            return Err(Failure(format!("expected one measured earning, found {}", kept.len())));
        };
        serde_json::from_str(&row[8]).map_err(|error| Failure(error.to_string()))
    }
}

pub const PERIOD: usize = 0;
pub const LEVER: usize = 1;
pub const TRANSACTION: usize = 2;
pub const TYPE: usize = 3;
pub const GROSS: usize = 4;
pub const FORGONE: usize = 5;
pub const AMOUNT: usize = 6;
pub const RATE: usize = 7;
pub const DAY: usize = 9;

/// Tiers of a window as the cases word them.
pub fn slices(detail: &Json) -> Result<Vec<Row>, Failure> {
    let tiers = detail["tiers"].as_array().cloned().unwrap_or_default();
    let text = |tier: &Json, key: &str| tier[key].as_str().unwrap_or("0").to_owned();
    let slice = |tier: &Json| {
        let place = tier["tier"].as_u64().and_then(|tier| usize::try_from(tier).ok());
        Ok(vec![
            ("tier", Found::Count(place.unwrap_or_default())),
            ("quantity", Found::Decimal(parse(&text(tier, "of"), AMOUNT_SCALE)?, AMOUNT_SCALE)),
            ("amount", Found::Decimal(Results::exact(&text(tier, "amount"))?, EXACT_SCALE)),
        ])
    };
    tiers.iter().map(slice).collect()
}

/// What the job found of the cases that it can take, by id.
pub fn run(cases: &[Case]) -> BTreeMap<String, Result<Row, Failure>> {
    let trials: Vec<(String, &str, Trial)> = cases
        .iter()
        .enumerate()
        .filter_map(|(number, case)| {
            Some((format!("c{number:03}"), case.id.as_str(), trial(case)?))
        })
        .collect();
    if trials.is_empty() {
        return BTreeMap::new();
    }
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &trials);
    let warehouse = tempfile::tempdir().expect("a folder");
    let job = folder.path().join("job.toml");
    let outcome = must_run(&options(&job, warehouse.path(), "2024-12-31"));
    let mut results: BTreeMap<String, Results> = BTreeMap::new();
    type Part = fn(&mut Results) -> &mut Vec<Vec<String>>;
    let tables: [(&str, Part); 5] = [
        (
            "SELECT program, period, lever, transaction_id, earning_type, gross_amount::VARCHAR,
                forgone_amount::VARCHAR, earning_amount::VARCHAR, earning_rate::VARCHAR, tier_detail,
                transaction_on::VARCHAR
            FROM earnings",
            |results| &mut results.earnings,
        ),
        (
            "SELECT program, cycle, opening::VARCHAR, earned::VARCHAR, ordered::VARCHAR,
                forfeited::VARCHAR, closing::VARCHAR, below_minimum::VARCHAR
            FROM balances",
            |results| &mut results.balances,
        ),
        (
            "SELECT program, earned::VARCHAR, converted::VARCHAR, \"left\"::VARCHAR FROM coop_fund",
            |results| &mut results.funds,
        ),
        (
            "SELECT program, cycle, due_on::VARCHAR, gross_program_amount::VARCHAR FROM payments",
            |results| &mut results.payments,
        ),
        (
            "SELECT program, gross::VARCHAR, used::VARCHAR, \"left\"::VARCHAR FROM cap_balances",
            |results| &mut results.caps,
        ),
    ];
    for (sql, part) in tables {
        for mut row in rows(&outcome.store, &outcome.snapshot, sql) {
            let program = row.remove(0);
            part(results.entry(program).or_default()).push(row);
        }
    }
    let nothing = Results::default();
    let read = |(program, id, trial): &(String, &str, Trial)| {
        let found = (trial.read)(results.get(program).unwrap_or(&nothing));
        ((*id).to_owned(), found)
    };
    trials.iter().map(read).collect()
}

/// A case as the job takes it; `None`: only kernels compute it.
fn trial(case: &Case) -> Option<Trial> {
    let reader = Reader::default();
    let part = |name: &str| case.table.get(name).and_then(Value::as_table);
    let rule = Fields::new(&reader, "rule", part("rule")?);
    let input = Fields::new(&reader, "input", part("input")?);
    let expected = part("expected")?;
    // What a case lacks, the kernels' runner complains about.
    trials::of(&case.kind, &rule, &input, expected).ok().flatten()
}

fn write(folder: &Path, trials: &[(String, &str, Trial)]) {
    let pipelines = project().join("pipelines");
    fs::create_dir_all(folder.join("programs")).expect("a folder");
    let put = |name: &str, text: String| fs::write(folder.join(name), text).expect("a file");
    let mut job = format!(
        "warehouse = \"warehouse\"\nprograms = \"programs/*.toml\"\nformats = {:?}\nreports = {:?}\n",
        pipelines.join("sources"),
        pipelines.join("reports"),
    );
    for (source, format) in [
        ("lines", "transactions"),
        ("memberships", "memberships"),
        ("enrollments", "enrollments"),
        ("participant_map", "participant-map"),
        ("product_groups", "product-groups"),
    ] {
        job.push_str(&format!(
            "[sources.{format}]\nformat = \"{format}\"\npath = \"{source}_2019-01-01.csv\"\nrequired = true\n"
        ));
    }
    put("job.toml", job);
    let mut lines = String::from(
        "LineId,OriginalLineId,TransactionDate,BilledPartnerId,ResellerPartnerId,CustomerId,ProductId,\
         Quantity,Amount,Currency\n",
    );
    let mut memberships =
        String::from("global_id,location_id,location_name,country,status,from,until\n");
    let mut enrollments = String::from(
        "location_id,program,status,payout_profile,tax_profile,payment_currency,payment_method,hold,from,until\n",
    );
    let mut map = String::from("partner_id,program,participant_id,from,until\n");
    let mut groups = String::from("product_group,product_id,sku_id,from,until\n");
    for (key, _, trial) in trials {
        let currency = currency(&trial.program);
        let text = trial.program.replace("KEY", key);
        put(&format!("programs/{key}.toml"), text);
        memberships.push_str(&format!("G{key},P{key},P,US,Active,2019-01-01,\n"));
        enrollments
            .push_str(&format!("P{key},{key},Enrolled,PP,TX,{currency},transfer,no,2019-01-01,\n"));
        map.push_str(&format!("P{key},{key},P{key},2019-01-01,\n"));
        let mut products: Vec<&str> = trial.lines.iter().map(|line| line.product).collect();
        products.sort_unstable();
        products.dedup();
        for product in products {
            groups.push_str(&format!("{key}-{product},{key}-{product},,2019-01-01,\n"));
        }
        for (number, line) in trial.lines.iter().enumerate() {
            let refunds = line.refunds.map_or(String::new(), |place| format!("{key}-{place}"));
            lines.push_str(&format!(
                "{key}-{number},{refunds},{},P{key},,C{key},{key}-{},{},{},{currency}\n",
                line.day, line.product, line.quantity, line.amount
            ));
        }
    }
    put("lines_2019-01-01.csv", lines);
    put("memberships_2019-01-01.csv", memberships);
    put("enrollments_2019-01-01.csv", enrollments);
    put("participant_map_2019-01-01.csv", map);
    put("product_groups_2019-01-01.csv", groups);
}

fn currency(program: &str) -> &str {
    let line = program.lines().find_map(|line| line.strip_prefix("currency = "));
    line.map_or("KWD", |text| text.trim_matches('"'))
}

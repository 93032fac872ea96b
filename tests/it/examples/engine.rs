//! Worked examples through the public entry points of the engine: each case is written as a program file
//! and rows, those that are asked on the same day are one job, and what it published is compared; the
//! estimate of the same files must publish the same. No rule is computed here; a key that the job doesn't
//! publish (an average, a share) is left to the kernels.

pub mod bills;
mod exports;
mod trials;

use super::Case;
use super::compare::{Found, Row};
use super::fields::{Failure, Fields, Reader};
use crate::support::{day, options, project};
use chrono::NaiveDate;
use earnest::estimate::{Request, estimate};
use earnest::job::Limits;
use earnest::query::{connect, text_rows};
use earnest::run::{Outcome, run as run_job};
use earnest_core::decimal::{AMOUNT_SCALE, EXACT_SCALE, MONEY_SCALE, parse};
use earnest_core::program::Program;
use exports::{Exports, Sold};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// A case as a program file and rows, and how to read what came of it.
pub struct Trial {
    pub program: String,
    pub lines: Vec<Sold>,
    /// Rows of other exports, by format. `KEY` stands for what tells cases apart.
    pub others: Vec<(&'static str, String)>,
    /// The day up to which rows count.
    pub as_of: NaiveDate,
    pub read: Reading,
}

/// How to read what came of a case.
pub type Reading = Box<dyn Fn(&Results) -> Result<Row, Failure>>;

impl Trial {
    pub fn new(
        program: String,
        lines: Vec<Sold>,
        read: impl Fn(&Results) -> Result<Row, Failure> + 'static,
    ) -> Trial {
        // All that these cases earn is due by then.
        let as_of = day("2026-12-31");
        Trial { program, lines, others: Vec::new(), as_of, read: Box::new(read) }
    }

    pub fn with(mut self, format: &'static str, row: String) -> Trial {
        self.others.push((format, row));
        self
    }
}

/// What was published of one case.
#[derive(Default, PartialEq)]
pub struct Results {
    /// Period, lever, transaction, earning type, gross, forgone, amount, rate, tier detail, day, payment
    /// month.
    pub earnings: Vec<Vec<String>>,
    /// Cycle, opening, earned, ordered, forfeited, closing, below minimum.
    pub balances: Vec<Vec<String>>,
    /// Half, earned, converted, left, use from and until, claims from and until.
    pub funds: Vec<Vec<String>>,
    /// Cycle, due day, gross.
    pub payments: Vec<Vec<String>>,
    /// Cycle, period, kind.
    pub items: Vec<Vec<String>>,
    /// Gross, used, left.
    pub caps: Vec<Vec<String>>,
    /// Participant, decision, reason, allowed, refused.
    pub claims: Vec<Vec<String>>,
    /// Period, cycle.
    pub adjustments: Vec<Vec<String>>,
    /// Months in which all requirements are met, of programs that have some.
    pub eligible: Vec<Vec<String>>,
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
pub const PAID_IN: usize = 10;

type Part = fn(&mut Results) -> &mut Vec<Vec<String>>;

/// What is read of every case, the program first.
const PUBLISHED: [(&str, Part); 9] = [
    (
        "SELECT program, period, lever, transaction_id, earning_type, gross_amount::VARCHAR,
            forgone_amount::VARCHAR, earning_amount::VARCHAR, earning_rate::VARCHAR, tier_detail,
            transaction_on::VARCHAR, estimated_payment_month
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
        "SELECT program, fund_half, earned::VARCHAR, converted::VARCHAR, \"left\"::VARCHAR,
            use_from::VARCHAR, use_until::VARCHAR, claim_from::VARCHAR, claim_until::VARCHAR
        FROM coop_fund",
        |results| &mut results.funds,
    ),
    (
        "SELECT program, cycle, due_on::VARCHAR, gross_program_amount::VARCHAR FROM payments",
        |results| &mut results.payments,
    ),
    ("SELECT program, cycle, period, kind FROM payment_items", |results| &mut results.items),
    (
        "SELECT program, gross::VARCHAR, used::VARCHAR, \"left\"::VARCHAR FROM cap_balances",
        |results| &mut results.caps,
    ),
    (
        "SELECT program, participant_id, decision, reason, allowed_amount::VARCHAR,
            refused_amount::VARCHAR
        FROM claim_items",
        |results| &mut results.claims,
    ),
    ("SELECT program, period, cycle FROM adjustments", |results| &mut results.adjustments),
    (
        "SELECT DISTINCT program, period FROM eligibility SEMI JOIN (
            SELECT program FROM eligibility WHERE requirement <> 'all') USING (program)
        WHERE requirement = 'all' AND met",
        |results| &mut results.eligible,
    ),
];

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

/// A trial with what tells it apart.
struct Named<'a> {
    key: String,
    id: &'a str,
    expected: &'a Table,
    trial: Trial,
}

/// What the job found of the cases that it can take, by id.
pub fn run(cases: &[Case]) -> BTreeMap<String, Result<Row, Failure>> {
    let mut by_day: BTreeMap<NaiveDate, Vec<Named>> = BTreeMap::new();
    for (number, case) in cases.iter().enumerate() {
        let (key, id) = (format!("c{number:03}"), case.id.as_str());
        let expected = case.table.get("expected").and_then(Value::as_table);
        let Some((trial, expected)) = trial(case).zip(expected) else { continue };
        // What program files can't say is left to the kernels.
        if Program::parse(id, &trial.program.replace("KEY", &key)).is_ok() {
            by_day.entry(trial.as_of).or_default().push(Named { key, id, expected, trial });
        }
    }
    by_day.values().flat_map(|trials| together(trials)).collect()
}

/// What was found of cases, with their ids.
type Read = Vec<(String, Result<Row, Failure>)>;

/// Many cases in one job, or one by one if that breaks, so that only the one that breaks it fails.
fn together(trials: &[Named]) -> Read {
    match both(trials) {
        Ok(found) => found,
        Err(failure) if trials.len() == 1 => vec![(trials[0].id.to_owned(), Err(failure))],
        Err(_) => trials.chunks(1).flat_map(together).collect(),
    }
}

/// What the job publishes, which the estimate of the same files must publish too.
fn both(trials: &[Named]) -> Result<Read, Failure> {
    let folder = tempfile::tempdir().expect("a folder");
    let exports = Exports::write(folder.path(), trials);
    let as_of = trials[0].trial.as_of;
    let failed = |error: earnest::Error| Failure(error.to_string());
    let warehouse = folder.path().join("warehouse");
    let options = options(&exports.job, &warehouse, &as_of.to_string());
    let by_job = published(&run_job(&options).map_err(failed)?);
    let request = Request {
        programs: &exports.programs,
        formats: &project().join("pipelines/sources"),
        exports: &exports.files,
        lever: None,
        term: None,
        as_of,
        started_at: options.started_at,
    };
    let by_estimate = published(&estimate(&request).map_err(failed)?.outcome);
    let nothing = Results::default();
    let read = |named: &Named| {
        let job = by_job.get(&named.key).unwrap_or(&nothing);
        if job != by_estimate.get(&named.key).unwrap_or(&nothing) {
            return Err(Failure("expected the estimate to publish what the job does".to_owned()));
        }
        (named.trial.read)(job)
    };
    let found = trials.iter().filter_map(|named| {
        let found = read(named).map(|row| named.coarse(row)).transpose()?;
        Some((named.id.to_owned(), found))
    });
    Ok(found.collect())
}

impl Named<'_> {
    /// Without what a case shows with more decimals than money has, which is for the kernels to say; `None`:
    /// that is all.
    fn coarse(&self, mut row: Row) -> Option<Row> {
        let fine = |name: &str| {
            let value = self.expected.get(name);
            value.is_some_and(|value| decimals(value) > MONEY_SCALE as usize)
        };
        let asked = |row: &Row| row.iter().any(|(name, _)| self.expected.contains_key(*name));
        let asked_before = asked(&row);
        row.retain(|(name, _)| !fine(name));
        (asked(&row) || !asked_before).then_some(row)
    }
}

/// What was published of each program.
fn published(outcome: &Outcome) -> BTreeMap<String, Results> {
    let mut results: BTreeMap<String, Results> = BTreeMap::new();
    let connection = connect(&outcome.store, &outcome.snapshot, &Limits::default());
    let connection = connection.expect("a snapshot");
    for (sql, part) in PUBLISHED {
        let mut rows = text_rows(&connection, sql, &[]).expect("rows");
        rows.sort();
        for row in rows {
            let mut row = row.into_iter().map(Option::unwrap_or_default);
            let program = row.next().unwrap_or_default();
            part(results.entry(program).or_default()).push(row.collect());
        }
    }
    results
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

/// The most decimals of a number of a case.
fn decimals(value: &Value) -> usize {
    match value {
        Value::String(text) => text.split_once('.').map_or(0, |(_, fraction)| fraction.len()),
        Value::Array(values) => values.iter().map(decimals).max().unwrap_or_default(),
        Value::Table(table) => table.values().map(decimals).max().unwrap_or_default(),
        _ => 0,
    }
}

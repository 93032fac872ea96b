//! Named checks. In: a connection over a snapshot and the programs. Out: one finding per check. A
//! check whose tables aren't filled yet is `not applicable`, never `ok`.

mod closes;
mod compare;
pub mod controls;
pub mod doubt;
mod files;
mod funds;
mod identities;
mod keys;
mod life;
mod money;
mod months;
mod program_filters;
mod program_measures;
mod program_tables;
pub mod programs;
pub mod sources;
mod trailing;

pub use files::files;

use crate::error::{Error, Result};
use crate::query::text_rows;
use duckdb::Connection;
use earnest_core::decimal::{RATE_SCALE, format, power_of_ten};
use earnest_core::program::Program;
use months::Months;
use std::collections::{BTreeSet, HashSet};

/// A named check. It finds faults; no fault is `ok`.
pub struct Check {
    pub name: &'static str,
    /// The identity, as a sentence.
    pub description: &'static str,
    /// Global checks stop the run: nothing is published.
    pub global: bool,
    /// Not applicable while all of these tables are empty.
    pub tables: &'static [&'static str],
    pub how: How,
}

/// How a check finds faults.
pub enum How {
    /// A SELECT of one text column: a row per fault.
    Sql(&'static str),
    /// A SELECT of one text column over the months that `checked(period)` holds for, some at a time: what
    /// it compares lies within a month.
    SqlByMonths(&'static str),
    /// A SELECT of one text column, and another one that only `--deep` runs.
    SqlAndDeep(&'static str, &'static str),
    /// A SELECT of one text column, made from the schema.
    Made(fn() -> String),
    /// Statements one after the other: texts of faults.
    Run(fn(&Connection) -> Result<Vec<String>>),
    /// DuckDB's own recomputation, compared with the published tables.
    Recompute,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub check: &'static str,
    pub global: bool,
    pub status: Status,
    /// The first faults; empty if there are none.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok,
    Failed,
    /// The tables that it compares aren't filled.
    NotApplicable,
}

impl Status {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Failed => "failed",
            Status::NotApplicable => "not applicable",
        }
    }
}

/// Every check, in the order in which data flows.
pub fn all() -> impl Iterator<Item = &'static Check> {
    let listed = identities::CHECKS.iter().chain(closes::CHECKS).chain(funds::CHECKS);
    let listed = listed.chain(life::CHECKS).chain(money::CHECKS).chain(keys::CHECKS);
    listed.chain([&compare::RECOMPUTE])
}

/// Runs the named checks, or all if none is named. With `deep`, the recomputation is compared per
/// transaction instead of per total.
///
/// # Errors
/// If a name is unknown or DuckDB breaks; a fault is a finding, not an error.
pub fn run_all(
    connection: &Connection,
    programs: &[Program],
    names: &[String],
    deep: bool,
) -> Result<Vec<Finding>> {
    if let Some(unknown) = names.iter().find(|name| !all().any(|check| check.name == **name)) {
        let known: Vec<&str> = all().map(|check| check.name).collect();
        return Err(Error::usage(format!("check: expected a check's name, found `{unknown}`"))
            .hint(format!("the checks are `{}`", known.join("`, `"))));
    }
    program_tables::load(connection, programs)?;
    let asked = |check: &&Check| names.is_empty() || names.iter().any(|name| name == check.name);
    let checks: Vec<&Check> = all().filter(asked).collect();
    let filled = filled(connection, &checks)?;
    let applies = |check: &Check| {
        check.tables.is_empty() || check.tables.iter().any(|table| filled.contains(table))
    };
    let months = Months::of(connection);
    let run = |check| match applies(check) {
        true => run_one(&months, check, programs, deep),
        false => Ok(finding(check, Status::NotApplicable, String::new())),
    };
    checks.into_iter().map(run).collect()
}

/// The findings, unless a global check failed: then nothing may be published.
///
/// # Errors
/// Naming every global check that failed, with its first faults.
pub fn refuse_failures(findings: Vec<Finding>) -> Result<Vec<Finding>> {
    let failed: Vec<String> = findings
        .iter()
        .filter(|finding| finding.global && finding.status == Status::Failed)
        .map(|finding| format!("check `{}`: {}", finding.check, finding.detail))
        .collect();
    if failed.is_empty() {
        return Ok(findings);
    }
    Err(Error::check(failed.join("\n"))
        .hint("nothing was published; the last snapshot is untouched"))
}

/// Refuses a run in which checks hold too many: participants × programs, as a share of those that have a
/// balance or a fund.
///
/// # Errors
/// If the share is above `check_fail` (rate scale), or DuckDB breaks.
pub fn refuse_holds(connection: &Connection, check_fail: i128) -> Result<()> {
    let (held, all): (i64, i64) =
        connection.query_row(life::HELD, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if i128::from(held) * power_of_ten(RATE_SCALE) <= i128::from(all) * check_fail {
        return Ok(());
    }
    let limit = format(check_fail, RATE_SCALE, 0);
    Err(Error::check(format!(
        "checks hold {held} of {all} participants, expected a share of at most {limit}"
    ))
    .hint(
        "nothing was published; `earnest run --out DIR` with a higher `check_fail` shows whom and why",
    ))
}

fn run_one(
    months: &Months,
    check: &'static Check,
    programs: &[Program],
    deep: bool,
) -> Result<Finding> {
    let connection = months.connection;
    let found = match &check.how {
        How::SqlAndDeep(_, sql) if deep => faults(connection, sql),
        How::Sql(sql) | How::SqlAndDeep(sql, _) => faults(connection, sql),
        How::SqlByMonths(sql) => months.faults(sql),
        How::Made(make) => faults(connection, &make()),
        How::Run(run) => run(connection),
        How::Recompute => compare::recompute(months, programs, deep),
    };
    let faults =
        found.map_err(|error| Error::broken(format!("check `{}`: {error}", check.name)))?;
    let status = if faults.is_empty() { Status::Ok } else { Status::Failed };
    Ok(finding(check, status, faults.join("\n")))
}

fn finding(check: &Check, status: Status, detail: String) -> Finding {
    Finding { check: check.name, global: check.global, status, detail }
}

/// Which of the tables that the checks look at have rows.
fn filled(connection: &Connection, checks: &[&'static Check]) -> Result<HashSet<&'static str>> {
    let tables: BTreeSet<&str> = checks.iter().flat_map(|check| check.tables).copied().collect();
    let asked = tables.iter().map(|table| format!("SELECT '{table}' WHERE EXISTS (FROM {table})"));
    let sql: Vec<String> = asked.collect();
    let found: HashSet<Option<String>> = match sql.is_empty() {
        true => HashSet::new(),
        false => {
            text_rows(connection, &sql.join(" UNION ALL "), &[])?.into_iter().flatten().collect()
        }
    };
    Ok(tables.into_iter().filter(|table| found.contains(&Some((*table).to_owned()))).collect())
}

/// Faults shown at most; the first ones in order.
const SHOWN: usize = 5;

/// The first rows of a SELECT of one text column. DuckDB plans what reads Parquet twice if it is prepared: a
/// statement that isn't fills a table instead.
fn faults(connection: &Connection, sql: &str) -> Result<Vec<String>> {
    connection.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE first_faults AS
        SELECT fault FROM ({sql}) AS faults (fault) ORDER BY fault LIMIT {SHOWN}"
    ))?;
    let rows = text_rows(connection, "FROM first_faults ORDER BY fault", &[])?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

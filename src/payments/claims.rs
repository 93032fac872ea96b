//! Claims as staged. In: the rows in force of `claims`. Out: claims by program and participant, each with
//! its rows by day and status; and those of no program.

use crate::columns;
use crate::eligibility::Called;
use crate::error::Result;
use arrow::array::{Array, RecordBatch};
use chrono::NaiveDate;
use earnest_core::calendar::FiscalHalf;
use earnest_core::fund::claims::{Claim, ClaimRow};
use earnest_core::fund::status::Status;
use earnest_core::program::Program;
use earnest_core::reason::ClaimReason;
use std::collections::{BTreeMap, BTreeSet};

/// All claims, sorted by id within each account.
#[derive(Default)]
pub struct Claims {
    /// By position of the program and participant.
    pub by_account: BTreeMap<(usize, String), Vec<Claim>>,
    pub stray: Vec<Stray>,
    /// Halves of which something was allowed before, by account: they stay co-op.
    pub stay: BTreeSet<(usize, String, FiscalHalf)>,
}

/// A claim that is refused whole.
pub struct Stray {
    /// As written, if no program has that name.
    pub program: String,
    /// The program's currency; if there is none, the claim's.
    pub currency: String,
    pub participant: String,
    pub claim: Claim,
    pub reason: ClaimReason,
}

impl Claims {
    /// Reads the rows. A program's old name means the program.
    ///
    /// # Errors
    /// If the batch lacks a column, or a month isn't one, which staging excludes.
    pub fn read(programs: &[Program], rows: &RecordBatch, as_of: NaiveDate) -> Result<Claims> {
        let text = |name| columns::text(rows, name);
        let (id, program, location) = (text("claim_id")?, text("program")?, text("location_id")?);
        let (half, activity, month) =
            (text("fund_half")?, text("activity")?, text("activity_period")?);
        let (status, currency, note) = (text("status")?, text("claim_currency")?, text("reason")?);
        let submitted_on = columns::date(rows, "submitted_on")?;
        let status_on = columns::date(rows, "status_on")?;
        let asked = columns::decimal(rows, "asked_amount")?;
        let decided = columns::decimal(rows, "decided_amount")?;
        let mut called = Called::new(programs);
        let mut claims: BTreeMap<(String, Option<usize>, String, String), Vec<ClaimRow>> =
            BTreeMap::new();
        for row in 0..rows.num_rows() {
            let filled = |column| columns::filled(column, row).map(str::to_owned);
            let Some(day) = columns::day(status_on, row).filter(|day| *day <= as_of) else {
                continue;
            };
            let entry = ClaimRow {
                status: Status::named(status.value(row)).unwrap_or(Status::Unknown),
                status_on: day,
                submitted_on: columns::day(submitted_on, row),
                half: filled(half),
                activity: activity.value(row).to_owned(),
                month: month.value(row).parse()?,
                currency: currency.value(row).to_owned(),
                asked: asked.value(row),
                decided: decided.is_valid(row).then(|| decided.value(row)),
                note: filled(note),
            };
            // An old name means the program that was called so when the activity was done.
            let done_on = entry.month.first_day();
            let named = called.programs(program.value(row)).iter();
            let position =
                named.filter(|(_, days)| days.contain(done_on)).map(|(place, _)| *place).next();
            let name = position.map_or_else(|| program.value(row).to_owned(), |_| String::new());
            let key = (name, position, location.value(row).to_owned(), id.value(row).to_owned());
            claims.entry(key).or_default().push(entry);
        }
        let mut found = Claims::default();
        for ((name, position, participant, claim_id), mut rows) in claims {
            rows.sort_by_key(|row| (row.status_on, row.status));
            let claim = Claim { claim_id, rows, ..Claim::default() };
            match position {
                Some(program) => {
                    found.by_account.entry((program, participant)).or_default().push(claim);
                }
                None => {
                    let currency =
                        claim.rows.last().map_or_else(String::new, |row| row.currency.clone());
                    let reason = ClaimReason::NoProgram;
                    found.stray.push(Stray { program: name, currency, participant, claim, reason });
                }
            }
        }
        Ok(found)
    }
}

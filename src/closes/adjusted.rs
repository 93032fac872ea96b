//! What closed cycles made of manual adjustments, as their files record it. A later delivery of the same
//! adjustment changes nothing of it.

use super::Closed;
use super::outcomes::earning_type;
use crate::columns;
use crate::error::Result;
use crate::ingest::read_file;
use crate::schema::ADJUSTMENTS;
use crate::warehouse::{Snapshot, Store};
use arrow::array::AsArray;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;

/// What a closed cycle made of a manual adjustment. One that was posted is greater than one that was refused,
/// which is tried again once it has another amount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Adjusted {
    pub posted: bool,
    pub cycle: Period,
    /// In `currency`, the program's, at money scale.
    pub amount: i128,
    pub currency: String,
    pub kind: String,
    pub participant: String,
    pub earning_type: EarningType,
    pub period: Period,
    pub reason: String,
    pub explanation: String,
    pub requested_by: String,
    pub approved_by: Option<String>,
    pub approved_on: Option<NaiveDate>,
    pub taxable: bool,
    pub counts_toward_minimum: bool,
    /// The other program of a transfer.
    pub counterpart: Option<String>,
}

/// Reads adjustments that were posted or refused.
///
/// # Errors
/// If a file can't be read.
pub fn read(store: &Store, kept: &Snapshot, closed: &mut Closed) -> Result<()> {
    for path in kept.paths(store, ADJUSTMENTS.name) {
        for rows in read_file(&path, &ADJUSTMENTS)? {
            let text = |name| columns::text(&rows, name);
            let (id, program, cycle) = (text("adjustment_id")?, text("program")?, text("cycle")?);
            let (state, kind, currency) = (text("state")?, text("kind")?, text("currency")?);
            let (participant, types) = (text("participant_id")?, text("earning_type")?);
            let (period, reason) = (text("period")?, text("adjustment_reason")?);
            let (explanation, requested_by) = (text("explanation")?, text("requested_by")?);
            let (approved_by, counterpart) = (text("approved_by")?, text("counterpart")?);
            let (amount, approved_on) =
                (columns::decimal(&rows, "amount")?, columns::date(&rows, "approved_on")?);
            let truths = |name| rows.column(ADJUSTMENTS.position(name)).as_boolean();
            let (taxable, counts) = (truths("taxable"), truths("counts_toward_minimum"));
            for row in 0..rows.num_rows() {
                let key = (id.value(row).to_owned(), program.value(row).to_owned());
                let adjusted = Adjusted {
                    posted: state.value(row) == "posted",
                    cycle: cycle.value(row).parse()?,
                    amount: amount.value(row),
                    currency: currency.value(row).to_owned(),
                    kind: kind.value(row).to_owned(),
                    participant: participant.value(row).to_owned(),
                    earning_type: earning_type(types.value(row))?,
                    period: period.value(row).parse()?,
                    reason: reason.value(row).to_owned(),
                    explanation: explanation.value(row).to_owned(),
                    requested_by: requested_by.value(row).to_owned(),
                    approved_by: columns::filled(approved_by, row).map(str::to_owned),
                    approved_on: columns::day(approved_on, row),
                    taxable: taxable.value(row),
                    counts_toward_minimum: counts.value(row),
                    counterpart: columns::filled(counterpart, row).map(str::to_owned),
                };
                let known = closed.adjusted.entry(key).or_insert_with(|| adjusted.clone());
                if *known < adjusted {
                    *known = adjusted;
                }
            }
        }
    }
    Ok(())
}

//! Claims as the snapshot before published them: what was asked, allowed and refused of those that were
//! allowed, and which claims there were; and whose co-op had become rebate.

use super::Closed;
use crate::columns;
use crate::error::Result;
use crate::ingest::read_file;
use crate::schema::{CLAIM_ITEMS, DETERMINATIONS};
use crate::warehouse::{Snapshot, Store};
use arrow::array::Array as _;
use chrono::NaiveDate;
use earnest_core::calendar::FiscalHalf;
use earnest_core::fund::claims::Ordered;
use earnest_core::program::Program;
use earnest_core::reason::ClaimReason;
use std::collections::{BTreeMap, BTreeSet};

/// A program's position, participant and claim.
pub type ClaimKey = (usize, String, String);

/// What was published of claims.
#[derive(Default)]
pub struct Published {
    /// What was allowed, with the id of its order, if there was one; without the day of sending, it wasn't sent.
    pub allowed: BTreeMap<ClaimKey, (Option<String>, Ordered)>,
    /// All but those that were refused because their claim was sent to somebody else.
    pub known: BTreeSet<ClaimKey>,
    /// Halves that converted, by a program's position and participant.
    pub converted: BTreeSet<(usize, String, FiscalHalf)>,
    /// The day of that snapshot.
    pub as_of: Option<NaiveDate>,
}

/// Reads claims.
///
/// # Errors
/// If a file can't be read.
pub fn read(
    store: &Store,
    previous: &Snapshot,
    programs: &[Program],
    closed: &mut Closed,
) -> Result<()> {
    let mut refused: BTreeMap<ClaimKey, Vec<(ClaimReason, i128)>> = BTreeMap::new();
    let published = &mut closed.published;
    published.as_of = previous.as_of.parse().ok();
    for path in previous.paths(store, CLAIM_ITEMS.name) {
        for rows in read_file(&path, &CLAIM_ITEMS)? {
            let text = |name| columns::text(&rows, name);
            let (id, program, participant) =
                (text("claim_id")?, text("program")?, text("participant_id")?);
            let (half, activity, month) =
                (text("fund_half")?, text("activity")?, text("activity_period")?);
            let (decision, reason, currency) =
                (text("decision")?, text("reason")?, text("claim_currency")?);
            let (payment, note) = (text("payment_id")?, text("note")?);
            let date = |name| columns::date(&rows, name);
            let (submitted_on, decided_on, sent_on) =
                (date("submitted_on")?, date("decided_on")?, date("sent_on")?);
            let amount = |name| columns::decimal(&rows, name);
            let (asked, allowed, rate) =
                (amount("asked_amount")?, amount("allowed_amount")?, amount("exchange_rate")?);
            for row in 0..rows.num_rows() {
                let named = |known: &Program| known.program == program.value(row);
                let Some(position) = programs.iter().position(named) else { continue };
                let text = |column| columns::filled(column, row).map(str::to_owned);
                let of = |column: &arrow::array::StringArray| column.value(row).to_owned();
                let key = (position, of(participant), of(id));
                let why = columns::filled(reason, row).and_then(ClaimReason::named);
                if decision.value(row) == "refused" {
                    let why = why.unwrap_or(ClaimReason::Decided);
                    if why != ClaimReason::SentDiffers {
                        published.known.insert(key.clone());
                    }
                    refused.entry(key).or_default().push((why, asked.value(row)));
                    continue;
                }
                published.known.insert(key.clone());
                let start = programs[position].fiscal_year_start;
                let half = columns::filled(half, row).map(|text| FiscalHalf::named(text, start));
                let pays = matches!(decision.value(row), "approved" | "paid");
                let (Some(half), true) = (half, pays && rate.is_valid(row)) else { continue };
                let one = Ordered {
                    half: half?,
                    activity: of(activity),
                    month: month.value(row).parse()?,
                    currency: of(currency),
                    asked: asked.value(row),
                    allowed: allowed.value(row),
                    refused: Vec::new(),
                    rate: rate.value(row),
                    submitted_on: columns::day(submitted_on, row).unwrap_or(NaiveDate::MIN),
                    decided_on: columns::day(decided_on, row).unwrap_or(NaiveDate::MIN),
                    sent_on: columns::day(sent_on, row),
                    overclaimed: why == Some(ClaimReason::Overclaimed),
                    note: text(note),
                };
                published.allowed.insert(key, (text(payment), one));
            }
        }
    }
    for (key, (_, one)) in &mut published.allowed {
        one.refused = refused.remove(key).unwrap_or_default();
        one.asked += one.refused.iter().map(|(_, amount)| amount).sum::<i128>();
    }
    // Nothing asks about halves without claims.
    if !published.allowed.is_empty() {
        converted(store, previous, programs, &mut published.converted)?;
    }
    Ok(())
}

fn converted(
    store: &Store,
    previous: &Snapshot,
    programs: &[Program],
    halves: &mut BTreeSet<(usize, String, FiscalHalf)>,
) -> Result<()> {
    for path in previous.paths(store, DETERMINATIONS.name) {
        for rows in read_file(&path, &DETERMINATIONS)? {
            let text = |name| columns::text(&rows, name);
            let (kind, outcome) = (text("kind")?, text("outcome")?);
            let (program, subject, window) = (text("program")?, text("subject")?, text("window")?);
            for row in 0..rows.num_rows() {
                let named = |known: &Program| known.program == program.value(row);
                let Some(position) = programs.iter().position(named) else { continue };
                if (kind.value(row), outcome.value(row)) == ("coop_threshold", "converted") {
                    let start = programs[position].fiscal_year_start;
                    let half = FiscalHalf::named(window.value(row), start)?;
                    halves.insert((position, subject.value(row).to_owned(), half));
                }
            }
        }
    }
    Ok(())
}

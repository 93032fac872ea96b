//! Payments that came back, as far as closed cycles recorded it. In: the statuses that the snapshot before
//! published. Out: those that counted up to the return, and the cycle into which it came. They stand, whatever
//! the bank or the ERP says later: the money was ordered again, or is owed.

use super::Closed;
use crate::columns;
use crate::error::Result;
use crate::ingest::read_file;
use crate::schema::PAYMENT_HISTORY;
use crate::warehouse::{Snapshot, Store};
use arrow::array::AsArray;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;
use earnest_core::program::Program;
use earnest_core::status::{Origin, Status, StatusRow};
use std::collections::{BTreeMap, BTreeSet};

/// What a closed cycle recorded of a payment that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The cycle into which it came.
    pub cycle: Period,
    /// In order, the return last.
    pub rows: Vec<StatusRow>,
}

/// What was published of a payment: earning type, the cycle into which it came back, its rows by step.
type Published = (String, Option<Period>, BTreeMap<i64, StatusRow>);

/// Reads the returns that entered cycles up to `closed.last`; those of claims if a closed cycle paid them again,
/// since what came back of a claim enters no balance.
///
/// # Errors
/// If a file can't be read.
pub fn read(
    store: &Store,
    previous: &Snapshot,
    programs: &[Program],
    closed: &mut Closed,
) -> Result<()> {
    let Some(last) = closed.last else { return Ok(()) };
    let mut published: BTreeMap<(usize, String, String), Published> = BTreeMap::new();
    for path in previous.paths(store, PAYMENT_HISTORY.name) {
        for rows in read_file(&path, &PAYMENT_HISTORY)? {
            let text = |name| columns::text(&rows, name);
            let (id, program, participant) =
                (text("payment_id")?, text("program")?, text("participant_id")?);
            let (kind, origin, status) = (text("earning_type")?, text("origin")?, text("status")?);
            let (returns_in, reference, note) =
                (text("returns_in")?, text("reference")?, text("note")?);
            let (step, status_on) =
                (columns::integer(&rows, "step")?, columns::date(&rows, "status_on")?);
            let accepted = rows.column(PAYMENT_HISTORY.position("accepted")).as_boolean();
            let said = |row: &usize| accepted.value(*row) && origin.value(*row) != "cycle";
            for row in (0..rows.num_rows()).filter(said) {
                let named = |known: &Program| known.program == program.value(row);
                let Some(position) = programs.iter().position(named) else { continue };
                let (payee, payment) = (participant.value(row), id.value(row));
                let of = published.entry((position, payee.to_owned(), payment.to_owned()));
                let of = of.or_default();
                kind.value(row).clone_into(&mut of.0);
                let cycle = columns::filled(returns_in, row).map(str::parse).transpose()?;
                of.1 = of.1.or(cycle);
                let filled = |column| columns::filled(column, row).map(str::to_owned);
                let said = StatusRow {
                    status_on: columns::day(status_on, row).unwrap_or(NaiveDate::MIN),
                    status: Status::named(status.value(row)),
                    written: status.value(row).to_owned(),
                    reference: filled(reference),
                    note: filled(note),
                    origin: Origin::Record,
                };
                of.2.insert(step.value(row), said);
            }
        }
    }
    let again: BTreeSet<String> =
        closed.payments.values().flatten().filter_map(|paid| paid.reissue_of.clone()).collect();
    for (key, (kind, cycle, rows)) in published {
        let recorded = |cycle: &Period| match kind == EarningType::Coop.name() {
            true => again.contains(&key.2),
            false => *cycle <= last,
        };
        let Some(cycle) = cycle.filter(recorded) else { continue };
        let mut rows: Vec<StatusRow> = rows.into_values().collect();
        let back = rows.iter().position(|row| row.status.is_return());
        rows.truncate(back.map_or(rows.len(), |place| place + 1));
        closed.returned.insert(key, Returned { cycle, rows });
    }
    Ok(())
}

//! Which files of a snapshot later runs keep: what was staged, the record of runs, and what closed
//! cycles ordered and settled. A file of a closed cycle has its cycle in its unit; it is kept as long
//! as the close is in force, and never written again.

use super::events::{Event, State};
use crate::error::{Error, Result};
use crate::schema::{self, Table};
use crate::warehouse::{DataFile, Snapshot, Store, sha256_of};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Tables whose rows of a closed cycle are kept in files of their own.
pub const TABLES: [&Table; 9] = [
    &schema::PAYMENTS,
    &schema::PAYMENT_ITEMS,
    &schema::BALANCES,
    &schema::BALANCE_LOTS,
    &schema::JOURNAL,
    &schema::DETERMINATIONS,
    &schema::SETTLEMENT_CHANGES,
    &schema::ADJUSTMENTS,
    &schema::OFFSETS,
];

/// The unit of a closed cycle's file.
#[must_use]
pub fn unit(cycle: Period) -> String {
    format!("closed-{cycle}")
}

/// The cycle that a file's unit names.
#[must_use]
pub fn cycle_of(file: &DataFile) -> Option<Period> {
    file.unit.strip_prefix("closed-")?.parse().ok()
}

/// The last event of every cycle that is closed now.
#[must_use]
pub fn in_force(events: &[Event]) -> BTreeMap<Period, &Event> {
    let mut last: BTreeMap<Period, &Event> = BTreeMap::new();
    for event in events.iter().filter(|event| event.state != State::Exported) {
        last.insert(event.cycle, event);
    }
    last.retain(|_, event| event.state != State::Voided);
    last
}

/// What is kept of a snapshot for a run as of a day: closes of later states don't count in it.
///
/// # Errors
/// If the events can't be read.
pub fn keep(store: &Store, snapshot: &Snapshot, as_of: NaiveDate) -> Result<Snapshot> {
    let mut events = super::events::read(store, snapshot)?;
    events.retain(|event| event.as_of <= as_of);
    let closed = in_force(&events);
    let is_closed =
        |file: &DataFile| cycle_of(file).is_some_and(|cycle| closed.contains_key(&cycle));
    let mut kept = snapshot.clone();
    kept.tables.retain(|name, _| schema::table(name).is_some());
    for (name, state) in &snapshot.tables {
        let Some(table) = schema::table(name) else { continue };
        let grows = schema::is_staged(name)
            || [schema::RUNS.name, schema::RUN_INPUTS.name].contains(&table.name);
        if grows {
            continue;
        }
        let counts = |file: &&DataFile| match table.name {
            "closes" => events.iter().any(|event| file.unit == event.unit()),
            "settled_earnings" => {
                file.partition.parse().is_ok_and(|cycle: Period| closed.contains_key(&cycle))
            }
            _ => is_closed(file),
        };
        let files: Vec<DataFile> = state.files.iter().filter(counts).cloned().collect();
        if files.is_empty() {
            kept.tables.remove(name);
        } else {
            kept.set(table, files);
        }
    }
    Ok(kept)
}

/// Files of closed cycles still have the bytes that they were closed with.
///
/// # Errors
/// Naming the first file that hasn't.
pub fn verify(store: &Store, snapshot: &Snapshot) -> Result<()> {
    let mut files: Vec<&DataFile> = TABLES
        .iter()
        .chain([&&schema::CLOSED_RATES])
        .flat_map(|table| snapshot.files(table.name))
        .filter(|file| cycle_of(file).is_some())
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.par_iter().try_for_each(|file| {
        let path = store.path(&file.path);
        let found = sha256_of(&path)?;
        if found == file.sha256 {
            return Ok(());
        }
        let message = format!(
            "{}: expected SHA-256 {} of a closed cycle, found {found}",
            path.display(),
            file.sha256
        );
        Err(Error::check(message)
            .hint("restore the file from a backup; a closed cycle is never calculated again"))
    })
}

//! Calendars of co-op that changed after a close. In: what closed cycles accrued of co-op, as their files record
//! it, and the programs. Out: nothing, or an error that names what contradicts. Co-op has no balance in which
//! it would be missed.

use super::kept;
use crate::columns;
use crate::error::{Error, Result};
use crate::ingest::read_columns;
use crate::schema::JOURNAL;
use crate::warehouse::{Snapshot, Store};
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;
use earnest_core::program::Program;
use std::collections::BTreeSet;

/// Holds the programs to the cycles in which closed ones accrued their co-op.
///
/// # Errors
/// Naming the first program, and the first month that is due in another cycle now.
pub fn hold(store: &Store, snapshot: &Snapshot, programs: &[Program]) -> Result<()> {
    let names = ["event", "earning_type", "program", "period"];
    let mut accrued: BTreeSet<(usize, Period, Period)> = BTreeSet::new();
    for file in snapshot.files(JOURNAL.name) {
        let Some(cycle) = kept::cycle_of(file) else { continue };
        read_columns(&store.path(&file.path), &JOURNAL, &names, |rows| {
            let text = |name| columns::text(rows, name);
            let (event, of) = (text("event")?, text("earning_type")?);
            let (program, period) = (text("program")?, text("period")?);
            for row in 0..rows.num_rows() {
                if (event.value(row), of.value(row)) != ("accrual", EarningType::Coop.name()) {
                    continue;
                }
                let named = |known: &Program| known.program == program.value(row);
                if let Some(position) = programs.iter().position(named) {
                    accrued.insert((position, period.value(row).parse()?, cycle));
                }
            }
            Ok(())
        })?;
    }
    let due = |position: usize, period| programs[position].due_cycle(period, EarningType::Coop);
    let moved =
        accrued.into_iter().find(|&(position, period, cycle)| due(position, period) != cycle);
    let Some((position, period, cycle)) = moved else { return Ok(()) };
    Err(Error::check(format!(
        "closed cycle {cycle}, {}/coop: expected co-op of {period} due in it as it was closed, found due in {}",
        programs[position].program,
        due(position, period)
    ))
    .hint("a closed cycle stays; see whether `months_after` or `every` in `[payment.coop]` or `[payment]` of the program was changed"))
}

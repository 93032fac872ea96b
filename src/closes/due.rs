//! The days on which closed cycles were due. In: what closed cycles ordered and decided, as their files record it.
//! Out: the programs, which keep these days whatever their calendar says since; a holiday that is declared later
//! moves no day that is over, nor what was claimed by it.

use super::kept;
use crate::columns;
use crate::error::Result;
use crate::ingest::read_columns;
use crate::schema::{DETERMINATIONS, PAYMENTS};
use crate::warehouse::{Snapshot, Store};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::program::Program;
use std::collections::{BTreeMap, HashMap};

/// The programs with the days on which the closed cycles of a snapshot were due.
///
/// # Errors
/// If a file of a closed cycle can't be read.
pub fn dated(store: &Store, snapshot: &Snapshot, programs: &[Program]) -> Result<Vec<Program>> {
    let mut days: HashMap<String, BTreeMap<Period, NaiveDate>> = HashMap::new();
    for (table, kind, day) in
        [(&DETERMINATIONS, "kind", "decided_on"), (&PAYMENTS, "order_kind", "due_on")]
    {
        let names = ["program", "cycle", kind, day];
        for file in snapshot.files(table.name).iter().filter(|file| kept::cycle_of(file).is_some())
        {
            read_columns(&store.path(&file.path), table, &names, |rows| {
                let text = |name| columns::text(rows, name);
                let (program, cycle, kind) = (text("program")?, text("cycle")?, text(kind)?);
                let on = columns::date(rows, day)?;
                for row in 0..rows.num_rows() {
                    let due = matches!(
                        kind.value(row),
                        "coop_threshold" | "forfeiture" | "cycle" | "reissue"
                    );
                    if let Some(day) = columns::day(on, row).filter(|_| due) {
                        let days = days.entry(program.value(row).to_owned()).or_default();
                        days.insert(cycle.value(row).parse()?, day);
                    }
                }
                Ok(())
            })?;
        }
    }
    let dated = |program: &Program| Program {
        closed_due: days.get(&program.program).cloned().unwrap_or_default(),
        ..program.clone()
    };
    Ok(programs.iter().map(dated).collect())
}

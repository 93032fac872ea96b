//! Rows of a closing cycle, parted from those that stay open. In: the open files of a table. Out: the
//! same rows in two files, one of which later runs keep.

use crate::closes::{Event, kept};
use crate::columns;
use crate::error::Result;
use crate::ingest::read_file;
use crate::payments::CLAIM;
use crate::schema::Table;
use crate::warehouse::{DataFile, Snapshot, Store, TableWriter};
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{filter_record_batch, not};
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;
use earnest_core::program::{Program, Redecide};
use earnest_core::reason::PostingReason;
use std::sync::Arc;

/// What parts the rows.
pub struct Split<'a> {
    pub programs: &'a [Program],
    pub event: &'a Event,
}

impl Split<'_> {
    /// Orders of the cycle, if the table holds any, and all files of the table.
    pub fn table(
        &self,
        store: &Store,
        newest: &Snapshot,
        table: &'static Table,
    ) -> Result<(i64, Vec<DataFile>)> {
        let cycle = self.event.cycle;
        let (mut files, mut open) = (Vec::new(), Vec::new());
        for file in newest.files(table.name) {
            if kept::cycle_of(file).is_some() {
                files.push(file.clone());
            } else {
                open.push(file);
            }
        }
        let mut closing = TableWriter::new(store, table, "", &kept::unit(cycle))?;
        let mut staying = TableWriter::new(store, table, "", "all")?;
        let mut orders = 0;
        for file in open {
            for rows in read_file(&store.path(&file.path), table)? {
                let mask = self.closes(table, &rows)?;
                let closed = filter_record_batch(&rows, &mask)?;
                if table.name == "payments" {
                    orders += i64::try_from(closed.num_rows()).unwrap_or(i64::MAX);
                }
                closing.write(&self.marked(table, &closed)?)?;
                staying.write(&filter_record_batch(&rows, &not(&mask)?)?)?;
            }
        }
        files.extend(closing.finish()?);
        files.extend(staying.finish()?);
        Ok((orders, files))
    }

    /// Which rows belong to the cycle. Claims are paid off-cycle, and funds run by days: their rows stay,
    /// but for orders that pay again what came back of a claim; their journal stays with the claim's.
    fn closes(&self, table: &Table, rows: &RecordBatch) -> Result<BooleanArray> {
        let cycle = self.event.cycle.to_string();
        let cycles = columns::text(rows, "cycle")?;
        let own = |row: usize| cycles.is_valid(row) && cycles.value(row) == cycle;
        let all = 0..rows.num_rows();
        Ok(match table.name {
            "payments" => {
                let kinds = columns::text(rows, "order_kind")?;
                all.map(|row| Some(own(row) && kinds.value(row) != "claim")).collect()
            }
            "payment_items" => {
                let levers = columns::text(rows, "lever")?;
                all.map(|row| Some(own(row) && levers.value(row) != CLAIM)).collect()
            }
            "journal" => {
                let (events, kinds) =
                    (columns::text(rows, "event")?, columns::text(rows, "earning_type")?);
                let (periods, programs) =
                    (columns::text(rows, "period")?, columns::text(rows, "program")?);
                all.map(|row| {
                    Ok(Some(match (events.value(row), kinds.value(row)) {
                        ("claim" | "expiry" | "expiry reversed", _) => false,
                        ("order" | "return", "coop") => false,
                        ("withholding" | "withholding reversed", "coop") => false,
                        ("sales tax" | "sales tax reversed", "coop") => false,
                        ("accrual", "coop") => {
                            self.is_due(programs.value(row), periods.value(row).parse()?)
                        }
                        _ => own(row),
                    }))
                })
                .collect::<Result<_>>()?
            }
            "adjustments" => {
                let (states, reasons) =
                    (columns::text(rows, "state")?, columns::text(rows, "reason")?);
                let exceeds = PostingReason::Exceeds.code();
                let tested = |row| states.value(row) == "posted" || reasons.value(row) == exceeds;
                all.map(|row| Some(own(row) && tested(row))).collect()
            }
            // What was decided before the first close is decided by it.
            "determinations" => {
                let (programs, kinds) =
                    (columns::text(rows, "program")?, columns::text(rows, "kind")?);
                let windows = columns::text(rows, "window")?;
                all.map(|row| {
                    let due = cycles.value(row).parse::<Period>()? <= self.event.cycle;
                    let rule = (programs.value(row), kinds.value(row), windows.value(row));
                    Ok(Some(due && self.freezes(rule)))
                })
                .collect::<Result<_>>()?
            }
            _ => all.map(|row| Some(own(row))).collect(),
        })
    }

    /// True unless the program says that every run decides anew.
    fn freezes(&self, (program, kind, window): (&str, &str, &str)) -> bool {
        let mut programs = self.programs.iter().filter(|ours| ours.program == program);
        programs.all(|program| program.redecides(kind, window) != Redecide::Always)
    }

    /// True if a program's co-op of a period is due in the cycle.
    fn is_due(&self, program: &str, period: Period) -> bool {
        let mut programs = self.programs.iter().filter(|ours| ours.program == program);
        programs.any(|program| program.due_cycle(period, EarningType::Coop) == self.event.cycle)
    }

    /// The rows with what the close says of them.
    fn marked(&self, table: &Table, rows: &RecordBatch) -> Result<RecordBatch> {
        let status = if self.event.approval_required { "waiting" } else { "ordered" };
        let cycle = self.event.cycle.to_string();
        let number = i64::try_from(self.event.snapshot).unwrap_or(i64::MAX);
        let count = rows.num_rows();
        let columns = table.columns.iter().zip(rows.columns());
        let columns = columns.map(|(column, values)| -> Result<ArrayRef> {
            Ok(match (table.name, column.name) {
                ("payments", "status") => columns::texts(std::iter::repeat_n(status, count)),
                ("payments", "closed_snapshot") => {
                    columns::integers(std::iter::repeat_n(number, count))
                }
                ("determinations", "frozen_by") => {
                    Arc::new(StringArray::from(vec![cycle.as_str(); count]))
                }
                _ => Arc::clone(values),
            })
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new(rows.schema(), columns)?)
    }
}

//! Baselines as rows of `determinations`. They wait in buckets, as there is one for every window.

use crate::columns;
use crate::earnings::facts::day;
use crate::error::Result;
use crate::schema::{DETERMINATIONS, Kind};
use crate::warehouse::{Spill, SpillWriter, Store};
use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use earnest_core::calendar::Period;
use earnest_core::decimal::{AMOUNT_SCALE, MONEY_SCALE, Rounding, rescale};
use earnest_core::program::Program;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Row {
    /// Position of the program.
    pub program: usize,
    pub subject: String,
    pub window: String,
    pub cycle: Period,
    /// In program currency or units, at amount scale.
    pub baseline: i128,
    /// The last day that was measured, in days since 1970.
    pub on: i32,
    /// An earlier run decided it for good.
    pub frozen: bool,
}

/// Rows by bucket.
pub struct Rows(Spill<usize>);

impl Rows {
    /// None, yet.
    #[must_use]
    pub fn new(store: &Store) -> Rows {
        Rows(Spill::new(store))
    }

    #[must_use]
    pub fn writer(&self) -> SpillWriter<'_, usize> {
        self.0.writer()
    }

    /// The rows bucket by bucket, in order within each.
    pub fn batches(&self, programs: &[Program]) -> impl Iterator<Item = Result<RecordBatch>> {
        self.0.parts().into_iter().map(|bucket| {
            let records = self.0.read(bucket)?;
            let mut rows: Vec<Row> = records.iter().collect::<Result<_>>()?;
            rows.sort_unstable();
            table(programs, &rows)
        })
    }
}

fn table(programs: &[Program], rows: &[Row]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&Row) -> String| columns::texts(rows.iter().map(of));
    let program = |row: &Row| &programs[row.program];
    let money = |row: &Row| rescale(row.baseline, AMOUNT_SCALE, MONEY_SCALE, Rounding::default());
    let money: Vec<i128> = rows.iter().map(money).collect::<Result<_, _>>()?;
    let column = |name: &str, kind: Kind| -> Result<ArrayRef> {
        Ok(match name {
            "program" => text(&|row| program(row).program.clone()),
            "kind" => text(&|_| "baseline".to_owned()),
            "subject" => text(&|row| row.subject.clone()),
            "window" => text(&|row| row.window.clone()),
            "cycle" => text(&|row| row.cycle.to_string()),
            "outcome" => text(&|_| "set".to_owned()),
            "program_currency" => text(&|row| program(row).currency.clone()),
            "measured" | "threshold" => columns::decimals(kind, money.iter().copied())?,
            "decided_on" => columns::days(rows.iter().map(|row| Some(day(row.on)))),
            "frozen_by" => {
                let never = rows.iter().map(|row| row.frozen.then_some("never"));
                Arc::new(never.collect::<StringArray>())
            }
            "baseline" => columns::optional_decimals(
                kind,
                rows.iter().map(|row| Some(row.baseline)).collect(),
            )?,
            _ => new_null_array(&kind.data_type(), rows.len()),
        })
    };
    let all = DETERMINATIONS.columns.iter().map(|one| column(one.name, one.kind));
    columns::batch(&DETERMINATIONS, all.collect::<Result<_>>()?)
}

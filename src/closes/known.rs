//! Since when a determination is known: the as-of date of the first run in a row that decided it so.

use crate::columns;
use crate::error::Result;
use crate::ingest::read_file;
use crate::schema::DETERMINATIONS;
use crate::warehouse::{Snapshot, Store};
use arrow::array::{ArrayRef, RecordBatch};
use chrono::NaiveDate;
use std::collections::HashMap;

/// What tells a determination's outcome apart.
const KEY: [&str; 7] = ["program", "kind", "subject", "window", "cycle", "outcome", "awarded_to"];

/// What the snapshot before had decided.
pub struct Known {
    days: HashMap<[String; KEY.len()], NaiveDate>,
    as_of: NaiveDate,
}

impl Known {
    /// # Errors
    /// If the snapshot can't be read.
    pub fn read(store: &Store, previous: Option<&Snapshot>, as_of: NaiveDate) -> Result<Known> {
        let mut known = Known { days: HashMap::new(), as_of };
        let files = previous.map(|previous| previous.files(DETERMINATIONS.name));
        for file in files.into_iter().flatten() {
            for rows in read_file(&store.path(&file.path), &DETERMINATIONS)? {
                let known_on = columns::date(&rows, "known_on")?;
                for row in 0..rows.num_rows() {
                    if let Some(day) = columns::day(known_on, row) {
                        known.days.insert(key(&rows, row)?, day);
                    }
                }
            }
        }
        Ok(known)
    }

    /// The rows with the day since which each is known.
    ///
    /// # Errors
    /// If a column is missing.
    pub fn since(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut days = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            let day = self.days.get(&key(rows, row)?).copied();
            days.push(Some(day.map_or(self.as_of, |day| day.min(self.as_of))));
        }
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        columns[DETERMINATIONS.position("known_on")] = columns::days(days);
        Ok(RecordBatch::try_new(rows.schema(), columns)?)
    }
}

fn key(rows: &RecordBatch, row: usize) -> Result<[String; KEY.len()]> {
    let mut key: [String; KEY.len()] = Default::default();
    for (text, name) in key.iter_mut().zip(KEY) {
        let column = columns::text(rows, name)?;
        *text = columns::filled(column, row).unwrap_or_default().to_owned();
    }
    Ok(key)
}

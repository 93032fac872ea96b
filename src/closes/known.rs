//! Since when a determination is known: the as-of date of the first run in a row that decided it so.

use crate::columns;
use crate::error::Result;
use crate::ingest::read_columns;
use crate::schema::DETERMINATIONS;
use crate::warehouse::{Snapshot, Store};
use arrow::array::{ArrayRef, RecordBatch};
use chrono::NaiveDate;
use earnest_core::id::Digester;
use std::collections::HashMap;

/// What tells a determination's outcome apart.
const KEY: [&str; 7] = ["program", "kind", "subject", "window", "cycle", "outcome", "awarded_to"];

/// What the snapshot before had decided.
pub struct Known {
    /// By digest of the key.
    days: HashMap<u128, NaiveDate>,
    as_of: NaiveDate,
}

impl Known {
    /// # Errors
    /// If the snapshot can't be read.
    pub fn read(store: &Store, previous: Option<&Snapshot>, as_of: NaiveDate) -> Result<Known> {
        let mut known = Known { days: HashMap::new(), as_of };
        let files = previous.map(|previous| previous.files(DETERMINATIONS.name));
        for file in files.into_iter().flatten() {
            let read: Vec<&str> = KEY.into_iter().chain(["known_on"]).collect();
            read_columns(&store.path(&file.path), &DETERMINATIONS, &read, |rows| {
                let days = columns::date(rows, "known_on")?;
                for (row, key) in keys(rows)?.into_iter().enumerate() {
                    if let Some(day) = columns::day(days, row) {
                        known.days.insert(key, day);
                    }
                }
                Ok(())
            })?;
        }
        Ok(known)
    }

    /// The rows with the day since which each is known.
    ///
    /// # Errors
    /// If a column is missing.
    pub fn since(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let since = |key| self.days.get(&key).map_or(self.as_of, |day| *day.min(&self.as_of));
        let days = keys(rows)?.into_iter().map(|key| Some(since(key)));
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        columns[DETERMINATIONS.position("known_on")] = columns::days(days);
        Ok(RecordBatch::try_new(rows.schema(), columns)?)
    }
}

/// The key of every row.
fn keys(rows: &RecordBatch) -> Result<Vec<u128>> {
    let texts = KEY.map(|name| columns::text(rows, name));
    let texts = texts.into_iter().collect::<Result<Vec<_>>>()?;
    let mut digester = Digester::default();
    let key = |row| {
        let key: Vec<&str> =
            texts.iter().map(|text| columns::filled(text, row).unwrap_or_default()).collect();
        digester.digest(&key)
    };
    Ok((0..rows.num_rows()).map(key).collect())
}

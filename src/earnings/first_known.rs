//! Since when refunds are known. In: staged files with their days, and which of their rows a later delivery
//! replaced. Out: the day of the first delivery that held a negative line as it is: delivered again, it is
//! no news.

use super::names::Names;
use super::read;
use crate::columns;
use crate::error::Result;
use crate::ingest::InForceFile;
use arrow::array::{Array, BooleanArray};
use chrono::NaiveDate;
use parquet::arrow::arrow_reader::RowSelection;
use rayon::prelude::*;
use std::collections::HashMap;

/// Source key and transaction id.
type Key = (i32, String);

/// Base, at amount scale, and day of a version of a line that was replaced.
type Version = (i128, NaiveDate);

/// Negative lines that were delivered before.
#[derive(Default)]
pub struct FirstKnown {
    replaced: HashMap<Key, Vec<Version>>,
}

impl FirstKnown {
    /// Reads the negative lines that were replaced.
    ///
    /// # Errors
    /// If a file can't be read.
    pub fn read(files: &[InForceFile], names: &Names) -> Result<FirstKnown> {
        let cut = files.par_iter().filter(|file| !file.slices.is_empty() || !file.keys.is_empty());
        let found: Vec<_> = cut.map(|file| replaced(file, names)).collect::<Result<_>>()?;
        let mut known = FirstKnown::default();
        for (key, version) in found.into_iter().flatten() {
            known.replaced.entry(key).or_default().push(version);
        }
        Ok(known)
    }

    /// The day since which a line that stands in a delivery of `known_on` is known, in days since 1970.
    pub fn since(&self, (source, id): (i32, &str), base: i128, known_on: NaiveDate) -> i32 {
        let mut first = known_on;
        if !self.replaced.is_empty()
            && let Some(versions) = self.replaced.get(&(source, id.to_owned()))
        {
            let same = versions.iter().filter(|(known, _)| *known == base);
            first = same.map(|(_, day)| *day).fold(first, NaiveDate::min);
        }
        first.to_epoch_days()
    }
}

/// The negative lines of a file that a later delivery replaced.
fn replaced(file: &InForceFile, names: &Names) -> Result<Vec<(Key, Version)>> {
    let looked: Vec<&str> = ["base"].into_iter().chain(read::excluding(file)).collect();
    let mut taken = Vec::new();
    for batch in read::reader(file, &looked, &[], None)? {
        let batch = batch?;
        let base = columns::decimal(&batch, "base")?.values();
        let excluded = read::excluded(&batch, file);
        let takes = |row| base[row] < 0 && excluded.as_ref().is_some_and(|gone| gone.value(row));
        taken.push((0..batch.num_rows()).map(takes).collect::<Vec<bool>>());
    }
    let taken: Vec<BooleanArray> = taken.into_iter().map(BooleanArray::from).collect();
    let mut lines = Vec::new();
    if taken.iter().all(|taken| taken.true_count() == 0) {
        return Ok(lines);
    }
    let selection = RowSelection::from_filters(&taken);
    for batch in read::reader(file, &["source", "transaction_id", "base"], &[], Some(selection))? {
        let batch = batch?;
        let (source, id) =
            (columns::text(&batch, "source")?, columns::text(&batch, "transaction_id")?);
        let base = columns::decimal(&batch, "base")?;
        for row in (0..batch.num_rows()).filter(|row| source.is_valid(*row)) {
            let key = names.sources.key(source.value(row)).unwrap_or_default();
            lines.push(((key, id.value(row).to_owned()), (base.value(row), file.known_on)));
        }
    }
    Ok(lines)
}

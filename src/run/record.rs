//! The run's own row in `runs`.

use super::RunOptions;
use crate::error::Result;
use crate::ingest::Ingested;
use crate::schema::RUNS;
use crate::warehouse::{DataFile, Snapshot, Store, TableWriter};
use arrow::array::{
    ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use std::sync::Arc;

/// Adds the run's row to the snapshot to be.
///
/// # Errors
/// If the disk refuses.
pub fn runs(
    options: &RunOptions,
    store: &Store,
    next: &mut Snapshot,
    ingested: &Ingested,
) -> Result<()> {
    let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text.to_owned()])) };
    let number = |number: u64| -> ArrayRef {
        Arc::new(Int64Array::from(vec![i64::try_from(number).unwrap_or(i64::MAX)]))
    };
    let started = TimestampMicrosecondArray::from(vec![options.started_at.timestamp_micros()]);
    let columns: Vec<ArrayRef> = vec![
        text(&next.run_id),
        number(next.snapshot),
        Arc::new(Date32Array::from(vec![options.as_of.to_epoch_days()])),
        Arc::new(started.with_timezone("UTC")),
        text(&next.earnest_version),
        number(u64::from(!ingested.attention.is_empty())),
        number(ingested.read),
        number(ingested.staged),
        number(ingested.rejected),
        number(ingested.duplicate),
        text(&ingested.attention.join("\n")),
    ];
    let mut writer = TableWriter::new(store, &RUNS, "", &next.run_id)?;
    writer.write(&RecordBatch::try_new(RUNS.arrow(), columns)?)?;
    let mut files: Vec<DataFile> = next.files(RUNS.name).to_vec();
    files.extend(writer.finish()?);
    next.set(&RUNS, files);
    Ok(())
}

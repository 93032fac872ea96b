//! What was read. In: the run inputs of earlier runs. Out: the files that are known already, and the
//! rows of `run_inputs` of this run.

use super::control::sums_text;
use super::delivery::{Delivery, InputFile, days_since_epoch};
use super::read::{known_on_of, read_file, texts};
use super::stage::Counts;
use crate::error::{Error, Result};
use crate::job::Source;
use crate::schema::RUN_INPUTS;
use crate::warehouse::{DataFile, Snapshot, Store, TableWriter};
use arrow::array::{ArrayRef, AsArray, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Date32Type, Int64Type};
use chrono::NaiveDate;
use std::sync::Arc;

/// A file that an earlier run read.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub source: String,
    pub delivery_id: String,
    pub name: String,
    pub digest: String,
    pub known_on: NaiveDate,
    pub sequence: u32,
    pub rows_read: u64,
    pub state: State,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Staged,
    /// The same bytes came before.
    Duplicate,
    /// After the as-of date.
    NotYetKnown,
}

impl State {
    fn text(self) -> &'static str {
        match self {
            State::Staged => "staged",
            State::Duplicate => "duplicate",
            State::NotYetKnown => "not yet known",
        }
    }
}

/// Every file that earlier runs staged or found to be a duplicate.
pub(super) fn known_inputs(store: &Store, snapshot: Option<&Snapshot>) -> Result<Vec<Known>> {
    let mut known = Vec::new();
    let Some(snapshot) = snapshot else { return Ok(known) };
    for path in snapshot.paths(store, RUN_INPUTS.name) {
        for batch in read_file(&path, &RUN_INPUTS)? {
            let text = |name: &str, row: usize| {
                texts(&batch, RUN_INPUTS.position(name)).value(row).to_owned()
            };
            let integer = |name: &str, row: usize| {
                batch.column(RUN_INPUTS.position(name)).as_primitive::<Int64Type>().value(row)
            };
            let days = batch.column(RUN_INPUTS.position("known_on")).as_primitive::<Date32Type>();
            if batch.column(RUN_INPUTS.position("file_digest")).null_count() > 0 {
                return Err(older_build(&path));
            }
            for row in 0..batch.num_rows() {
                let state = match text("state", row).as_str() {
                    "staged" => State::Staged,
                    "duplicate" => State::Duplicate,
                    _ => continue,
                };
                let Some(known_on) = known_on_of(days, row) else { continue };
                known.push(Known {
                    source: text("source", row),
                    delivery_id: text("delivery_id", row),
                    name: text("source_file", row),
                    digest: text("file_digest", row),
                    known_on,
                    sequence: u32::try_from(integer("sequence", row)).unwrap_or(u32::MAX),
                    rows_read: integer("rows_read", row).unsigned_abs(),
                    state,
                });
            }
        }
    }
    Ok(known)
}

/// By SHA-256 nobody could tell which of its files come again.
fn older_build(path: &std::path::Path) -> Error {
    let place = path.display();
    Error::check(format!(
        "{place}: expected BLAKE3 digests of the files that were read, found none"
    ))
    .hint("an earlier build wrote this warehouse; run the job on all exports into a new one")
}

/// A row of `run_inputs`.
pub(super) struct Input {
    pub source: String,
    pub format: String,
    pub delivery_id: String,
    pub file: InputFile,
    pub known_on: NaiveDate,
    pub sequence: u32,
    pub counts: Counts,
    pub state: State,
}

impl Input {
    pub(super) fn new(
        source: &Source,
        delivery: &Delivery,
        file: &InputFile,
        counts: Counts,
        state: State,
    ) -> Input {
        Input {
            source: source.name.clone(),
            format: source.format.name.clone(),
            delivery_id: delivery.id.clone(),
            file: file.clone(),
            known_on: delivery.known_on,
            sequence: delivery.sequence,
            counts,
            state,
        }
    }

    /// A file whose records all came before.
    pub(super) fn duplicate(
        source: &Source,
        delivery: &Delivery,
        file: &InputFile,
        rows: u64,
    ) -> Input {
        let counts = Counts { read: rows, duplicate: rows, ..Counts::default() };
        Input::new(source, delivery, file, counts, State::Duplicate)
    }
}

/// Writes the run's inputs.
pub(super) fn write_inputs(
    store: &Store,
    run_id: &str,
    inputs: &[Input],
) -> Result<Option<DataFile>> {
    let text = |of: &dyn Fn(&Input) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(inputs.iter().map(of)))
    };
    let integer = |of: &dyn Fn(&Input) -> Option<u64>| -> ArrayRef {
        Arc::new(inputs.iter().map(|input| of(input).map(u64::cast_signed)).collect::<Int64Array>())
    };
    let days = inputs.iter().map(|input| days_since_epoch(input.known_on));
    let control = |input: &Input| input.file.control.clone();
    let columns: Vec<ArrayRef> = vec![
        text(&|_| run_id.to_owned()),
        text(&|input| input.source.clone()),
        text(&|input| input.format.clone()),
        text(&|input| input.delivery_id.clone()),
        text(&|input| input.file.name.clone()),
        text(&|input| input.file.digest.clone()),
        integer(&|input| Some(input.file.bytes)),
        Arc::new(Date32Array::from_iter_values(days)),
        integer(&|input| Some(u64::from(input.sequence))),
        integer(&|input| Some(input.counts.read)),
        integer(&|input| Some(input.counts.staged)),
        integer(&|input| Some(input.counts.rejected)),
        integer(&|input| Some(input.counts.duplicate)),
        integer(&|input| control(input)?.rows),
        Arc::new(
            inputs
                .iter()
                .map(|input| sums_text(input.file.control.as_ref()?))
                .collect::<StringArray>(),
        ),
        text(&|input| input.state.text().to_owned()),
    ];
    let mut writer = TableWriter::new(store, &RUN_INPUTS, "", run_id)?;
    writer.write(&RecordBatch::try_new(RUN_INPUTS.arrow(), columns)?)?;
    writer.finish()
}

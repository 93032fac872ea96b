//! Deliveries to staged tables and rejects. In: the job's sources, and what earlier runs staged. Out:
//! new files of staged tables, one row per record; what could not be staged, and why; what newer
//! deliveries replaced. Renaming and typing only: no rule of any program is known here.

mod assemble;
mod blocks;
mod columns;
mod control;
mod date;
mod delivery;
mod fields;
mod format;
mod identify;
mod in_force;
mod inputs;
mod keys;
mod manifest;
mod number;
mod occurrences;
mod open;
mod parse;
mod plan;
mod read;
mod rejects;
mod reread;
mod rows;
mod seen;
mod slices;
mod source;
mod splitter;
mod stage;
mod supersede;
pub(crate) mod toml_file;
mod typing;
mod waiting;

pub use format::Format;
pub use format::plausible;
pub use in_force::{History, InForceFile, in_force, read_table, read_table_at};
pub use read::{read_columns, read_file};
pub use reread::{Record, reread};

use crate::error::Result;
use crate::job::Job;
use crate::schema::{RUN_INPUTS, SUPERSESSIONS, Table};
use crate::warehouse::{DataFile, Snapshot, Store};
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// What to ingest, and on top of what.
pub struct Request<'a> {
    pub job: &'a Job,
    pub store: &'a Store,
    /// The newest snapshot; `None` in a new warehouse.
    pub previous: Option<&'a Snapshot>,
    /// Deliveries known later are left for later runs.
    pub as_of: NaiveDate,
    pub run_id: &'a str,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Ingested {
    /// New files per table, with `rejects`, `supersessions` and `run_inputs`.
    pub files: BTreeMap<&'static str, Vec<DataFile>>,
    /// Records read: staged + rejected + duplicate.
    pub read: u64,
    pub staged: u64,
    pub rejected: u64,
    pub duplicate: u64,
    /// What ops should look at, in words.
    pub attention: Vec<String>,
}

/// What a source says it sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Records of the file; `None`: it doesn't say.
    pub rows: Option<u64>,
    /// Sum of the base per currency, at amount scale.
    pub sums: BTreeMap<String, i128>,
}

/// Stages every delivery that is new and known by the as-of date.
///
/// # Errors
/// If a source is not as agreed (exit 3), or the disk refuses (exit 5); nothing is published then.
pub fn ingest(request: &Request) -> Result<Ingested> {
    let known = inputs::known_inputs(request.store, request.previous)?;
    let mut recorded = supersede::recorded(request.store, request.previous)?;
    let mut ingested = Ingested::default();
    let mut all_inputs = Vec::new();
    let mut superseded = Vec::new();
    for source in &request.job.sources {
        let of_source = recorded.remove(&source.name).unwrap_or_default();
        let outcome = source::ingest_source(request, source, &known, of_source)?;
        for (table, file) in outcome.files {
            ingested.add(table, file);
        }
        ingested.attention.extend(outcome.attention);
        all_inputs.extend(outcome.inputs);
        superseded.extend(outcome.supersessions);
    }
    for input in &all_inputs {
        ingested.read += input.counts.read;
        ingested.staged += input.counts.staged;
        ingested.rejected += input.counts.rejected;
        ingested.duplicate += input.counts.duplicate;
    }
    let rows = supersede::write_supersessions(request.store, request.run_id, superseded)?;
    rows.into_iter().for_each(|file| ingested.add(&SUPERSESSIONS, file));
    let rows = inputs::write_inputs(request.store, request.run_id, &all_inputs)?;
    rows.into_iter().for_each(|file| ingested.add(&RUN_INPUTS, file));
    Ok(ingested)
}

impl Ingested {
    fn add(&mut self, table: &'static Table, file: DataFile) {
        self.files.entry(table.name).or_default().push(file);
    }
}

//! Deliveries to staged tables and rejects. In: the job's sources, and what earlier runs staged. Out:
//! new files of staged tables, one row per record; what could not be staged, and why; what newer
//! deliveries replaced. Renaming and typing only: no rule of any program is known here.

mod date;
mod format;
mod in_force;
mod number;
mod read;
pub(crate) mod toml_file;

pub use format::Format;
pub use in_force::{InForceFile, in_force, read_table};

use crate::error::Result;
use crate::job::Job;
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
    let _ = request;
    Ok(Ingested::default())
}

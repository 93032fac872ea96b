//! `earnest`: the open engine for partner incentive programs. A daily batch: exports of transactions
//! and memberships in, eligibility, earnings and payments as Parquet tables and summary reports out.
//!
//! The modules stand in the order in which data flows.

pub mod check;
pub mod cli;
pub mod error;
pub mod generate;
pub mod ingest;
pub mod job;
pub mod query;
pub mod report;
pub mod schema;
pub mod warehouse;

pub use error::{Error, ErrorKind, Result};

pub mod run {
    use crate::warehouse::{Fault, Snapshot, Store};
    use chrono::{DateTime, NaiveDate, Utc};
    use std::path::PathBuf;
    pub struct RunOptions {
        pub pipeline: PathBuf,
        pub warehouse: Option<String>,
        pub out: Option<PathBuf>,
        pub as_of: NaiveDate,
        pub dry_run: bool,
        pub full: bool,
        pub threads: Option<usize>,
        pub buckets: Option<usize>,
        pub started_at: DateTime<Utc>,
        pub fault: Option<Fault>,
        pub timings: Option<PathBuf>,
    }
    pub struct Outcome {
        pub attention: Vec<String>,
        pub snapshot: Snapshot,
        pub store: Store,
        pub published: bool,
        pub reports: Vec<String>,
    }
    pub fn run(_options: &RunOptions) -> crate::Result<Outcome> {
        Err(crate::Error::usage("not yet"))
    }
    pub fn load_programs(
        job: &crate::job::Job,
    ) -> crate::Result<Vec<earnest_core::program::Program>> {
        job.programs
            .iter()
            .map(|path| {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| crate::Error::io(path, &error))?;
                Ok(earnest_core::program::Program::parse("", &text)?)
            })
            .collect()
    }
}

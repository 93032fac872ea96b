//! `earnest`: the open engine for partner incentive programs. A daily batch: exports of transactions
//! and memberships in, eligibility, earnings and payments as Parquet tables and summary reports out.
//!
//! The modules stand in the order in which data flows.

pub mod check;
pub mod cli;
pub mod error;
pub mod generate;
pub mod query;
pub mod report;
pub mod schema;
pub mod warehouse;

pub use error::{Error, ErrorKind, Result};

pub mod job {
    use crate::error::Result;
    use std::path::{Path, PathBuf};
    #[derive(Clone, Debug)]
    pub struct Limits {
        pub memory_bytes: u64,
        pub threads: usize,
        pub buckets: usize,
    }
    impl Default for Limits {
        fn default() -> Limits {
            Limits { memory_bytes: 4 << 30, threads: 2, buckets: 0 }
        }
    }
    pub struct Job {
        pub warehouse: PathBuf,
        pub programs: Vec<PathBuf>,
        pub reports: PathBuf,
        pub limits: Limits,
    }
    impl Job {
        pub fn load(_path: &Path) -> Result<Job> {
            Ok(Job {
                warehouse: "warehouse".into(),
                programs: vec![],
                reports: "pipelines/reports".into(),
                limits: Limits::default(),
            })
        }
    }
}

pub mod run {
    use crate::warehouse::Fault;
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
        pub summary: Vec<String>,
        pub snapshot: Option<u64>,
    }
    pub fn run(_options: &RunOptions) -> crate::Result<Outcome> {
        Err(crate::Error::usage("not yet"))
    }
}

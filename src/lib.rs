//! `earnest`: the open engine for partner incentive programs. A daily batch: exports of transactions
//! and memberships in, eligibility, earnings and payments as Parquet tables and summary reports out.
//!
//! The modules stand in the order in which data flows.

pub mod error;
pub mod generate;
pub mod ingest;
pub mod job;
pub mod schema;
pub mod warehouse;

pub use error::{Error, ErrorKind, Result};

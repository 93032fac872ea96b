//! `earnest`: the open engine for partner incentive programs. A daily batch: exports of transactions
//! and memberships in, eligibility, earnings and payments as Parquet tables and summary reports out.
//!
//! The modules stand in the order in which data flows.

pub mod cli;
pub mod close;
pub mod estimate;
pub mod job;
pub mod run;

pub mod error;
pub mod exchange_rates;
pub mod schema;

pub mod ingest;

pub mod eligibility;

pub mod earnings;

pub mod closes;

pub mod payments;

pub mod check;

pub mod report;

pub mod warehouse;

pub mod query;

pub mod columns;
pub mod generate;

pub use error::{Error, ErrorKind, Result};

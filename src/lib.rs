//! `earnest`: the open engine for partner incentive programs. A daily batch: exports of transactions
//! and memberships in, eligibility, earnings and payments as Parquet tables and summary reports out.
//!
//! The modules stand in the order in which data flows.

pub mod columns;
pub mod eligibility;
pub mod error;
pub mod payments;
pub mod schema;
pub mod warehouse;

pub use error::{Error, ErrorKind, Result};

//! The vocabulary and the exact arithmetic of `earnest`. No IO, no clock, no Polars, no DuckDB:
//! everything here is a function of its arguments.

pub mod calendar;
pub mod conversion;
pub mod currency;
pub mod decimal;
pub mod earning;
pub mod eligibility;
mod error;
pub mod id;
pub mod program;
pub mod reason;
pub mod refund;
pub mod waterfall;

pub use error::Error;

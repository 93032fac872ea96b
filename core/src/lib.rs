//! The vocabulary and the exact arithmetic of `earnest`. No IO, no clock, no Polars, no DuckDB:
//! everything here is a function of its arguments.

pub mod calendar;
pub mod caps;
pub mod compete;
pub mod conversion;
pub mod currency;
pub mod customer_add;
pub mod decimal;
pub mod delta;
pub mod determination;
pub mod earning;
pub mod eligibility;
mod error;
pub mod events;
pub mod fund;
pub mod growth;
pub mod guarantee;
pub mod id;
pub mod invoice;
pub mod lots;
pub mod measure;
pub mod minimum;
pub mod offset;
pub mod package;
pub mod periods;
pub mod price;
pub mod program;
pub mod purses;
pub mod reason;
pub mod refund;
pub mod reversal;
pub mod select;
pub mod status;
pub mod tax;
pub mod tiers;
pub mod trailing;
pub mod waterfall;

pub use error::Error;

//! The one integration binary.

mod cli;
mod examples;
mod faults;
mod golden;
mod ingest;
mod plans;
mod properties;
mod support;
mod tidy;

//! The one integration binary.

mod cli;
mod examples;
mod faults;
mod golden;
mod ingest;
mod properties;
mod support;
mod tidy;

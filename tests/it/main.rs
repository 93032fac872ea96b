//! The one integration binary.

mod broken;
mod checks;
mod cli;
mod estimate;
mod examples;
mod faults;
mod golden;
mod ingest;
mod measured;
mod plans;
mod properties;
mod support;
mod tidy;

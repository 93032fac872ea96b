//! The one integration binary.

mod broken;
mod broken_programs;
mod capped;
mod checks;
mod cli;
mod closing;
mod coop;
mod estimate;
mod examples;
mod faults;
mod golden;
mod ingest;
mod life;
mod measured;
mod meeting;
mod plans;
mod programs;
mod properties;
mod support;
mod tidy;
mod write_a_program;

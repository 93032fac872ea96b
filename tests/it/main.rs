//! The one integration binary.

mod broken;
mod broken_programs;
mod capped;
mod capped_sums;
mod checks;
mod cli;
mod closing;
mod coop;
mod crowd;
mod estimate;
mod examples;
mod faults;
mod funds;
mod golden;
mod ingest;
mod life;
mod measured;
mod measured_wide;
mod meeting;
mod plans;
mod programs;
mod properties;
mod random;
mod support;
mod tidy;
mod write_a_program;

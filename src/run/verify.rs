//! Checks before anything is published. Where programs pay line by line, DuckDB first works with half of
//! what it may have: at 12 and at 50 million rows it is no slower so, and what a run needs grows little with
//! its rows. Measures and caps need more.

use super::release;
use crate::check::{self, Finding};
use crate::error::Result;
use crate::job::Limits;
use crate::query;
use crate::warehouse::{Snapshot, Store};
use duckdb::Connection;
use earnest_core::program::Program;

/// Runs all checks; gives what they found, and the connection that they leave.
///
/// # Errors
/// If a check can't run, for want of memory too.
pub fn verify(
    (store, snapshot): (&Store, &Snapshot),
    programs: &[Program],
    limits: &Limits,
) -> Result<(Connection, Vec<Finding>)> {
    let within = |limits: &Limits| -> Result<_> {
        let connection = query::connect(store, snapshot, limits)?;
        let findings = check::run_all(&connection, programs, &[], false)?;
        Ok((connection, findings))
    };
    release::meanwhile(|| {
        if programs.iter().all(pays_line_by_line) {
            let mut half = limits.clone();
            half.memory_bytes /= 2;
            match within(&half) {
                Err(error) if error.is_out_of_memory() => {}
                done => return done,
            }
        }
        within(limits)
    })
}

fn pays_line_by_line(program: &Program) -> bool {
    program.caps.is_empty() && program.levers.iter().all(|lever| lever.measured.is_none())
}

//! DuckDB's own recomputation, from staged rows and program data, compared with the published tables.
//! Its SQL is independent of the code that calculates, down to the linking of refunds.

use super::{Check, How, faults};
use crate::error::Result;
use duckdb::Connection;

pub const RECOMPUTE: Check = Check {
    name: "recompute",
    description: "DuckDB's own recomputation of every earning and refusal = ours, per program, lever, \
                  participant, type, period and currency; and of trailing revenue",
    global: true,
    tables: &["transactions"],
    how: How::Recompute,
};

const STEPS: [&str; 7] = [
    include_str!("../../pipelines/checks/recompute_1_dimensions.sql"),
    include_str!("../../pipelines/checks/recompute_2_outcomes.sql"),
    include_str!("../../pipelines/checks/recompute_3_refunds.sql"),
    include_str!("../../pipelines/checks/recompute_4_measures.sql"),
    include_str!("../../pipelines/checks/recompute_5_caps.sql"),
    include_str!("../../pipelines/checks/recompute_6_totals.sql"),
    include_str!("../../pipelines/checks/recompute_7_revenue.sql"),
];
const COMPARE_TOTALS: &str = include_str!("../../pipelines/checks/compare_totals.sql");
const COMPARE_REVENUE: &str = include_str!("../../pipelines/checks/compare_revenue.sql");
const COMPARE_LINES: &str = include_str!("../../pipelines/checks/compare_lines.sql");

/// Recomputes and compares totals; with `deep`, every transaction too.
///
/// # Errors
/// If DuckDB breaks, e.g. on an overflow.
pub fn recompute(connection: &Connection, deep: bool) -> Result<Vec<String>> {
    for step in STEPS {
        connection.execute_batch(step)?;
    }
    let mut found = faults(connection, COMPARE_TOTALS)?;
    found.extend(faults(connection, COMPARE_REVENUE)?);
    if deep {
        found.extend(faults(connection, COMPARE_LINES)?);
    }
    Ok(found)
}

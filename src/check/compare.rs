//! DuckDB's own recomputation, from staged rows and program data, compared with the published tables.
//! Its SQL is independent of the code that calculates, down to the linking of refunds.

use super::{Check, How, faults};
use crate::error::Result;
use duckdb::Connection;
use earnest_core::program::{Lever, Program};

pub const RECOMPUTE: Check = Check {
    name: "recompute",
    description: "DuckDB's own recomputation of every earning and refusal = ours, per program, lever, \
                  participant, type, period and currency; of trailing revenue; of who added which customer",
    global: true,
    tables: &["transactions"],
    how: How::Recompute,
};

/// A step, and whether programs ask for it; `None`: always.
type Step = (&'static str, Option<fn(&Lever) -> bool>);

const STEPS: [Step; 10] = [
    (include_str!("../../pipelines/checks/recompute_1_dimensions.sql"), None),
    (include_str!("../../pipelines/checks/recompute_2_outcomes.sql"), None),
    (include_str!("../../pipelines/checks/recompute_2_added.sql"), Some(adds_customers)),
    (
        include_str!("../../pipelines/checks/recompute_2_followed.sql"),
        Some(|lever| lever.after.is_some()),
    ),
    (include_str!("../../pipelines/checks/recompute_2_selected.sql"), Some(|lever| lever.competes)),
    (include_str!("../../pipelines/checks/recompute_3_refunds.sql"), None),
    (include_str!("../../pipelines/checks/recompute_4_measures.sql"), None),
    (include_str!("../../pipelines/checks/recompute_5_caps.sql"), None),
    (include_str!("../../pipelines/checks/recompute_6_totals.sql"), None),
    (include_str!("../../pipelines/checks/recompute_7_revenue.sql"), None),
];

fn adds_customers(lever: &Lever) -> bool {
    lever.customer_add.is_some()
}
const COMPARE_TOTALS: &str = include_str!("../../pipelines/checks/compare_totals.sql");
const COMPARE_ADDITIONS: &str = include_str!("../../pipelines/checks/compare_additions.sql");
const COMPARE_REVENUE: &str = include_str!("../../pipelines/checks/compare_revenue.sql");
const COMPARE_LINES: &str = include_str!("../../pipelines/checks/compare_lines.sql");

/// Recomputes and compares totals; with `deep`, every transaction too.
///
/// # Errors
/// If DuckDB breaks, e.g. on an overflow.
pub fn recompute(connection: &Connection, programs: &[Program], deep: bool) -> Result<Vec<String>> {
    let any =
        |asks: fn(&Lever) -> bool| programs.iter().any(|program| program.levers.iter().any(asks));
    for (step, asks) in STEPS {
        if asks.is_none_or(any) {
            connection.execute_batch(step)?;
        }
    }
    let mut found = faults(connection, COMPARE_TOTALS)?;
    found.extend(faults(connection, COMPARE_REVENUE)?);
    if any(adds_customers) {
        found.extend(faults(connection, COMPARE_ADDITIONS)?);
    }
    if deep {
        found.extend(faults(connection, COMPARE_LINES)?);
    }
    Ok(found)
}

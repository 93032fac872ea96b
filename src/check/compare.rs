//! DuckDB's own recomputation, from staged rows and program data, compared with the published tables.
//! Its SQL is independent of the code that calculates, down to the linking of refunds.

use super::{Check, How, Months, faults, trailing};
use crate::error::Result;
use earnest_core::program::measured::Measured;
use earnest_core::program::{Lever, Program};

pub const RECOMPUTE: Check = Check {
    name: "recompute",
    description: "DuckDB's own recomputation of every earning and refusal = ours, per program, lever, \
                  participant, type, period and currency; of trailing revenue; of who added which customer; of what \
                  windows are compared with; of what is taken of shared caps, by cycle",
    global: true,
    tables: &["transactions"],
    how: How::Recompute,
};

/// Statements of the recomputation; if programs don't ask for them, others in their place, because
/// planning them costs as much over no rows as over a thousand.
struct Step {
    sql: &'static str,
    /// Run once for some months at a time: `checked(period)` holds for them.
    by_months: bool,
    asked: fn(&[Program]) -> bool,
    otherwise: &'static str,
}

const ALWAYS: Step = Step { sql: "", by_months: false, asked: |_| true, otherwise: "" };

/// The text of a file of `pipelines/checks`.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("../../pipelines/checks/", $name, ".sql"))
    };
}

const fn always(sql: &'static str) -> Step {
    Step { sql, ..ALWAYS }
}

const STEPS: [Step; 16] = [
    always(sql!("recompute_1_dimensions")),
    always(sql!("recompute_2_outcomes")),
    Step {
        sql: sql!("recompute_2_corrected"),
        asked: |programs| adds_customers(programs) || asks_revenue(programs) || compares(programs),
        ..ALWAYS
    },
    Step { sql: sql!("recompute_2_added"), asked: adds_customers, ..ALWAYS },
    Step {
        sql: sql!("recompute_2_followed"),
        asked: |programs| any(programs, |lever| lever.after.is_some()),
        ..ALWAYS
    },
    Step {
        sql: sql!("recompute_2_selected"),
        asked: |programs| any(programs, |lever| lever.competes),
        ..ALWAYS
    },
    always(sql!("recompute_3_refunds")),
    always(sql!("recompute_4_windows")),
    Step { sql: sql!("recompute_4_measures"), asked: measures, ..ALWAYS },
    Step { sql: sql!("recompute_4_revenue"), asked: looks_back, by_months: true, ..ALWAYS },
    Step {
        sql: sql!("recompute_4_baselines"),
        asked: compares,
        otherwise: sql!("without_baselines"),
        ..ALWAYS
    },
    Step {
        sql: concat!(sql!("recompute_4_measured"), sql!("recompute_4_tiers")),
        asked: measures,
        otherwise: sql!("without_measures"),
        ..ALWAYS
    },
    always(sql!("recompute_5_tallies")),
    Step {
        sql: concat!(sql!("recompute_5_caps"), sql!("recompute_5_rooms")),
        asked: caps_anything,
        otherwise: sql!("without_caps"),
        ..ALWAYS
    },
    always(sql!("recompute_6_totals")),
    Step {
        sql: concat!(sql!("recompute_7_revenue"), sql!("recompute_7_settled_revenue")),
        asked: asks_revenue,
        otherwise: sql!("without_revenue"),
        ..ALWAYS
    },
];

fn any(programs: &[Program], asks: fn(&Lever) -> bool) -> bool {
    programs.iter().flat_map(|program| &program.levers).any(asks)
}

fn measures(programs: &[Program]) -> bool {
    any(programs, |lever| lever.measured.is_some())
}

/// True if some measure is compared with another one.
fn compares(programs: &[Program]) -> bool {
    any(programs, |lever| lever.measured.as_ref().is_some_and(Measured::compares))
}

/// True if some measure looks at other days.
fn looks_back(programs: &[Program]) -> bool {
    any(programs, |lever| lever.measured.as_ref().is_some_and(Measured::looks_back))
}

fn adds_customers(programs: &[Program]) -> bool {
    any(programs, |lever| lever.customer_add.is_some())
}

fn asks_revenue(programs: &[Program]) -> bool {
    programs.iter().any(|program| !trailing::rows(program).is_empty())
}

fn caps_anything(programs: &[Program]) -> bool {
    programs.iter().any(|program| !program.caps.is_empty())
}

const COMPARE_TOTALS: &str = sql!("compare_totals");
const COMPARE_ADDITIONS: &str = sql!("compare_additions");
const COMPARE_BASELINES: &str = sql!("compare_baselines");
const COMPARE_ROOMS: &str = sql!("compare_rooms");
const COMPARE_REVENUE: &str = sql!("compare_revenue");
const COMPARE_LINES: &str = sql!("compare_lines");

/// Recomputes and compares totals; with `deep`, every transaction too.
///
/// # Errors
/// If DuckDB breaks, e.g. on an overflow.
pub fn recompute(months: &Months, programs: &[Program], deep: bool) -> Result<Vec<String>> {
    let connection = months.connection;
    for step in STEPS {
        match (step.asked)(programs) {
            true if step.by_months => months.execute(step.sql)?,
            true => connection.execute_batch(step.sql)?,
            false => connection.execute_batch(step.otherwise)?,
        }
    }
    let mut found = faults(connection, COMPARE_TOTALS)?;
    found.extend(faults(connection, COMPARE_REVENUE)?);
    if adds_customers(programs) {
        found.extend(faults(connection, COMPARE_ADDITIONS)?);
    }
    if compares(programs) {
        found.extend(faults(connection, COMPARE_BASELINES)?);
    }
    if caps_anything(programs) {
        found.extend(faults(connection, COMPARE_ROOMS)?);
    }
    if deep {
        found.extend(faults(connection, COMPARE_LINES)?);
    }
    Ok(found)
}

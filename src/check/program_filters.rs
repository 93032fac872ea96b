//! Filters of levers as macros of the connection, so that SQL can recompute which lines they let through.

use crate::query::literal;
use earnest_core::decimal::{AMOUNT_SCALE, format};
use earnest_core::program::{Filter, Program};

/// The filters that let a line through, as `;program/lever;…`, and whether a lever's is among them: a
/// text that lines and levers can be joined by. Blank where no lever has a filter.
pub(super) fn lever_filters(programs: &[Program]) -> String {
    let mut passed = Vec::new();
    for program in programs {
        for lever in &program.levers {
            if let Some(filter) = &lever.filter {
                let name = literal(&format!(";{}/{}", program.program, lever.lever));
                passed.push(format!("CASE WHEN {} THEN {name} ELSE '' END", predicate(filter)));
            }
        }
    }
    let passed = if passed.is_empty() {
        "''".to_owned()
    } else {
        format!("concat({}, ';')", passed.join(", "))
    };
    format!(
        "CREATE OR REPLACE TEMP MACRO filters_passed(source, format, customer_id, customer_country, \
         product_id, sku_id, charge_type, term_and_billing_cycle, publisher_name, workload, \
         transaction_currency, base, quantity, unit_price) AS {passed};
         CREATE OR REPLACE TEMP MACRO passes_filter(passed, program, lever, filtered) AS
         NOT filtered OR contains(passed, concat(';', program, '/', lever, ';'))"
    )
}

/// A missing value is in no list and in no range.
fn predicate(filter: &Filter) -> String {
    let all = |filters: &[Filter], with: &str, none: &str| {
        let parts: Vec<String> = filters.iter().map(predicate).collect();
        if parts.is_empty() { none.to_owned() } else { format!("({})", parts.join(with)) }
    };
    match filter {
        Filter::AllOf(filters) => all(filters, " AND ", "true"),
        Filter::AnyOf(filters) => all(filters, " OR ", "false"),
        Filter::Not(filter) => format!("NOT {}", predicate(filter)),
        Filter::In { column, values } => {
            let values: Vec<String> = values.iter().map(|value| literal(value)).collect();
            if values.is_empty() {
                return "false".to_owned();
            }
            format!("coalesce({column} IN ({}), false)", values.join(", "))
        }
        Filter::Range { column, at_least, at_most } => {
            let bound = |bound: &Option<i128>, sign: &str| {
                bound.map(|bound| {
                    let amount = format(bound, AMOUNT_SCALE, 0);
                    format!("coalesce({column} {sign} {amount}::DECIMAL(38, 12), false)")
                })
            };
            let bounds: Vec<String> =
                [bound(at_least, ">="), bound(at_most, "<=")].into_iter().flatten().collect();
            format!("({})", bounds.join(" AND "))
        }
    }
}

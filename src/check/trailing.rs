//! Trailing revenue that programs ask for, as a table, so that DuckDB can measure it again.

use crate::query::literal;
use earnest_core::decimal::{MONEY_SCALE, format};
use earnest_core::program::{ConditionKind, Follow, Program, Redecide};

/// Name and columns of the table. `weekday` is ISO: 1 is Monday; `product_groups` is empty for every
/// product. `for_good`: its rule never decides again.
pub const TABLE: (&str, &str) = (
    "program_trailing",
    "program TEXT, name TEXT, from_on DATE, until_on DATE, amount DECIMAL(18, 3), days INTEGER, \
     weekday INTEGER, data_role TEXT, by_company BOOLEAN, product_groups TEXT[], for_good BOOLEAN",
);

/// Its rows of a program: one per dated wording.
pub fn rows(program: &Program) -> Vec<String> {
    let mut rows = Vec::new();
    for requirement in &program.requirements {
        for condition in &requirement.conditions {
            let ConditionKind::TrailingRevenue(trailing) = &condition.kind else { continue };
            let groups: Vec<String> =
                trailing.product_groups.iter().map(|group| literal(group)).collect();
            rows.push(format!(
                "({}, {}, {}, {}, {}, {}, '{}', {}, [{}]::TEXT[], {})",
                literal(&program.program),
                literal(&condition.name),
                super::program_tables::days(&requirement.days),
                format(trailing.amount, MONEY_SCALE, 0),
                trailing.days,
                program.weekday.number_from_monday(),
                trailing.draws.name(),
                trailing.follow == Follow::Company,
                groups.join(", "),
                trailing.redecide == Redecide::Never,
            ));
        }
    }
    rows
}

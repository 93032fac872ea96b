//! The declared key of every table identifies its rows.

use super::{Check, How};
use crate::schema::{TABLES, Table};

pub const CHECKS: &[Check] = &[Check {
    name: "keys",
    description: "no two rows of a table have the same key",
    global: true,
    tables: &["run_inputs"],
    how: How::Made(keys),
}];

/// Keys are compared by hash first, which is quick; only equal hashes are looked at.
fn keys() -> String {
    let selects: Vec<String> = TABLES
        .iter()
        .filter(|table| !table.key.is_empty())
        .map(|table| duplicates(table))
        .chain([in_force_transactions()])
        .collect();
    selects.join(" UNION ALL ")
}

fn duplicates(table: &Table) -> String {
    let key = table.key.join("\", \"");
    let name = table.name;
    // Rows of one key that contradict each other within a delivery are staged, and none of them is in
    // force: see `in_force_transactions`.
    let may_conflict =
        name != "supersessions" && table.columns.iter().any(|column| column.name == "row_key");
    let but = if may_conflict {
        format!(
            "AND NOT EXISTS (
                SELECT 1 FROM supersessions
                WHERE kind = 'conflicting_versions' AND table_name = '{name}'
                    AND supersessions.delivery_id = {name}.delivery_id
                    AND supersessions.row_key = {name}.row_key
            )"
        )
    } else {
        String::new()
    };
    format!(
        "SELECT * FROM (
            SELECT concat('{name}: expected one row, found ', count(*), ' with key ',
                concat_ws(', ', \"{key}\"))
            FROM {name}
            WHERE (SELECT count(*) <> count(DISTINCT hash(\"{key}\")) FROM {name})
                {but}
            GROUP BY \"{key}\" HAVING count(*) > 1 LIMIT 5
        )"
    )
}

fn in_force_transactions() -> String {
    "SELECT * FROM (
        SELECT concat('transactions in force: expected one row, found ', count(*),
                ' of ', source, ' ', transaction_id)
        FROM transactions_in_force
        WHERE (
            SELECT count(*) <> count(DISTINCT hash(source, transaction_id)) FROM transactions_in_force
        )
        GROUP BY source, transaction_id HAVING count(*) > 1 LIMIT 5
    )"
    .to_owned()
}

//! The declared key of every table identifies its rows.

use super::{Check, How, SHOWN, faults as faults_of};
use crate::error::Result;
use crate::schema::{TABLES, Table};
use duckdb::Connection;

pub const CHECKS: &[Check] = &[Check {
    name: "keys",
    description: "no two rows of a table have the same key",
    global: true,
    tables: &["run_inputs"],
    how: How::Run(faults),
}];

/// Rows whose keys are held at a time: keys of more are compared part by part, so that the memory that this
/// takes doesn't grow with them.
const ROWS_AT_A_TIME: u64 = 16_000_000;

/// What identifies rows.
struct Key {
    /// The table, or its view of what is in force.
    rows: String,
    /// Columns, quoted, separated by commas.
    columns: String,
    /// Which rows are left out, as a WHERE.
    but: String,
    /// Its text of a fault, in SQL.
    fault: String,
}

/// The first rows of every table that have a key in common. Keys are compared by hash first, which is quick;
/// only equal hashes are looked at.
fn faults(connection: &Connection) -> Result<Vec<String>> {
    let keys: Vec<Key> = TABLES
        .iter()
        .filter(|table| !table.key.is_empty())
        .map(|table| Key::of(table))
        .chain([Key::of_transactions_in_force()])
        .collect();
    let mut found = Vec::new();
    for (key, rows) in keys.iter().zip(counted(connection, &keys)?) {
        let parts = rows.div_ceil(ROWS_AT_A_TIME);
        for part in 0..parts {
            if found.len() < SHOWN && key.repeats(connection, part, parts)? {
                found.extend(faults_of(connection, &key.repeated())?);
                break;
            }
        }
    }
    found.truncate(SHOWN);
    Ok(found)
}

/// How many rows there are of each.
fn counted(connection: &Connection, keys: &[Key]) -> Result<Vec<u64>> {
    let counts: Vec<String> =
        keys.iter().map(|key| format!("(SELECT count(*)::UBIGINT FROM {})", key.rows)).collect();
    let sql = format!("SELECT unnest([{}])", counts.join(", "));
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<duckdb::Result<_>>()?)
}

impl Key {
    fn of(table: &Table) -> Key {
        let name = table.name;
        let columns = format!("\"{}\"", table.key.join("\", \""));
        // Rows of one key that contradict each other within a delivery are staged, and none of them is in
        // force: see `of_transactions_in_force`.
        let may_conflict =
            name != "supersessions" && table.columns.iter().any(|column| column.name == "row_key");
        let but = if may_conflict {
            format!(
                "WHERE NOT EXISTS (
                    SELECT 1 FROM supersessions
                    WHERE kind = 'conflicting_versions' AND table_name = '{name}'
                        AND supersessions.delivery_id = {name}.delivery_id
                        AND supersessions.row_key = {name}.row_key
                )"
            )
        } else {
            String::new()
        };
        let fault = format!(
            "concat('{name}: expected one row, found ', count(*), ' with key ', concat_ws(', ', {columns}))"
        );
        Key { rows: name.to_owned(), columns, but, fault }
    }

    fn of_transactions_in_force() -> Key {
        Key {
            rows: "transactions_in_force".to_owned(),
            columns: "source, transaction_id".to_owned(),
            but: String::new(),
            fault:
                "concat('transactions in force: expected one row, found ', count(*), ' of ', source,
                ' ', transaction_id)"
                    .to_owned(),
        }
    }

    /// Whether two rows of a part of the keys have the same hash.
    fn repeats(&self, connection: &Connection, part: u64, parts: u64) -> Result<bool> {
        let Key { rows, columns, .. } = self;
        let sql = format!(
            "SELECT count(*) <> count(DISTINCT hash)
            FROM (SELECT hash({columns}) AS hash FROM {rows})
            WHERE hash % {parts} = {part}"
        );
        Ok(connection.query_row(&sql, [], |row| row.get(0))?)
    }

    /// A SELECT of the rows that have a key in common.
    fn repeated(&self) -> String {
        let Key { rows, columns, but, fault } = self;
        format!("SELECT {fault} FROM {rows} {but} GROUP BY {columns} HAVING count(*) > 1 LIMIT 5")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_comes_twice_is_found_in_one_part() {
        let connection = Connection::open_in_memory().expect("DuckDB opens");
        connection
            .execute_batch("CREATE TABLE lines AS SELECT range % 999 AS id FROM range(1000)")
            .expect("a table");
        let key = Key {
            rows: "lines".to_owned(),
            columns: "id".to_owned(),
            but: String::new(),
            fault: "concat('found ', count(*), ' of ', id)".to_owned(),
        };
        assert_eq!(counted(&connection, std::slice::from_ref(&key)).expect("counts"), [1000]);
        for parts in [1, 2, 7] {
            let repeats = |part| key.repeats(&connection, part, parts).expect("DuckDB compares");
            assert_eq!((0..parts).filter(|&part| repeats(part)).count(), 1, "{parts} parts");
        }
        let found = faults_of(&connection, &key.repeated()).expect("DuckDB looks");
        assert_eq!(found, ["found 2 of 0"]);
    }
}

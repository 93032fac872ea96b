//! The views, for a connection in memory and for the catalog file alike.

use super::settlements;
use crate::error::Result;
use crate::schema::{TABLES, Table};
use crate::warehouse::{DataFile, Snapshot, Store};
use duckdb::Connection;
use earnest_core::reason::{
    AdjustmentReason, CarryReason, ClaimReason, PostingReason, Reason, RejectReason, StatusReason,
};

/// Balances that the newest cycle of their program and earning type doesn't order.
const NOT_ORDERED: &str = "
    CREATE VIEW not_ordered AS
    SELECT balances.*
    FROM balances
    JOIN (
        SELECT program, earning_type, max(cycle) AS cycle,
            max(max(cycle)) OVER (PARTITION BY program) AS newest
        FROM balances
        GROUP BY program, earning_type
    ) AS newest_cycles USING (program, earning_type, cycle)
    WHERE reason IS NOT NULL AND (cycle = newest OR closing <> 0)";

/// Makes every view: first the tables, then what is in force.
///
/// # Errors
/// If a file of the snapshot can't be opened.
pub fn create(connection: &Connection, store: &Store, snapshot: &Snapshot) -> Result<()> {
    let mut statements = vec![
        format!(
            "CREATE VIEW snapshot AS SELECT {}::BIGINT AS snapshot, {} AS run_id, {} AS as_of",
            snapshot.snapshot,
            literal(&snapshot.run_id),
            day(snapshot),
        ),
        reasons(),
    ];
    statements.push(settlements::files(snapshot));
    for table in TABLES.iter().filter(|table| !settlements::is_view(table)) {
        let files: Vec<&DataFile> = snapshot.files(table.name).iter().collect();
        let (name, rows) = (quoted(table.name), rows_of(store, table, &files));
        statements.push(format!("CREATE VIEW {name} AS {rows}"));
    }
    statements.extend(settlements::views(store, snapshot));
    statements.push(NOT_ORDERED.to_owned());
    connection.execute_batch(&statements.join(";\n"))?;
    let replaced = replaced(connection, snapshot)?;
    let in_force = TABLES.iter().filter(|table| is_replaceable(table));
    let statements: Vec<String> =
        in_force.map(|table| in_force_view(store, snapshot, table, &replaced)).collect();
    Ok(connection.execute_batch(&statements.join(";\n"))?)
}

/// Says in comments what every view and column is. It takes as long as the views themselves, so only the
/// catalog, which is read without our documents, has them.
///
/// # Errors
/// If DuckDB refuses.
pub fn describe(connection: &Connection) -> Result<()> {
    let mut statements = vec![
        "COMMENT ON VIEW snapshot IS 'One row: the published state that the other views show'"
            .to_owned(),
        "COMMENT ON VIEW reasons IS 'Every reason code: one sentence and what to do; one row per \
         kind (`outcome`, `reject`, `carry`, `claim`, `status`, `posting`, `adjustment`) × code'"
            .to_owned(),
        "COMMENT ON VIEW not_ordered IS 'Balances that stand: those of the newest cycle of their \
         program and earning type that it doesn''t order, with the reason'"
            .to_owned(),
    ];
    for table in TABLES {
        statements.extend(comments(table));
        if is_replaceable(table) {
            let about = format!(
                "{}: rows known on or before the snapshot's as-of date that no later delivery \
                 replaced or withdrew",
                table.description
            );
            let comment = format!("COMMENT ON VIEW {}_in_force IS {}", table.name, literal(&about));
            statements.push(comment);
        }
    }
    Ok(connection.execute_batch(&statements.join(";\n"))?)
}

/// Table and delivery of everything that was replaced in part or whole.
fn replaced(connection: &Connection, snapshot: &Snapshot) -> Result<Vec<(String, String)>> {
    let sql = format!(
        "SELECT DISTINCT table_name, delivery_id FROM supersessions WHERE known_on <= {}",
        day(snapshot)
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<duckdb::Result<_>>()?)
}

/// True for staged tables whose rows a later delivery may replace.
#[must_use]
pub fn is_replaceable(table: &Table) -> bool {
    ["delivery_id", "slice_key", "row_key", "known_on", "record"]
        .iter()
        .all(|name| table.columns.iter().any(|column| column.name == *name))
}

/// A SELECT of all rows of some files of a table, with the table's types if there are none.
pub(super) fn rows_of(store: &Store, table: &Table, files: &[&DataFile]) -> String {
    let paths: Vec<String> =
        files.iter().map(|file| literal(&store.path(&file.path).display().to_string())).collect();
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            if paths.is_empty() {
                format!("NULL::{} AS {}", column.kind.sql(), quoted(column.name))
            } else {
                quoted(column.name)
            }
        })
        .collect();
    let columns = columns.join(", ");
    if paths.is_empty() {
        return format!("SELECT {columns} WHERE false");
    }
    let paths = paths.join(", ");
    if table.version == 1 {
        return format!("SELECT {columns} FROM read_parquet([{paths}], hive_partitioning = false)");
    }
    // Older files lack the columns that came later.
    format!(
        "SELECT {columns} FROM ({} UNION ALL BY NAME SELECT * FROM read_parquet([{paths}],
            hive_partitioning = false, union_by_name = true))",
        rows_of(store, table, &[])
    )
}

fn comments(table: &Table) -> Vec<String> {
    let about = format!("{}; {}", table.description, table.grain);
    let mut comments =
        vec![format!("COMMENT ON VIEW {} IS {}", quoted(table.name), literal(&about))];
    for column in table.columns {
        comments.push(format!(
            "COMMENT ON COLUMN {}.{} IS {}",
            quoted(table.name),
            quoted(column.name),
            literal(column.doc)
        ));
    }
    comments
}

/// Most deliveries are never replaced; only the files of those that are need the look-up. A file's
/// unit begins with its delivery's id.
fn in_force_view(
    store: &Store,
    snapshot: &Snapshot,
    table: &Table,
    replaced: &[(String, String)],
) -> String {
    let (name, day) = (table.name, day(snapshot));
    let touched = |file: &&DataFile| {
        let mut ours = replaced.iter().filter(|(table, _)| table == name);
        ours.any(|(_, delivery)| file.unit.starts_with(delivery.as_str()))
    };
    let (touched, whole): (Vec<&DataFile>, Vec<&DataFile>) =
        snapshot.files(name).iter().partition(touched);
    let whole = format!("{} AND known_on <= {day}", filtered(&rows_of(store, table, &whole)));
    if touched.is_empty() {
        return format!("CREATE VIEW {name}_in_force AS {whole}");
    }
    format!(
        "CREATE VIEW {name}_in_force AS {whole}
         UNION ALL
         SELECT staged.* FROM ({}) AS staged
         ANTI JOIN (
             SELECT DISTINCT delivery_id, slice_key FROM supersessions
             WHERE table_name = '{name}' AND known_on <= {day} AND row_key IS NULL
         ) AS slices
             ON staged.delivery_id = slices.delivery_id
             AND staged.slice_key IS NOT DISTINCT FROM slices.slice_key
         ANTI JOIN (
             SELECT DISTINCT delivery_id, row_key FROM supersessions
             WHERE table_name = '{name}' AND known_on <= {day} AND row_key IS NOT NULL
         ) AS keys
             ON staged.delivery_id = keys.delivery_id AND staged.row_key = keys.row_key
         WHERE staged.known_on <= {day}",
        rows_of(store, table, &touched),
    )
}

/// A SELECT that another condition can be added to.
fn filtered(select: &str) -> String {
    if select.ends_with("WHERE false") { select.to_owned() } else { format!("{select} WHERE true") }
}

fn reasons() -> String {
    let row = |kind: &str, place: usize, code: &str, sentence: &str, remedy: &str| {
        let texts = [kind, code, sentence, remedy].map(literal);
        format!("({}, {place}, {}, {}, {})", texts[0], texts[1], texts[2], texts[3])
    };
    let mut rows: Vec<String> = Reason::ALL
        .iter()
        .enumerate()
        .map(|(place, reason)| {
            row("outcome", place + 1, reason.code(), reason.sentence(), reason.remedy())
        })
        .collect();
    rows.extend(RejectReason::ALL.iter().enumerate().map(|(place, reason)| {
        row("reject", place + 1, reason.code(), reason.sentence(), reason.remedy())
    }));
    rows.extend(CarryReason::ALL.iter().enumerate().map(|(place, reason)| {
        row("carry", place + 1, reason.code(), reason.sentence(), reason.remedy())
    }));
    rows.extend(ClaimReason::ALL.iter().enumerate().map(|(place, reason)| {
        row("claim", place + 1, reason.code(), reason.sentence(), reason.remedy())
    }));
    rows.extend(StatusReason::ALL.iter().enumerate().map(|(place, reason)| {
        row("status", place + 1, reason.code(), reason.sentence(), reason.remedy())
    }));
    rows.extend(PostingReason::ALL.iter().enumerate().map(|(place, reason)| {
        row("posting", place + 1, reason.code(), reason.sentence(), reason.remedy())
    }));
    rows.extend(AdjustmentReason::ALL.iter().enumerate().map(|(place, reason)| {
        row("adjustment", place + 1, reason.code(), reason.sentence(), reason.remedy())
    }));
    format!(
        "CREATE VIEW reasons AS SELECT * FROM (VALUES {}) \
         AS reasons (kind, precedence, code, sentence, remedy)",
        rows.join(", ")
    )
}

fn day(snapshot: &Snapshot) -> String {
    format!("DATE {}", literal(&snapshot.as_of))
}

/// A text as SQL writes it.
#[must_use]
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::MEMBERSHIPS;

    #[test]
    fn columns_that_an_older_file_lacks_are_null() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().display().to_string(), None).expect("a store");
        let connection = Connection::open_in_memory().expect("DuckDB");
        let later = "first_transaction_on";
        let old: Vec<String> = MEMBERSHIPS
            .columns
            .iter()
            .filter(|column| column.name != later)
            .map(|column| format!("NULL::{} AS {}", column.kind.sql(), quoted(column.name)))
            .collect();
        let new = format!("{}, DATE '2020-11-05' AS {later}", old.join(", "));
        for (file, columns) in [("old", old.join(", ")), ("new", new)] {
            let path = store.path(&format!("{file}.parquet"));
            let copy = format!("COPY (SELECT {columns}) TO {}", literal(&path.to_string_lossy()));
            connection.execute_batch(&copy).expect("written");
        }
        let file = |name: &str| DataFile {
            path: format!("{name}.parquet"),
            partition: String::new(),
            unit: String::new(),
            rows: 1,
            bytes: 0,
            sha256: String::new(),
            digest: String::new(),
        };
        for (files, expected) in
            [(vec!["old"], 0), (vec!["old", "new"], 1), (vec!["new", "old"], 1)]
        {
            let files: Vec<DataFile> = files.into_iter().map(file).collect();
            let files: Vec<&DataFile> = files.iter().collect();
            let rows = rows_of(&store, &MEMBERSHIPS, &files);
            let sql = format!("SELECT count(*), count({later}) FROM ({rows})");
            let found: (i64, i64) = connection
                .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
                .expect("a count");
            assert_eq!(found, (files.len().cast_signed() as i64, expected));
        }
    }
}

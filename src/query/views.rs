//! The statements that make the views, for a connection in memory and for the catalog file alike.

use crate::schema::{TABLES, Table};
use crate::warehouse::{Snapshot, Store};
use earnest_core::reason::{CarryReason, Reason, RejectReason};

/// One statement per view and comment, in the order of [`TABLES`].
#[must_use]
pub fn statements(store: &Store, snapshot: &Snapshot) -> Vec<String> {
    let mut statements = vec![
        format!(
            "CREATE VIEW snapshot AS SELECT {}::BIGINT AS snapshot, {} AS run_id, {} AS as_of",
            snapshot.snapshot,
            literal(&snapshot.run_id),
            day(snapshot),
        ),
        "COMMENT ON VIEW snapshot IS 'One row: the published state that the other views show'"
            .to_owned(),
    ];
    statements.push(reasons());
    statements.push(
        "COMMENT ON VIEW reasons IS 'Every reason code: one sentence and what to do; one row per kind \
         (`outcome`, `reject`, `carry`) × code'"
            .to_owned(),
    );
    for table in TABLES {
        statements.push(view(store, snapshot, table));
        statements.extend(comments(table));
    }
    for table in TABLES.iter().filter(|table| is_replaceable(table)) {
        statements.push(in_force(snapshot, table));
        statements.push(format!(
            "COMMENT ON VIEW {}_in_force IS {}",
            table.name,
            literal(&format!(
                "{}: rows known on or before the snapshot's as-of date that no later delivery \
                 replaced or withdrew",
                table.description
            ))
        ));
    }
    statements
}

/// True for staged tables whose rows a later delivery may replace.
#[must_use]
pub fn is_replaceable(table: &Table) -> bool {
    ["delivery_id", "slice_key", "row_key", "known_on", "record"]
        .iter()
        .all(|name| table.columns.iter().any(|column| column.name == *name))
}

fn view(store: &Store, snapshot: &Snapshot, table: &Table) -> String {
    let paths: Vec<String> = snapshot
        .paths(store, table.name)
        .iter()
        .map(|path| literal(&path.display().to_string()))
        .collect();
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
    let from = if paths.is_empty() {
        "WHERE false".to_owned()
    } else {
        format!("FROM read_parquet([{}], hive_partitioning = false)", paths.join(", "))
    };
    format!("CREATE VIEW {} AS SELECT {} {from}", quoted(table.name), columns.join(", "))
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

fn in_force(snapshot: &Snapshot, table: &Table) -> String {
    let (name, day) = (table.name, day(snapshot));
    format!(
        "CREATE VIEW {name}_in_force AS
         WITH replaced AS (
             SELECT DISTINCT delivery_id, slice_key, row_key FROM supersessions
             WHERE table_name = {} AND known_on <= {day}
         )
         SELECT staged.* FROM {} AS staged
         ANTI JOIN (SELECT * FROM replaced WHERE row_key IS NULL) AS slices
             ON staged.delivery_id = slices.delivery_id
             AND staged.slice_key IS NOT DISTINCT FROM slices.slice_key
         ANTI JOIN (SELECT * FROM replaced WHERE row_key IS NOT NULL) AS keys
             ON staged.delivery_id = keys.delivery_id AND staged.row_key = keys.row_key
         WHERE staged.known_on <= {day}",
        literal(name),
        quoted(name),
    )
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

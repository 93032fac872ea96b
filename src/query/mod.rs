//! DuckDB over a snapshot. In: a warehouse and one of its snapshots. Out: a connection in which every
//! table is a view by its name, and the rows that count are `<table>_in_force`. Nothing outside the
//! warehouse can be read through it.

mod catalog;
mod format;
mod select;
mod settlements;
mod views;

pub use catalog::{CATALOG, catalog};
pub use format::{Format, render};
pub use select::{Rows, select, select_of_user, text_rows};
pub use views::{is_replaceable, literal};

use crate::error::{Error, Result};
use crate::job::Limits;
use crate::warehouse::{Snapshot, Store};
use duckdb::Connection;

/// An in-memory database with one view per table over the snapshot's files, locked: no other files,
/// no other settings.
///
/// # Errors
/// If a file of the snapshot can't be opened.
pub fn connect(store: &Store, snapshot: &Snapshot, limits: &Limits) -> Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(&settings(store, limits))?;
    views::create(&connection, store, snapshot).map_err(|error| {
        Error::broken(format!("snapshot {}: {error}", snapshot.snapshot))
            .hint("`earnest check --deep` compares every file with the snapshot")
    })?;
    connection.execute_batch(TIER_TEXT)?;
    connection.execute_batch(&lock(store))?;
    Ok(connection)
}

/// How an earning came about, in words, from its `tier_detail`: a line's, or a measure's.
const TIER_TEXT: &str = "
    CREATE OR REPLACE MACRO tier_text(detail) AS CASE
    WHEN detail IS NULL THEN NULL
    WHEN json_extract_string(detail, '$.window[0]') IS NULL THEN concat_ws(', ',
        'fixed amount ' || json_extract_string(detail, '$.amount'),
        'on ' || json_extract_string(detail, '$.left') || ' that levers before left',
        'on ' || json_extract_string(detail, '$.earned') || ' that the lever before earned',
        json_extract_string(detail, '$.payee_share') || ' of it is this payee''s')
    ELSE concat(
        json_extract_string(detail, '$.window[0]'), ' to ',
        json_extract_string(detail, '$.window[1]'), ' measures ',
        json_extract_string(detail, '$.measured'),
        ', baseline ' || json_extract_string(detail, '$.baseline'),
        ', days before ' || json_extract_string(detail, '$.trailing'),
        ', of company ' || json_extract_string(detail, '$.company'),
        ', takes back by the rules of ' || json_extract_string(detail, '$.refunded'), ': ',
        coalesce((SELECT string_agg(concat(
                'tier ', json_extract_string(tier, '$.tier'), ' ', json_extract_string(tier, '$.of'),
                ' × ' || coalesce(json_extract_string(tier, '$.rate'),
                    json_extract_string(tier, '$.price')),
                ' per ' || json_extract_string(tier, '$.per'),
                ' of ' || json_extract_string(tier, '$.whole'),
                ' + ' || json_extract_string(tier, '$.flat'),
                ' = ', json_extract_string(tier, '$.amount')), '; ')
            FROM (SELECT unnest(json_extract(detail, '$.tiers')::JSON[]) AS tier)),
            'no tier reached'),
        ', topped up by ' || json_extract_string(detail, '$.topped_up'),
        ' → ', json_extract_string(detail, '$.window_amount'),
        CASE WHEN json_extract_string(detail, '$.booked_before')::DECIMAL(18, 3) <> 0
            THEN concat(', less ', json_extract_string(detail, '$.booked_before'), ' before')
            ELSE '' END
    ) END";

/// What DuckDB 1.5.6 takes for the same in both arms of a union isn't always: one arm then has the other's
/// columns, without an error.
const WRONG: &str = "common_subplan";

fn settings(store: &Store, limits: &Limits) -> String {
    let scratch = store.root().join("scratch").join(format!("duckdb-{}", std::process::id()));
    let mut settings = format!(
        "SET memory_limit = '{}B'; SET temp_directory = {};
         SET TimeZone = 'UTC'; SET parquet_metadata_cache = true;
         SET autoinstall_known_extensions = false; SET autoload_known_extensions = false;
         SET disabled_optimizers = '{WRONG}';",
        // The rest is for what DuckDB doesn't count, and for what the run itself holds meanwhile.
        limits.memory_bytes / 2,
        views::literal(&scratch.display().to_string()),
    );
    if limits.threads > 0 {
        settings.push_str(&format!(" SET threads = {};", limits.threads));
    }
    settings
}

fn lock(store: &Store) -> String {
    let root = format!("{}/", store.root().display());
    format!(
        "SET allowed_directories = [{}]; SET enable_external_access = false; \
         SET lock_configuration = true;",
        views::literal(&root)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_arms_of_a_union_have_their_own_columns() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().display().to_string(), None).expect("a store");
        let connection = Connection::open_in_memory().expect("DuckDB");
        connection.execute_batch(&settings(&store, &Limits::default())).expect("settings");
        let tables = "CREATE TABLE numbers AS SELECT i AS id, i AS number FROM range(6) t(i);
            CREATE TABLE pairs AS SELECT x.id AS a, y.id AS b
            FROM numbers x JOIN numbers y ON x.number < y.number";
        connection.execute_batch(tables).expect("tables");
        // The numbers of the first of each pair, 20 in all, and of the second, 55.
        let arm = |column: &str| {
            format!(
                "SELECT a, b, x.id, {column}.number AS number FROM pairs
                 JOIN numbers x ON x.id = a JOIN numbers y ON y.id = b WHERE x.number < y.number"
            )
        };
        let union = format!("{} UNION ALL {}", arm("x"), arm("y"));
        let sum = format!("SELECT sum(number)::INTEGER FROM ({union})");
        let sum: i32 = connection.query_row(&sum, [], |row| row.get(0)).expect("a sum");
        assert_eq!(sum, 75);
    }
}

//! `earnest status`: last runs, how fresh each source is, which cycles are open.

use super::{Done, Global, Reader, output};
use crate::error::{Error, Result};
use crate::query::text_rows;
use crate::warehouse::Snapshot;
use duckdb::Connection;
use serde_json::{Value, json};

/// Show the last runs, how fresh each source is, open and closed cycles, and whether `current.json` is behind
///
/// Exit 1 if `current.json` is behind the newest snapshot; the next run repairs it.
#[derive(clap::Args)]
pub struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

const RUNS: &str = "
    SELECT runs.snapshot::VARCHAR, runs.as_of::VARCHAR,
        strftime(started_at, '%Y-%m-%dT%H:%M:%SZ'), exit_code::VARCHAR, rows_read::VARCHAR,
        rows_staged::VARCHAR, rows_rejected::VARCHAR, rows_duplicate::VARCHAR, attention
    FROM runs ORDER BY runs.snapshot DESC LIMIT 10";
const RUN_COLUMNS: &[&str] = &[
    "snapshot",
    "as_of",
    "started_at",
    "exit_code",
    "read",
    "staged",
    "rejected",
    "duplicate",
    "attention",
];

const SOURCES: &str = "
    WITH files AS (
        SELECT DISTINCT source, delivery_id, source_file, file_digest, known_on, rows_staged
        FROM run_inputs, snapshot WHERE state = 'staged' AND known_on <= as_of
    ),
    gaps AS (
        SELECT source, max(gap) AS longest FROM (
            SELECT source, known_on - lag(known_on) OVER (PARTITION BY source ORDER BY known_on)
                AS gap
            FROM (SELECT DISTINCT source, known_on FROM files)
        ) GROUP BY source
    )
    SELECT source, count(DISTINCT delivery_id)::VARCHAR, count(*)::VARCHAR,
        sum(rows_staged)::VARCHAR, max(known_on)::VARCHAR,
        (any_value(as_of) - max(known_on))::VARCHAR, any_value(longest)::VARCHAR
    FROM files LEFT JOIN gaps USING (source) CROSS JOIN snapshot GROUP BY source ORDER BY source";
const SOURCE_COLUMNS: &[&str] = &[
    "source",
    "deliveries",
    "files",
    "rows",
    "last_known_on",
    "days_since_last",
    "longest_gap_days",
];

const CYCLES: &str = "
    SELECT cycle, state, closed_on::VARCHAR, orders::VARCHAR, os_user,
        strftime(done_at, '%Y-%m-%dT%H:%M:%SZ'), orders_digest
    FROM (
        FROM closed_cycles
        UNION ALL BY NAME
        SELECT cycle, 'open' AS state, count(payment_id) AS orders
        FROM (SELECT DISTINCT cycle FROM balances) LEFT JOIN (
            FROM payments WHERE order_kind = 'cycle') AS payments USING (cycle)
        WHERE cycle NOT IN (SELECT cycle FROM closed_cycles) GROUP BY cycle
    ) ORDER BY cycle DESC LIMIT 12";
const CYCLE_COLUMNS: &[&str] = &["cycle", "state", "closed_on", "orders", "by", "at", "digest"];

const ATTENTION: &str = "
    SELECT attention FROM runs WHERE attention <> '' ORDER BY snapshot DESC LIMIT 1";

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

pub fn execute(global: &Global, args: &Args) -> Result<Done> {
    let reader = global.reader()?;
    let (connection, snapshot) = reader.connect(None)?;
    let behind = behind(&reader, &snapshot)?;
    if args.json {
        let status = json!({
            "warehouse": reader.store.root(),
            "snapshot": snapshot.snapshot,
            "as_of": snapshot.as_of,
            "current_json_behind": behind,
            "runs": objects(&connection, RUNS, RUN_COLUMNS)?,
            "sources": objects(&connection, SOURCES, SOURCE_COLUMNS)?,
            "cycles": objects(&connection, CYCLES, CYCLE_COLUMNS)?,
        });
        output::line(&format!("{status:#}"));
    } else {
        output::line(&format!(
            "{}: snapshot {}, as of {}",
            reader.store.root().display(),
            snapshot.snapshot,
            snapshot.as_of
        ));
        // What needed attention is told below, it doesn't fit a column.
        print_table(&connection, "Runs", RUNS, &RUN_COLUMNS[..RUN_COLUMNS.len() - 1])?;
        for row in text_rows(&connection, ATTENTION, &[])? {
            for line in row.into_iter().flatten().flat_map(|text| lines(&text)) {
                output::line(&format!("  needs attention: {line}"));
            }
        }
        print_table(&connection, "Sources", SOURCES, SOURCE_COLUMNS)?;
        print_table(&connection, "Cycles", CYCLES, CYCLE_COLUMNS)?;
    }
    if behind {
        tracing::warn!(
            "`current.json` is behind snapshot {}; the next run repairs it",
            snapshot.snapshot
        );
        return Ok(Done::Attention);
    }
    Ok(Done::Well)
}

/// True if readers that go by `current.json` don't see the newest snapshot.
fn behind(reader: &Reader, snapshot: &Snapshot) -> Result<bool> {
    let Some(bytes) = reader.store.get("current.json")? else { return Ok(true) };
    let place = reader.store.path("current.json").display().to_string();
    let current: Value = serde_json::from_slice(&bytes).map_err(|error| {
        Error::broken(format!("{place}: expected a snapshot, found damaged JSON ({error})"))
            .hint("`earnest run` repairs it")
    })?;
    Ok(current["snapshot"].as_u64() != Some(snapshot.snapshot))
}

fn objects(connection: &Connection, sql: &str, names: &[&str]) -> Result<Value> {
    let rows = text_rows(connection, sql, &[])?;
    let object = |row: Vec<Option<String>>| -> Value {
        names.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), json!(cell))).collect()
    };
    Ok(rows.into_iter().map(object).collect())
}

fn print_table(connection: &Connection, title: &str, sql: &str, names: &[&str]) -> Result<()> {
    let mut rows = vec![names.iter().map(|name| name.replace('_', " ")).collect::<Vec<_>>()];
    for row in text_rows(connection, sql, &[])? {
        let shown = row.into_iter().take(names.len());
        rows.push(shown.map(Option::unwrap_or_default).collect());
    }
    let numeric = |column: usize| {
        rows.iter().skip(1).all(|row| row[column].bytes().all(|byte| byte.is_ascii_digit()))
    };
    let right: Vec<bool> = (0..names.len()).map(numeric).collect();
    output::line(&format!("\n{title}"));
    output::data(output::columns(&rows, &right, 2).as_bytes());
    Ok(())
}

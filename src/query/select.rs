//! Runs one SELECT. What a user typed is parsed first: anything else, or more than one, is refused.

use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use duckdb::Connection;

/// The result of a SELECT.
pub struct Rows {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
}

impl Rows {
    #[must_use]
    pub fn count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// Runs a SELECT of ours.
///
/// # Errors
/// If DuckDB refuses it.
pub fn select(connection: &Connection, sql: &str) -> Result<Rows> {
    let mut statement = connection.prepare(sql)?;
    let result = statement.query_arrow([])?;
    let schema = result.get_schema();
    Ok(Rows { schema, batches: result.collect() })
}

/// Runs a SELECT that a user typed.
///
/// # Errors
/// If it isn't exactly one SELECT, or DuckDB refuses it.
pub fn select_of_user(connection: &Connection, sql: &str) -> Result<Rows> {
    let parsed: String =
        connection.query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| row.get(0))?;
    let parsed: serde_json::Value =
        serde_json::from_str(&parsed).map_err(|error| Error::broken(format!("query: {error}")))?;
    if parsed["error"].as_bool() == Some(true) {
        let message = parsed["error_message"].as_str().unwrap_or("it can't be parsed");
        if parsed["error_type"].as_str() == Some("not implemented") {
            return Err(Error::usage("query: expected a SELECT, found another statement")
                .hint("tables are read-only; `SHOW TABLES` and `DESCRIBE <table>` work too"));
        }
        return Err(Error::usage(format!("query: expected SQL, found {message}")));
    }
    let statements = parsed["statements"].as_array().map_or(0, Vec::len);
    if statements != 1 {
        return Err(Error::usage(format!("query: expected one statement, found {statements}"))
            .hint("run `earnest query` once per statement"));
    }
    select_one(connection, sql).map_err(|error| {
        let text = first_lines(&error);
        let kind = text.split(" Error:").next().unwrap_or_default();
        let error = match kind {
            "IO" | "Out of Memory" | "INTERNAL" | "FATAL" => {
                Error::broken(format!("query: {text}"))
            }
            _ => Error::usage(format!("query: {text}")),
        };
        match kind {
            "Permission" => error.hint("only the warehouse's own tables can be read"),
            "Catalog" => error.hint("`SHOW TABLES` lists the tables"),
            "Binder" => error.hint("`DESCRIBE <table>` lists a table's columns"),
            _ => error,
        }
    })
}

fn select_one(connection: &Connection, sql: &str) -> Result<Rows, duckdb::Error> {
    let mut statement = connection.prepare(sql)?;
    let result = statement.query_arrow([])?;
    let schema = result.get_schema();
    Ok(Rows { schema, batches: result.collect() })
}

/// DuckDB's message without the echo of the statement.
fn first_lines(error: &duckdb::Error) -> String {
    let text = match error {
        duckdb::Error::DuckDBFailure(_, Some(text)) => text.clone(),
        other => other.to_string(),
    };
    let text = text.split("\n\nLINE ").next().unwrap_or_default().trim_end().to_owned();
    text.trim_end_matches('.').to_owned()
}

/// Runs a SELECT of ours whose columns are all text, as rows of optional texts.
///
/// # Errors
/// If DuckDB refuses it.
pub fn text_rows(
    connection: &Connection,
    sql: &str,
    parameters: &[&str],
) -> Result<Vec<Vec<Option<String>>>> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(duckdb::params_from_iter(parameters))?;
    let mut texts = Vec::new();
    while let Some(row) = rows.next()? {
        let columns = row.as_ref().column_count();
        texts.push((0..columns).map(|column| row.get(column)).collect::<Result<_, _>>()?);
    }
    Ok(texts)
}

//! `earnest query`: SQL over the published tables.

use super::{Done, Global, output};
use crate::error::{Error, Result};
use crate::query::{Format, render, select_of_user};
use std::path::PathBuf;

/// Ask the published tables in SQL (DuckDB), read-only
///
/// Every table is a view by its name; `<table>_in_force` has the staged rows that count as of the
/// snapshot; `SHOW TABLES` lists them, `DESCRIBE earnings` shows a table's columns.
#[derive(clap::Args)]
pub struct Args {
    /// One SELECT
    sql: String,
    /// How the rows are written
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    /// Write to a file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The snapshot to read [default: the newest]
    #[arg(long, value_name = "SNAPSHOT")]
    at: Option<u64>,
}

pub fn execute(global: &Global, args: &Args) -> Result<Done> {
    if args.output == Format::Parquet && args.out.is_none() {
        return Err(Error::usage("query: expected `--out FILE` with `-o parquet`, found none"));
    }
    let (connection, _) = global.reader()?.connect(args.at)?;
    let rows = select_of_user(&connection, &args.sql)?;
    let bytes = render(&rows, args.output, &[])?;
    match &args.out {
        None => output::data(&bytes),
        Some(path) => {
            std::fs::write(path, &bytes).map_err(|error| Error::io(path, &error))?;
            tracing::info!("{} rows written to {}", rows.count(), path.display());
        }
    }
    Ok(Done::Well)
}

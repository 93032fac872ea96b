//! `earnest catalog`: a DuckDB file over the warehouse.

use super::{Done, Global, output};
use crate::error::Result;
use crate::query::{CATALOG, catalog};

/// Write `warehouse.duckdb` into the warehouse: every table as a view, for any DuckDB client
///
/// The paths in it are absolute: run it again after the warehouse was moved, and after a run.
#[derive(clap::Args)]
pub struct Args {
    /// The snapshot to show [default: the newest]
    #[arg(long, value_name = "SNAPSHOT")]
    at: Option<u64>,
}

pub fn execute(global: &Global, args: &Args) -> Result<Done> {
    let reader = global.reader()?;
    let snapshot = reader.snapshot(args.at)?;
    catalog(&reader.store, &snapshot)?;
    output::line(&reader.store.path(CATALOG).display().to_string());
    Ok(Done::Well)
}

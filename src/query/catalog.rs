//! `warehouse.duckdb`: the same views in a file, with absolute paths, for any DuckDB client.

use super::views;
use crate::error::{Error, Result};
use crate::warehouse::{Snapshot, Store};
use duckdb::Connection;

/// The file's name below the warehouse's root.
pub const CATALOG: &str = "warehouse.duckdb";

/// Writes the file anew and moves it in place by rename.
///
/// # Errors
/// If the disk refuses.
pub fn catalog(store: &Store, snapshot: &Snapshot) -> Result<()> {
    let scratch = store.scratch()?;
    let connection = Connection::open(&scratch)?;
    views::create(&connection, store, snapshot)?;
    views::describe(&connection)?;
    connection.execute_batch("CHECKPOINT")?;
    connection.close().map_err(|(_, error)| Error::from(error))?;
    let bytes = std::fs::read(&scratch).map_err(|error| Error::io(&scratch, &error))?;
    store.discard(&scratch)?;
    store.replace(CATALOG, &bytes)
}

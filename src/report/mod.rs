//! Summary reports. In: a connection over a snapshot and a folder of SQL files, one SELECT each. Out:
//! `reports/<snapshot>/<name>.{parquet,csv,json}`, in the order that the SELECT declares.

use crate::error::{Error, Result};
use crate::query::{Format, render, select};
use crate::warehouse::Store;
use duckdb::Connection;
use std::path::{Path, PathBuf};

/// Builds every report of the folder and returns the objects it wrote.
///
/// # Errors
/// If a file can't be read, isn't a report, or the disk refuses.
pub fn build(
    connection: &Connection,
    store: &Store,
    number: u64,
    sql_dir: &Path,
) -> Result<Vec<String>> {
    let mut objects = Vec::new();
    for path in sql_files(sql_dir)? {
        let report = Report::read(&path)?;
        let rows = select(connection, &report.sql)
            .map_err(|error| Error::usage(format!("{}: {error}", path.display())))?;
        for (format, ending) in
            [(Format::Parquet, "parquet"), (Format::Csv, "csv"), (Format::Json, "json")]
        {
            let metadata = [("description", report.title.as_str()), ("grain", &report.grain)];
            let bytes = render(&rows, format, &metadata)?;
            let object = format!("reports/{number:08}/{}.{ending}", report.name);
            put(store, &object, &bytes)?;
            objects.push(object);
        }
    }
    Ok(objects)
}

/// One report file: a header of two comments, title and grain, then the SELECT.
struct Report {
    name: String,
    title: String,
    grain: String,
    sql: String,
}

impl Report {
    fn read(path: &Path) -> Result<Report> {
        let sql = std::fs::read_to_string(path).map_err(|error| Error::io(path, &error))?;
        let mut comments = sql.lines().map_while(|line| line.strip_prefix("-- "));
        let (Some(title), Some(grain)) = (comments.next(), comments.next()) else {
            let message = "expected two comment lines, title and grain, found none";
            return Err(Error::usage(format!("{}:1: {message}", path.display()))
                .hint("begin the file with `-- <title>` and `-- one row per <grain>`"));
        };
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Report { name, title: title.to_owned(), grain: grain.to_owned(), sql })
    }
}

/// The SQL files of a folder, sorted by name.
///
/// # Errors
/// If the folder can't be listed.
pub fn sql_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::io(folder, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Error::io(folder, &error))?.path();
        if path.extension().is_some_and(|ending| ending == "sql") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// A run that died may have left a report of the same number; no snapshot names it, so it gives way.
fn put(store: &Store, object: &str, bytes: &[u8]) -> Result<()> {
    if store.create(object, bytes)? || store.get(object)?.as_deref() == Some(bytes) {
        return Ok(());
    }
    store.replace(object, bytes)
}

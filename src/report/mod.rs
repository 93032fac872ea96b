//! Summary reports. In: a connection over a snapshot and a folder of SQL files, one SELECT each. Out:
//! `reports/<snapshot>/<name>.{parquet,csv,json}`, in the order that the SELECT declares; of one period,
//! `reports/<snapshot>/<period>/…`.

use crate::error::{Error, Result};
use crate::query::{Format, Rows, render, select};
use crate::warehouse::Store;
use arrow::array::StringArray;
use arrow::compute::filter_record_batch;
use arrow::compute::kernels::cmp::eq;
use duckdb::Connection;
use earnest_core::calendar::Period;
use std::path::{Path, PathBuf};

/// Builds every report of the folder, or the rows of one period of those that have some, and returns the
/// objects it wrote.
///
/// # Errors
/// If a file can't be read, isn't a report, the disk refuses, or no report has a row of the period.
pub fn build(
    connection: &Connection,
    store: &Store,
    (number, period): (u64, Option<Period>),
    sql_dir: &Path,
) -> Result<Vec<String>> {
    let mut objects = Vec::new();
    let mut folder = format!("reports/{number:08}");
    if let Some(period) = period {
        folder.push_str(&format!("/{period}"));
    }
    for path in sql_files(sql_dir)? {
        let report = Report::read(&path)?;
        let mut rows = select(connection, &report.sql)
            .map_err(|error| Error::usage(format!("{}: {error}", path.display())))?;
        if let Some(period) = period {
            rows = of_period(rows, period)?;
            if rows.count() == 0 {
                continue;
            }
        }
        for (format, ending) in
            [(Format::Parquet, "parquet"), (Format::Csv, "csv"), (Format::Json, "json")]
        {
            let metadata = [("description", report.title.as_str()), ("grain", &report.grain)];
            let bytes = render(&rows, format, &metadata)?;
            let object = format!("{folder}/{}.{ending}", report.name);
            put(store, &object, &bytes)?;
            objects.push(object);
        }
    }
    match period {
        Some(period) if objects.is_empty() => Err(Error::usage(format!(
            "report: expected a period of which some report has rows, found {period}"
        ))
        .hint("`earnest query \"select distinct period from earnings order by 1\"` lists periods")),
        _ => Ok(objects),
    }
}

/// The rows of a period; none of a report that has neither periods nor months.
fn of_period(rows: Rows, period: Period) -> Result<Rows> {
    let Rows { schema, batches } = rows;
    let column = ["period", "month"].iter().find_map(|name| schema.index_of(name).ok());
    let wanted = StringArray::new_scalar(period.to_string());
    let batches = column.map(|column| {
        let of = |batch| Ok(filter_record_batch(&batch, &eq(batch.column(column), &wanted)?)?);
        batches.into_iter().map(of).collect::<Result<_>>()
    });
    Ok(Rows { schema, batches: batches.transpose()?.unwrap_or_default() })
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

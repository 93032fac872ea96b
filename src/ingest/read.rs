//! Reading what earlier runs staged. In: a Parquet file of a declared table. Out: its batches, columns
//! in declared order and of declared types; columns that an older file lacks are null.

use crate::error::{Error, Result};
use crate::schema::Table;
use arrow::array::PrimitiveArray;
use arrow::array::{Array, AsArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{Date32Type, Schema};
use chrono::NaiveDate;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// All rows of a file.
///
/// # Errors
/// If it can't be read.
pub fn read_file(path: &Path, table: &Table) -> Result<Vec<RecordBatch>> {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let mut batches = Vec::new();
    read_columns(path, table, &names, |batch| {
        batches.push(batch.clone());
        Ok(())
    })?;
    Ok(batches)
}

/// Some columns of a file, in declared order, batch by batch.
///
/// # Errors
/// If it can't be read.
pub fn read_columns(
    path: &Path,
    table: &Table,
    names: &[&str],
    mut each: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    let builder = open(path)?.with_batch_size(65_536);
    let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
    let schema = Arc::new(nullable(table, names));
    for batch in builder.with_projection(mask).build()? {
        let batch = batch?;
        let wanted = table.columns.iter().filter(|column| names.contains(&column.name));
        let columns = wanted
            .map(|column| match batch.column_by_name(column.name) {
                Some(array) => Ok(cast(array, &column.kind.data_type())?),
                None => Ok(new_null_array(&column.kind.data_type(), batch.num_rows())),
            })
            .collect::<Result<Vec<_>>>()?;
        each(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
    }
    Ok(())
}

/// Some text columns of a file, batch by batch.
pub(super) fn read_texts(
    path: &Path,
    names: &[&str],
    mut each: impl FnMut(&[&StringArray]) -> Result<()>,
) -> Result<()> {
    let builder = open(path)?.with_batch_size(65_536);
    let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
    for batch in builder.with_projection(mask).build()? {
        let batch = batch?;
        let arrays: Vec<&StringArray> = names
            .iter()
            .filter_map(|name| batch.column_by_name(name))
            .map(|array| array.as_string())
            .collect();
        each(&arrays)?;
    }
    Ok(())
}

/// A reader whose errors name the file.
pub(super) fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(path).map_err(|error| Error::io(path, &error))?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| {
        Error::broken(format!("{}: expected a Parquet file, found {error}", path.display()))
    })
}

/// The schema of some columns, all nullable, for files older than a column.
fn nullable(table: &Table, names: &[&str]) -> Schema {
    let declared = table.arrow();
    let wanted = declared.fields().iter().filter(|field| names.contains(&field.name().as_str()));
    Schema::new(wanted.map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>())
}

/// A text column of a batch that was read by [`read_file`].
pub(super) fn texts(batch: &RecordBatch, position: usize) -> &StringArray {
    batch.column(position).as_string()
}

/// A day of a date column; `None` is null.
pub(super) fn known_on_of(days: &PrimitiveArray<Date32Type>, row: usize) -> Option<NaiveDate> {
    if days.is_null(row) { None } else { days.value_as_date(row) }
}

//! Reading what earlier runs staged. In: a Parquet file of a declared table. Out: its batches, columns
//! in declared order and of declared types; columns that an older file lacks are null.

use crate::error::{Error, Result};
use crate::schema::Table;
use arrow::array::PrimitiveArray;
use arrow::array::{Array, AsArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{Date32Type, Field, Schema};
use chrono::NaiveDate;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// All rows of a file.
pub(super) fn read_file(path: &Path, table: &Table) -> Result<Vec<RecordBatch>> {
    let reader = open(path)?.with_batch_size(65_536).build()?;
    let schema = nullable(table);
    reader
        .map(|batch| {
            let batch = batch?;
            let columns = table
                .columns
                .iter()
                .map(|column| match batch.column_by_name(column.name) {
                    Some(array) => Ok(cast(array, &column.kind.data_type())?),
                    None => Ok(new_null_array(&column.kind.data_type(), batch.num_rows())),
                })
                .collect::<Result<Vec<_>>>()?;
            Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
        })
        .collect()
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

/// The schema with every column nullable, for files older than a column.
fn nullable(table: &Table) -> Arc<Schema> {
    let fields: Vec<Field> = table
        .arrow()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// A text column of a batch that was read by [`read_file`].
pub(super) fn texts(batch: &RecordBatch, position: usize) -> &StringArray {
    batch.column(position).as_string()
}

/// A day of a date column; `None` is null.
pub(super) fn known_on_of(days: &PrimitiveArray<Date32Type>, row: usize) -> Option<NaiveDate> {
    if days.is_null(row) { None } else { days.value_as_date(row) }
}

//! Rows as people and programs read them: table, CSV, JSON, Parquet. Decimals are exact in all four;
//! in JSON they are strings, because most readers of JSON make floats of numbers.

use super::select::Rows;
use crate::error::Result;
use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use earnest_core::decimal::format;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::sync::Arc;

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// With a header
    Csv,
    /// An array of objects; decimals are strings
    Json,
    /// Needs `--out FILE`
    Parquet,
}

/// The bytes of a result. `metadata` goes into Parquet's footer.
///
/// # Errors
/// If a column's type can't be written.
pub fn render(rows: &Rows, format: Format, metadata: &[(&str, &str)]) -> Result<Vec<u8>> {
    match format {
        Format::Table => table(rows),
        Format::Csv => csv(rows),
        Format::Json => json(rows),
        Format::Parquet => parquet(rows, metadata),
    }
}

fn table(rows: &Rows) -> Result<Vec<u8>> {
    let batches = rows.batches.iter().map(plain).collect::<Result<Vec<_>>>()?;
    let schema = plain(&RecordBatch::new_empty(rows.schema.clone()))?.schema();
    let pretty = arrow::util::pretty::pretty_format_batches_with_schema(schema, &batches)?;
    Ok(format!("{pretty}\n").into_bytes())
}

/// Types that DuckDB's arrow has and the text formats lack, as text.
fn plain(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let column = match column.data_type() {
            DataType::Dictionary(_, _) => cast(column, &DataType::Utf8)?,
            DataType::FixedSizeBinary(16) => uuids(column),
            DataType::Decimal128(_, scale @ 3..) => decimals(column, scale.unsigned_abs().into()),
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => instants(column),
            _ => column.clone(),
        };
        fields.push(Field::new(field.name(), column.data_type().clone(), true));
        columns.push(column);
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

/// Exact, without needless zeros: money is stored with the decimals of the finest currency.
fn decimals(column: &ArrayRef, scale: u32) -> ArrayRef {
    let values = column.as_primitive::<Decimal128Type>().iter();
    let texts = values.map(|value| value.map(|value| format(value, scale, 2)));
    Arc::new(texts.collect::<arrow::array::StringArray>())
}

/// Instants know no time zone but UTC; names of zones are not looked up.
fn instants(column: &ArrayRef) -> ArrayRef {
    Arc::new(column.as_primitive::<TimestampMicrosecondType>().clone().with_timezone("+00:00"))
}

fn uuids(column: &ArrayRef) -> ArrayRef {
    let texts = column.as_fixed_size_binary().iter().map(|bytes| {
        bytes.map(|bytes| {
            let hex = crate::warehouse::hex(bytes);
            [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
        })
    });
    Arc::new(texts.collect::<arrow::array::StringArray>())
}

fn csv(rows: &Rows) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = arrow::csv::WriterBuilder::new().with_header(true).build(&mut bytes);
    writer.write(&plain(&RecordBatch::new_empty(rows.schema.clone()))?)?;
    for batch in &rows.batches {
        writer.write(&plain(batch)?)?;
    }
    drop(writer);
    Ok(bytes)
}

fn json(rows: &Rows) -> Result<Vec<u8>> {
    let mut text = String::from("[");
    let mut first = true;
    for batch in &rows.batches {
        let batch = plain(batch)?;
        let options = FormatOptions::default();
        let formatters = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            text.push_str(if first { "\n  {" } else { ",\n  {" });
            first = false;
            for (position, field) in batch.schema().fields().iter().enumerate() {
                if position > 0 {
                    text.push_str(", ");
                }
                text.push_str(&quoted(field.name()));
                text.push_str(": ");
                text.push_str(&value(batch.column(position), &formatters[position], row));
            }
            text.push('}');
        }
    }
    text.push_str(if first { "]\n" } else { "\n]\n" });
    Ok(text.into_bytes())
}

fn value(column: &ArrayRef, formatter: &ArrayFormatter<'_>, row: usize) -> String {
    if column.is_null(row) {
        return "null".to_owned();
    }
    match column.data_type() {
        DataType::Boolean | DataType::Int8 | DataType::Int16 | DataType::Int32 => {
            formatter.value(row).to_string()
        }
        // Beyond 2^53 a reader that makes floats of numbers would change it.
        DataType::Int64
            if column.as_primitive::<Int64Type>().value(row).unsigned_abs() < 1 << 53 =>
        {
            formatter.value(row).to_string()
        }
        DataType::Decimal128(_, 0) => {
            let text = formatter.value(row).to_string();
            if text.len() < 16 { text } else { quoted(&text) }
        }
        _ => quoted(&formatter.value(row).to_string()),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn parquet(rows: &Rows, metadata: &[(&str, &str)]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let metadata = metadata
        .iter()
        .map(|(key, value)| KeyValue::new((*key).to_owned(), (*value).to_owned()))
        .collect();
    let properties = WriterProperties::builder()
        .set_created_by("earnest".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
        .set_key_value_metadata(Some(metadata))
        .build();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema.clone(), Some(properties))?;
    for batch in &rows.batches {
        writer.write(batch)?;
    }
    writer.close()?;
    Ok(bytes)
}

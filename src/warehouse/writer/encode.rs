//! Row groups to Parquet pages, by Polars' encoder: columns one after the other, never a second copy
//! of a row group. The metadata holds what the file is and no clock.

use super::column::ColumnRows;
use crate::schema::{Column, Kind, Table};
use arrow::array::RecordBatch;
use polars_parquet::parquet::error::ParquetError;
use polars_parquet::parquet::schema::Repetition;
use polars_parquet::parquet::schema::types::{
    PhysicalType, PrimitiveConvertedType, PrimitiveLogicalType, TimeUnit,
};
use polars_parquet::parquet::write::{FileWriter, WriteOptions as FileOptions};
use polars_parquet::write::{
    CompressionOptions, Compressor, DynIter, DynStreamingIterator, KeyValue, ParquetType,
    SchemaDescriptor, StatisticsOptions, Version, WriteOptions, ZstdLevel, array_to_columns,
};
use std::io::Write;

/// Bytes of a page, about: page, compressed page and the compressor's tables stay in a core's cache.
const PAGE_BYTES: usize = 128 << 10;

/// Rows from which on a row group is expected to fill: room for a whole one, in small files, would be
/// whole pages that the system clears for nothing.
const MANY_ROWS: usize = 32_768;

/// Writes row groups of a table to a file.
pub struct Encoder<W: Write> {
    table: &'static Table,
    writer: FileWriter<W>,
    types: Vec<ParquetType>,
    compression: CompressionOptions,
    waiting: Vec<ColumnRows>,
    rows: usize,
}

impl<W: Write> Encoder<W> {
    /// # Errors
    /// Never, for the types that schemas declare.
    pub fn new(file: W, table: &'static Table) -> Result<Encoder<W>, ParquetError> {
        let types: Vec<_> = table.columns.iter().map(parquet_type).collect::<Result<_, _>>()?;
        let schema = SchemaDescriptor::new(table.name.into(), types.clone());
        let options = FileOptions { write_statistics: false, version: Version::V1 };
        let level = ZstdLevel::try_new(1)?;
        Ok(Encoder {
            table,
            writer: FileWriter::new(file, schema, options, Some("earnest".to_owned())),
            types,
            compression: CompressionOptions::Zstd(Some(level)),
            waiting: table.columns.iter().map(ColumnRows::new).collect(),
            rows: 0,
        })
    }

    /// Takes rows; writes every row group that fills.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn write(&mut self, batch: &RecordBatch, group_rows: usize) -> Result<(), ParquetError> {
        let mut taken = 0;
        while taken < batch.num_rows() {
            let rows = (group_rows - self.rows).min(batch.num_rows() - taken);
            let part = batch.slice(taken, rows);
            let before = self.rows;
            self.rows += rows;
            for (waiting, column) in self.waiting.iter_mut().zip(part.columns()) {
                waiting.append(column);
                if before < MANY_ROWS && self.rows >= MANY_ROWS {
                    waiting.reserve(group_rows - self.rows);
                }
            }
            taken += rows;
            if self.rows == group_rows {
                self.row_group()?;
            }
        }
        Ok(())
    }

    /// Writes what is left and the footer; gives the file back.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn finish(mut self) -> Result<W, ParquetError> {
        if self.rows > 0 {
            self.row_group()?;
        }
        self.writer.end(Some(metadata(self.table)))?;
        Ok(self.writer.into_inner())
    }

    fn row_group(&mut self) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.rows) as u64;
        let Encoder { table, writer, types, compression: level, waiting, .. } = self;
        let mut written = Vec::with_capacity(waiting.len());
        let columns = waiting.iter_mut().zip(table.columns).zip(types.iter());
        let columns = columns.map(|((rows, column), parquet)| {
            let (array, encoding) = rows.array(is_unique(column))?;
            written.push(array.clone());
            let compression = compression(column, *level);
            let options = WriteOptions {
                statistics: statistics(column),
                version: Version::V1,
                compression,
                data_page_size: Some(PAGE_BYTES),
            };
            let pages = array_to_columns(array, parquet.clone(), options, &[encoding])?;
            let pages = pages.into_iter().flatten().map(|page| page.map_err(ParquetError::from));
            let pages = Compressor::new(DynIter::new(pages), compression, Vec::new());
            Ok::<_, ParquetError>(DynStreamingIterator::new(pages))
        });
        writer.write(rows, DynIter::new(columns))?;
        for (waiting, array) in waiting.iter_mut().zip(written) {
            waiting.take_back(array);
        }
        Ok(())
    }
}

/// What the file is, in its own words.
fn metadata(table: &Table) -> Vec<KeyValue> {
    let mut metadata = vec![
        ("earnest.table".to_owned(), table.name.to_owned()),
        ("earnest.schema_version".to_owned(), table.version.to_string()),
        ("description".to_owned(), table.description.to_owned()),
        ("grain".to_owned(), table.grain.to_owned()),
    ];
    for column in table.columns {
        metadata.push((format!("column.{}", column.name), column.doc.to_owned()));
    }
    metadata.into_iter().map(|(key, value)| KeyValue { key, value: Some(value) }).collect()
}

/// Only days are worth pruning by; readers have lost rows over minima of decimals.
fn statistics(column: &Column) -> StatisticsOptions {
    match column.kind {
        Kind::Date => StatisticsOptions { distinct_count: false, ..StatisticsOptions::full() },
        _ => StatisticsOptions::empty(),
    }
}

/// Digests don't compress.
fn compression(column: &Column, otherwise: CompressionOptions) -> CompressionOptions {
    let is_digest = column.kind == Kind::Uuid || column.name == "link_key";
    if is_digest { CompressionOptions::Uncompressed } else { otherwise }
}

/// Texts that hardly repeat: a dictionary would be sought in vain.
fn is_unique(column: &Column) -> bool {
    column.name == "transaction_id"
}

fn parquet_type(column: &Column) -> Result<ParquetType, ParquetError> {
    use PrimitiveConvertedType as Converted;
    use PrimitiveLogicalType as Logical;
    let micros = Logical::Timestamp { unit: TimeUnit::Microseconds, is_adjusted_to_utc: true };
    let wide = PhysicalType::FixedLenByteArray(16);
    let (physical, converted, logical) = match column.kind {
        Kind::Text | Kind::Codes => {
            (PhysicalType::ByteArray, Some(Converted::Utf8), Some(Logical::String))
        }
        Kind::Date => (PhysicalType::Int32, Some(Converted::Date), Some(Logical::Date)),
        Kind::Instant => (PhysicalType::Int64, Some(Converted::TimestampMicros), Some(micros)),
        Kind::Integer => (PhysicalType::Int64, None, None),
        Kind::Boolean => (PhysicalType::Boolean, None, None),
        Kind::Money => decimal(PhysicalType::Int64, 18, 3),
        Kind::Rate => decimal(PhysicalType::Int64, 18, 9),
        Kind::Amount => decimal(wide, 38, 12),
        Kind::Uuid => (wide, None, Some(Logical::Uuid)),
    };
    let repetition = if column.nullable { Repetition::Optional } else { Repetition::Required };
    let name = column.name.into();
    ParquetType::try_from_primitive(name, physical, repetition, converted, logical, None)
}

/// Readers of any age find digits and scale.
fn decimal(
    physical: PhysicalType,
    precision: usize,
    scale: usize,
) -> (PhysicalType, Option<PrimitiveConvertedType>, Option<PrimitiveLogicalType>) {
    let converted = PrimitiveConvertedType::Decimal(precision, scale);
    (physical, Some(converted), Some(PrimitiveLogicalType::Decimal(precision, scale)))
}

//! Rows of `rejects`. In: records that could not be staged, with their fault. Out: the delivery's file
//! of the table, and the first of them in words.

use super::delivery::{Delivery, InputFile};
use super::parse::Rejected;
use crate::error::Result;
use crate::job::Source;
use crate::schema::REJECTS;
use crate::warehouse::{SealedFile, Store, TableWriter};
use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use std::sync::Arc;

/// Rows that are written at once.
const ROWS: usize = 4_096;

/// Writes the rejects of a delivery.
pub(super) struct Rejects<'a> {
    source: &'a Source,
    delivery: &'a Delivery,
    known_on: i32,
    writer: TableWriter,
    rows: Vec<Row>,
    /// The first one, as messages show it.
    pub first: Option<String>,
}

struct Row {
    file: usize,
    record: i64,
    column: Option<String>,
    reason: &'static str,
    found: Option<String>,
    expected: String,
    hint: &'static str,
    raw: String,
}

impl<'a> Rejects<'a> {
    pub(super) fn new(
        store: &Store,
        source: &'a Source,
        delivery: &'a Delivery,
        known_on: i32,
    ) -> Result<Rejects<'a>> {
        let writer = TableWriter::new(store, &REJECTS, &source.name, &delivery.id)?;
        Ok(Rejects { source, delivery, known_on, writer, rows: Vec::new(), first: None })
    }

    /// Takes a record; `number` is its number in its file.
    pub(super) fn push(&mut self, file: usize, number: i64, rejected: Rejected) -> Result<()> {
        let fault = rejected.fault;
        let column = fault.column.map(|column| self.source.format.columns[column].name.clone());
        if self.first.is_none() {
            let path = self.delivery.files[file].path.display();
            let at = column.as_ref().map_or(String::new(), |column| format!(" column `{column}`:"));
            let found = match &fault.found {
                Some(found) if found.is_empty() => "a blank".to_owned(),
                Some(found) if fault.column.is_some() => format!("`{found}`"),
                Some(found) => found.clone(),
                None => "none".to_owned(),
            };
            self.first = Some(format!(
                "{path}: record {number}:{at} expected {}, found {found} ({})",
                fault.expected,
                fault.reason.code()
            ));
        }
        self.rows.push(Row {
            file,
            record: number,
            column,
            reason: fault.reason.code(),
            found: fault.found,
            expected: fault.expected,
            hint: fault.reason.remedy(),
            raw: rejected.raw,
        });
        if self.rows.len() >= ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let file = |row: &Row| -> &InputFile { &self.delivery.files[row.file] };
        let same = |text: &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(rows.iter().map(|_| text)))
        };
        fn texts<'t>(values: impl Iterator<Item = Option<&'t str>>) -> ArrayRef {
            Arc::new(values.collect::<StringArray>())
        }
        let columns: Vec<ArrayRef> = vec![
            same(&self.source.name),
            same(&self.source.format.name),
            same(&self.delivery.id),
            texts(rows.iter().map(|row| Some(file(row).name.as_str()))),
            texts(rows.iter().map(|row| Some(file(row).digest.as_str()))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.record))),
            texts(rows.iter().map(|row| row.column.as_deref())),
            texts(rows.iter().map(|row| Some(row.reason))),
            texts(rows.iter().map(|row| row.found.as_deref())),
            texts(rows.iter().map(|row| Some(row.expected.as_str()))),
            texts(rows.iter().map(|row| Some(row.hint))),
            texts(rows.iter().map(|row| Some(row.raw.as_str()))),
            Arc::new(Date32Array::from_iter_values(rows.iter().map(|_| self.known_on))),
        ];
        self.writer.write(&RecordBatch::try_new(REJECTS.arrow(), columns)?)
    }

    /// The file; `None` without rejects.
    pub(super) fn seal(mut self) -> Result<Option<SealedFile>> {
        self.flush()?;
        self.writer.seal()
    }
}

//! Staged rows in full. In: typed columns of a block. Out: a record batch of the staged table, with
//! what every row carries: source, delivery, file, record, known on. Text columns are dictionaries.

use super::columns::dictionary;
use super::delivery::Delivery;
use super::parse::Parsed;
use super::rows::period_array;
use crate::error::Result;
use crate::job::Source;
use crate::schema::{Kind, TRANSACTIONS, Table};
use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, DictionaryArray, Int32Array, Int64Array, RecordBatch,
    StringArray, UInt32Array, new_null_array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use std::sync::Arc;

/// How the columns of a delivery's rows are filled.
pub(super) struct Assembly {
    table: &'static Table,
    fills: Vec<Fill>,
    known_on: i32,
    /// Names of the delivery's files.
    files: Vec<ArrayRef>,
    /// Keys of columns with one text, for the largest block so far.
    zeros: Int32Array,
    /// Columns as long as `zeros` in which all rows are the same.
    constants: Vec<ArrayRef>,
}

/// Where a staged column comes from.
enum Fill {
    /// The target of that position.
    Target(usize),
    Id,
    Slice,
    Key,
    Period,
    Link,
    Record,
    KnownOn,
    File,
    /// One text for all rows.
    Same(ArrayRef),
    Nothing,
}

impl Assembly {
    pub(super) fn new(source: &Source, delivery: &Delivery, known_on: i32) -> Assembly {
        let format = &*source.format;
        let table = format.table;
        let by_key = matches!(format.identity, super::format::Identity::Key(_));
        let fill = |(position, name): (usize, &str)| match name {
            "source" => Fill::Same(one(&source.name)),
            "format" => Fill::Same(one(&format.name)),
            "data_role" => Fill::Same(one(format.data_role.as_deref().unwrap_or_default())),
            "delivery_id" => Fill::Same(one(&delivery.id)),
            "source_file" => Fill::File,
            "record" => Fill::Record,
            "known_on" => Fill::KnownOn,
            "transaction_id" => Fill::Id,
            "slice_key" if !by_key => Fill::Slice,
            "row_key" if by_key => Fill::Key,
            "link_key" if !format.link.is_empty() => Fill::Link,
            "period" if table.name == TRANSACTIONS.name => Fill::Period,
            _ => match format.targets.iter().position(|target| target.staged == position) {
                Some(target) => Fill::Target(target),
                None => Fill::Nothing,
            },
        };
        let fills: Vec<Fill> =
            table.columns.iter().map(|column| column.name).enumerate().map(fill).collect();
        Assembly {
            table,
            fills,
            known_on,
            files: delivery.files.iter().map(|file| one(&file.name)).collect(),
            zeros: Int32Array::from(Vec::<i32>::new()),
            constants: Vec::new(),
        }
    }

    /// The rows of a block. `base` is how many records of the file came before it.
    pub(super) fn batch(&mut self, parsed: &Parsed, base: i64) -> Result<RecordBatch> {
        let typed = &parsed.typed;
        let rows = typed.rows;
        if self.zeros.len() < rows {
            self.zeros = Int32Array::from(vec![0; rows.next_power_of_two()]);
            self.constants = (0..self.fills.len()).map(|place| self.constant(place)).collect();
        }
        let ids = &typed.identified;
        let fill = |(place, fill): (usize, &Fill)| {
            let filled = match fill {
                Fill::Target(target) => Some(&typed.targets[*target]),
                Fill::Id => ids.ids.as_ref(),
                Fill::Slice => ids.slices.as_ref(),
                Fill::Key => ids.keys.as_ref(),
                Fill::Link => ids.links.as_ref(),
                Fill::Period => return period_array(&typed.months),
                Fill::Record => {
                    let records = typed.records.iter();
                    return Arc::new(Int64Array::from_iter_values(
                        records.map(|record| base + i64::from(*record) + 1),
                    ));
                }
                Fill::File => return same(self.zeros.slice(0, rows), &self.files[parsed.file]),
                Fill::KnownOn | Fill::Same(_) | Fill::Nothing => None,
            };
            filled.map_or_else(|| self.constants[place].slice(0, rows), Arc::clone)
        };
        let columns: Vec<ArrayRef> = self.fills.iter().enumerate().map(fill).collect();
        Ok(RecordBatch::try_new(schema_of(self.table, &columns), columns)?)
    }

    /// A column in which all rows are the same: null, if rows have no value of their own.
    fn constant(&self, place: usize) -> ArrayRef {
        let rows = self.zeros.len();
        match (&self.fills[place], self.table.columns[place].kind) {
            (Fill::Same(value), _) => same(self.zeros.clone(), value),
            (Fill::KnownOn, _) => Arc::new(Date32Array::from(vec![self.known_on; rows])),
            (_, Kind::Text | Kind::Codes) => new_null_array(&texts_type(), rows),
            (_, kind) => new_null_array(&kind.data_type(), rows),
        }
    }

    /// The same batch with other ids.
    pub(super) fn with_ids(&self, batch: &RecordBatch, ids: ArrayRef) -> Result<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        columns[self.table.position("transaction_id")] = ids;
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    }
}

/// A column of one text.
fn same(zeros: Int32Array, text: &ArrayRef) -> ArrayRef {
    Arc::new(DictionaryArray::<Int32Type>::new(zeros, Arc::clone(text)))
}

/// Texts as dictionaries.
fn texts_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The batch's rows by month, in order of month.
pub(super) fn by_month(batch: RecordBatch, months: &[i32]) -> Result<Vec<(i32, RecordBatch)>> {
    let Some(&first) = months.first() else { return Ok(Vec::new()) };
    if months.iter().all(|month| *month == first) {
        return Ok(vec![(first, batch)]);
    }
    let mut rows: std::collections::BTreeMap<i32, Vec<u32>> = std::collections::BTreeMap::new();
    for (row, month) in (0_u32..).zip(months) {
        rows.entry(*month).or_default().push(row);
    }
    rows.into_iter()
        .map(|(month, rows)| {
            let rows = UInt32Array::from(rows);
            let columns = batch
                .columns()
                .iter()
                .map(|column| Ok(compact(take(column, &rows, None)?)))
                .collect::<Result<Vec<_>>>()?;
            Ok((month, RecordBatch::try_new(batch.schema(), columns)?))
        })
        .collect()
}

/// Without texts that no row has, where they are most: whoever reads the dictionary reads them all.
fn compact(column: ArrayRef) -> ArrayRef {
    let Some(texts) = column.as_dictionary_opt::<Int32Type>() else { return column };
    if texts.values().len() <= texts.len() {
        return column;
    }
    let values = texts.values().as_string::<i32>();
    let mut moved = vec![super::columns::NULL_KEY; values.len()];
    let mut kept: Vec<&str> = Vec::new();
    let keys = texts
        .keys()
        .iter()
        .map(|key| {
            let Some(key) = key else { return super::columns::NULL_KEY };
            let place = key.cast_unsigned() as usize;
            if moved[place] == super::columns::NULL_KEY {
                moved[place] = i32::try_from(kept.len()).unwrap_or(i32::MAX);
                kept.push(values.value(place));
            }
            moved[place]
        })
        .collect();
    dictionary(keys, Arc::new(StringArray::from(kept)))
}

fn one(text: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![text]))
}

/// The table's schema with the types that the columns have: texts may be dictionaries or plain.
fn schema_of(table: &Table, columns: &[ArrayRef]) -> SchemaRef {
    let field = |(declared, array): (&crate::schema::Column, &ArrayRef)| {
        Field::new(declared.name, array.data_type().clone(), declared.nullable)
    };
    Arc::new(Schema::new(table.columns.iter().zip(columns).map(field).collect::<Vec<_>>()))
}

//! Typed columns of record batches: read by name, built in the order a table declares.

#[cfg(test)]
pub mod fixtures;

use crate::error::{Error, Result};
use crate::schema::{Kind, Table};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int64Type};
use chrono::NaiveDate;
use std::sync::Arc;

/// A text column of plain strings.
///
/// # Errors
/// If the batch has no such column or it isn't text.
pub fn text<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray> {
    let column = column(batch, name)?;
    column.as_string_opt::<i32>().ok_or_else(|| wrong_type(name, "text", column))
}

/// A column of days.
///
/// # Errors
/// If the batch has no such column or it isn't of days.
pub fn date<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Date32Array> {
    let column = column(batch, name)?;
    column.as_primitive_opt::<Date32Type>().ok_or_else(|| wrong_type(name, "a date", column))
}

/// A decimal column, as integers at its scale.
///
/// # Errors
/// If the batch has no such column or it isn't decimal.
pub fn decimal<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Decimal128Array> {
    let column = column(batch, name)?;
    column.as_primitive_opt::<Decimal128Type>().ok_or_else(|| wrong_type(name, "decimal", column))
}

/// A column of whole numbers.
///
/// # Errors
/// If the batch has no such column or it isn't of whole numbers.
pub fn integer<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Int64Array> {
    let column = column(batch, name)?;
    column.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong_type(name, "a whole number", column))
}

/// The text of a row; `None` where it is null or blank.
#[must_use]
pub fn filled(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row)).filter(|text| !text.trim().is_empty())
}

/// The day of a row; `None` where it is null.
#[must_use]
pub fn day(column: &Date32Array, row: usize) -> Option<NaiveDate> {
    if column.is_null(row) { None } else { column.value_as_date(row) }
}

/// A column of days; open ends ([`NaiveDate::MIN`] and [`NaiveDate::MAX`]) become null.
#[must_use]
pub fn days(days: impl IntoIterator<Item = Option<NaiveDate>>) -> ArrayRef {
    let closed = |day: &NaiveDate| *day != NaiveDate::MIN && *day != NaiveDate::MAX;
    let numbers = days.into_iter().map(|day| day.filter(closed).map(Date32Type::from_naive_date));
    Arc::new(numbers.collect::<Date32Array>())
}

/// A text column that is never null.
pub fn texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts))
}

/// Truths as a column.
#[must_use]
pub fn booleans(truths: impl IntoIterator<Item = bool>) -> ArrayRef {
    Arc::new(truths.into_iter().map(Some).collect::<BooleanArray>())
}

/// Whole numbers as a column.
#[must_use]
pub fn integers(numbers: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(numbers))
}

/// A column of decimals of the given kind (money, amount, rate), as integers at its scale.
///
/// # Errors
/// If a number has more digits than the kind.
pub fn decimals(kind: Kind, numbers: impl IntoIterator<Item = i128>) -> Result<ArrayRef> {
    let numbers: Vec<i128> = numbers.into_iter().collect();
    checked(kind, Decimal128Array::from(numbers))
}

fn checked(kind: Kind, array: Decimal128Array) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = kind.data_type() else {
        unreachable!("{kind:?} is not decimal");
    };
    let limit = earnest_core::decimal::power_of_ten(precision.into()).cast_unsigned();
    if let Some(number) = array.values().iter().find(|number| number.unsigned_abs() >= limit) {
        let scale = scale.unsigned_abs().into();
        let number = earnest_core::decimal::format(*number, scale, 0);
        let message = format!("expected numbers that fit {}, found {number}", kind.sql());
        return Err(Error::broken(message).hint(
            "look in the newest exports for an amount or an exchange rate that is far too large",
        ));
    }
    Ok(Arc::new(array.with_precision_and_scale(precision, scale)?))
}

/// A column of decimals of the given kind, some of them null.
///
/// # Errors
/// If a number has more digits than the kind.
pub fn optional_decimals(kind: Kind, numbers: Vec<Option<i128>>) -> Result<ArrayRef> {
    checked(kind, numbers.into_iter().collect())
}

/// A column of digests.
///
/// # Errors
/// Never for 16 bytes each.
pub fn uuids(digests: impl IntoIterator<Item = u128>) -> Result<ArrayRef> {
    let bytes: Vec<u8> = digests.into_iter().flat_map(u128::to_be_bytes).collect();
    Ok(Arc::new(arrow::array::FixedSizeBinaryArray::try_new(16, bytes.into(), None)?))
}

/// True if two text columns share their memory, as dictionaries of successive batches do.
#[must_use]
pub fn same_texts(left: &ArrayRef, right: &ArrayRef) -> bool {
    let (left, right) = (left.as_string::<i32>(), right.as_string::<i32>());
    left.len() == right.len()
        && left.values().ptr_eq(right.values())
        && left.offsets().ptr_eq(right.offsets())
}

/// True if a text column begins with all of another's texts, as a dictionary does that grew since the batch
/// before. Bytes are compared, which is far cheaper than to hash them.
#[must_use]
pub fn grew_from(texts: &ArrayRef, before: &ArrayRef) -> bool {
    if same_texts(texts, before) {
        return true;
    }
    let (texts, before) = (texts.as_string::<i32>(), before.as_string::<i32>());
    before.null_count() == 0
        && texts.null_count() == 0
        && texts.value_offsets().starts_with(before.value_offsets())
        && texts.value_data().starts_with(&before.value_data()[..used(before)])
}

fn used(texts: &StringArray) -> usize {
    texts.value_offsets().last().map_or(0, |end| end.unsigned_abs() as usize)
}

/// A batch of a table from its columns, in declared order. Text may come as dictionaries.
///
/// # Errors
/// If the columns are not those the table declares.
pub fn batch(table: &Table, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let declared = table.arrow();
    let fields: Vec<_> = declared
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone()))
        .collect();
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    for (field, column) in declared.fields().iter().zip(&columns) {
        let plain = match column.data_type() {
            DataType::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        if plain != field.data_type() {
            return Err(wrong_type(field.name(), &field.data_type().to_string(), column));
        }
    }
    Ok(RecordBatch::try_new(schema, columns)?)
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    batch
        .column_by_name(name)
        .ok_or_else(|| Error::broken(format!("expected a column `{name}`, found none")))
}

fn wrong_type(name: &str, expected: &str, found: &dyn Array) -> Error {
    let found = found.data_type();
    Error::broken(format!("column `{name}`: expected {expected}, found {found}"))
}

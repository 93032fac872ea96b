//! Small tables for tests: rows written as text, results read as text.

use crate::schema::{Kind, Table};
use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, RecordBatch, StringArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type};
use chrono::NaiveDate;
use earnest_core::decimal::{AMOUNT_SCALE, MONEY_SCALE, RATE_SCALE, parse};
use std::sync::Arc;

pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

/// A table from rows like `location_id=L1|from_on=2020-01-01`; what is missing is null or blank.
pub fn table(table: &Table, rows: &[&str]) -> RecordBatch {
    let cell = |row: &str, name: &str| -> Option<String> {
        let mut cells = row.split('|').filter_map(|cell| cell.trim().split_once('='));
        cells.find(|cell| cell.0 == name).map(|cell| cell.1.to_owned())
    };
    let columns = table.columns.iter().map(|column| -> ArrayRef {
        let cells = rows.iter().map(|row| cell(row, column.name));
        match column.kind {
            Kind::Text if column.nullable => Arc::new(cells.collect::<StringArray>()),
            Kind::Text => {
                Arc::new(StringArray::from_iter_values(cells.map(Option::unwrap_or_default)))
            }
            Kind::Date if column.nullable => {
                let days = cells.map(|cell| Some(Date32Type::from_naive_date(day(&cell?))));
                Arc::new(days.collect::<Date32Array>())
            }
            Kind::Date => {
                let day = |cell: Option<String>| {
                    cell.map_or(0, |cell| Date32Type::from_naive_date(day(&cell)))
                };
                Arc::new(Date32Array::from_iter_values(cells.map(day)))
            }
            Kind::Money => {
                let money = |cell: String| parse(&cell, MONEY_SCALE).expect("money");
                let cells = cells.map(|cell| cell.map(money)).collect();
                super::optional_decimals(Kind::Money, cells).expect("money that fits")
            }
            Kind::Rate => {
                let rates = cells.map(|cell| parse(&cell.expect("a rate"), RATE_SCALE));
                let rates = rates.map(|rate| rate.expect("a decimal"));
                super::decimals(Kind::Rate, rates).expect("rates that fit")
            }
            Kind::Amount if column.nullable => {
                let amounts = cells.map(|cell| cell.map(|cell| parse(&cell, AMOUNT_SCALE)));
                let amounts = amounts.map(|amount| amount.map(|amount| amount.expect("a decimal")));
                super::optional_decimals(Kind::Amount, amounts.collect()).expect("amounts that fit")
            }
            other => new_null_array(&other.data_type(), rows.len()),
        }
    });
    RecordBatch::try_new(table.arrow(), columns.collect()).expect("rows of the table")
}

/// The rows of a batch as texts; null is empty.
pub fn texts(batch: &RecordBatch) -> Vec<Vec<String>> {
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::FixedSizeBinary(_) => new_null_array(&DataType::Utf8, column.len()),
            _ => cast(column, &DataType::Utf8).expect("text"),
        })
        .collect();
    let cell = |column: &ArrayRef, row| {
        let column = column.as_string::<i32>();
        if column.is_null(row) { String::new() } else { column.value(row).to_owned() }
    };
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| cell(column, row)).collect())
        .collect()
}

/// Some columns of a table's rows as texts, joined by `,`.
pub fn picked(table: &Table, batch: &RecordBatch, names: &[&str]) -> Vec<String> {
    let positions: Vec<usize> = names.iter().map(|name| table.position(name)).collect();
    texts(batch)
        .iter()
        .map(|row| {
            let cells: Vec<&str> = positions.iter().map(|&column| row[column].as_str()).collect();
            cells.join(",")
        })
        .collect()
}

//! A page of an explanation: sections of rows, each with its sums added up again. In: SQL and sums.
//! Out: text for people or JSON for programs.

use crate::cli::output::columns;
use crate::cli::summary::money;
use crate::error::Result;
use crate::query::text_rows;
use duckdb::Connection;
use earnest_core::decimal::{AMOUNT_SCALE, format, parse};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// Sections in order.
#[derive(Default)]
pub struct Page {
    pub sections: Vec<Section>,
}

/// Rows of one kind.
pub struct Section {
    /// Key in JSON.
    pub key: String,
    pub title: String,
    /// Names of the columns, `*` before those with an amount whose currency is in the next column.
    pub names: Vec<String>,
    pub rows: Vec<Vec<Option<String>>>,
    pub sums: Vec<Sum>,
    /// Rows that were not read because there are too many.
    pub left_out: usize,
}

/// Something added up again, and what it must be.
pub struct Sum {
    pub what: String,
    pub found: String,
    pub expected: String,
    pub currency: String,
}

impl Sum {
    /// What is expected minus what was found, at amount scale; `None` if one isn't a number.
    fn difference(&self) -> Option<i128> {
        let value = |text: &str| parse(text, AMOUNT_SCALE).ok();
        Some(value(&self.expected)? - value(&self.found)?)
    }
}

impl Section {
    /// The rows of a SELECT whose columns are all text, named as in `names`.
    ///
    /// # Errors
    /// If DuckDB refuses.
    pub fn of(
        connection: &Connection,
        key: &str,
        title: &str,
        names: &[&str],
        sql: &str,
        parameters: &[&str],
    ) -> Result<Section> {
        Ok(Section {
            key: key.to_owned(),
            title: title.to_owned(),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            rows: text_rows(connection, sql, parameters)?,
            sums: Vec::new(),
            left_out: 0,
        })
    }

    /// The cell of a row, blank if null.
    pub fn cell(&self, row: usize, name: &str) -> &str {
        let column = self.names.iter().position(|known| known.trim_start_matches('*') == name);
        column.and_then(|column| self.rows.get(row)?.get(column)?.as_deref()).unwrap_or_default()
    }

    /// The sum of a column.
    pub fn total(&self, name: &str) -> String {
        let sum: i128 = (0..self.rows.len())
            .filter_map(|row| parse(self.cell(row, name), AMOUNT_SCALE).ok())
            .sum();
        format(sum, AMOUNT_SCALE, 0)
    }

    pub fn add(&mut self, what: &str, found: &str, expected: &str, currency: &str) {
        self.sums.push(Sum {
            what: what.to_owned(),
            found: found.to_owned(),
            expected: expected.to_owned(),
            currency: currency.to_owned(),
        });
    }
}

impl Page {
    /// True if everything adds up.
    pub fn adds_up(&self) -> bool {
        let sums = self.sections.iter().flat_map(|section| &section.sums);
        sums.into_iter().all(|sum| sum.difference() == Some(0))
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for section in self.sections.iter().filter(|section| !section.rows.is_empty()) {
            let _ = writeln!(text, "{}{}", if text.is_empty() { "" } else { "\n" }, section.title);
            text.push_str(&section.table());
            for sum in &section.sums {
                text.push_str(&sum.text());
            }
        }
        text
    }

    pub fn json(&self) -> Value {
        let mut page = Map::new();
        for section in &self.sections {
            page.insert(section.key.clone(), section.json());
        }
        page.insert("adds_up".to_owned(), json!(self.adds_up()));
        Value::Object(page)
    }
}

impl Section {
    /// One row reads better downwards, more rows across. Columns without any value are left out.
    fn table(&self) -> String {
        let shown: Vec<usize> =
            (0..self.names.len()).filter(|&column| self.is_shown(column)).collect();
        let titles: Vec<String> = shown
            .iter()
            .map(|&column| self.names[column].trim_start_matches('*').replace('_', " "))
            .collect();
        let cells: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| shown.iter().map(|&column| self.shown(row, column)).collect())
            .collect();
        if let [only] = &cells[..]
            && self.key == "payment"
        {
            let pairs = titles.into_iter().zip(only);
            let pairs: Vec<_> = pairs.map(|(title, cell)| vec![title, cell.clone()]).collect();
            return columns(&pairs, &[false, false], 2);
        }
        let number = |column: &usize| {
            let name = self.names[*column].as_str();
            name.starts_with('*') || ["earnings", "lines", "record"].contains(&name)
        };
        let right: Vec<bool> = shown.iter().map(number).collect();
        let mut rows = vec![titles];
        rows.extend(cells);
        let mut text = columns(&rows, &right, 2);
        if self.left_out > 0 {
            let _ = writeln!(text, "  … and {} more", self.left_out);
        }
        text
    }

    /// A currency is shown with its amount; a column without values isn't shown.
    fn is_shown(&self, column: usize) -> bool {
        let is_currency = column > 0 && self.names[column - 1].starts_with('*');
        let filled =
            |row: &Vec<Option<String>>| row[column].as_deref().is_some_and(|cell| !cell.is_empty());
        !is_currency && self.rows.iter().any(filled)
    }

    fn shown(&self, row: &[Option<String>], column: usize) -> String {
        let cell = |column: usize| row.get(column).and_then(Option::as_deref).unwrap_or_default();
        let name = &self.names[column];
        if name.starts_with('*') && !cell(column).is_empty() {
            format!("{} {}", money(cell(column), cell(column + 1)), cell(column + 1))
        } else if name.ends_with("rate") || name == "share" {
            plain(cell(column))
        } else {
            cell(column).to_owned()
        }
    }

    /// The column's key in JSON; `-` is the currency of the amount before it.
    fn json_key(&self, column: usize) -> String {
        match self.names[column].as_str() {
            "-" => format!("{}_currency", self.names[column - 1].trim_start_matches('*')),
            name => name.trim_start_matches('*').to_owned(),
        }
    }

    fn json(&self) -> Value {
        let object = |row: &Vec<Option<String>>| -> Value {
            let cells = row.iter().enumerate();
            cells.map(|(column, cell)| (self.json_key(column), json!(cell))).collect()
        };
        let sums: Vec<Value> = self
            .sums
            .iter()
            .map(|sum| {
                json!({
                    "what": sum.what, "found": sum.found, "expected": sum.expected,
                    "currency": sum.currency, "agrees": sum.difference() == Some(0),
                })
            })
            .collect();
        let rows: Vec<Value> = self.rows.iter().map(object).collect();
        json!({ "rows": rows, "left_out": self.left_out, "sums": sums })
    }
}

impl Sum {
    fn text(&self) -> String {
        let found = money(&self.found, &self.currency);
        let verdict = match self.difference() {
            Some(0) => "✓".to_owned(),
            Some(difference) => format!(
                "✗ expected {}, which differs by {}",
                money(&self.expected, &self.currency),
                money(&format(difference, AMOUNT_SCALE, 0), &self.currency)
            ),
            None => format!("✗ expected {}", self.expected),
        };
        format!("  = {found} {} {} {verdict}\n", self.currency, self.what)
    }
}

/// A decimal without needless zeros.
fn plain(text: &str) -> String {
    match parse(text, AMOUNT_SCALE) {
        Ok(value) => format(value, AMOUNT_SCALE, 0),
        Err(_) => text.to_owned(),
    }
}

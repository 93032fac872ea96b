//! Reads a case's tables and remembers what was read, so that no key is ignored.

use chrono::NaiveDate;
use earnest_core::Error;
use earnest_core::calendar::Period;
use earnest_core::decimal::{AMOUNT_SCALE, EXACT_SCALE, RATE_SCALE, Rounding, parse};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

/// Why a case fails.
#[derive(Debug)]
pub struct Failure(pub String);

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure(error.0)
    }
}

/// The paths that were read.
#[derive(Default)]
pub struct Reader {
    read: RefCell<BTreeSet<String>>,
}

/// A table of a case.
pub struct Fields<'a> {
    reader: &'a Reader,
    path: String,
    table: &'a Table,
}

type Read<T> = Result<T, Failure>;

impl<'a> Fields<'a> {
    pub fn new(reader: &'a Reader, path: &str, table: &'a Table) -> Fields<'a> {
        Fields { reader, path: path.to_owned(), table }
    }

    /// Fails on the first key that nothing read.
    pub fn all_read(&self) -> Read<()> {
        let mut leaves = Vec::new();
        collect_leaves(&self.path, self.table, &mut leaves);
        let read = self.reader.read.borrow();
        match leaves.into_iter().find(|leaf| !read.contains(leaf)) {
            Some(leaf) => Err(Failure(format!("unknown key `{leaf}`"))),
            None => Ok(()),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// The first of several tables that has a key.
    pub fn with<'b>(name: &str, tables: &[&'b Fields<'a>]) -> &'b Fields<'a> {
        tables.iter().find(|table| table.has(name)).unwrap_or(&tables[0])
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.reader.read.borrow_mut().insert(format!("{}.{name}", self.path));
        self.table.get(name)
    }

    fn optional<T>(&self, name: &str, read: impl Fn(&'a Value) -> Option<T>) -> Read<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let bad = || Failure(format!("{}.{name}: expected another value than {value}", self.path));
        read(value).map(Some).ok_or_else(bad)
    }

    fn required<T>(&self, name: &str, found: Read<Option<T>>) -> Read<T> {
        found?.ok_or_else(|| Failure(format!("expected a key `{}.{name}`", self.path)))
    }

    pub fn optional_text(&self, name: &str) -> Read<Option<&'a str>> {
        self.optional(name, Value::as_str)
    }

    pub fn text(&self, name: &str) -> Read<&'a str> {
        self.required(name, self.optional_text(name))
    }

    pub fn texts(&self, name: &str) -> Read<Vec<&'a str>> {
        let list = |value: &'a Value| value.as_array()?.iter().map(Value::as_str).collect();
        self.required(name, self.optional(name, list))
    }

    pub fn flag(&self, name: &str) -> Read<bool> {
        Ok(self.optional(name, Value::as_bool)?.unwrap_or(false))
    }

    pub fn optional_count(&self, name: &str) -> Read<Option<u32>> {
        self.optional(name, |value| u32::try_from(value.as_integer()?).ok())
    }

    pub fn count(&self, name: &str) -> Read<u32> {
        self.required(name, self.optional_count(name))
    }

    /// A count of days or months.
    pub fn small_count(&self, name: &str) -> Read<u16> {
        u16::try_from(self.count(name)?).map_err(|_| self.unknown(name, "a large number"))
    }

    pub fn optional_decimal(&self, name: &str, scale: u32) -> Read<Option<i128>> {
        self.optional_text(name)?.map(|text| self.parsed(name, text, scale)).transpose()
    }

    fn parsed(&self, name: &str, text: &str, scale: u32) -> Read<i128> {
        parse(text, scale).map_err(|error| Failure(format!("{}.{name}: {error}", self.path)))
    }

    pub fn decimal(&self, name: &str, scale: u32) -> Read<i128> {
        self.required(name, self.optional_decimal(name, scale))
    }

    pub fn decimals(&self, name: &str, scale: u32) -> Read<Vec<i128>> {
        self.texts(name)?.into_iter().map(|text| self.parsed(name, text, scale)).collect()
    }

    /// A quantity or base, at amount scale.
    pub fn amount(&self, name: &str) -> Read<i128> {
        self.decimal(name, AMOUNT_SCALE)
    }

    pub fn amounts(&self, name: &str) -> Read<Vec<i128>> {
        self.decimals(name, AMOUNT_SCALE)
    }

    /// A rate or price, at rate scale.
    pub fn rate(&self, name: &str) -> Read<i128> {
        self.decimal(name, RATE_SCALE)
    }

    pub fn optional_rate(&self, name: &str) -> Read<Option<i128>> {
        self.optional_decimal(name, RATE_SCALE)
    }

    /// An amount at exact scale.
    pub fn exact(&self, name: &str) -> Read<i128> {
        self.decimal(name, EXACT_SCALE)
    }

    pub fn optional_exact(&self, name: &str) -> Read<Option<i128>> {
        self.optional_decimal(name, EXACT_SCALE)
    }

    pub fn rounding(&self, name: &str) -> Read<Option<Rounding>> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        Ok(Some(match text {
            "half_up" => Rounding::HalfAwayFromZero,
            "half_even" => Rounding::HalfEven,
            "down" => Rounding::TowardZero,
            "ceiling" => Rounding::Ceiling,
            "floor" => Rounding::Floor,
            _ => return Err(self.unknown(name, text)),
        }))
    }

    /// The failure of a word that a key doesn't know.
    pub fn unknown(&self, name: &str, word: &str) -> Failure {
        Failure(format!("{}.{name}: expected a known word, found `{word}`", self.path))
    }

    pub fn day(&self, name: &str) -> Read<NaiveDate> {
        let text = self.text(name)?;
        text.parse().map_err(|_| self.unknown(name, text))
    }

    pub fn days(&self, name: &str) -> Read<Vec<NaiveDate>> {
        let day = |text: &str| text.parse().map_err(|_| self.unknown(name, text));
        self.texts(name)?.into_iter().map(day).collect()
    }

    pub fn month(&self, name: &str) -> Read<Period> {
        Ok(self.text(name)?.parse()?)
    }

    pub fn table(&self, name: &str) -> Read<Fields<'a>> {
        self.required(name, self.optional_table(name))
    }

    pub fn optional_table(&self, name: &str) -> Read<Option<Fields<'a>>> {
        let path = format!("{}.{name}", self.path);
        let reader = self.reader;
        self.optional(name, |value| {
            Some(Fields { reader, path: path.clone(), table: value.as_table()? })
        })
    }

    pub fn tables(&self, name: &str) -> Read<Vec<Fields<'a>>> {
        let rows = self.required(name, self.optional(name, Value::as_array))?;
        let row = |(position, value): (usize, &'a Value)| {
            let path = format!("{}.{name}[{position}]", self.path);
            let table = value.as_table();
            let table = table.ok_or_else(|| Failure(format!("{path}: expected a table")))?;
            Ok(Fields { reader: self.reader, path, table })
        };
        rows.iter().enumerate().map(row).collect()
    }

    /// True if the key holds a table.
    pub fn is_table(&self, name: &str) -> bool {
        self.table.get(name).is_some_and(Value::is_table)
    }

    /// True if the key holds a list.
    pub fn is_list(&self, name: &str) -> bool {
        self.table.get(name).is_some_and(Value::is_array)
    }

    /// All columns of a row of data, whose names the rule may choose.
    pub fn columns(&self) -> Read<BTreeMap<&'a str, &'a str>> {
        let column = |name: &'a String| Ok((name.as_str(), self.text(name)?));
        self.table.keys().map(column).collect()
    }
}

/// Paths of everything that is no table and no list of tables.
fn collect_leaves(path: &str, table: &Table, leaves: &mut Vec<String>) {
    for (name, value) in table {
        let path = format!("{path}.{name}");
        match value {
            Value::Table(table) if !table.is_empty() => collect_leaves(&path, table, leaves),
            Value::Array(rows) if rows.first().is_some_and(Value::is_table) => {
                for (position, row) in rows.iter().enumerate() {
                    match row.as_table() {
                        Some(row) => collect_leaves(&format!("{path}[{position}]"), row, leaves),
                        None => leaves.push(format!("{path}[{position}]")),
                    }
                }
            }
            _ => leaves.push(path),
        }
    }
}

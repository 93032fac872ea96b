//! Compares what kernels found with what a case expects, by value and key by key.

use super::fields::Failure;
use chrono::NaiveDate;
use earnest_core::Error;
use earnest_core::decimal::{AMOUNT_SCALE, EXACT_SCALE, RATE_SCALE, format, parse, sum};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// A computed quotient, rounded to the decimals asked for.
type Quotient = Box<dyn Fn(u32) -> Result<i128, Error>>;

/// What a kernel found.
pub enum Found {
    /// An integer and its decimals.
    Decimal(i128, u32),
    /// Rounded half away from zero to the decimals that the case shows.
    Shown(Quotient),
    /// Compared by value if it ends, else as `Shown`.
    Quotient(Quotient),
    /// Amounts over periods: listed one by one, or their sum.
    Series(Vec<i128>, u32),
    Count(usize),
    Flag(bool),
    Text(String),
    List(Vec<Found>),
    /// A case may expect only some of its keys.
    Row(Row),
    /// All of its keys are expected.
    Totals(BTreeMap<String, i128>, u32),
}

pub type Row = Vec<(&'static str, Found)>;

/// An amount at exact scale.
pub fn exact(amount: i128) -> Found {
    Found::Decimal(amount, EXACT_SCALE)
}

/// A quantity or base.
pub fn amount(amount: i128) -> Found {
    Found::Decimal(amount, AMOUNT_SCALE)
}

pub fn rate(rate: i128) -> Found {
    Found::Decimal(rate, RATE_SCALE)
}

/// Amounts at exact scale.
pub fn exacts(amounts: impl IntoIterator<Item = i128>) -> Found {
    Found::List(amounts.into_iter().map(exact).collect())
}

pub fn day(day: NaiveDate) -> Found {
    Found::Text(day.to_string())
}

pub fn compare_row(path: &str, expected: &Table, found: &Row) -> Result<(), Failure> {
    if expected.is_empty() {
        return Err(Failure(format!("{path}: expected something to compare")));
    }
    for (name, expected) in expected {
        let path = format!("{path}.{name}");
        match found.iter().find(|(known, _)| known == name) {
            Some((_, found)) => compare(&path, expected, found)?,
            None => return Err(Failure(format!("unknown key `{path}`"))),
        }
    }
    Ok(())
}

fn compare(path: &str, expected: &Value, found: &Found) -> Result<(), Failure> {
    let differs =
        |found: &str| Err(Failure(format!("{path}: expected {}, found {found}", shown(expected))));
    match (expected, found) {
        (Value::String(text), Found::Text(found)) if text == found => Ok(()),
        (_, Found::Text(found)) => differs(found),
        (Value::Boolean(flag), Found::Flag(found)) if flag == found => Ok(()),
        (_, Found::Flag(found)) => differs(&found.to_string()),
        (Value::Integer(count), Found::Count(found)) if usize::try_from(*count) == Ok(*found) => {
            Ok(())
        }
        (_, Found::Count(found)) => differs(&found.to_string()),
        (Value::String(text), Found::Decimal(found, scale)) => {
            if parse(text, *scale) == Ok(*found) {
                Ok(())
            } else {
                differs(&format(*found, *scale, 0))
            }
        }
        (Value::String(text), Found::Shown(quotient)) => {
            compare_shown(text, quotient).or_else(|found| differs(&found))
        }
        (Value::String(text), Found::Quotient(quotient)) => {
            compare_quotient(text, quotient).or_else(|found| differs(&found))
        }
        (Value::String(_), Found::Series(amounts, scale)) => {
            let total = sum(amounts.iter().copied())?;
            compare(path, expected, &Found::Decimal(total, *scale))
        }
        (Value::Array(list), Found::Series(amounts, scale)) => {
            let found: Vec<Found> =
                amounts.iter().map(|&one| Found::Decimal(one, *scale)).collect();
            compare_list(path, list, &found)
        }
        (Value::Array(list), Found::List(found)) => compare_list(path, list, found),
        (Value::Table(table), Found::Row(found)) => compare_row(path, table, found),
        (Value::Table(table), Found::Totals(found, scale)) => {
            compare_totals(path, table, found, *scale)
        }
        _ => differs("a value of another kind"),
    }
}

fn compare_list(path: &str, expected: &[Value], found: &[Found]) -> Result<(), Failure> {
    if expected.len() != found.len() {
        let (expected, found) = (expected.len(), found.len());
        return Err(Failure(format!("{path}: expected {expected} entries, found {found}")));
    }
    let mut pairs = expected.iter().zip(found).enumerate();
    pairs.try_for_each(|(at, (expected, found))| compare(&format!("{path}[{at}]"), expected, found))
}

fn compare_totals(
    path: &str,
    expected: &Table,
    found: &BTreeMap<String, i128>,
    scale: u32,
) -> Result<(), Failure> {
    if !expected.keys().eq(found.keys()) {
        return Err(Failure(format!("{path}: expected {expected}, found {:?}", found.keys())));
    }
    for (name, value) in found {
        compare(&format!("{path}.{name}"), &expected[name], &Found::Decimal(*value, scale))?;
    }
    Ok(())
}

fn decimals_of(text: &str) -> u32 {
    let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    u32::try_from(decimals).unwrap_or(u32::MAX)
}

/// What was found, if it differs at the decimals shown.
fn compare_shown(text: &str, quotient: &Quotient) -> Result<(), String> {
    let decimals = decimals_of(text).min(EXACT_SCALE);
    let found = quotient(decimals).map_err(|error| error.0)?;
    let expected = parse(text, decimals).map_err(|error| error.0)?;
    if found == expected { Ok(()) } else { Err(format(found, decimals, 0)) }
}

/// As `compare_shown`, but a quotient that ends before its last decimals is compared by value.
fn compare_quotient(text: &str, quotient: &Quotient) -> Result<(), String> {
    let found = quotient(EXACT_SCALE).map_err(|error| error.0)?;
    if found % 1_000 != 0 {
        return compare_shown(text, quotient);
    }
    let expected = parse(text, EXACT_SCALE).map_err(|error| error.0)?;
    if found == expected { Ok(()) } else { Err(format(found, EXACT_SCALE, 0)) }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => other.to_string(),
    }
}

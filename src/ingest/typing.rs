//! Columns of staged values. In: the trimmed texts of one column of an export. Out: typed values, or
//! what is wrong with the first that has none.

use super::columns::{DictColumn, Interner, NULL_KEY, dates, decimals, integers, runs};
use super::fields::Layout;
use super::format::{Convert, Decimals};
use super::number::{Marks, decimal};
use crate::schema::Kind;
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use earnest_core::calendar::Period;
use earnest_core::currency;
use earnest_core::reason::RejectReason;

/// The values of one target.
pub(super) enum Column {
    Text(DictColumn),
    /// Distinct currencies with their minor units; `None`: unknown.
    Currency(DictColumn, Vec<Option<u32>>),
    /// Days, and the days of the distinct texts.
    Date(Vec<i32>, Interner, Vec<i32>),
    Decimal(Vec<i128>),
    Integer(Vec<i64>, Vec<bool>),
}

/// How a column's texts are written, and what is asked of them.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub layout: &'a Layout,
    /// Partner ids that mean "nobody".
    pub absent: &'a [String],
    /// Whether the column is the transaction date.
    pub decides: bool,
}

/// A text that can't be staged.
pub(super) struct Bad {
    pub reason: RejectReason,
    pub found: String,
    pub expected: String,
}

/// What stands for a text that is no date.
const NO_DAY: i32 = i32::MAX;

/// Days since 1970-01-01 that a transaction date may have: 2000 to 2099. Others are typos, and every
/// month up to them would be decided.
const DAYS: std::ops::RangeInclusive<i32> = 10_957..=47_481;

impl Column {
    pub(super) fn new(convert: Convert) -> Column {
        match convert {
            Convert::Text | Convert::Partner | Convert::Period | Convert::YesNo => {
                Column::Text(DictColumn::default())
            }
            Convert::Currency => Column::Currency(DictColumn::default(), Vec::new()),
            Convert::Date { .. } => Column::Date(Vec::new(), Interner::default(), Vec::new()),
            Convert::Integer { scale: 0 } => Column::Integer(Vec::new(), Vec::new()),
            Convert::Decimal { .. } | Convert::Integer { .. } => Column::Decimal(Vec::new()),
        }
    }

    /// Begins a block of about so many rows.
    pub(super) fn begin(&mut self, expected: usize) {
        match self {
            Column::Text(column) | Column::Currency(column, _) => column.begin(expected),
            Column::Date(days, ..) => days.reserve(expected),
            Column::Decimal(values) => values.reserve(expected),
            Column::Integer(values, valid) => {
                values.reserve(expected);
                valid.reserve(expected);
            }
        }
    }

    /// Appends texts. A currency gives the minor units of each row, which numbers after it ask for.
    pub(super) fn extend<'t>(
        &mut self,
        texts: impl Iterator<Item = &'t str>,
        convert: Convert,
        written: Written,
        minor_units: &mut Vec<u32>,
    ) -> Result<(), Bad> {
        match self {
            Column::Text(column) => extend_texts(column, texts, convert, written.absent),
            Column::Currency(column, units) => {
                for (text, again) in runs(texts) {
                    if again && column.repeat() {
                        minor_units.extend(minor_units.last().copied());
                        continue;
                    }
                    column.push_code(text);
                    let expected = "an ISO 4217 currency code";
                    minor_units.push(
                        minor_units_of(column, units)
                            .ok_or_else(|| bad(RejectReason::UnknownCurrency, text, expected))?,
                    );
                }
                Ok(())
            }
            Column::Date(days, distinct, known) => {
                let inclusive_end = matches!(convert, Convert::Date { inclusive_end: true });
                for (text, again) in runs(texts) {
                    match days.last() {
                        Some(&last) if again => days.push(last),
                        _ => days.push(day(text, distinct, known, inclusive_end, written)?),
                    }
                }
                Ok(())
            }
            Column::Decimal(values) => {
                for (row, text) in texts.enumerate() {
                    let units = minor_units.get(row).copied().unwrap_or_default();
                    values.push(match text {
                        "" => i128::MIN,
                        text => number(text, convert, written.layout.marks, units)?,
                    });
                }
                Ok(())
            }
            Column::Integer(values, valid) => {
                for text in texts {
                    let value = text.parse::<i64>();
                    if value.is_err() && !text.is_empty() {
                        return Err(bad(RejectReason::BadInteger, text, "a whole number"));
                    }
                    valid.push(value.is_ok());
                    values.push(value.unwrap_or_default());
                }
                Ok(())
            }
        }
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        match self {
            Column::Text(column) | Column::Currency(column, _) => column.truncate(rows),
            Column::Date(days, ..) => days.truncate(rows),
            Column::Decimal(values) => values.truncate(rows),
            Column::Integer(values, valid) => {
                values.truncate(rows);
                valid.truncate(rows);
            }
        }
    }

    /// Ends a block: its rows as an array of the kind.
    pub(super) fn finish(&mut self, kind: Kind) -> ArrayRef {
        match self {
            Column::Text(column) => column.finish(),
            Column::Currency(column, units) => {
                let array = column.finish();
                units.truncate(column.texts.len());
                array
            }
            Column::Date(days, texts, known) => {
                if texts.is_full() {
                    texts.clear();
                    known.clear();
                }
                dates(std::mem::take(days))
            }
            Column::Integer(values, valid) => {
                integers(std::mem::take(values), &std::mem::take(valid))
            }
            Column::Decimal(values) => match kind.data_type() {
                DataType::Decimal128(precision, scale) => {
                    decimals(std::mem::take(values), precision, scale)
                }
                other => unreachable!("a decimal is never staged as {other}"),
            },
        }
    }
}

fn bad(reason: RejectReason, found: &str, expected: impl Into<String>) -> Bad {
    Bad { reason, found: found.to_owned(), expected: expected.into() }
}

fn extend_texts<'t>(
    column: &mut DictColumn,
    texts: impl Iterator<Item = &'t str>,
    convert: Convert,
    absent: &[String],
) -> Result<(), Bad> {
    match convert {
        Convert::Partner => {
            for (text, again) in runs(texts) {
                if !(again && column.repeat()) {
                    let nobody = absent.iter().any(|absent| absent == text);
                    column.push_optional(if nobody { "" } else { text });
                }
            }
        }
        Convert::Period => {
            for text in texts {
                if !text.is_empty() && text.parse::<Period>().is_err() {
                    return Err(bad(RejectReason::BadPeriod, text, "a month YYYY-MM"));
                }
                column.push_optional(text);
            }
        }
        Convert::YesNo => {
            for text in texts {
                let truth = yes_no(text)
                    .ok_or_else(|| bad(RejectReason::NotAllowed, text, "`yes` or `no`"))?;
                column.push(truth);
            }
        }
        _ => {
            for (text, again) in runs(texts) {
                if !(again && column.repeat()) {
                    column.push_optional(text);
                }
            }
        }
    }
    Ok(())
}

/// The day that a text stands for; blank is null.
#[inline]
fn day(
    text: &str,
    distinct: &mut Interner,
    known: &mut Vec<i32>,
    inclusive_end: bool,
    written: Written,
) -> Result<i32, Bad> {
    let parse = || written.layout.dates.parse(text);
    let number = distinct.intern(text) as usize;
    if number == known.len() {
        known.push(match parse().filter(|day| !written.decides || DAYS.contains(day)) {
            Some(day) => day + i32::from(inclusive_end),
            None if text.is_empty() => i32::MIN,
            None => NO_DAY,
        });
    }
    if known[number] == NO_DAY {
        let far_off = written.decides && parse().is_some();
        let expected = if far_off { "a date from 2000 to 2099" } else { "a date" };
        return Err(bad(RejectReason::BadDate, text, expected));
    }
    Ok(known[number])
}

/// Blank is `no`.
fn yes_no(text: &str) -> Option<&'static str> {
    const YES: [&str; 4] = ["yes", "y", "true", "1"];
    const NO: [&str; 5] = ["no", "n", "false", "0", ""];
    let is = |known: &&str| known.eq_ignore_ascii_case(text);
    match (YES.iter().any(is), NO.iter().any(is)) {
        (true, _) => Some("yes"),
        (_, true) => Some("no"),
        _ => None,
    }
}

/// Minor units of the last row's currency; `None` for one that nobody declared.
fn minor_units_of(column: &DictColumn, units: &mut Vec<Option<u32>>) -> Option<u32> {
    let key = *column.keys.last()?;
    if key == NULL_KEY {
        return Some(0);
    }
    for number in units.len()..column.texts.len() {
        units.push(currency::minor_units(column.texts.get(number)));
    }
    units[key.cast_unsigned() as usize]
}

/// The number that a text stands for, at the column's scale.
fn number(text: &str, convert: Convert, marks: Marks, minor_units: u32) -> Result<i128, Bad> {
    let (most, scale, digits, positive) = match convert {
        Convert::Decimal { decimals: Decimals::Fixed(most), scale, digits, positive } => {
            (most, scale, digits, positive)
        }
        Convert::Decimal { decimals: Decimals::Currency, scale, digits, positive } => {
            (minor_units, scale, digits, positive)
        }
        Convert::Integer { scale } => (0, scale, 38, false),
        _ => unreachable!("only numbers are staged as decimals"),
    };
    let whole = matches!(convert, Convert::Integer { .. });
    let value = decimal(text, marks, most, scale, digits).map_err(|reason| match reason {
        RejectReason::BadDecimal | RejectReason::TooManyDecimals if whole => {
            bad(RejectReason::BadInteger, text, "a whole number")
        }
        RejectReason::TooManyDecimals => bad(reason, text, format!("at most {most} decimals")),
        RejectReason::TooLarge => {
            bad(reason, text, format!("at most {} digits before the decimal mark", digits - scale))
        }
        reason => bad(reason, text, expected_number(marks)),
    })?;
    if positive && value <= 0 {
        return Err(bad(RejectReason::NotPositive, text, "a number above zero"));
    }
    Ok(value)
}

fn expected_number(marks: Marks) -> String {
    let decimal = char::from(marks.decimal);
    match marks.thousands {
        Some(mark) => format!("a decimal number such as `1{mark}234{decimal}50`"),
        None => format!("a decimal number such as `1234{decimal}50`"),
    }
}

//! Typing. In: the fields of one record after the other. Out: columns of the staged table, or the
//! first fault of a record. A faulty record leaves no trace in the columns. The same rows are used for
//! block after block of a file.

use super::columns::{DictColumn, Interner, NULL_KEY, dates, decimals, dictionary, integers};
use super::fields::{Fault, Fields, Layout, Texts};
use super::format::{Convert, Decimals, Format};
use super::identify::{Identified, Ids};
use super::number::{Marks, decimal};
use crate::schema::Kind;
use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::DataType;
use chrono::{Datelike, NaiveDate};
use earnest_core::currency;
use earnest_core::reason::RejectReason;
use std::sync::Arc;

/// The columns of one target.
enum Column {
    Text(DictColumn),
    /// Distinct currencies with their minor units; `None`: unknown.
    Currency(DictColumn, Vec<Option<u32>>),
    /// Days, and the days of the distinct texts.
    Date(Vec<i32>, Interner, Vec<i32>),
    Decimal(Vec<i128>),
    Integer(Vec<i64>, Vec<bool>),
}

/// What stands for a text that is no date.
const NO_DAY: i32 = i32::MAX;

/// Days since 1970-01-01 that a transaction date may have: 2000 to 2099. Others are typos, and every
/// month up to them would be decided.
const DAYS: std::ops::RangeInclusive<i32> = 10_957..=47_481;

/// Rows while they grow.
pub(super) struct Rows<'a> {
    format: &'a Format,
    pub(super) layout: Arc<Layout>,
    columns: Vec<Column>,
    texts: Texts,
    /// Columns of the format that need a look besides their target.
    watched: Vec<usize>,
    date_ranges: Vec<(usize, usize)>,
    rows: usize,
    records: Vec<u32>,
    /// Minor units of the current row's currency.
    minor_units: u32,
    ids: Ids<'a>,
    /// Position in `columns` of base, transaction date and currency, for transactions.
    money: Option<(usize, usize, usize)>,
    /// By key of the currency; `None` for one that no row of the block has.
    sums: Vec<Option<i128>>,
}

/// Rows of a block, typed.
pub(super) struct Typed {
    pub rows: usize,
    /// Records within the block, the first is 0.
    pub records: Vec<u32>,
    /// Arrays by staged column name's position in the format's targets.
    pub targets: Vec<ArrayRef>,
    pub identified: Identified,
    /// Month of each row, counted from year 0; empty for tables without periods.
    pub months: Vec<i32>,
    /// Sum of base per currency.
    pub sums: Vec<(String, i128)>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(format: &'a Format, layout: Arc<Layout>) -> Rows<'a> {
        let column = |convert: &Convert| match convert {
            Convert::Text | Convert::Partner | Convert::Period | Convert::YesNo => {
                Column::Text(DictColumn::default())
            }
            Convert::Currency => Column::Currency(DictColumn::default(), Vec::new()),
            Convert::Date { .. } => Column::Date(Vec::new(), Interner::default(), Vec::new()),
            Convert::Integer { scale: 0 } => Column::Integer(Vec::new(), Vec::new()),
            Convert::Decimal { .. } | Convert::Integer { .. } => Column::Decimal(Vec::new()),
        };
        let target = |name: &str| {
            let staged = format.table.columns.iter().position(|column| column.name == name)?;
            format.targets.iter().position(|target| target.staged == staged)
        };
        let range = |from: &str, until: &str| Some((target(from)?, target(until)?));
        let money =
            || Some((target("base")?, target("transaction_on")?, target("transaction_currency")?));
        let watched = |&column: &usize| {
            let column = &format.columns[column];
            column.filled || !column.allowed.is_empty()
        };
        Rows {
            format,
            columns: format.targets.iter().map(|target| column(&target.convert)).collect(),
            texts: Texts::new(Arc::clone(&layout)),
            layout,
            watched: (0..format.columns.len()).filter(watched).collect(),
            date_ranges: [range("from_on", "until_on"), range("charge_start_on", "charge_end_on")]
                .into_iter()
                .flatten()
                .collect(),
            rows: 0,
            records: Vec::new(),
            minor_units: 0,
            ids: Ids::new(format),
            money: money(),
            sums: Vec::new(),
        }
    }

    /// Begins a block of about so many rows.
    pub(super) fn begin(&mut self, expected: usize) {
        for column in &mut self.columns {
            match column {
                Column::Text(column) | Column::Currency(column, _) => column.begin(expected),
                Column::Date(days, ..) => days.reserve(expected),
                Column::Decimal(values) => values.reserve(expected),
                Column::Integer(values, valid) => {
                    values.reserve(expected);
                    valid.reserve(expected);
                }
            }
        }
        self.records.reserve(expected);
        self.ids.begin(expected);
    }

    /// Appends a record, or says why not.
    pub(super) fn push(&mut self, record: u32, fields: Fields) -> Result<(), Fault> {
        if fields.spans.len() != self.layout.fields {
            let short = fields.spans.len() < self.layout.fields;
            return Err(Fault {
                column: None,
                reason: if short { RejectReason::ShortRecord } else { RejectReason::LongRecord },
                found: Some(counted(fields.spans.len())),
                expected: counted(self.layout.fields),
            });
        }
        self.texts.set(fields);
        let typed = self.watch(fields).and_then(|()| self.convert(fields));
        if let Err(fault) = typed {
            self.take_back();
            return Err(fault);
        }
        self.ids.push(&self.texts, fields);
        self.add_to_sum();
        self.records.push(record);
        self.rows += 1;
        Ok(())
    }

    /// Blank and unknown values of columns that must be filled, or have a list.
    fn watch(&self, fields: Fields) -> Result<(), Fault> {
        for &column in &self.watched {
            let text = self.texts.get(fields, column);
            let declared = &self.format.columns[column];
            if text.is_empty() {
                if declared.filled {
                    let expected = "a value".to_owned();
                    return Err(fault(column, RejectReason::Missing, "", expected));
                }
            } else if !declared.allowed.is_empty()
                && !declared.allowed.iter().any(|allowed| allowed == text)
            {
                let expected = format!("one of {}", declared.allowed.join(", "));
                return Err(fault(column, RejectReason::NotAllowed, text, expected));
            }
        }
        Ok(())
    }

    fn convert(&mut self, fields: Fields) -> Result<(), Fault> {
        for (place, target) in self.format.targets.iter().enumerate() {
            let text = self.texts.get(fields, target.column);
            let bad = |reason, expected| fault(target.column, reason, text, expected);
            match (&mut self.columns[place], target.convert) {
                (Column::Text(column), Convert::Text) => column.push_optional(text),
                (Column::Text(column), Convert::Partner) => {
                    let absent = self.format.absent.iter().any(|absent| absent == text);
                    column.push_optional(if absent { "" } else { text });
                }
                (Column::Text(column), Convert::Period) => {
                    if !text.is_empty() && text.parse::<earnest_core::calendar::Period>().is_err() {
                        return Err(bad(RejectReason::BadPeriod, "a month YYYY-MM".to_owned()));
                    }
                    column.push_optional(text);
                }
                (Column::Text(column), Convert::YesNo) => {
                    let Some(truth) = yes_no(text) else {
                        return Err(bad(RejectReason::NotAllowed, "`yes` or `no`".to_owned()));
                    };
                    column.push(truth);
                }
                (Column::Currency(column, units), _) => {
                    column.push_code(text);
                    let Some(minor_units) = minor_units(column, units) else {
                        let expected = "an ISO 4217 currency code".to_owned();
                        return Err(bad(RejectReason::UnknownCurrency, expected));
                    };
                    self.minor_units = minor_units;
                }
                (Column::Date(days, texts, known), Convert::Date { inclusive_end }) => {
                    let number = texts.intern(text) as usize;
                    let decides = self.money.is_some_and(|(_, day, _)| day == place);
                    if number == known.len() {
                        let parsed = self.layout.dates.parse(text);
                        let parsed = parsed.filter(|day| !decides || DAYS.contains(day));
                        known.push(match parsed {
                            Some(day) => day + i32::from(inclusive_end),
                            None if text.is_empty() => i32::MIN,
                            None => NO_DAY,
                        });
                    }
                    if known[number] == NO_DAY {
                        let far_off = decides && self.layout.dates.parse(text).is_some();
                        let expected = if far_off { "a date from 2000 to 2099" } else { "a date" };
                        return Err(bad(RejectReason::BadDate, expected.to_owned()));
                    }
                    days.push(known[number]);
                }
                (Column::Decimal(values), convert) if !text.is_empty() => {
                    values.push(
                        number(text, convert, self.layout.marks, self.minor_units).map_err(
                            |(reason, expected)| fault(target.column, reason, text, expected),
                        )?,
                    );
                }
                (Column::Decimal(values), _) => values.push(i128::MIN),
                (Column::Integer(values, valid), _) => {
                    let value = text.parse::<i64>();
                    if value.is_err() && !text.is_empty() {
                        return Err(bad(RejectReason::BadInteger, "a whole number".to_owned()));
                    }
                    valid.push(value.is_ok());
                    values.push(value.unwrap_or_default());
                }
                (Column::Text(_) | Column::Date(..), _) => {
                    unreachable!("columns are made for their conversion")
                }
            }
        }
        self.check_ranges(fields)
    }

    fn check_ranges(&self, fields: Fields) -> Result<(), Fault> {
        for &(from, until) in &self.date_ranges {
            let (Column::Date(starts, ..), Column::Date(ends, ..)) =
                (&self.columns[from], &self.columns[until])
            else {
                continue;
            };
            let (start, end) = (starts[self.rows], ends[self.rows]);
            let (first, last) = (&self.format.targets[from], &self.format.targets[until]);
            let inclusive = matches!(last.convert, Convert::Date { inclusive_end: true });
            // Staged, an inclusive end has become the day after.
            if start != i32::MIN && end != i32::MIN && end - i32::from(inclusive) < start {
                let expected = format!(
                    "a date on or after `{}`, {}",
                    self.format.columns[first.column].name,
                    self.texts.get(fields, first.column)
                );
                let text = self.texts.get(fields, last.column);
                return Err(fault(last.column, RejectReason::DatesReversed, text, expected));
            }
        }
        Ok(())
    }

    /// Takes back what a faulty record left in the columns.
    fn take_back(&mut self) {
        let rows = self.rows;
        for column in &mut self.columns {
            match column {
                Column::Text(column) | Column::Currency(column, _) => column.truncate(rows),
                Column::Date(days, ..) => days.truncate(rows),
                Column::Decimal(values) => values.truncate(rows),
                Column::Integer(values, valid) => {
                    values.truncate(rows);
                    valid.truncate(rows);
                }
            }
        }
    }

    fn add_to_sum(&mut self) {
        let Some((base, _, currency)) = self.money else { return };
        let (Column::Decimal(bases), Column::Currency(currencies, _)) =
            (&self.columns[base], &self.columns[currency])
        else {
            return;
        };
        let key = currencies.keys[self.rows].cast_unsigned() as usize;
        if self.sums.len() <= key {
            self.sums.resize(key + 1, None);
        }
        *self.sums[key].get_or_insert(0) += bases[self.rows];
    }

    /// Ends a block: the columns of its rows.
    pub(super) fn finish(&mut self) -> Typed {
        let months = self.months();
        let sums = self.sums_by_currency();
        self.sums.clear();
        let kinds =
            self.format.targets.iter().map(|target| self.format.table.columns[target.staged].kind);
        let targets =
            self.columns.iter_mut().zip(kinds).map(|(column, kind)| column.finish(kind)).collect();
        Typed {
            rows: std::mem::take(&mut self.rows),
            records: std::mem::take(&mut self.records),
            targets,
            identified: self.ids.finish(),
            months,
            sums,
        }
    }

    /// The month of each row.
    fn months(&self) -> Vec<i32> {
        let Some((_, day, _)) = self.money else { return Vec::new() };
        let Column::Date(days, ..) = &self.columns[day] else { return Vec::new() };
        let mut last = (i32::MIN, 0);
        days.iter()
            .map(|&day| {
                if day != last.0 {
                    last = (day, month_of(day));
                }
                last.1
            })
            .collect()
    }

    fn sums_by_currency(&self) -> Vec<(String, i128)> {
        let Some((_, _, currency)) = self.money else { return Vec::new() };
        let Column::Currency(currencies, _) = &self.columns[currency] else { return Vec::new() };
        let of = |(key, sum): (usize, &Option<i128>)| {
            Some((currencies.texts.get(key).to_owned(), (*sum)?))
        };
        self.sums.iter().enumerate().filter_map(of).collect()
    }
}

impl Column {
    /// Ends a block: its rows as an array of the kind.
    fn finish(&mut self, kind: Kind) -> ArrayRef {
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

/// A number of fields, in words.
fn counted(fields: usize) -> String {
    if fields == 1 { "1 field".to_owned() } else { format!("{fields} fields") }
}

/// Months as texts `YYYY-MM`, by number from year 0.
pub(super) fn period_array(months: &[i32]) -> ArrayRef {
    let mut distinct: Vec<i32> = Vec::new();
    let keys = months
        .iter()
        .map(|month| {
            let place = distinct.iter().rposition(|known| known == month).unwrap_or_else(|| {
                distinct.push(*month);
                distinct.len() - 1
            });
            i32::try_from(place).unwrap_or(NULL_KEY)
        })
        .collect();
    let texts: StringArray = distinct.iter().map(|month| Some(period_text(*month))).collect();
    dictionary(keys, Arc::new(texts))
}

/// A month as `YYYY-MM`.
pub(super) fn period_text(month: i32) -> String {
    format!("{:04}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1)
}

fn month_of(day: i32) -> i32 {
    let date = NaiveDate::from_num_days_from_ce_opt(day + 719_163).unwrap_or_default();
    date.year() * 12 + date.month0().cast_signed()
}

fn fault(column: usize, reason: RejectReason, found: &str, expected: String) -> Fault {
    Fault { column: Some(column), reason, found: Some(found.to_owned()), expected }
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
fn minor_units(column: &DictColumn, units: &mut Vec<Option<u32>>) -> Option<u32> {
    let key = *column.keys.last()?;
    if key == NULL_KEY {
        return Some(0);
    }
    for number in units.len()..column.texts.len() {
        units.push(currency::minor_units(column.texts.get(number)));
    }
    units[key.cast_unsigned() as usize]
}

fn number(
    text: &str,
    convert: Convert,
    marks: Marks,
    minor_units: u32,
) -> Result<i128, (RejectReason, String)> {
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
            (RejectReason::BadInteger, "a whole number".to_owned())
        }
        RejectReason::TooManyDecimals => (reason, format!("at most {most} decimals")),
        RejectReason::TooLarge => {
            (reason, format!("at most {} digits before the decimal mark", digits - scale))
        }
        reason => (reason, expected_number(marks)),
    })?;
    if positive && value <= 0 {
        return Err((RejectReason::NotPositive, "a number above zero".to_owned()));
    }
    Ok(value)
}

fn expected_number(marks: Marks) -> String {
    let decimal = char::from(marks.decimal);
    match marks.thousands {
        Some(mark) => format!("a decimal number such as `1{}234{decimal}50`", char::from(mark)),
        None => format!("a decimal number such as `1234{decimal}50`"),
    }
}

//! Rows of a block. In: the fields of one record after the other. Out: columns of the staged table, or the
//! first fault of a record. A faulty record leaves no trace in the columns. The same rows are used for
//! block after block of a file.

use super::columns::{NULL_KEY, dictionary};
use super::fields::{Columns, Fault, Fields, Layout, Trimmed};
use super::format::{Convert, Format};
use super::identify::{Identified, Ids};
use super::splitter::Span;
use super::typing::{Column, Written};
use super::waiting::Waiting;
use arrow::array::{ArrayRef, StringArray};
use chrono::{Datelike, NaiveDate};
use earnest_core::reason::RejectReason;
use std::sync::Arc;

/// Rows while they grow.
pub(super) struct Rows<'a> {
    format: &'a Format,
    pub(super) layout: Arc<Layout>,
    columns: Vec<Column>,
    names: Columns,
    trimmed: Trimmed,
    waiting: Waiting,
    /// Records that waited and can't be staged.
    pub(super) faulty: Vec<Faulty>,
    /// Columns of the format that need a look besides their target.
    watched: Vec<usize>,
    date_ranges: Vec<(usize, usize)>,
    rows: usize,
    records: Vec<u32>,
    /// Minor units of the currency of each row that is being typed.
    minor_units: Vec<u32>,
    ids: Ids<'a>,
    /// Position in `columns` of base, transaction date and currency, for transactions.
    money: Option<(usize, usize, usize)>,
    /// By key of the currency; `None` for one that no row of the block has.
    sums: Vec<Option<i128>>,
}

/// A record that can't be staged.
pub(super) struct Faulty {
    /// Within the block, the first is 0.
    pub record: u32,
    /// Where it lies in the block.
    pub line: Span,
    pub fault: Fault,
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
            columns: format.targets.iter().map(|target| Column::new(target.convert)).collect(),
            names: Columns::new(Arc::clone(&layout)),
            layout,
            trimmed: Trimmed::default(),
            waiting: Waiting::default(),
            faulty: Vec::new(),
            watched: (0..format.columns.len()).filter(watched).collect(),
            date_ranges: [range("from_on", "until_on"), range("charge_start_on", "charge_end_on")]
                .into_iter()
                .flatten()
                .collect(),
            rows: 0,
            records: Vec::new(),
            minor_units: Vec::new(),
            ids: Ids::new(format),
            money: money(),
            sums: Vec::new(),
        }
    }

    /// Begins a block of about so many rows.
    pub(super) fn begin(&mut self, expected: usize) {
        for column in &mut self.columns {
            column.begin(expected);
        }
        self.records.reserve(expected);
        self.ids.begin(expected);
    }

    /// Appends a record, or says why not. It may wait for others, and prove faulty later.
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
        let mut trimmed = std::mem::take(&mut self.trimmed);
        let fields = trimmed.of(fields);
        let pushed = if fields.shared && fields.scratch.is_empty() {
            if self.waiting.add(record, fields) {
                self.flush(fields.text);
            }
            Ok(())
        } else {
            self.flush(fields.text);
            self.one(record, fields)
        };
        self.trimmed = trimmed;
        pushed
    }

    /// Types the records that wait; `text` is their block's. If one of them is faulty, each by itself.
    pub(super) fn flush(&mut self, text: &str) {
        if self.waiting.is_empty() {
            return;
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        if self.convert(waiting.all(text)).is_ok() {
            for (record, fields) in waiting.each(text) {
                self.keep(record, fields);
            }
        } else {
            self.take_back();
            for (record, fields) in waiting.each(text) {
                if let Err(fault) = self.one(record, fields) {
                    self.faulty.push(Faulty { record, line: fields.line, fault });
                }
            }
        }
        waiting.clear();
        self.waiting = waiting;
    }

    /// Types one record.
    fn one(&mut self, record: u32, fields: Fields) -> Result<(), Fault> {
        if let Err(fault) = self.convert(fields) {
            self.take_back();
            return Err(fault);
        }
        self.keep(record, fields);
        Ok(())
    }

    /// Counts a record in whose columns are typed.
    fn keep(&mut self, record: u32, fields: Fields) {
        self.ids.push(&self.names, fields);
        self.add_to_sum();
        self.records.push(record);
        self.rows += 1;
    }

    /// Appends records to all columns, or says what is wrong with the first column that has a fault.
    fn convert(&mut self, fields: Fields) -> Result<(), Fault> {
        self.watch(fields)?;
        self.minor_units.clear();
        let decides = self.money.map(|(_, day, _)| day);
        for (place, (column, target)) in
            self.columns.iter_mut().zip(&self.format.targets).enumerate()
        {
            let as_written = Written {
                layout: &self.layout,
                absent: &self.format.absent,
                decides: decides == Some(place),
            };
            let texts = self.names.each(fields, target.column);
            column
                .extend(texts, target.convert, as_written, &mut self.minor_units)
                .map_err(|bad| fault(target.column, bad.reason, &bad.found, bad.expected))?;
        }
        self.check_ranges(fields)
    }

    /// Blank and unknown values of columns that must be filled, or have a list.
    fn watch(&self, fields: Fields) -> Result<(), Fault> {
        for &column in &self.watched {
            let declared = &self.format.columns[column];
            for text in self.names.each(fields, column) {
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
        }
        Ok(())
    }

    fn check_ranges(&self, fields: Fields) -> Result<(), Fault> {
        for &(from, until) in &self.date_ranges {
            let (Column::Date(starts, ..), Column::Date(ends, ..)) =
                (&self.columns[from], &self.columns[until])
            else {
                continue;
            };
            let (first, last) = (&self.format.targets[from], &self.format.targets[until]);
            let inclusive = matches!(last.convert, Convert::Date { inclusive_end: true });
            // Staged, an inclusive end has become the day after.
            let reversed = |(&start, &end): (&i32, &i32)| {
                start != i32::MIN && end != i32::MIN && end - i32::from(inclusive) < start
            };
            let row = starts[self.rows..].iter().zip(&ends[self.rows..]).position(reversed);
            if let Some(row) = row {
                let text = |column| self.names.each(fields, column).nth(row).unwrap_or_default();
                let name = &self.format.columns[first.column].name;
                let expected = format!("a date on or after `{name}`, {}", text(first.column));
                let found = text(last.column);
                return Err(fault(last.column, RejectReason::DatesReversed, found, expected));
            }
        }
        Ok(())
    }

    /// Takes back what faulty records left in the columns.
    fn take_back(&mut self) {
        for column in &mut self.columns {
            column.truncate(self.rows);
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

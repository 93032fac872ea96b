//! Builders of the result tables' batches: one `push` per row, one `finish` per batch.

use super::names::{Dictionary, Names};
use super::sink::Origin;
use crate::columns;
use crate::error::Result;
use crate::schema::{self, Kind};
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Int32Array, RecordBatch, StringArray,
    StringBuilder, new_null_array,
};
use std::sync::Arc;

/// Keys into a dictionary, one per row; negative is null.
#[derive(Default)]
struct Keys(Vec<i32>);

impl Keys {
    fn finish(&mut self, dictionary: &Dictionary) -> Result<ArrayRef> {
        let keys = taken(&mut self.0);
        let nullable = keys.iter().any(|&key| key < 0);
        let keys: Int32Array = if nullable {
            keys.into_iter().map(|key| (key >= 0).then_some(key)).collect()
        } else {
            Int32Array::from(keys)
        };
        Ok(Arc::new(DictionaryArray::try_new(keys, dictionary.values.clone())?))
    }
}

/// Decimals at the scale of their column, never null.
#[derive(Default)]
struct Decimals(Vec<i128>);

impl Decimals {
    fn finish(&mut self, kind: Kind) -> Result<ArrayRef> {
        columns::decimals(kind, taken(&mut self.0))
    }
}

/// The rows so far; as many are expected again.
fn taken<T>(rows: &mut Vec<T>) -> Vec<T> {
    let next = Vec::with_capacity(rows.len());
    std::mem::replace(rows, next)
}

/// Texts of some of the rows.
fn texts_at(texts: &mut Vec<(usize, String)>, rows: usize) -> ArrayRef {
    if texts.is_empty() {
        return new_null_array(&Kind::Text.data_type(), rows);
    }
    let mut texts = texts.drain(..).peekable();
    let text = |row| texts.next_if(|(at, _)| *at == row).map(|(_, text)| text);
    Arc::new((0..rows).map(text).collect::<StringArray>())
}

fn days(rows: &mut Vec<i32>) -> ArrayRef {
    Arc::new(Date32Array::from(taken(rows)))
}

/// What every outcome of a line has in common. Texts are keys into [`Names`].
#[derive(Clone, Copy)]
pub struct Line<'a> {
    pub source: i32,
    pub transaction_id: Option<&'a str>,
    pub original_transaction_id: Option<&'a str>,
    pub customer_id: Option<&'a str>,
    /// Days since 1970.
    pub transaction_on: i32,
    pub period: i32,
    pub currency: i32,
    /// At amount scale.
    pub base: i128,
    /// Units, at amount scale; 0 where none is given.
    pub quantity: i128,
    /// Of a line that takes away, and is no sum: since when it is known, in days since 1970.
    pub known_on: Option<i32>,
}

/// What a transaction has of an aggregate earning; amounts at amount scale.
#[derive(Clone, Copy)]
pub struct Share<'a> {
    pub source: i32,
    pub transaction_id: &'a str,
    pub original_transaction_id: Option<&'a str>,
    pub currency: i32,
    /// In transaction currency.
    pub base: i128,
    /// What it adds to a measure.
    pub measured: Option<i128>,
    pub earning_share: i128,
    pub program_share: i128,
}

/// Whose outcome it is, under which lever. Texts are keys into [`Names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    pub program: i32,
    pub term: i32,
    pub lever: i32,
    pub role: i32,
    pub participant: i32,
    pub partner: i32,
    pub group: i32,
}

/// The figures of one earning.
#[derive(Clone, Copy)]
pub struct Figures {
    pub earning_id: u128,
    pub earning_type: i32,
    pub program_currency: i32,
    pub rate: i128,
    pub share: i128,
    pub exchange_rate: i128,
    /// Before caps.
    pub gross_amount: i128,
    pub earning_amount: i128,
    pub program_amount: i128,
    /// Key, or negative.
    pub fund_half: i32,
    /// Key, or negative.
    pub payment_month: i32,
}

/// Rows of a table that wait to be written.
pub trait Rows {
    fn rows(&self) -> usize;

    /// The rows as a batch; none wait any more.
    ///
    /// # Errors
    /// If a key lies outside its dictionary, which would be a bug.
    fn finish(&mut self, names: &Names) -> Result<RecordBatch>;
}

/// Rows of `earnings`.
#[derive(Default)]
pub struct EarningRows {
    rows: usize,
    earning_id: Vec<u128>,
    keys: [Keys; 14],
    transaction_on: Vec<i32>,
    texts: [StringBuilder; 4],
    base: Decimals,
    rates: [Decimals; 3],
    gross: Decimals,
    forgone: Decimals,
    earned: Decimals,
    program_amount: Decimals,
    /// Rows that have one, which are few.
    tier_details: Vec<(usize, String)>,
}

impl EarningRows {
    pub fn push(&mut self, line: &Line, subject: &Subject, origin: &Origin, figures: &Figures) {
        if let Some(detail) = &origin.tier_detail {
            self.tier_details.push((self.rows, detail.clone()));
        }
        self.rows += 1;
        let aggregate_key = origin.aggregate_key;
        self.earning_id.push(figures.earning_id);
        let keys = [
            subject.program,
            subject.term,
            subject.lever,
            figures.earning_type,
            line.period,
            subject.participant,
            subject.partner,
            subject.role,
            line.source,
            subject.group,
            line.currency,
            figures.program_currency,
            figures.fund_half,
            figures.payment_month,
        ];
        for (column, key) in self.keys.iter_mut().zip(keys) {
            column.0.push(key);
        }
        self.transaction_on.push(line.transaction_on);
        let texts =
            [line.transaction_id, line.original_transaction_id, aggregate_key, line.customer_id];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.append_option(text);
        }
        self.base.0.push(line.base);
        let rates = [figures.rate, figures.share, figures.exchange_rate];
        for (column, rate) in self.rates.iter_mut().zip(rates) {
            column.0.push(rate);
        }
        self.gross.0.push(figures.gross_amount);
        self.forgone.0.push(figures.gross_amount - figures.earning_amount);
        self.earned.0.push(figures.earning_amount);
        self.program_amount.0.push(figures.program_amount);
    }
}

impl Rows for EarningRows {
    fn rows(&self) -> usize {
        self.rows
    }

    fn finish(&mut self, names: &Names) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        let [
            program,
            term,
            lever,
            kind,
            period,
            participant,
            partner,
            role,
            source,
            group,
            currency,
            program_currency,
            half,
            month,
        ] = &mut self.keys;
        let [transaction, original, aggregate, customer] = &mut self.texts;
        let [rate, share, exchange_rate] = &mut self.rates;
        let columns: Vec<ArrayRef> = vec![
            columns::uuids(taken(&mut self.earning_id))?,
            program.finish(&names.programs)?,
            term.finish(&names.terms)?,
            lever.finish(&names.levers)?,
            kind.finish(&names.earning_types)?,
            period.finish(&names.periods)?,
            days(&mut self.transaction_on),
            participant.finish(&names.participants)?,
            partner.finish(&names.partners)?,
            role.finish(&names.roles)?,
            source.finish(&names.sources)?,
            Arc::new(transaction.finish()),
            Arc::new(original.finish()),
            Arc::new(aggregate.finish()),
            Arc::new(customer.finish()),
            group.finish(&names.groups)?,
            currency.finish(&names.currencies)?,
            program_currency.finish(&names.currencies)?,
            self.base.finish(Kind::Amount)?,
            rate.finish(Kind::Rate)?,
            share.finish(Kind::Rate)?,
            exchange_rate.finish(Kind::Rate)?,
            self.gross.finish(Kind::Money)?,
            self.forgone.finish(Kind::Money)?,
            self.earned.finish(Kind::Money)?,
            self.program_amount.finish(Kind::Money)?,
            texts_at(&mut self.tier_details, rows),
            half.finish(&names.halves)?,
            month.finish(&names.periods)?,
        ];
        columns::batch(&schema::EARNINGS, columns)
    }
}

/// Rows of `unearned`.
#[derive(Default)]
pub struct UnearnedRows {
    rows: usize,
    keys: [Keys; 10],
    transaction_on: Vec<i32>,
    texts: [StringBuilder; 5],
    base: Decimals,
    forgone: Vec<Option<i128>>,
}

impl UnearnedRows {
    /// `forgone` is at amount scale; `None` where it can't be computed.
    pub fn push(
        &mut self,
        line: &Line,
        subject: &Subject,
        forgone: Option<i128>,
        reason: &str,
        other_reasons: Option<&str>,
    ) {
        self.rows += 1;
        let keys = [
            subject.program,
            subject.term,
            subject.lever,
            line.period,
            subject.participant,
            subject.partner,
            subject.role,
            line.source,
            subject.group,
            line.currency,
        ];
        for (column, key) in self.keys.iter_mut().zip(keys) {
            column.0.push(key);
        }
        self.transaction_on.push(line.transaction_on);
        let texts = [
            line.transaction_id,
            line.original_transaction_id,
            line.customer_id,
            Some(reason),
            other_reasons,
        ];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.append_option(text);
        }
        self.base.0.push(line.base);
        self.forgone.push(forgone);
    }
}

impl Rows for UnearnedRows {
    fn rows(&self) -> usize {
        self.rows
    }

    fn finish(&mut self, names: &Names) -> Result<RecordBatch> {
        self.rows = 0;
        let [program, term, lever, period, participant, partner, role, source, group, currency] =
            &mut self.keys;
        let [transaction, original, customer, reason, others] = &mut self.texts;
        let columns: Vec<ArrayRef> = vec![
            program.finish(&names.programs)?,
            term.finish(&names.terms)?,
            lever.finish(&names.levers)?,
            period.finish(&names.periods)?,
            days(&mut self.transaction_on),
            participant.finish(&names.participants)?,
            partner.finish(&names.partners)?,
            role.finish(&names.roles)?,
            source.finish(&names.sources)?,
            Arc::new(transaction.finish()),
            Arc::new(original.finish()),
            Arc::new(customer.finish()),
            group.finish(&names.groups)?,
            currency.finish(&names.currencies)?,
            self.base.finish(Kind::Amount)?,
            columns::optional_decimals(Kind::Amount, taken(&mut self.forgone))?,
            Arc::new(reason.finish()),
            Arc::new(others.finish()),
        ];
        columns::batch(&schema::UNEARNED, columns)
    }
}

/// Rows of `out_of_scope`.
#[derive(Default)]
pub struct OutOfScopeRows {
    rows: usize,
    keys: [Keys; 5],
    transaction_on: Vec<i32>,
    texts: [StringBuilder; 4],
    base: Decimals,
    whole: Vec<bool>,
}

impl OutOfScopeRows {
    /// `partner` is a key or negative.
    pub fn push(&mut self, line: &Line, role: i32, partner: i32, whole: bool, reason: &str) {
        self.rows += 1;
        let keys = [line.period, line.source, role, partner, line.currency];
        for (column, key) in self.keys.iter_mut().zip(keys) {
            column.0.push(key);
        }
        self.transaction_on.push(line.transaction_on);
        let texts =
            [line.transaction_id, line.original_transaction_id, line.customer_id, Some(reason)];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.append_option(text);
        }
        self.base.0.push(line.base);
        self.whole.push(whole);
    }
}

impl Rows for OutOfScopeRows {
    fn rows(&self) -> usize {
        self.rows
    }

    fn finish(&mut self, names: &Names) -> Result<RecordBatch> {
        self.rows = 0;
        let [period, source, role, partner, currency] = &mut self.keys;
        let [transaction, original, customer, reason] = &mut self.texts;
        let columns: Vec<ArrayRef> = vec![
            period.finish(&names.periods)?,
            days(&mut self.transaction_on),
            source.finish(&names.sources)?,
            Arc::new(transaction.finish()),
            Arc::new(original.finish()),
            role.finish(&names.roles)?,
            partner.finish(&names.partners)?,
            Arc::new(customer.finish()),
            currency.finish(&names.currencies)?,
            self.base.finish(Kind::Amount)?,
            Arc::new(BooleanArray::from(taken(&mut self.whole))),
            Arc::new(reason.finish()),
        ];
        columns::batch(&schema::OUT_OF_SCOPE, columns)
    }
}

/// Rows of `earning_sources`.
#[derive(Default)]
pub struct SourceRows {
    rows: usize,
    earning_id: Vec<u128>,
    keys: [Keys; 3],
    texts: [StringBuilder; 2],
    amounts: [Decimals; 3],
    measured: Vec<Option<i128>>,
}

impl SourceRows {
    pub fn push(&mut self, earning_id: u128, period: i32, share: &Share) {
        self.rows += 1;
        self.earning_id.push(earning_id);
        for (column, key) in self.keys.iter_mut().zip([period, share.source, share.currency]) {
            column.0.push(key);
        }
        self.texts[0].append_value(share.transaction_id);
        self.texts[1].append_option(share.original_transaction_id);
        let amounts = [share.base, share.earning_share, share.program_share];
        for (column, amount) in self.amounts.iter_mut().zip(amounts) {
            column.0.push(amount);
        }
        self.measured.push(share.measured);
    }
}

impl Rows for SourceRows {
    fn rows(&self) -> usize {
        self.rows
    }

    fn finish(&mut self, names: &Names) -> Result<RecordBatch> {
        self.rows = 0;
        let [period, source, currency] = &mut self.keys;
        let [transaction, original] = &mut self.texts;
        let [base, share, program_share] = &mut self.amounts;
        let columns: Vec<ArrayRef> = vec![
            columns::uuids(taken(&mut self.earning_id))?,
            period.finish(&names.periods)?,
            source.finish(&names.sources)?,
            Arc::new(transaction.finish()),
            base.finish(Kind::Amount)?,
            share.finish(Kind::Amount)?,
            program_share.finish(Kind::Amount)?,
            Arc::new(original.finish()),
            currency.finish(&names.currencies)?,
            columns::optional_decimals(Kind::Amount, taken(&mut self.measured))?,
        ];
        columns::batch(&schema::EARNING_SOURCES, columns)
    }
}

//! Builders of the result tables' batches: one `push` per row, one `finish` per batch.

use super::names::{Dictionary, Names};
use crate::error::Result;
use crate::schema;
use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, DictionaryArray,
    FixedSizeBinaryBuilder, Int32Array, RecordBatch, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema};
use std::sync::Arc;

/// Keys into a dictionary, one per row; negative is null.
struct Keys(Vec<i32>);

impl Keys {
    fn finish(&mut self, dictionary: &Dictionary) -> Result<ArrayRef> {
        let keys = std::mem::take(&mut self.0);
        let nullable = keys.iter().any(|&key| key < 0);
        let keys: Int32Array = if nullable {
            keys.into_iter().map(|key| (key >= 0).then_some(key)).collect()
        } else {
            Int32Array::from(keys)
        };
        Ok(Arc::new(DictionaryArray::try_new(keys, dictionary.values.clone())?))
    }
}

fn decimals(precision: u8, scale: i8) -> Decimal128Builder {
    Decimal128Builder::new().with_data_type(DataType::Decimal128(precision, scale))
}

fn money() -> Decimal128Builder {
    decimals(18, 3)
}

fn amount() -> Decimal128Builder {
    decimals(38, 12)
}

fn rate() -> Decimal128Builder {
    decimals(18, 9)
}

/// The batch of a table; dictionaries stand for its text columns.
fn batch(table: &'static schema::Table, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let fields: Vec<Field> = table
        .arrow()
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone()))
        .collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
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
    pub earning_amount: i128,
    pub program_amount: i128,
    /// Key, or negative.
    pub fund_half: i32,
    /// Key, or negative.
    pub payment_month: i32,
}

/// Rows of `earnings`.
pub struct EarningRows {
    pub rows: usize,
    earning_id: FixedSizeBinaryBuilder,
    keys: [Keys; 14],
    transaction_on: Date32Builder,
    texts: [StringBuilder; 4],
    base: Decimal128Builder,
    rates: [Decimal128Builder; 3],
    money: [Decimal128Builder; 4],
    tier_detail: StringBuilder,
}

impl Default for EarningRows {
    fn default() -> EarningRows {
        EarningRows {
            rows: 0,
            earning_id: FixedSizeBinaryBuilder::new(16),
            keys: std::array::from_fn(|_| Keys(Vec::new())),
            transaction_on: Date32Builder::new(),
            texts: std::array::from_fn(|_| StringBuilder::new()),
            base: amount(),
            rates: std::array::from_fn(|_| rate()),
            money: std::array::from_fn(|_| money()),
            tier_detail: StringBuilder::new(),
        }
    }
}

impl EarningRows {
    /// # Errors
    /// Never: the id has 16 bytes.
    pub fn push(
        &mut self,
        line: &Line,
        subject: &Subject,
        aggregate_key: Option<&str>,
        figures: &Figures,
    ) -> Result<()> {
        self.rows += 1;
        self.earning_id.append_value(figures.earning_id.to_be_bytes())?;
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
        self.transaction_on.append_value(line.transaction_on);
        let texts =
            [line.transaction_id, line.original_transaction_id, aggregate_key, line.customer_id];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.append_option(text);
        }
        self.base.append_value(line.base);
        let rates = [figures.rate, figures.share, figures.exchange_rate];
        for (column, rate) in self.rates.iter_mut().zip(rates) {
            column.append_value(rate);
        }
        let money = [figures.earning_amount, 0, figures.earning_amount, figures.program_amount];
        for (column, amount) in self.money.iter_mut().zip(money) {
            column.append_value(amount);
        }
        self.tier_detail.append_null();
        Ok(())
    }

    /// # Errors
    /// If a key lies outside its dictionary, which would be a bug.
    pub fn finish(&mut self, names: &Names) -> Result<RecordBatch> {
        self.rows = 0;
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
        let [gross, forgone, earned, program_amount] = &mut self.money;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.earning_id.finish()),
            program.finish(&names.programs)?,
            term.finish(&names.terms)?,
            lever.finish(&names.levers)?,
            kind.finish(&names.earning_types)?,
            period.finish(&names.periods)?,
            Arc::new(self.transaction_on.finish()),
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
            Arc::new(self.base.finish()),
            Arc::new(rate.finish()),
            Arc::new(share.finish()),
            Arc::new(exchange_rate.finish()),
            Arc::new(gross.finish()),
            Arc::new(forgone.finish()),
            Arc::new(earned.finish()),
            Arc::new(program_amount.finish()),
            Arc::new(self.tier_detail.finish()),
            half.finish(&names.halves)?,
            month.finish(&names.periods)?,
        ];
        batch(&schema::EARNINGS, columns)
    }
}

/// Rows of `unearned`.
pub struct UnearnedRows {
    pub rows: usize,
    keys: [Keys; 10],
    transaction_on: Date32Builder,
    texts: [StringBuilder; 5],
    base: Decimal128Builder,
    forgone: Decimal128Builder,
}

impl Default for UnearnedRows {
    fn default() -> UnearnedRows {
        UnearnedRows {
            rows: 0,
            keys: std::array::from_fn(|_| Keys(Vec::new())),
            transaction_on: Date32Builder::new(),
            texts: std::array::from_fn(|_| StringBuilder::new()),
            base: amount(),
            forgone: amount(),
        }
    }
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
        self.transaction_on.append_value(line.transaction_on);
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
        self.base.append_value(line.base);
        self.forgone.append_option(forgone);
    }

    /// # Errors
    /// If a key lies outside its dictionary, which would be a bug.
    pub fn finish(&mut self, names: &Names) -> Result<RecordBatch> {
        self.rows = 0;
        let [program, term, lever, period, participant, partner, role, source, group, currency] =
            &mut self.keys;
        let [transaction, original, customer, reason, others] = &mut self.texts;
        let columns: Vec<ArrayRef> = vec![
            program.finish(&names.programs)?,
            term.finish(&names.terms)?,
            lever.finish(&names.levers)?,
            period.finish(&names.periods)?,
            Arc::new(self.transaction_on.finish()),
            participant.finish(&names.participants)?,
            partner.finish(&names.partners)?,
            role.finish(&names.roles)?,
            source.finish(&names.sources)?,
            Arc::new(transaction.finish()),
            Arc::new(original.finish()),
            Arc::new(customer.finish()),
            group.finish(&names.groups)?,
            currency.finish(&names.currencies)?,
            Arc::new(self.base.finish()),
            Arc::new(self.forgone.finish()),
            Arc::new(reason.finish()),
            Arc::new(others.finish()),
        ];
        batch(&schema::UNEARNED, columns)
    }
}

/// Rows of `out_of_scope`.
pub struct OutOfScopeRows {
    pub rows: usize,
    keys: [Keys; 5],
    transaction_on: Date32Builder,
    texts: [StringBuilder; 4],
    base: Decimal128Builder,
    whole: BooleanBuilder,
}

impl Default for OutOfScopeRows {
    fn default() -> OutOfScopeRows {
        OutOfScopeRows {
            rows: 0,
            keys: std::array::from_fn(|_| Keys(Vec::new())),
            transaction_on: Date32Builder::new(),
            texts: std::array::from_fn(|_| StringBuilder::new()),
            base: amount(),
            whole: BooleanBuilder::new(),
        }
    }
}

impl OutOfScopeRows {
    /// `partner` is a key or negative.
    pub fn push(&mut self, line: &Line, role: i32, partner: i32, whole: bool, reason: &str) {
        self.rows += 1;
        let keys = [line.period, line.source, role, partner, line.currency];
        for (column, key) in self.keys.iter_mut().zip(keys) {
            column.0.push(key);
        }
        self.transaction_on.append_value(line.transaction_on);
        let texts =
            [line.transaction_id, line.original_transaction_id, line.customer_id, Some(reason)];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.append_option(text);
        }
        self.base.append_value(line.base);
        self.whole.append_value(whole);
    }

    /// # Errors
    /// If a key lies outside its dictionary, which would be a bug.
    pub fn finish(&mut self, names: &Names) -> Result<RecordBatch> {
        self.rows = 0;
        let [period, source, role, partner, currency] = &mut self.keys;
        let [transaction, original, customer, reason] = &mut self.texts;
        let columns: Vec<ArrayRef> = vec![
            period.finish(&names.periods)?,
            Arc::new(self.transaction_on.finish()),
            source.finish(&names.sources)?,
            Arc::new(transaction.finish()),
            Arc::new(original.finish()),
            role.finish(&names.roles)?,
            partner.finish(&names.partners)?,
            Arc::new(customer.finish()),
            currency.finish(&names.currencies)?,
            Arc::new(self.base.finish()),
            Arc::new(self.whole.finish()),
            Arc::new(reason.finish()),
        ];
        batch(&schema::OUT_OF_SCOPE, columns)
    }
}

/// Rows of `earning_sources`.
pub struct SourceRows {
    pub rows: usize,
    earning_id: FixedSizeBinaryBuilder,
    keys: [Keys; 2],
    transaction: StringBuilder,
    amounts: [Decimal128Builder; 3],
}

impl Default for SourceRows {
    fn default() -> SourceRows {
        SourceRows {
            rows: 0,
            earning_id: FixedSizeBinaryBuilder::new(16),
            keys: std::array::from_fn(|_| Keys(Vec::new())),
            transaction: StringBuilder::new(),
            amounts: std::array::from_fn(|_| amount()),
        }
    }
}

impl SourceRows {
    /// `amounts`: base and the two shares, at amount scale.
    ///
    /// # Errors
    /// Never: the id has 16 bytes.
    pub fn push(
        &mut self,
        earning_id: u128,
        period: i32,
        source: i32,
        transaction: &str,
        amounts: [i128; 3],
    ) -> Result<()> {
        self.rows += 1;
        self.earning_id.append_value(earning_id.to_be_bytes())?;
        self.keys[0].0.push(period);
        self.keys[1].0.push(source);
        self.transaction.append_value(transaction);
        for (column, amount) in self.amounts.iter_mut().zip(amounts) {
            column.append_value(amount);
        }
        Ok(())
    }

    /// # Errors
    /// If a key lies outside its dictionary, which would be a bug.
    pub fn finish(&mut self, names: &Names) -> Result<RecordBatch> {
        self.rows = 0;
        let [period, source] = &mut self.keys;
        let [base, share, program_share] = &mut self.amounts;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.earning_id.finish()),
            period.finish(&names.periods)?,
            source.finish(&names.sources)?,
            Arc::new(self.transaction.finish()),
            Arc::new(base.finish()),
            Arc::new(share.finish()),
            Arc::new(program_share.finish()),
        ];
        batch(&schema::EARNING_SOURCES, columns)
    }
}

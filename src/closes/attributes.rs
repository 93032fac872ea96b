//! What an earning is, as far as changes of it need to know: columns that `earnings` and
//! `settlement_changes` share.

use crate::columns;
use crate::error::{Error, Result};
use arrow::array::{Array, AsArray, Decimal128Array, FixedSizeBinaryArray, RecordBatch};
use chrono::NaiveDate;
use earnest_core::earning::EarningType;

/// The text columns, in order.
pub const TEXTS: [&str; 16] = [
    "program",
    "program_currency",
    "term",
    "lever",
    "earning_type",
    "participant_id",
    "earning_participant_id",
    "role",
    "source",
    "transaction_id",
    "original_transaction_id",
    "aggregate_key",
    "customer_id",
    "product_group",
    "transaction_currency",
    "fund_half",
];

/// All columns that are read of an earning.
pub const NAMES: [&str; TEXTS.len() + 2] = {
    let mut names = ["earning_id"; TEXTS.len() + 2];
    let mut place = 0;
    while place < TEXTS.len() {
        names[place + 1] = TEXTS[place];
        place += 1;
    }
    names[TEXTS.len() + 1] = "transaction_on";
    names
};

/// The columns by which earnings are compared.
pub const MEASURED: &[&str] = &[
    "earning_id",
    "program",
    "earning_type",
    "program_amount",
    "earning_amount",
    "transaction_currency",
];

/// What an earning is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    texts: [Option<String>; TEXTS.len()],
    pub transaction_on: NaiveDate,
}

impl Attributes {
    /// Of a row of `earnings` or `settlement_changes`.
    ///
    /// # Errors
    /// If a column is missing.
    pub fn read(rows: &RecordBatch, row: usize) -> Result<Attributes> {
        let mut texts: [Option<String>; TEXTS.len()] = Default::default();
        for (text, name) in texts.iter_mut().zip(TEXTS) {
            let column = columns::text(rows, name)?;
            *text = column.is_valid(row).then(|| column.value(row).to_owned());
        }
        let day = columns::day(columns::date(rows, "transaction_on")?, row);
        Ok(Attributes { texts, transaction_on: day.unwrap_or(NaiveDate::MIN) })
    }

    /// A column that may be null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let place = TEXTS.iter().position(|text| *text == name)?;
        self.texts[place].as_deref()
    }

    /// A column that is never null.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// # Errors
    /// If it is none that is known.
    pub fn earning_type(&self) -> Result<EarningType> {
        let name = self.text("earning_type");
        EarningType::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            Error::broken(format!("expected `rebate`, `coop` or `fee`, found `{name}`"))
        })
    }
}

/// The column of earning ids.
///
/// # Errors
/// If it is missing.
pub fn ids(rows: &RecordBatch) -> Result<&FixedSizeBinaryArray> {
    let column = rows.column_by_name("earning_id");
    column.and_then(|column| column.as_fixed_size_binary_opt()).ok_or_else(|| {
        Error::broken("expected a column `earning_id` of 16 bytes each, found none".to_owned())
    })
}

/// An earning id.
#[must_use]
pub fn id(ids: &FixedSizeBinaryArray, row: usize) -> u128 {
    ids.value(row).try_into().map_or(0, u128::from_be_bytes)
}

/// The column of amounts.
///
/// # Errors
/// If it is missing.
pub fn amounts(rows: &RecordBatch) -> Result<&Decimal128Array> {
    columns::decimal(rows, "program_amount")
}

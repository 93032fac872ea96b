//! Exchange rates of one type by month, for earnings (`earning`) and payments (`payment`) alike.

use crate::columns;
use crate::error::Result;
use arrow::array::RecordBatch;
use earnest_core::calendar::Period;
use earnest_core::decimal::{RATE_SCALE, power_of_ten};
use std::collections::HashMap;

/// Units of `to` per unit of `from`, at rate scale, by month.
pub struct ExchangeRates {
    /// By `from` and `to`; `None` where rows contradict each other or a rate is not positive.
    rates: HashMap<(String, String), HashMap<Period, Option<i128>>>,
}

impl ExchangeRates {
    /// Reads the rows of `exchange_rates` that have the type.
    ///
    /// # Errors
    /// If the batch lacks a column, or a period isn't one, which staging excludes.
    pub fn read(rows: &RecordBatch, rate_type: &str) -> Result<ExchangeRates> {
        let text = |name| columns::text(rows, name);
        let (kind, period) = (text("rate_type")?, text("period")?);
        let (from, to) = (text("from_currency")?, text("to_currency")?);
        let rate = columns::decimal(rows, "rate")?;
        let mut rates: HashMap<_, HashMap<Period, Option<i128>>> = HashMap::new();
        for row in (0..rows.num_rows()).filter(|&row| kind.value(row) == rate_type) {
            let rate = Some(rate.value(row)).filter(|&rate| rate > 0);
            let pair = (from.value(row).to_owned(), to.value(row).to_owned());
            let months = rates.entry(pair).or_default();
            months
                .entry(period.value(row).parse()?)
                .and_modify(|known| *known = known.filter(|_| *known == rate))
                .or_insert(rate);
        }
        Ok(ExchangeRates { rates })
    }

    /// The rate of a month: 1 within a currency. `None`: there is none, or more than one.
    #[must_use]
    pub fn rate(&self, from: &str, to: &str, period: Period) -> Option<i128> {
        if from == to {
            return Some(power_of_ten(RATE_SCALE));
        }
        let months = self.rates.get(&(from.to_owned(), to.to_owned()))?;
        months.get(&period).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{EXCHANGE_RATES, Kind};

    fn rates(rows: &[(&str, &str, i128)]) -> ExchangeRates {
        let columns = EXCHANGE_RATES.columns.iter().map(|column| match column.name {
            "rate_type" => columns::texts(rows.iter().map(|row| row.0)),
            "from_currency" => columns::texts(rows.iter().map(|_| "USD")),
            "to_currency" => columns::texts(rows.iter().map(|_| "EUR")),
            "period" => columns::texts(rows.iter().map(|row| row.1)),
            "rate" => columns::decimals(Kind::Rate, rows.iter().map(|row| row.2)).expect("rates"),
            _ => arrow::array::new_null_array(&column.kind.data_type(), rows.len()),
        });
        let named = EXCHANGE_RATES.columns.iter().map(|column| column.name).zip(columns);
        let batch = RecordBatch::try_from_iter(named).expect("a batch");
        ExchangeRates::read(&batch, "earning").expect("rates")
    }

    #[test]
    fn a_month_has_one_rate_or_none() {
        let rates = rates(&[
            ("earning", "2021-01", 900_000_000),
            ("payment", "2021-01", 800_000_000),
            ("earning", "2021-02", 910_000_000),
            ("earning", "2021-02", 910_000_000),
            ("earning", "2021-03", 920_000_000),
            ("earning", "2021-03", 930_000_000),
            ("earning", "2021-04", 0),
        ]);
        let of = |month: &str| rates.rate("USD", "EUR", month.parse().expect("a month"));
        assert_eq!(of("2021-01"), Some(900_000_000));
        assert_eq!(of("2021-02"), Some(910_000_000), "said twice");
        assert_eq!(of("2021-03"), None, "rows contradict each other");
        assert_eq!(of("2021-04"), None, "nothing is worth nothing");
        assert_eq!(of("2021-05"), None);
        let same = rates.rate("EUR", "EUR", "2021-05".parse().expect("a month"));
        assert_eq!(same, Some(power_of_ten(RATE_SCALE)));
    }
}

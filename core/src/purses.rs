//! What a balance consists of, by the currencies in which it was earned. In: amounts in program
//! currency, each with what it is in its own. Out: the currencies that an order can pay, and which part
//! of each an amount takes that is known in program currency only. Amounts at money scale.
//! Source: RULES 5, `transaction_currency`.

use crate::decimal::{Rounding, Unit, allocate, round_ratio};
use crate::{Error, currency};
use std::sync::Arc;

/// What a balance has in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purse {
    pub currency: Arc<str>,
    /// In program currency.
    pub program: i128,
    /// In its own.
    pub own: i128,
}

impl Purse {
    /// Whether an order can pay it: it is positive in its own currency and in the program's.
    #[must_use]
    pub fn is_payable(&self) -> bool {
        self.own > 0 && self.program > 0
    }
}

/// The purses of a balance, in the order of their currencies; in program currency they add up to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purses(Vec<Purse>);

impl Purses {
    /// Adds an amount, of either sign.
    pub fn add(&mut self, currency: &Arc<str>, program: i128, own: i128) {
        match self.0.binary_search_by(|purse| purse.currency.cmp(currency)) {
            Ok(place) => {
                self.0[place].program += program;
                self.0[place].own += own;
            }
            Err(place) => {
                let currency = Arc::clone(currency);
                self.0.insert(place, Purse { currency, program, own });
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Purse> {
        self.0.iter()
    }

    /// Keeps the purses of some currencies.
    pub fn retain(&mut self, keeps: impl Fn(&str) -> bool) {
        self.0.retain(|purse| keeps(&purse.currency));
    }

    /// What all of them come to in program currency.
    #[must_use]
    pub fn program(&self) -> i128 {
        self.0.iter().map(|purse| purse.program).sum()
    }

    /// Takes an amount in program currency, not negative, from the purses that are positive in it, in
    /// proportion and by largest remainder; of each the same part in its own currency, rounded once: a
    /// purse that is taken whole leaves nothing in either. Where none is positive it is taken in the
    /// program's currency, `home`. Gives what was taken.
    ///
    /// # Errors
    /// On overflow, or if a currency is unknown.
    pub fn take(
        &mut self,
        amount: i128,
        home: &Arc<str>,
        rounding: Rounding,
    ) -> Result<Vec<Purse>, Error> {
        if amount == 0 {
            return Ok(Vec::new());
        }
        let weights: Vec<i128> = self.0.iter().map(|purse| purse.program.max(0)).collect();
        if weights.iter().all(|weight| *weight == 0) {
            self.add(home, -amount, -amount);
            return Ok(vec![Purse { currency: Arc::clone(home), program: amount, own: amount }]);
        }
        let parts = allocate(amount, &weights, unit(home, rounding)?.one())?;
        let mut taken = Vec::with_capacity(parts.len());
        for (purse, part) in self.0.iter_mut().zip(parts).filter(|(_, part)| *part != 0) {
            let own = if part == purse.program {
                purse.own
            } else {
                round_ratio(purse.own, part, purse.program, unit(&purse.currency, rounding)?)?
            };
            purse.program -= part;
            purse.own -= own;
            taken.push(Purse { currency: Arc::clone(&purse.currency), program: part, own });
        }
        Ok(taken)
    }
}

fn unit(code: &str, rounding: Rounding) -> Result<Unit, Error> {
    let decimals = currency::minor_units(code)
        .ok_or_else(|| Error(format!("expected an ISO 4217 currency, found `{code}`")))?;
    Ok(Unit { decimals, rounding })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purses(of: &[(&str, i128, i128)]) -> Purses {
        let mut purses = Purses::default();
        for (currency, program, own) in of {
            purses.add(&Arc::from(*currency), *program, *own);
        }
        purses
    }

    fn shown<'a>(purses: impl IntoIterator<Item = &'a Purse>) -> Vec<(String, i128, i128)> {
        let shown = |purse: &Purse| (purse.currency.to_string(), purse.program, purse.own);
        purses.into_iter().map(shown).collect()
    }

    fn of(rows: &[(&str, i128, i128)]) -> Vec<(String, i128, i128)> {
        rows.iter().map(|row| (row.0.to_owned(), row.1, row.2)).collect()
    }

    #[test]
    fn amounts_of_a_currency_add_up() {
        let purses = purses(&[("GBP", 56_000, 40_000), ("EUR", 120_000, 100_000)]);
        let mut more = purses.clone();
        more.add(&Arc::from("GBP"), -180_000, -120_000);
        assert_eq!(
            shown(more.iter()),
            of(&[("EUR", 120_000, 100_000), ("GBP", -124_000, -80_000)])
        );
        assert_eq!((purses.program(), more.program()), (176_000, -4_000));
    }

    #[test]
    fn what_is_positive_in_both_currencies_is_payable() {
        let payable = |program, own| {
            let currency = Arc::from("EUR");
            Purse { currency, program, own }.is_payable()
        };
        assert!(payable(1, 1));
        assert!(!payable(-8_000, 10_000) && !payable(10_000, -8_000));
        assert!(!payable(0, 10) && !payable(10, 0) && !payable(-1, -1));
    }

    #[test]
    fn an_amount_is_taken_in_proportion_and_a_whole_purse_whole() {
        let home = Arc::from("USD");
        let all = [("EUR", 110_000, 100_000), ("GBP", 40_000, 28_570), ("JPY", -5_000, -550_000)];
        let mut some = purses(&all);
        // 110 : 40 of 100.00 are 73.333 and 26.667.
        let taken = some.take(100_000, &home, Rounding::default()).expect("fits");
        assert_eq!(shown(&taken), of(&[("EUR", 73_330, 66_660), ("GBP", 26_670, 19_050)]));
        assert_eq!(
            shown(some.iter()),
            of(&[("EUR", 36_670, 33_340), ("GBP", 13_330, 9_520), ("JPY", -5_000, -550_000)])
        );
        let mut whole = purses(&all);
        let taken = whole.take(150_000, &home, Rounding::default()).expect("fits");
        assert_eq!(shown(&taken), of(&all[..2]));
        assert_eq!(
            shown(whole.iter()),
            of(&[("EUR", 0, 0), ("GBP", 0, 0), ("JPY", -5_000, -550_000)])
        );
    }

    #[test]
    fn without_anything_positive_the_program_currency_gives() {
        let home = Arc::from("USD");
        let mut purses = purses(&[("EUR", -10_000, -9_000)]);
        let taken = purses.take(5_000, &home, Rounding::default()).expect("fits");
        assert_eq!(shown(&taken), of(&[("USD", 5_000, 5_000)]));
        assert_eq!(shown(purses.iter()), of(&[("EUR", -10_000, -9_000), ("USD", -5_000, -5_000)]));
    }
}

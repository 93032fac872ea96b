//! In: earnings or payments that are canceled, refunded, written off or not made yet.
//! Out: postings of opposite sign, in the month or on the day where they belong. Amounts exact.

use crate::Error;
use crate::calendar::Period;
use crate::decimal::{exact, subtract, sum};
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet};

/// In which month a clawback is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostIn {
    CancellationMonth,
    EarnedMonth,
}

/// An earning whose deal is canceled. One scale, the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clawback {
    pub post_in: PostIn,
    /// Does the deal leave the attainment too?
    pub reverse_attainment: bool,
    pub earned_in: Period,
    pub canceled_in: Period,
    pub earning: i128,
}

/// What a clawback leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClawedBack {
    /// The earning and its opposite, each in its month: the earning is never edited.
    pub postings: [(Period, i128); 2],
    pub net: i128,
    pub attainment_after: i128,
}

impl Clawback {
    /// Posts the opposite amount. Source: Salesforce Spiff help, clawback.
    ///
    /// # Errors
    /// On overflow.
    pub fn post(&self, deal_amount: i128, attainment: i128) -> Result<ClawedBack, Error> {
        let month = match self.post_in {
            PostIn::CancellationMonth => self.canceled_in,
            PostIn::EarnedMonth => self.earned_in,
        };
        let opposite = subtract(0, self.earning)?;
        let lost = if self.reverse_attainment { deal_amount } else { 0 };
        Ok(ClawedBack {
            postings: [(self.earned_in, self.earning), (month, opposite)],
            net: sum([self.earning, opposite])?,
            attainment_after: subtract(attainment, lost)?,
        })
    }
}

/// What documents (day, amount at amount scale) earn at a rate, each on its own date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    /// At exact scale, in the documents' order.
    pub lines: Vec<i128>,
    pub total: i128,
    pub by_month: BTreeMap<Period, i128>,
}

/// Earns on documents; a refund is one of its own date, same rate, opposite sign.
/// Source: OCA commission modules.
///
/// # Errors
/// On overflow.
pub fn documents(rate: i128, documents: &[(NaiveDate, i128)]) -> Result<Documents, Error> {
    let mut found = Documents::default();
    for &(day, amount) in documents {
        let line = exact(amount, rate)?;
        let month = found.by_month.entry(Period::of(day)).or_default();
        *month = sum([*month, line])?;
        found.lines.push(line);
    }
    found.total = sum(found.lines.iter().copied())?;
    Ok(found)
}

/// When what a customer doesn't pay is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOffTerms {
    /// Months from the payout to the write-off.
    pub months: u16,
    /// Days of the month after the write-off's: of the deduction, and from which payouts are held.
    pub deduction_day: u32,
    pub hold_day: u32,
}

/// What a write-off does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOff {
    pub write_off_on: NaiveDate,
    pub deducted_on: NaiveDate,
    pub hold_from: NaiveDate,
    /// The negative transaction.
    pub deduction: i128,
}

impl WriteOffTerms {
    /// Writes off what was paid out. Source: Partner Center docs, payout policy.
    ///
    /// # Errors
    /// On overflow.
    pub fn write_off(&self, paid_on: NaiveDate, amount: i128) -> Result<WriteOff, Error> {
        use chrono::Datelike;
        let month = Period::of(paid_on).plus(self.months.into());
        let next = month.plus(1);
        Ok(WriteOff {
            write_off_on: month.day(paid_on.day()),
            deducted_on: next.day(self.deduction_day),
            hold_from: next.day(self.hold_day),
            deduction: subtract(0, amount)?,
        })
    }
}

/// Commission that follows payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaidCommission {
    /// One per month of payment.
    pub settlements: usize,
    /// At exact scale.
    pub commission: i128,
}

/// Commission on payments (day, amount at amount scale) made up to the day of the run; one dated after it
/// doesn't count yet. Source: OCA commission modules.
///
/// # Errors
/// On overflow.
pub fn on_paid(
    rate: i128,
    payments: &[(NaiveDate, i128)],
    run_on: NaiveDate,
) -> Result<PaidCommission, Error> {
    let made: Vec<_> = payments.iter().copied().filter(|payment| payment.0 <= run_on).collect();
    let months: BTreeSet<Period> = made.iter().map(|payment| Period::of(payment.0)).collect();
    Ok(PaidCommission { settlements: months.len(), commission: documents(rate, &made)?.total })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    #[test]
    fn a_payment_counts_on_the_day_of_the_run() {
        let payments = [(day("2024-03-31"), 10), (day("2024-04-01"), 5)];
        let found = on_paid(2, &payments, day("2024-03-31"));
        assert_eq!(found, Ok(PaidCommission { settlements: 1, commission: 20 }));
    }

    #[test]
    fn a_write_off_keeps_within_short_months() {
        let terms = WriteOffTerms { months: 4, deduction_day: 1, hold_day: 15 };
        let found = terms.write_off(day("2020-10-31"), 7).expect("fits");
        assert_eq!(found.write_off_on, day("2021-02-28"));
        assert_eq!((found.deducted_on, found.deduction), (day("2021-03-01"), -7));
    }

    #[test]
    fn attainment_is_kept_unless_the_rule_takes_it() {
        let month = |text: &str| text.parse::<Period>().expect("a month");
        let clawback = |reverse_attainment, post_in| Clawback {
            post_in,
            reverse_attainment,
            earned_in: month("2024-06"),
            canceled_in: month("2024-08"),
            earning: 5,
        };
        let kept = clawback(false, PostIn::CancellationMonth).post(100, 900).expect("fits");
        assert_eq!((kept.net, kept.attainment_after), (0, 900));
        assert_eq!(kept.postings[1], (month("2024-08"), -5));
        let taken = clawback(true, PostIn::EarnedMonth).post(100, 900).expect("fits");
        assert_eq!((taken.postings[1].0, taken.attainment_after), (month("2024-06"), 800));
    }
}

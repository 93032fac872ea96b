//! In: what was earned period by period, a guaranteed amount or a draw. Out: top-ups, draws, what is
//! recovered and paid. All amounts of a call have one scale, which is the caller's.

use crate::Error;
use crate::decimal::{RATE_SCALE, power_of_ten, round_ratio_by, subtract, sum};

/// When one guarantee for several periods is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Paid in the first period; royalties are paid once they exceed it.
    Start,
    /// What is missing to it is paid in the last period.
    End,
}

/// What a guarantee for several periods pays, period by period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guaranteed {
    pub guarantee_paid: Vec<i128>,
    pub royalty_paid: Vec<i128>,
}

/// Tops every period up to a guarantee of its own. If guarantees are cumulative, what exceeds one
/// lowers the next. Source: Dynamics 365 rebate management, royalty guarantee.
///
/// # Errors
/// On overflow.
pub fn top_ups(amount: i128, royalties: &[i128], cumulative: bool) -> Result<Vec<i128>, Error> {
    let mut excess = 0;
    let mut top_ups = Vec::with_capacity(royalties.len());
    for &royalty in royalties {
        let guaranteed = subtract(amount, excess)?;
        let missing = subtract(guaranteed, royalty)?;
        top_ups.push(missing.max(0));
        excess = if cumulative { subtract(royalty, guaranteed)?.max(0) } else { 0 };
    }
    Ok(top_ups)
}

/// One guarantee for all periods.
///
/// # Errors
/// On overflow.
pub fn guarantee(amount: i128, royalties: &[i128], timing: Timing) -> Result<Guaranteed, Error> {
    let mut paid = Guaranteed::default();
    let mut earned = 0;
    for (position, &royalty) in royalties.iter().enumerate() {
        let before = subtract(earned, amount)?.max(0);
        earned = sum([earned, royalty])?;
        let last = position + 1 == royalties.len();
        let (guarantee, royalty) = match timing {
            Timing::Start => {
                let first = if position == 0 { amount } else { 0 };
                (first, subtract(earned, amount)?.max(0) - before)
            }
            Timing::End => (if last { subtract(amount, earned)?.max(0) } else { 0 }, royalty),
        };
        paid.guarantee_paid.push(guarantee);
        paid.royalty_paid.push(royalty);
    }
    Ok(paid)
}

/// An advance on earnings that later ones may pay back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Every period pays at least this much.
    pub draw: i128,
    /// First period (counted from 1) that recovers; `None`: none does.
    pub recovery_from_period: Option<usize>,
    /// Share of what exceeds the draw that is recovered, at rate scale.
    pub recovery_share: i128,
}

/// What one period of a draw does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// Advanced.
    pub draw: i128,
    pub recovered: i128,
    /// Earnings + draw − recovered.
    pub paid: i128,
    /// Still to recover.
    pub balance: i128,
}

impl Draw {
    /// Runs the periods. Source: Oracle Incentive Compensation docs, draw and recovery.
    ///
    /// # Errors
    /// On overflow.
    pub fn run(&self, earnings: &[i128]) -> Result<Vec<Drawn>, Error> {
        let mut balance = 0;
        let mut periods = Vec::with_capacity(earnings.len());
        for (position, &earned) in earnings.iter().enumerate() {
            let above = subtract(earned, self.draw)?;
            let draw = subtract(self.draw, earned)?.max(0);
            let recovers = self.recovery_from_period.is_some_and(|from| position + 1 >= from);
            let one = power_of_ten(RATE_SCALE);
            let share = round_ratio_by(
                above.max(0),
                self.recovery_share,
                one,
                crate::decimal::Rounding::default(),
            )?;
            let recovered = if recovers { share.min(balance) } else { 0 };
            balance = sum([balance, draw, -recovered])?;
            let paid = sum([earned, draw, -recovered])?;
            periods.push(Drawn { draw, recovered, paid, balance });
        }
        Ok(periods)
    }
}

/// A running balance after each entry, and what of it can be withdrawn: nothing until it is positive.
/// Source: PartnerStack help, clawbacks.
///
/// # Errors
/// On overflow.
pub fn running_balance(entries: &[i128]) -> Result<Vec<(i128, i128)>, Error> {
    let mut balance = 0;
    let step = |&entry: &i128| {
        balance = sum([balance, entry])?;
        Ok((balance, balance.max(0)))
    };
    entries.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excess_lowers_the_next_guarantee_once() {
        assert_eq!(top_ups(10, &[12, 5, 5], true), Ok(vec![0, 3, 5]));
        assert_eq!(top_ups(10, &[12, 9, 9], true), Ok(vec![0, 0, 0]));
        assert_eq!(top_ups(10, &[12, 5, 5], false), Ok(vec![0, 5, 5]));
        assert_eq!(top_ups(10, &[40, 5, 5, 5], true), Ok(vec![0, 0, 0, 0]));
    }

    #[test]
    fn a_guarantee_is_paid_once() {
        for royalties in [[5, 7, 1], [1, 2, 3], [20, 0, 0]] {
            for timing in [Timing::Start, Timing::End] {
                let paid = guarantee(10, &royalties, timing).expect("fits");
                let sum = |amounts: &[i128]| amounts.iter().sum::<i128>();
                let total = sum(&paid.guarantee_paid) + sum(&paid.royalty_paid);
                assert_eq!(total, sum(&royalties).max(10), "{royalties:?} {timing:?}");
            }
        }
    }

    #[test]
    fn never_more_is_recovered_than_was_drawn() {
        let half = power_of_ten(RATE_SCALE) / 2;
        let draw = Draw { draw: 100, recovery_from_period: Some(2), recovery_share: half };
        let periods = draw.run(&[40, 140, 500, 100]).expect("fits");
        let recovered: Vec<_> = periods.iter().map(|period| period.recovered).collect();
        assert_eq!(recovered, [0, 20, 40, 0]);
        assert_eq!(periods.last().map(|period| period.balance), Some(0));
        assert_eq!(running_balance(&[20, -100, 90]), Ok(vec![(20, 20), (-80, 0), (10, 10)]));
    }
}

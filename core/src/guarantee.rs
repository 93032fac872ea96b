//! In: what was earned period by period, a guaranteed amount or a draw. Out: top-ups, draws, what is
//! recovered and paid. All amounts of a call have one scale, which is the caller's.

use crate::Error;
use crate::decimal::{RATE_SCALE, Rounding, multiply, power_of_ten, round_ratio_by, subtract, sum};

/// How the least of a window is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Due {
    /// From its first month on: what is earned is paid once it exceeds the least.
    #[default]
    Start,
    /// In its last month, what is missing by then.
    End,
    /// In each month; what one earns above it counts in the months after.
    Cumulative,
    /// In each month, what it is short of as an advance; `None`: no month pays any of it back.
    Draw(Option<Recovery>),
}

/// What pays advances back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// First month (counted from 1) that pays back.
    pub from: usize,
    /// Share of what a month earns above the least, at rate scale.
    pub share: i128,
}

/// Where a month lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Month {
    Within,
    Last,
    /// After the window, or a month of it in which only refunds of other months' lines are booked: nothing new
    /// is due.
    After,
}

/// A window's guarantee, month by month.
#[derive(Clone, Copy, Debug)]
pub struct Guarantee {
    least: i128,
    due: Due,
    /// To what is paid back is rounded, and how.
    unit: (i128, Rounding),
    months: usize,
    ended: bool,
    earned: i128,
    topped_up: i128,
}

impl Guarantee {
    /// Of at least so much, in amounts of which the smallest is `unit`, rounded as it says.
    #[must_use]
    pub fn new(least: i128, due: Due, unit: (i128, Rounding)) -> Guarantee {
        Guarantee { least, due, unit, months: 0, ended: false, earned: 0, topped_up: 0 }
    }

    /// What the window is topped up by in all, where it has earned so much up to the month that follows. Of
    /// draws it is what is still to be paid back. Sources: Dynamics 365 rebate management, royalty
    /// guarantee; Oracle Incentive Compensation docs, draw and recovery.
    ///
    /// # Errors
    /// On overflow.
    pub fn month(&mut self, earned: i128, month: Month) -> Result<i128, Error> {
        self.months += usize::from(month != Month::After);
        self.ended |= month == Month::Last;
        let missing = |least| Ok::<_, Error>(subtract(least, earned)?.max(0));
        self.topped_up = match self.due {
            Due::Start => missing(self.least)?,
            Due::End if self.ended => missing(self.least)?,
            Due::End => 0,
            Due::Cumulative => {
                let months =
                    i128::try_from(self.months).map_err(|_| Error::new("too many months"))?;
                missing(multiply(self.least, months)?)?.max(self.topped_up)
            }
            Due::Draw(_) if month == Month::After => self.topped_up,
            Due::Draw(recovery) => {
                let short = subtract(self.least, subtract(earned, self.earned)?)?;
                sum([self.topped_up, self.advance(short, recovery)?])?.max(0)
            }
        };
        self.earned = earned;
        Ok(self.topped_up)
    }

    /// What a month is advanced that is short of so much, or, negative, what it could pay back.
    fn advance(&self, short: i128, recovery: Option<Recovery>) -> Result<i128, Error> {
        match recovery {
            _ if short >= 0 => Ok(short),
            Some(Recovery { from, share }) if self.months >= from => {
                let (unit, rounding) = self.unit;
                let one = multiply(power_of_ten(RATE_SCALE), unit)?;
                multiply(round_ratio_by(short, share, one, rounding)?, unit)
            }
            _ => Ok(0),
        }
    }
}

/// What a guarantee for several periods pays, period by period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guaranteed {
    pub guarantee_paid: Vec<i128>,
    pub royalty_paid: Vec<i128>,
}

/// What each period adds to what all are topped up by.
fn top_up_by_period(least: i128, due: Due, earnings: &[i128]) -> Result<Vec<i128>, Error> {
    let mut guarantee = Guarantee::new(least, due, (1, Rounding::default()));
    let (mut earned, mut before) = (0, 0);
    let mut added = Vec::with_capacity(earnings.len());
    for (position, &earning) in earnings.iter().enumerate() {
        earned = sum([earned, earning])?;
        let last = position + 1 == earnings.len();
        let now = guarantee.month(earned, if last { Month::Last } else { Month::Within })?;
        added.push(now - before);
        before = now;
    }
    Ok(added)
}

/// Tops every period up to a guarantee of its own. If guarantees are cumulative, what exceeds one
/// lowers the next.
///
/// # Errors
/// On overflow.
pub fn top_ups(amount: i128, royalties: &[i128], cumulative: bool) -> Result<Vec<i128>, Error> {
    top_up_by_period(amount, if cumulative { Due::Cumulative } else { Due::Draw(None) }, royalties)
}

/// One guarantee for all periods: at the start it is paid whole, and royalties once they exceed it; at the
/// end, what is missing.
///
/// # Errors
/// On overflow.
pub fn guarantee(amount: i128, royalties: &[i128], at_start: bool) -> Result<Guaranteed, Error> {
    let due = if at_start { Due::Start } else { Due::End };
    let mut paid = Guaranteed::default();
    let added = top_up_by_period(amount, due, royalties)?;
    for (position, (top_up, &royalty)) in added.into_iter().zip(royalties).enumerate() {
        let guarantee = match (at_start, position) {
            (true, 0) => amount,
            (true, _) => 0,
            (false, _) => top_up,
        };
        paid.guarantee_paid.push(guarantee);
        paid.royalty_paid.push(subtract(sum([royalty, top_up])?, guarantee)?);
    }
    Ok(paid)
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

/// Runs a draw: every period pays at least so much.
///
/// # Errors
/// On overflow.
pub fn draws(
    draw: i128,
    recovery: Option<Recovery>,
    earnings: &[i128],
) -> Result<Vec<Drawn>, Error> {
    let mut balance = 0;
    let added = top_up_by_period(draw, Due::Draw(recovery), earnings)?;
    let step = |(top_up, &earned): (i128, &i128)| {
        balance = sum([balance, top_up])?;
        let paid = sum([earned, top_up])?;
        Ok(Drawn { draw: top_up.max(0), recovered: (-top_up).max(0), paid, balance })
    };
    added.into_iter().zip(earnings).map(step).collect()
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
            for at_start in [true, false] {
                let paid = guarantee(10, &royalties, at_start).expect("fits");
                let sum = |amounts: &[i128]| amounts.iter().sum::<i128>();
                let total = sum(&paid.guarantee_paid) + sum(&paid.royalty_paid);
                assert_eq!(total, sum(&royalties).max(10), "{royalties:?} {at_start}");
            }
        }
    }

    #[test]
    fn never_more_is_recovered_than_was_drawn() {
        let half = power_of_ten(RATE_SCALE) / 2;
        let recovery = Some(Recovery { from: 2, share: half });
        let periods = draws(100, recovery, &[40, 140, 500, 100]).expect("fits");
        let recovered: Vec<_> = periods.iter().map(|period| period.recovered).collect();
        assert_eq!(recovered, [0, 20, 40, 0]);
        assert_eq!(periods.last().map(|period| period.balance), Some(0));
        assert_eq!(running_balance(&[20, -100, 90]), Ok(vec![(20, 20), (-80, 0), (10, 10)]));
    }

    /// Refunds that come after a window leave what was due in it.
    #[test]
    fn after_the_window_nothing_more_is_due() {
        let after = |due, earned: &[(i128, Month)]| {
            let mut guarantee = Guarantee::new(10, due, (1, Rounding::default()));
            let month = |&(earned, month)| guarantee.month(earned, month).expect("fits");
            earned.iter().map(month).collect::<Vec<_>>()
        };
        let months = [(4, Month::Within), (30, Month::Last), (21, Month::After), (3, Month::After)];
        assert_eq!(after(Due::Start, &months), [6, 0, 0, 7]);
        assert_eq!(after(Due::End, &months), [0, 0, 0, 7]);
        assert_eq!(after(Due::Cumulative, &months), [6, 6, 6, 17]);
        assert_eq!(after(Due::Draw(None), &months), [6, 6, 6, 6]);
        let unended = [(4, Month::Within), (3, Month::After)];
        assert_eq!(after(Due::End, &unended), [0, 0], "the last month wasn't the lever's");
    }

    #[test]
    fn what_is_paid_back_is_rounded_to_the_unit() {
        let third = power_of_ten(RATE_SCALE) / 3;
        let due = Due::Draw(Some(Recovery { from: 1, share: third }));
        let mut guarantee = Guarantee::new(100, due, (10, Rounding::default()));
        assert_eq!(guarantee.month(0, Month::Within), Ok(100));
        // A third of 50 is 16.7, in units of 10 it is 20.
        assert_eq!(guarantee.month(150, Month::Within), Ok(80));
    }
}

//! In: what a period earned at a rate, its caps, its minimum. Out: what is paid, capped, carried or
//! forfeited, which re-add to what was earned. Amounts exact; for balances in money see `waterfall`.

use crate::Error;
use crate::caps::credit_once;
use crate::decimal::{MONEY_SCALE, RATE_SCALE, Unit, exact, power_of_ten, subtract, sum};
use crate::waterfall::{BelowMinimum, Movements, Pays, Settled, Terms, settle, year_is_lost};

/// A rate with its limits; `None`: no such limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateRule {
    /// At rate scale.
    pub rate: i128,
    /// Most of the base that earns, at amount scale.
    pub base_cap: Option<i128>,
    /// Most that is paid, at exact scale.
    pub cap: Option<i128>,
    /// Least that is paid, at exact scale; an amount equal to it is paid.
    pub minimum: Option<i128>,
    pub below_minimum: BelowMinimum,
}

/// What a rule makes of a base, at exact scale: earned = paid + capped + forfeited + carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paid {
    pub earned: i128,
    pub paid: i128,
    pub capped: i128,
    pub forfeited: i128,
    pub carried: i128,
}

impl RateRule {
    /// Earns on a base (amount scale): caps first, then the minimum.
    ///
    /// # Errors
    /// On overflow, or if a cap is negative.
    pub fn earn(&self, base: i128) -> Result<Paid, Error> {
        let earned = exact(base, self.rate)?;
        let counted = credit_once(self.base_cap, base)?.amount;
        let credited = credit_once(self.cap, exact(counted, self.rate)?)?.amount;
        let capped = subtract(earned, credited)?;
        let below = self.minimum.is_some_and(|minimum| credited < minimum);
        let paid = Paid { earned, capped, ..Paid::default() };
        Ok(match self.below_minimum {
            _ if !below => Paid { paid: credited, ..paid },
            BelowMinimum::Forfeit if credited > 0 => Paid { forfeited: credited, ..paid },
            BelowMinimum::Forfeit | BelowMinimum::Carry => Paid { carried: credited, ..paid },
        })
    }
}

/// What decides over the cycles of a balance. Amounts have one scale, the caller's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CycleTerms {
    /// A balance equal to it is paid.
    pub minimum: i128,
    /// What becomes of a smaller balance at the end of each cycle.
    pub below_minimum: BelowMinimum,
    /// Is the last cycle a program year's last, at which what is left is forfeited if the year's earned
    /// amount is positive and below the minimum?
    pub year_end_forfeits: bool,
}

impl CycleTerms {
    /// Runs the waterfall over cycles of what was earned and is paid in one currency: nothing is
    /// converted, so nothing is rounded.
    /// Source: RULES 5, waterfall and year end.
    ///
    /// # Errors
    /// On overflow.
    pub fn run(&self, earned: &[i128]) -> Result<Vec<Settled>, Error> {
        let terms = Terms {
            minimum: self.minimum,
            below_minimum: self.below_minimum,
            uncounted: 0,
            hold: None,
            pays: Pays::Converted {
                rate: Some(power_of_ten(RATE_SCALE)),
                unit: Unit::new(MONEY_SCALE),
            },
        };
        let year = sum(earned.iter().copied())?;
        let year_lost = self.year_end_forfeits && year_is_lost(year, self.minimum);
        let mut opening = 0;
        let mut cycles = Vec::with_capacity(earned.len());
        for (position, &earned_now) in earned.iter().enumerate() {
            sum([opening, earned_now])?;
            let movements = Movements { opening, earned: earned_now, ..Movements::default() };
            let mut cycle = settle(movements, &terms)?;
            if year_lost && position + 1 == earned.len() && cycle.closing > 0 {
                cycle.forfeit(cycle.closing);
                cycle.movements.verify(cycle.closing, cycle.held, cycle.below_minimum)?;
            }
            opening = cycle.closing;
            cycles.push(cycle);
        }
        Ok(cycles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_earned_re_adds() {
        let rule = |minimum, below_minimum| RateRule {
            rate: 1,
            base_cap: Some(500),
            cap: Some(400),
            minimum: Some(minimum),
            below_minimum,
        };
        for below in [BelowMinimum::Carry, BelowMinimum::Forfeit] {
            for base in [-10, 0, 1, 199, 200, 201, 400, 401, 500, 501, 1_000] {
                for minimum in [0, 200, 400] {
                    let paid = rule(minimum, below).earn(base).expect("fits");
                    let parts = paid.paid + paid.capped + paid.forfeited + paid.carried;
                    assert_eq!(paid.earned, parts, "base {base}");
                    assert!(paid.paid == 0 || paid.paid >= minimum);
                }
            }
        }
        let at = |base| rule(200, BelowMinimum::Forfeit).earn(base).expect("fits");
        assert_eq!((at(200).paid, at(199).forfeited, at(199).paid), (200, 199, 0));
    }

    #[test]
    fn a_year_s_rest_is_forfeited_only_below_the_minimum() {
        let left = |earned: &[i128]| {
            let terms =
                CycleTerms { minimum: 200_000, year_end_forfeits: true, ..CycleTerms::default() };
            let cycles = terms.run(earned).expect("settled");
            let last = cycles.last().expect("a cycle");
            (last.movements.forfeited, last.closing)
        };
        assert_eq!(left(&[100_000, 50_000]), (150_000, 0));
        assert_eq!(left(&[200_000, 50_000]), (0, 50_000), "the year's earned amount counts");
        assert_eq!(left(&[50_000, -60_000]), (0, -10_000));
    }
}

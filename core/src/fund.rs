//! In: what was earned and claimed for a co-op fund, its calendar, threshold and limits.
//! Out: the split of an earning, the use and claim windows, what converts, what a claim is allowed.

pub mod claims;
pub mod ledger;
pub mod status;

use crate::Error;
use crate::calendar::{FiscalHalf, Period};
use crate::conversion::qualifies;
use crate::decimal::{RATE_SCALE, Rounding, exact, power_of_ten, rescale, subtract, sum, widened};
use chrono::NaiveDate;

/// Splits an amount (with `scale` decimals, like the results) into a share, rounded to `decimals`, and
/// what is left of it: the parts always re-add.
///
/// # Errors
/// On overflow, or if the share is not between 0 and 1.
pub fn split(
    amount: (i128, u32),
    share: i128,
    decimals: u32,
    rounding: Rounding,
) -> Result<(i128, i128), Error> {
    if !(0..=power_of_ten(RATE_SCALE)).contains(&share) {
        return Err(Error::new("expected a share from 0 to 1"));
    }
    let factors = [amount, (share, RATE_SCALE)];
    let rounded = crate::decimal::round_factors(&factors, decimals, rounding)?;
    let part = rescale(rounded, decimals, amount.1, rounding)?;
    Ok((part, subtract(amount.0, part)?))
}

/// When a half's fund is used and claimed. Source: Partner Center docs, claims overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundCalendar {
    /// Month (1 to 12) that opens the fiscal year.
    pub fiscal_year_start_month: u32,
    /// Months of use, from the end of the half.
    pub use_months: u16,
    /// Months after the first month of use, and the day on which claims open.
    pub claim_opens: (u16, u32),
    /// Months after the last month of use, and the last day of claims.
    pub claim_closes: (u16, u32),
}

/// The windows of one half, days inclusive at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundWindows {
    pub half: FiscalHalf,
    pub use_from: NaiveDate,
    pub use_to: NaiveDate,
    pub claim_from: NaiveDate,
    pub claim_to: NaiveDate,
}

impl FundCalendar {
    /// The windows of what is earned on a day.
    ///
    /// # Errors
    /// If the calendar has no such month, or no month of use.
    pub fn windows(&self, earned_on: NaiveDate) -> Result<FundWindows, Error> {
        if !(1..=12).contains(&self.fiscal_year_start_month) || self.use_months == 0 {
            return Err(Error::new("expected a first month from 1 to 12 and a month of use"));
        }
        let half = FiscalHalf::of(Period::of(earned_on), self.fiscal_year_start_month);
        let first = half.end();
        let last = first.plus(i32::from(self.use_months) - 1);
        let (opens, closes) = (self.claim_opens, self.claim_closes);
        Ok(FundWindows {
            half,
            use_from: first.first_day(),
            use_to: last.last_day(),
            claim_from: first.plus(opens.0.into()).day(opens.1),
            claim_to: last.plus(closes.0.into()).day(closes.1),
        })
    }
}

impl FundWindows {
    /// True if claims may be handed in on that day.
    #[must_use]
    pub fn claim_open(&self, day: NaiveDate) -> bool {
        self.claim_from <= day && day <= self.claim_to
    }

    /// True if the fund may be used on that day.
    #[must_use]
    pub fn use_open(&self, day: NaiveDate) -> bool {
        self.use_from <= day && day <= self.use_to
    }
}

/// What becomes of a half's co-op at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conversion {
    pub earned: i128,
    pub converted_to_rebate: i128,
    pub claimable: i128,
}

/// Below the threshold all co-op of the half becomes rebate; equal to it qualifies. One scale, the
/// caller's. Source: RULES 6; Partner Center docs, claims threshold.
///
/// # Errors
/// On overflow.
pub fn convert(threshold: i128, earned: &[i128]) -> Result<Conversion, Error> {
    let earned = sum(earned.iter().copied())?;
    let (converted_to_rebate, claimable) =
        if qualifies(earned, threshold) { (0, earned) } else { (earned, 0) };
    Ok(Conversion { earned, converted_to_rebate, claimable })
}

/// A limit on one kind of claims: a share of the earned co-op, but not less than a floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubLimit {
    /// At rate scale.
    pub share: i128,
    /// At amount scale; `None`: no floor.
    pub floor: Option<i128>,
}

/// What a sub-limit makes of a claim, at exact scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    pub limit: i128,
    pub allowed: i128,
    pub refused: i128,
}

impl SubLimit {
    /// Tests a claim against the co-op earned, both at amount scale.
    /// Source: Partner Center docs, co-op spending limits.
    ///
    /// # Errors
    /// On overflow.
    pub fn claim(&self, earned: i128, claimed: i128) -> Result<Claim, Error> {
        let floor = widened(self.floor.unwrap_or(0))?;
        let share = exact(earned, self.share)?;
        let limit = if self.floor.is_some() { share.max(floor) } else { share };
        let claimed = widened(claimed)?;
        let allowed = claimed.min(limit.max(0));
        Ok(Claim { limit, allowed, refused: subtract(claimed, allowed)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    #[test]
    fn parts_re_add_in_every_mode() {
        let half = power_of_ten(RATE_SCALE) / 2;
        for amount in [-50, -30, 0, 30, 50, 33_330] {
            for rounding in [Rounding::HalfAwayFromZero, Rounding::HalfEven, Rounding::TowardZero] {
                let (part, rest) = split((amount, 3), half, 2, rounding).expect("fits");
                assert_eq!(part + rest, amount);
                assert_eq!(part % 10, 0);
            }
        }
        assert_eq!(split((50, 3), half, 2, Rounding::HalfEven), Ok((20, 30)));
        assert_eq!(split((-50, 3), half, 2, Rounding::default()), Ok((-30, -20)));
        assert!(split((50, 3), -1, 2, Rounding::default()).is_err());
    }

    #[test]
    fn windows_are_inclusive_at_both_ends() {
        let calendar = FundCalendar {
            fiscal_year_start_month: 7,
            use_months: 6,
            claim_opens: (1, 16),
            claim_closes: (2, 15),
        };
        let windows = calendar.windows(day("2020-12-31")).expect("windows");
        assert_eq!((windows.use_from, windows.use_to), (day("2021-01-01"), day("2021-06-30")));
        for (on, open) in [
            ("2021-02-15", false),
            ("2021-02-16", true),
            ("2021-08-15", true),
            ("2021-08-16", false),
        ] {
            assert_eq!(windows.claim_open(day(on)), open, "{on}");
        }
        assert!(windows.use_open(day("2021-06-30")) && !windows.use_open(day("2021-07-01")));
        assert!(FundCalendar { use_months: 0, ..calendar }.windows(day("2020-12-31")).is_err());
    }

    #[test]
    fn a_threshold_met_exactly_qualifies() {
        assert_eq!(convert(10, &[4, 5]).map(|half| half.converted_to_rebate), Ok(9));
        assert_eq!(convert(10, &[4, 6]).map(|half| half.claimable), Ok(10));
        assert_eq!(convert(10, &[4, -6]).map(|half| half.converted_to_rebate), Ok(-2));
    }
}

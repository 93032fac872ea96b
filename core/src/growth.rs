//! In: what was measured now and in the baseline (amount scale), a rate. Out: growth and its earning,
//! one-off awards for new customers, stacked components, sums of distinct rows. Earnings exact.

use crate::Error;
use crate::caps::credit_once;
use crate::decimal::{exact, multiply, subtract, sum};
use std::collections::BTreeMap;

/// Growth against a baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Sums, at amount scale.
    pub current: i128,
    pub baseline: i128,
    /// What exceeds the baseline; a decline is none.
    pub growth: i128,
    /// At exact scale.
    pub earning: i128,
}

/// Earns on growth: rate × (current − baseline), at most the cap (exact scale). No growth earns
/// nothing and takes nothing back. Source: Partner Center docs, growth earnings.
///
/// # Errors
/// On overflow, or if the cap is negative.
pub fn growth(
    current: &[i128],
    baseline: &[i128],
    rate: i128,
    cap: Option<i128>,
) -> Result<Growth, Error> {
    let current = sum(current.iter().copied())?;
    let baseline = sum(baseline.iter().copied())?;
    let growth = subtract(current, baseline)?.max(0);
    let earning = credit_once(cap, exact(growth, rate)?)?.amount;
    Ok(Growth { current, baseline, growth, earning })
}

/// A one-off award for a customer whose monthly bill reaches a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewCustomer {
    /// A bill equal to it qualifies, at amount scale.
    pub monthly_threshold: i128,
    /// At rate scale.
    pub rate: i128,
    /// Months of the bill that the rate is applied to.
    pub months: u32,
    /// At exact scale; `None`: no cap.
    pub cap: Option<i128>,
}

impl NewCustomer {
    /// The award at exact scale; `None` if the bill (amount scale) doesn't qualify.
    /// Source: Giacom, Dynamics 365 incentive (FY20).
    ///
    /// # Errors
    /// On overflow, or if the cap is negative.
    pub fn award(&self, monthly_bill: i128) -> Result<Option<i128>, Error> {
        if monthly_bill < self.monthly_threshold {
            return Ok(None);
        }
        let base = multiply(monthly_bill, self.months.into())?;
        Ok(Some(credit_once(self.cap, exact(base, self.rate)?)?.amount))
    }
}

/// One of several components that are earned side by side, each on its own base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// At amount scale.
    pub base: i128,
    /// Earns on what exceeds it; `None`: earns on the base.
    pub baseline: Option<i128>,
    /// At rate scale.
    pub rate: i128,
    /// At exact scale; `None`: no cap.
    pub cap: Option<i128>,
}

impl Component {
    /// What the component earns, at exact scale. Source: calculators of the FY26 CSP incentives.
    ///
    /// # Errors
    /// On overflow, or if the cap is negative.
    pub fn earn(&self) -> Result<i128, Error> {
        match self.baseline {
            Some(baseline) => Ok(growth(&[self.base], &[baseline], self.rate, self.cap)?.earning),
            None => Ok(credit_once(self.cap, exact(self.base, self.rate)?)?.amount),
        }
    }
}

/// What several components earn together.
///
/// # Errors
/// As [`Component::earn`].
pub fn stack(components: &[Component]) -> Result<(Vec<i128>, i128), Error> {
    let subtotals = components.iter().map(Component::earn).collect::<Result<Vec<_>, _>>()?;
    let total = sum(subtotals.iter().copied())?;
    Ok((subtotals, total))
}

/// Sums over rows of which several repeat the same value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distinct {
    /// One value per key.
    pub total: i128,
    /// Keys.
    pub count: usize,
    /// The wrong sum over all rows.
    pub naive_total: i128,
}

/// Adds one value per key, at the values' scale. Source: Partner Center docs, growth earnings: sum
/// over distinct earning ids only.
///
/// # Errors
/// On overflow, or if rows of one key have different values.
pub fn distinct_sum(rows: &[(String, i128)]) -> Result<Distinct, Error> {
    let mut values: BTreeMap<&str, i128> = BTreeMap::new();
    for (key, value) in rows {
        let first = values.entry(key).or_insert(*value);
        if first != value {
            return Err(Error(format!("expected one value for the key `{key}`, found two")));
        }
    }
    Ok(Distinct {
        total: sum(values.values().copied())?,
        count: values.len(),
        naive_total: sum(rows.iter().map(|row| row.1))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decline_earns_nothing_and_takes_nothing_back() {
        let earned = |current: &[i128], baseline: &[i128], cap| {
            growth(current, baseline, 2, cap).map(|found| (found.growth, found.earning))
        };
        assert_eq!(earned(&[5, -1], &[1, 1], None), Ok((2, 4)));
        assert_eq!(earned(&[2], &[2], None), Ok((0, 0)));
        assert_eq!(earned(&[1], &[2], None), Ok((0, 0)));
        assert_eq!(earned(&[10], &[2], Some(7)), Ok((8, 7)), "the cap is on the earning");
        assert!(growth(&[i128::MAX, 1], &[], 1, None).is_err());
    }

    #[test]
    fn a_threshold_is_inclusive() {
        let rule = NewCustomer { monthly_threshold: 10, rate: 3, months: 12, cap: Some(400) };
        assert_eq!(rule.award(9), Ok(None));
        assert_eq!(rule.award(10), Ok(Some(360)));
        assert_eq!(rule.award(12), Ok(Some(400)));
    }

    #[test]
    fn keys_count_once_and_must_agree() {
        let row = |key: &str, value| (key.to_owned(), value);
        let found = distinct_sum(&[row("a", 9), row("b", 4), row("a", 9)]);
        assert_eq!(found, Ok(Distinct { total: 13, count: 2, naive_total: 22 }));
        assert!(distinct_sum(&[row("a", 9), row("a", 8)]).is_err());
    }
}

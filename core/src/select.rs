//! In: an amount and rules of which one applies. Out: which one, and what it earns, exact.

use crate::Error;
use crate::decimal::{RATE_SCALE, Rounding, exact, power_of_ten, round_ratio_by, subtract, sum};
use crate::tiers::widen_rate;

/// What a rule pays, at rate scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Award {
    /// An amount, whatever the base; its negative on a negative base.
    Fixed(i128),
    /// A share of the base.
    Rate(i128),
}

impl Award {
    /// What it pays on a base (amount scale), at exact scale.
    ///
    /// # Errors
    /// On overflow.
    pub fn pay(self, base: i128) -> Result<i128, Error> {
        match self {
            Award::Fixed(fixed) if base < 0 => widen_rate(subtract(0, fixed)?),
            Award::Fixed(fixed) => widen_rate(fixed),
            Award::Rate(rate) => exact(base, rate),
        }
    }
}

/// The award of the most specific rule among those that match; they don't add up. `order` runs from
/// least to most specific. Source: OCA commission modules.
///
/// # Errors
/// If a rule's scope or a match is not in the order, or a scope has two rules.
pub fn most_specific<'a>(
    order: &[&str],
    rules: &'a [(String, Award)],
    matches: &[&str],
) -> Result<Option<&'a (String, Award)>, Error> {
    let scopes = rules.iter().map(|rule| rule.0.as_str());
    for scope in scopes.clone().chain(matches.iter().copied()) {
        if !order.contains(&scope) {
            return Err(Error(format!("expected `{scope}` in the order of scopes")));
        }
    }
    for scope in order {
        if scopes.clone().filter(|found| found == scope).count() > 1 {
            return Err(Error(format!("expected one rule for the scope `{scope}`")));
        }
    }
    let matching = |scope: &&&str| matches.contains(*scope);
    let rule_of = |scope: &&str| rules.iter().find(|rule| rule.0 == *scope);
    Ok(order.iter().rev().filter(matching).find_map(rule_of))
}

/// A range of values, both ends inclusive, at amount scale; `None` is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    pub from: Option<i128>,
    pub to: Option<i128>,
}

impl Band {
    /// True if the value lies in the band.
    #[must_use]
    pub fn holds(&self, value: i128) -> bool {
        self.from.is_none_or(|from| from <= value) && self.to.is_none_or(|to| value <= to)
    }

    /// True if the band ends before it begins.
    #[must_use]
    pub fn is_inverted(&self) -> bool {
        matches!((self.from, self.to), (Some(from), Some(to)) if from > to)
    }
}

/// The first band that holds a value, by position; between two bands nothing matches.
///
/// # Errors
/// If a band ends before it begins.
pub fn band_of(bands: &[Band], value: i128) -> Result<Option<usize>, Error> {
    if let Some(position) = bands.iter().position(Band::is_inverted) {
        return Err(Error(format!("expected band {} to end after its start", position + 1)));
    }
    Ok(bands.iter().position(|band| band.holds(value)))
}

/// What amounts (amount scale) earn, at exact scale: inside the band the rate on all of it, outside
/// nothing. `None`: the band is refused, since it ends before it begins.
///
/// # Errors
/// On overflow.
pub fn in_range(band: Band, rate: i128, amounts: &[i128]) -> Result<Option<Vec<i128>>, Error> {
    if band.is_inverted() {
        return Ok(None);
    }
    let earned = |&amount: &i128| if band.holds(amount) { exact(amount, rate) } else { Ok(0) };
    amounts.iter().map(earned).collect::<Result<_, _>>().map(Some)
}

/// An amount (amount scale) × rate × (1 + uplift), at exact scale.
///
/// # Errors
/// On overflow.
pub fn uplifted(amount: i128, rate: i128, uplift: i128) -> Result<i128, Error> {
    let one = power_of_ten(RATE_SCALE);
    let factor = sum([one, uplift])?;
    round_ratio_by(exact(amount, rate)?, factor, one, Rounding::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_rule_wins_alone() {
        let order = ["all", "category", "product"];
        let rules = [("all".to_owned(), Award::Fixed(1)), ("product".to_owned(), Award::Rate(2))];
        let won = |matches: &[&str]| {
            most_specific(&order, &rules, matches).map(|rule| rule.map(|rule| rule.0.clone()))
        };
        assert_eq!(won(&["all", "category"]), Ok(Some("all".to_owned())), "category has no rule");
        assert_eq!(won(&["product", "all"]), Ok(Some("product".to_owned())));
        assert_eq!(won(&[]), Ok(None));
        assert!(won(&["variant"]).is_err());
        assert_eq!(Award::Fixed(3).pay(-5), Award::Fixed(3).pay(5).map(|amount| -amount));
    }

    #[test]
    fn bands_hold_both_ends_and_nothing_between() {
        let band = |from, to| Band { from: Some(from), to: Some(to) };
        let bands = [band(0, 10), band(12, 20)];
        let found = [-1, 0, 10, 11, 12, 20, 21].map(|value| band_of(&bands, value));
        let expected = [None, Some(0), Some(0), None, Some(1), Some(1), None].map(Ok);
        assert_eq!(found, expected);
        assert!(band_of(&[band(2, 1)], 1).is_err());
        assert_eq!(in_range(band(2, 1), 1, &[1]), Ok(None));
        assert_eq!(in_range(band(1, 2), 3, &[0, 1, 2, 3]), Ok(Some(vec![0, 3, 6, 0])));
    }
}

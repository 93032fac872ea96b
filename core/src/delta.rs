//! In: a price list, quantities now and before or what was billed already.
//! Out: what changes, item by item; settlements of windows; commitments. Exact amounts.

use crate::Error;
use crate::decimal::{multiply, subtract, sum};
use crate::price::{Bill, Item, PriceList};
use std::collections::BTreeMap;

/// What a new bill changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// What was billed before, at exact scale.
    pub already: i128,
    /// What it is now, at exact scale.
    pub total: i128,
    /// The difference, of either sign.
    pub delta: i128,
    /// By unit and tier, where something changed; they re-add to the delta if what was billed before is
    /// known by item.
    pub items: Vec<Item>,
}

/// The difference between a bill and the items of an earlier one. Flats already charged don't come
/// back. Source: OpenMeter and Kill Bill, usage in arrear.
///
/// # Errors
/// On overflow.
pub fn between(before: &[Item], now: &Bill) -> Result<Delta, Error> {
    let mut changes: BTreeMap<(String, usize), (i128, i128)> = BTreeMap::new();
    let plus = now.items.iter().map(|item| (item, 1));
    for (item, sign) in plus.chain(before.iter().map(|item| (item, -1))) {
        let change = changes.entry((item.unit.clone(), item.tier)).or_default();
        change.0 = sum([change.0, multiply(item.quantity, sign)?])?;
        change.1 = sum([change.1, multiply(item.amount, sign)?])?;
    }
    let items = changes
        .into_iter()
        .filter(|(_, change)| *change != (0, 0))
        .map(|((unit, tier), (quantity, amount))| Item { unit, tier, quantity, amount })
        .collect();
    let already = sum(before.iter().map(|item| item.amount))?;
    Ok(Delta { already, total: now.total, delta: subtract(now.total, already)?, items })
}

/// The difference between a bill and an amount (exact scale) of which no items are known.
///
/// # Errors
/// On overflow.
pub fn since(already: i128, now: &Bill) -> Result<Delta, Error> {
    let delta = subtract(now.total, already)?;
    Ok(Delta { already, total: now.total, delta, items: now.items.clone() })
}

/// Settles a window period by period: each recomputes from the start and settles the difference to the
/// periods before. Volumes at amount scale, settlements at exact scale. Source: SAP, condition
/// contracts; RULES 2, windows.
///
/// # Errors
/// On overflow, or as the price list.
pub fn settlements(price: &PriceList, volumes: &[i128]) -> Result<Vec<i128>, Error> {
    let mut volume = 0;
    let mut settled = 0;
    let mut settlements = Vec::with_capacity(volumes.len());
    for &next in volumes {
        volume = sum([volume, next])?;
        let total = price.bill(&PriceList::single(volume))?.total;
        settlements.push(subtract(total, settled)?);
        settled = total;
    }
    Ok(settlements)
}

/// The least and most that a period costs, at exact scale; `None`: no such limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commitment {
    pub minimum: Option<i128>,
    pub maximum: Option<i128>,
}

/// What a commitment makes of a charge, at exact scale.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    pub charge: i128,
    /// What is missing to the minimum, at the period's end only.
    pub top_up: i128,
    /// What exceeds the maximum.
    pub reduction: i128,
    /// The reduction by item of the charge that costs something, in the items' order; the last are
    /// reduced first.
    pub reductions: Vec<i128>,
    /// Charge + top-up − reduction.
    pub total: i128,
}

impl Commitment {
    /// Applies the commitment to a charge. What the period was billed before counts toward both limits.
    /// Source: OpenMeter, minimum and maximum spend.
    ///
    /// # Errors
    /// On overflow.
    pub fn apply(
        &self,
        charge: &Delta,
        already_billed: i128,
        period_end: bool,
    ) -> Result<Committed, Error> {
        let billed = sum([already_billed, charge.delta])?;
        let over = self.maximum.map_or(Ok(0), |maximum| subtract(billed, maximum))?.max(0);
        let mut left = over;
        let mut reductions = Vec::with_capacity(charge.items.len());
        for item in charge.items.iter().rev().filter(|item| item.amount != 0) {
            let taken = left.min(item.amount.max(0));
            left -= taken;
            reductions.push(taken);
        }
        reductions.reverse();
        let reduction = over - left;
        let kept = subtract(billed, reduction)?;
        let missing = self.minimum.map_or(Ok(0), |minimum| subtract(minimum, kept))?.max(0);
        let top_up = if period_end { missing } else { 0 };
        let total = sum([charge.delta, top_up, -reduction])?;
        Ok(Committed { charge: charge.delta, top_up, reduction, reductions, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(tier: usize, amount: i128) -> Item {
        Item { unit: String::new(), tier, quantity: amount, amount }
    }

    fn bill(amounts: &[i128]) -> Bill {
        let items: Vec<_> = amounts.iter().enumerate().map(|(at, &x)| item(at + 1, x)).collect();
        Bill { total: amounts.iter().sum(), items }
    }

    #[test]
    fn items_re_add_to_the_delta() {
        let delta = between(&bill(&[100, 50, 7]).items, &bill(&[100, 20, 7, 9])).expect("fits");
        assert_eq!((delta.already, delta.total, delta.delta), (157, 136, -21));
        assert_eq!(delta.items, [item(2, -30), item(4, 9)]);
        assert_eq!(between(&[], &bill(&[3])).map(|delta| delta.items), Ok(vec![item(1, 3)]));
    }

    #[test]
    fn the_last_items_are_reduced_first() {
        let charge = between(&[], &bill(&[100, 50, 25, 7])).expect("fits");
        let limit = |minimum, maximum| Commitment { minimum, maximum };
        let capped = limit(None, Some(160)).apply(&charge, 0, true).expect("fits");
        assert_eq!((capped.reductions, capped.total), (vec![0, 0, 15, 7], 160));
        let before = limit(None, Some(160)).apply(&charge, 150, false).expect("fits");
        assert_eq!((before.reduction, before.total), (172, 10));
        let used_up = limit(None, Some(160)).apply(&charge, 500, false).expect("fits");
        assert_eq!((used_up.reduction, used_up.total), (182, 0), "never more than the charge");
    }

    #[test]
    fn settlements_re_add_to_the_window_s_total() {
        use crate::package::Package;
        use crate::price::Price;
        let one = crate::decimal::power_of_ten(12);
        let package = Price::Package(Package { size: 10 * one, price: 1, free: 0 });
        let settled =
            settlements(&PriceList::of(package), &[5 * one, 4 * one, 12 * one, -20 * one]);
        assert_eq!(settled, Ok(vec![one, 0, 2 * one, -2 * one]));
    }

    #[test]
    fn the_minimum_is_topped_up_at_the_end_only() {
        let charge = between(&[], &bill(&[100])).expect("fits");
        let commitment = Commitment { minimum: Some(150), maximum: Some(400) };
        let by = |already, end| commitment.apply(&charge, already, end).map(|found| found.top_up);
        assert_eq!(by(0, true), Ok(50));
        assert_eq!(by(0, false), Ok(0));
        assert_eq!(by(20, true), Ok(30));
        assert_eq!(by(50, true), Ok(0));
    }
}

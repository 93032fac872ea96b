//! In: prices per unit of measure, quantities per unit (amount scale).
//! Out: what they cost together, exact, item by item; each unit is priced alone.

use crate::Error;
use crate::decimal::sum;
use crate::package::Package;
use crate::tiers::{Priced, TierTable};
use std::collections::BTreeMap;

/// How one unit of measure is priced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Price {
    Tiers(TierTable),
    Package(Package),
}

impl Price {
    /// What a quantity costs or earns.
    ///
    /// # Errors
    /// As [`TierTable::price`] and [`Package::price`].
    pub fn price(&self, quantity: i128) -> Result<Priced, Error> {
        match self {
            Price::Tiers(table) => table.price(quantity),
            Price::Package(package) => package.price(quantity),
        }
    }
}

/// Prices of several units of measure, in their order. A single price has the unit `""`.
/// Source: Kill Bill, consumable usage in arrear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceList {
    parts: Vec<(String, Price)>,
}

/// Quantities by unit of measure, at amount scale.
pub type Quantities = BTreeMap<String, i128>;

/// What one tier of one unit contributed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub unit: String,
    /// Counted from 1.
    pub tier: usize,
    /// At amount scale.
    pub quantity: i128,
    /// At exact scale.
    pub amount: i128,
}

/// What quantities cost together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// At exact scale.
    pub total: i128,
    /// In the order of the list, then of tiers; they re-add to the total.
    pub items: Vec<Item>,
}

impl PriceList {
    /// The list of one price.
    #[must_use]
    pub fn of(price: Price) -> PriceList {
        PriceList { parts: vec![(String::new(), price)] }
    }

    /// A list of several, each unit once.
    ///
    /// # Errors
    /// If a unit stands in it twice.
    pub fn new(parts: Vec<(String, Price)>) -> Result<PriceList, Error> {
        for (position, (unit, _)) in parts.iter().enumerate() {
            if parts[..position].iter().any(|(earlier, _)| earlier == unit) {
                return Err(Error(format!("expected each unit once, found `{unit}` again")));
            }
        }
        Ok(PriceList { parts })
    }

    /// Quantities of the one unit of [`PriceList::of`].
    #[must_use]
    pub fn single(quantity: i128) -> Quantities {
        Quantities::from([(String::new(), quantity)])
    }

    /// What quantities cost; a unit that has none costs what its price says for zero.
    ///
    /// # Errors
    /// On overflow, or if a quantity has no price.
    pub fn bill(&self, quantities: &Quantities) -> Result<Bill, Error> {
        let priced = |unit: &String| self.parts.iter().any(|(known, _)| known == unit);
        if let Some(unit) = quantities.keys().find(|unit| !priced(unit)) {
            return Err(Error(format!("expected a price for the unit `{unit}`")));
        }
        let mut items = Vec::new();
        for (unit, price) in &self.parts {
            let quantity = quantities.get(unit).copied().unwrap_or(0);
            items.extend(price.price(quantity)?.slices.iter().map(|slice| Item {
                unit: unit.clone(),
                tier: slice.tier,
                quantity: slice.quantity,
                amount: slice.amount,
            }));
        }
        Ok(Bill { total: sum(items.iter().map(|item| item.amount))?, items })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::power_of_ten;

    #[test]
    fn units_are_known_and_stand_once() {
        let package = || Price::Package(Package { size: power_of_ten(12), price: 1, free: 0 });
        let twice = vec![("a".to_owned(), package()), ("a".to_owned(), package())];
        assert!(PriceList::new(twice).is_err());
        let list = PriceList::of(package());
        assert!(list.bill(&Quantities::from([("b".to_owned(), 1)])).is_err());
        let bill = list.bill(&PriceList::single(3 * power_of_ten(12))).expect("priced");
        assert_eq!(bill.total, 3 * power_of_ten(12));
    }
}

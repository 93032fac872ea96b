//! What is paid in the currency in which it was earned. In: the items of a balance that no order has
//! released. Out: those of each currency that an order pays, and the others, which are carried in theirs.
//! Converted co-op and manual adjustments are in program currency; what a year's end or a missing profile
//! takes, or gives back, is in the currencies of what it takes; a payment that came back is in its own.

use super::orders::Item;
use earnest_core::purses::{Purse, Purses};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The items of a balance by what becomes of them.
pub struct Parted<'a> {
    /// The items of each currency that is ordered, by currency.
    pub ordered: Vec<(Arc<str>, Vec<Item<'a>>)>,
    pub carried: Vec<Item<'a>>,
}

impl<'a> Parted<'a> {
    /// Parts items by whether their currency is ordered.
    pub fn of(items: Vec<Item<'a>>, is_ordered: impl Fn(&Purse) -> bool) -> Parted<'a> {
        let mut purses = Purses::default();
        for item in &items {
            purses.add(&item.currency, item.program_amount, item.own_amount);
        }
        let ordered = purses.iter().filter(|purse| is_ordered(purse));
        let mut ordered: BTreeMap<Arc<str>, Vec<Item>> =
            ordered.map(|purse| (Arc::clone(&purse.currency), Vec::new())).collect();
        let mut carried = Vec::new();
        for item in items {
            match ordered.get_mut(&item.currency) {
                Some(items) => items.push(item),
                None => carried.push(item),
            }
        }
        Parted { ordered: ordered.into_iter().collect(), carried }
    }

    /// What is ordered, in program currency.
    pub fn program(&self) -> i128 {
        let items = self.ordered.iter().flat_map(|(_, items)| items);
        items.map(|item| item.program_amount).sum()
    }
}

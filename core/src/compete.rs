//! Levers that compete for a line: which one earns. In: those that would earn, in declared order. Out:
//! the position of the one that does.

use crate::program::{Lever, LeverRate, Select};

/// How much a rate asks for, compared from the first to the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    /// A product group by name, not every product.
    pub product: bool,
    pub customer_country: bool,
    pub partner_country: bool,
    pub partner_type: bool,
    /// The lever has a filter.
    pub filter: bool,
}

impl Specificity {
    /// Of a lever's rate that matched a line by a product group.
    #[must_use]
    pub fn of(lever: &Lever, rate: &LeverRate, product_group: &str) -> Specificity {
        Specificity {
            product: product_group != "*",
            customer_country: !rate.countries.customer.is_empty(),
            partner_country: !rate.countries.partner.is_empty(),
            partner_type: !rate.partner_types.is_empty(),
            filter: lever.filter.is_some(),
        }
    }
}

/// A lever that would earn on a line.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub specificity: Specificity,
    /// What it would earn; the sign doesn't count.
    pub amount: i128,
}

/// The position of the candidate that earns; `None`: each of them does, or there is none.
#[must_use]
pub fn winner(select: Select, candidates: &[Candidate]) -> Option<usize> {
    let best = |better: &dyn Fn(&Candidate, &Candidate) -> bool| {
        (0..candidates.len()).reduce(|best, next| {
            if better(&candidates[next], &candidates[best]) { next } else { best }
        })
    };
    match select {
        Select::All => None,
        Select::First => best(&|_, _| false),
        Select::MostSpecific => best(&|next, best| next.specificity > best.specificity),
        Select::Best => best(&|next, best| next.amount.abs() > best.amount.abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_earns_and_of_equals_the_first() {
        let of = |product, filter, amount| Candidate {
            specificity: Specificity { product, filter, ..Specificity::default() },
            amount,
        };
        let found =
            [of(false, true, 5), of(true, false, -7), of(true, false, 7), of(false, false, 1)];
        assert_eq!(winner(Select::All, &found), None);
        assert_eq!(winner(Select::First, &found), Some(0));
        assert_eq!(winner(Select::MostSpecific, &found), Some(1), "a product beats a filter");
        assert_eq!(winner(Select::Best, &found), Some(1), "a refund takes back most");
        assert_eq!(winner(Select::Best, &found[2..]), Some(0));
        assert_eq!(winner(Select::Best, &[]), None);
    }
}

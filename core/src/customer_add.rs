//! Who added a customer. In: what was sold to it in its window, in order. Out: the line at which a partner
//! first had sold the minimum; that partner added it, once and for all.

use crate::Error;
use crate::decimal::{EXACT_SCALE, Unit, sum};
use std::collections::HashMap;

/// A line that was sold to the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sale {
    /// Whoever earns on it.
    pub participant: i32,
    /// Base in program currency, at exact scale.
    pub exact: i128,
}

/// The line that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// Its position.
    pub sale: usize,
    /// What its participant had sold by then, at money scale.
    pub measured: i128,
}

/// The first sale at which its participant has sold the minimum (money scale); `None`: nobody has.
///
/// # Errors
/// On overflow.
pub fn added(sales: &[Sale], minimum: i128, unit: Unit) -> Result<Option<Added>, Error> {
    let mut sold: HashMap<i32, i128> = HashMap::new();
    for (position, sale) in sales.iter().enumerate() {
        let total = sold.entry(sale.participant).or_default();
        *total = sum([*total, sale.exact])?;
        let measured = measured([*total], unit)?;
        if measured >= minimum {
            return Ok(Some(Added { sale: position, measured }));
        }
    }
    Ok(None)
}

/// What sales (exact scale) add up to, rounded once, at money scale.
///
/// # Errors
/// On overflow.
pub fn measured(sales: impl IntoIterator<Item = i128>, unit: Unit) -> Result<i128, Error> {
    unit.round(sum(sales)?, EXACT_SCALE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::parse;

    fn sale(participant: i32, amount: &str) -> Sale {
        Sale { participant, exact: parse(amount, EXACT_SCALE).expect("an amount") }
    }

    #[test]
    fn the_first_to_reach_the_minimum_has_added_the_customer() {
        let sales =
            [sale(1, "100"), sale(2, "249.994"), sale(1, "149.99"), sale(2, "0.001"), sale(1, "9")];
        let at = |minimum| added(&sales, minimum, Unit::new(2)).expect("fits");
        assert_eq!(at(0), Some(Added { sale: 0, measured: 100_000 }));
        assert_eq!(at(249_990), Some(Added { sale: 1, measured: 249_990 }));
        assert_eq!(at(250_000), Some(Added { sale: 3, measured: 250_000 }), "249.995 is rounded");
        assert_eq!(at(258_990), Some(Added { sale: 4, measured: 258_990 }));
        assert_eq!(at(259_000), None);
    }
}

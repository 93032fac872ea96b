//! In: a quantity at amount scale, a package size, a price per package, free units.
//! Out: started packages and what they cost, exact.

use crate::Error;
use crate::decimal::{AMOUNT_SCALE, Rounding, divide, exact, rescale, subtract};
use crate::tiers::{Priced, Slice, Terms};

/// A price per started package. Source: Lago and Flexprice, package charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// Units in a package, positive, at amount scale.
    pub size: i128,
    /// Price of a package, at rate scale.
    pub price: i128,
    /// Units that come off before packages are counted, at amount scale.
    pub free: i128,
}

impl Package {
    /// What a quantity costs; a negative one is the exact negative of the positive one.
    ///
    /// # Errors
    /// On overflow, or if the size is not positive.
    pub fn price(&self, quantity: i128) -> Result<Priced, Error> {
        let magnitude = if quantity < 0 { subtract(0, quantity)? } else { quantity };
        let paid = subtract(magnitude, self.free)?.max(0);
        let amount = exact(started(paid, self.size)? * quantity.signum(), self.price)?;
        let terms = Terms::UnitPrice { price: self.price, per: Some(self.size) };
        let slice = Slice { tier: 1, quantity: paid * quantity.signum(), terms, amount };
        Ok(Priced { total: amount, slices: vec![slice], tier: Some(1) })
    }
}

/// Packages that a quantity (not negative) starts, at amount scale like the quantity and the size.
///
/// # Errors
/// On overflow, or if the size is not positive.
pub fn started(quantity: i128, size: i128) -> Result<i128, Error> {
    if size <= 0 {
        return Err(Error::new("expected a package of more than no units"));
    }
    let packages = divide((quantity, AMOUNT_SCALE), (size, AMOUNT_SCALE), 0, Rounding::Ceiling)?;
    rescale(packages, 0, AMOUNT_SCALE, Rounding::Ceiling)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::{EXACT_SCALE, RATE_SCALE, parse};

    #[test]
    fn a_started_package_counts_whole() {
        let number = |text: &str| parse(text, AMOUNT_SCALE).expect("a number");
        let package = Package {
            size: number("10"),
            price: parse("1.5", RATE_SCALE).expect("a price"),
            free: number("1"),
        };
        let cases = [
            ("0", "0"),
            ("1", "0"),
            ("1.001", "1.5"),
            ("11", "1.5"),
            ("11.000000000001", "3"),
            ("-11.5", "-3"),
        ];
        for (quantity, expected) in cases {
            let expected = parse(expected, EXACT_SCALE).expect("an amount");
            let found = package.price(number(quantity)).map(|priced| priced.total);
            assert_eq!(found, Ok(expected), "{quantity}");
        }
        assert!(started(1, 0).is_err());
    }
}

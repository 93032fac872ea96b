//! Withholding and sales tax of one order. In: what its items come to in payment currency, which of
//! them are taxable, and the rates. Out: tax withheld and added, each rounded once, and each item's part.
//! Amounts at money scale.

use crate::Error;
use crate::decimal::{MONEY_SCALE, RATE_SCALE, Unit, allocate, round_product};

/// Rates of an order, at rate scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaxRates {
    pub withholding: i128,
    pub sales: i128,
}

/// Taxes of an order, or of one of its items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taxes {
    /// Kept back.
    pub withheld: i128,
    /// Added.
    pub sales: i128,
}

impl Taxes {
    /// What is paid of a gross.
    #[must_use]
    pub fn total(&self, gross: i128) -> i128 {
        gross - self.withheld + self.sales
    }
}

/// Taxes an order whose items come to `items` (payment currency, and whether each is taxable). What
/// isn't taxable is left out; no more than the gross is taxed, and nothing of what isn't positive.
/// Each tax is shared by the taxable items by largest remainder. Source: RULES 5.
///
/// # Errors
/// On overflow.
pub fn tax(
    items: &[(i128, bool)],
    rates: TaxRates,
    unit: Unit,
) -> Result<(Taxes, Vec<Taxes>), Error> {
    let gross: i128 = items.iter().map(|(amount, _)| amount).sum();
    let weights: Vec<i128> =
        items.iter().map(|&(amount, taxable)| if taxable { amount } else { 0 }).collect();
    let taxable = weights.iter().sum::<i128>().min(gross).max(0);
    let share = |rate| -> Result<(i128, Vec<i128>), Error> {
        let whole = round_product((taxable, MONEY_SCALE), (rate, RATE_SCALE), unit)?;
        Ok((whole, allocate(whole, &weights, unit.one())?))
    };
    let (withheld, of_withheld) = share(rates.withholding)?;
    let (sales, of_sales) = share(rates.sales)?;
    let parts = of_withheld.into_iter().zip(of_sales);
    Ok((
        Taxes { withheld, sales },
        parts.map(|(withheld, sales)| Taxes { withheld, sales }).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENTS: Unit = Unit::new(2);

    fn rates(withholding: i128, sales: i128) -> TaxRates {
        TaxRates { withholding: withholding * 10_000_000, sales: sales * 10_000_000 }
    }

    #[test]
    fn each_tax_is_rounded_once_and_re_adds() {
        let items = [(81_820, true), (81_820, true), (63_630, true)];
        let (taxes, parts) = tax(&items, rates(20, 7), CENTS).expect("fits");
        // 227.27: 45.454 and 15.9089.
        assert_eq!(taxes, Taxes { withheld: 45_450, sales: 15_910 });
        assert_eq!(taxes.total(227_270), 197_730);
        let withheld: Vec<i128> = parts.iter().map(|part| part.withheld).collect();
        // 16.3624, 16.3624, 12.7248: two cents are missing, to the largest remainders.
        assert_eq!(withheld, [16_360, 16_360, 12_730]);
        assert_eq!(parts.iter().map(|part| part.sales).sum::<i128>(), 15_910);
    }

    #[test]
    fn what_is_not_taxable_is_left_out() {
        let (taxes, parts) =
            tax(&[(100_000, true), (50_000, false)], rates(10, 0), CENTS).expect("fits");
        assert_eq!((taxes.withheld, parts[1].withheld), (10_000, 0));
        let (taxes, _) =
            tax(&[(300_000, true), (-100_000, false)], rates(10, 0), CENTS).expect("fits");
        assert_eq!(taxes.withheld, 20_000, "no more than the gross is taxed");
        let (taxes, _) =
            tax(&[(-50_000, true), (80_000, false)], rates(10, 0), CENTS).expect("fits");
        assert_eq!(taxes, Taxes::default());
    }

    #[test]
    fn only_positive_orders_are_taxed() {
        let (taxes, parts) = tax(&[(-100_000, true)], rates(10, 10), CENTS).expect("fits");
        assert_eq!((taxes, parts), (Taxes::default(), vec![Taxes::default()]));
        assert_eq!(tax(&[], rates(10, 10), CENTS), Ok((Taxes::default(), vec![])));
    }

    #[test]
    fn yen_are_taxed_whole() {
        let (taxes, _) = tax(&[(21_978_000, true)], rates(10, 0), Unit::new(0)).expect("fits");
        assert_eq!(taxes.withheld, 2_198_000);
    }
}

//! In: prices and exchange rates (rate scale), quantities (amount scale), shares. Out: the amounts of
//! an invoice line, rounded to `decimals` where the vendor rounds. Sources: Partner Center docs.

use crate::Error;
use crate::decimal::{
    AMOUNT_SCALE, EXACT_SCALE, RATE_SCALE, Rounding, divide, exact, power_of_ten, rescale,
    round_factors, subtract, sum, widened,
};

/// What is left of a price after a credit (a share, at rate scale).
fn after_credit(credit: i128) -> Result<(i128, u32), Error> {
    Ok((subtract(power_of_ten(RATE_SCALE), credit)?, RATE_SCALE))
}

/// Quantity × unit price × (1 − credit), rounded to `decimals`, which are the result's too.
/// Source: effective unit price calculation.
///
/// # Errors
/// On overflow.
pub fn billable_cost(
    quantity: i128,
    unit_price: i128,
    credit: i128,
    decimals: u32,
    rounding: Rounding,
) -> Result<i128, Error> {
    let factors = [(quantity, AMOUNT_SCALE), (unit_price, RATE_SCALE), after_credit(credit)?];
    round_factors(&factors, decimals, rounding)
}

/// Rounded cost (with `cost_decimals`) per unit of quantity, rounded half away from zero to `decimals`.
///
/// # Errors
/// On overflow, or if there is no quantity.
pub fn effective_price(
    cost: i128,
    cost_decimals: u32,
    quantity: i128,
    decimals: u32,
) -> Result<i128, Error> {
    divide((cost, cost_decimals), (quantity, AMOUNT_SCALE), decimals, Rounding::default())
}

/// Unit price × (1 − credit), at exact scale.
///
/// # Errors
/// On overflow.
pub fn discounted_price(unit_price: i128, credit: i128) -> Result<i128, Error> {
    let factors = [(unit_price, RATE_SCALE), after_credit(credit)?];
    round_factors(&factors, EXACT_SCALE, Rounding::TowardZero)
}

/// Where a line is rounded on its way into the billing currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formula {
    /// `down(down(price × quantity) × exchange rate)`: usage since 2023.
    AmountThenExchange,
    /// `down(price × quantity × exchange rate)`: usage of 2021.
    Once,
    /// `down(price × exchange rate) × quantity`: licenses.
    PriceThenQuantity,
}

/// The subtotal of a line, toward zero to `decimals`, which are the result's too. The price (exact
/// scale) is after credits. Source: new-commerce reconciliation file.
///
/// # Errors
/// On overflow.
pub fn line_subtotal(
    formula: Formula,
    price: i128,
    quantity: i128,
    exchange_rate: i128,
    decimals: u32,
) -> Result<i128, Error> {
    let down = |factors: &[(i128, u32)]| round_factors(factors, decimals, Rounding::TowardZero);
    let price = (price, EXACT_SCALE);
    let quantity = (quantity, AMOUNT_SCALE);
    let exchange = (exchange_rate, RATE_SCALE);
    match formula {
        Formula::AmountThenExchange => down(&[(down(&[price, quantity])?, decimals), exchange]),
        Formula::Once => down(&[price, quantity, exchange]),
        Formula::PriceThenQuantity => down(&[(down(&[price, exchange])?, decimals), quantity]),
    }
}

/// Seats × price, at exact scale.
///
/// # Errors
/// On overflow.
pub fn seats(seats: i128, price: i128) -> Result<i128, Error> {
    exact(seats, price)
}

/// A base fee (amount scale) with an included quantity, and a price beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Included {
    pub base: i128,
    /// At amount scale.
    pub included: i128,
    /// At rate scale.
    pub overage_price: i128,
}

/// What a used quantity costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overage {
    /// At amount scale.
    pub quantity: i128,
    /// Rounded, at exact scale.
    pub amount: i128,
    /// With the base, at exact scale.
    pub total: i128,
}

impl Included {
    /// Bills a used quantity (amount scale); the overage is rounded to `decimals`.
    /// Source: common billing scenarios.
    ///
    /// # Errors
    /// On overflow.
    pub fn bill(&self, used: i128, decimals: u32, rounding: Rounding) -> Result<Overage, Error> {
        let quantity = subtract(used, self.included)?.max(0);
        let factors = [(quantity, AMOUNT_SCALE), (self.overage_price, RATE_SCALE)];
        let rounded = round_factors(&factors, decimals, rounding)?;
        let amount = rescale(rounded, decimals, EXACT_SCALE, rounding)?;
        Ok(Overage { quantity, amount, total: sum([amount, widened(self.base)?])? })
    }
}

/// A fee on an amount (amount scale), and what is left of it, both at exact scale.
/// Source: marketplace transaction history.
///
/// # Errors
/// On overflow.
pub fn fee(amount: i128, rate: i128) -> Result<(i128, i128), Error> {
    let fee = exact(amount, rate)?;
    Ok((fee, subtract(widened(amount)?, fee)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::parse;

    #[test]
    fn formulas_differ_by_where_they_round() {
        let rate = |text: &str| parse(text, RATE_SCALE).expect("a rate");
        let price = discounted_price(rate("10.08"), 0).expect("fits");
        let ten = parse("10", AMOUNT_SCALE).expect("a quantity");
        let by = |formula| line_subtotal(formula, price, ten, rate("0.846202666"), 2);
        assert_eq!(by(Formula::PriceThenQuantity), Ok(8_520));
        assert_eq!(by(Formula::Once), Ok(8_529));
        assert_eq!(by(Formula::AmountThenExchange), Ok(8_529));
        let refund = line_subtotal(Formula::Once, price, -ten, rate("0.846202666"), 2);
        assert_eq!(refund, Ok(-8_529));
    }

    #[test]
    fn a_credit_lowers_the_price_before_anything_is_rounded() {
        let rate = |text: &str| parse(text, RATE_SCALE).expect("a rate");
        let quantity = parse("29", AMOUNT_SCALE).expect("a quantity");
        let down = Rounding::TowardZero;
        assert_eq!(billable_cost(quantity, rate("0.868"), rate("0.15"), 2, down), Ok(2_139));
        assert_eq!(effective_price(2_139, 2, quantity, 6), Ok(737_586));
        let price = discounted_price(rate("0.045"), rate("0.15"));
        assert_eq!(price, parse("0.03825", EXACT_SCALE));
        assert!(effective_price(1, 2, 0, 6).is_err());
    }

    #[test]
    fn a_fee_and_its_net_re_add() {
        let amount = parse("499.99", AMOUNT_SCALE).expect("an amount");
        let (fee, net) = fee(amount, 30_000_000).expect("fits");
        assert_eq!(Ok(fee + net), widened(amount));
    }

    #[test]
    fn nothing_is_owed_up_to_the_included_quantity() {
        let rule = Included { base: 0, included: 100, overage_price: power_of_ten(RATE_SCALE) };
        let quantity = |used| rule.bill(used, 2, Rounding::default()).map(|found| found.quantity);
        assert_eq!([99, 100, 101].map(quantity), [Ok(0), Ok(0), Ok(1)]);
    }
}

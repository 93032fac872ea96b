//! The vendor's own billing arithmetic, upstream of the exports. Cases state a price in the rule or
//! in the input.

use super::Given;
use super::compare::{Found, Row, amount, exact};
use super::fields::{Failure, Fields};
use earnest_core::decimal::{RATE_SCALE, Rounding, power_of_ten};
use earnest_core::invoice::{self, Formula, Included};

/// Where a case states a key: in its rule or in its input.
fn stated<'a, 'b>(given: &'b Given<'a>, name: &str) -> &'b Fields<'a> {
    Fields::with(name, &[&given.rule, &given.input])
}

pub fn billable_cost(given: &Given) -> Result<Row, Failure> {
    let price = stated(given, "unit_price").rate("unit_price")?;
    let credit = stated(given, "credit").optional_rate("credit")?.unwrap_or(0);
    let decimals = given.rule.count("decimals")?;
    let rounding = given.rule.rounding("rounding")?.unwrap_or(Rounding::TowardZero);
    let quantity = given.input.amount("quantity")?;
    let cost = invoice::billable_cost(quantity, price, credit, decimals, rounding)?;
    let effective = move |shown| invoice::effective_price(cost, decimals, quantity, shown);
    Ok(vec![
        ("billable_cost", Found::Decimal(cost, decimals)),
        ("effective_price", Found::Shown(Box::new(effective))),
    ])
}

pub fn line_subtotal(given: &Given) -> Result<Row, Failure> {
    let formula = match given.rule.text("formula")? {
        "round_amount_then_exchange" => Formula::AmountThenExchange,
        "round_once" => Formula::Once,
        "round_price_then_quantity" => Formula::PriceThenQuantity,
        word => return Err(given.rule.unknown("formula", word)),
    };
    let price = stated(given, "unit_price").rate("unit_price")?;
    let credit = stated(given, "credit").optional_rate("credit")?.unwrap_or(0);
    let exchange = stated(given, "exchange_rate").optional_rate("exchange_rate")?;
    let exchange = exchange.unwrap_or(power_of_ten(RATE_SCALE));
    let price = invoice::discounted_price(price, credit)?;
    let (quantity, decimals) = (given.input.amount("quantity")?, given.rule.count("decimals")?);
    let subtotal = invoice::line_subtotal(formula, price, quantity, exchange, decimals)?;
    Ok(vec![("effective_price", exact(price)), ("subtotal", Found::Decimal(subtotal, decimals))])
}

pub fn seats(given: &Given) -> Result<Row, Failure> {
    let price = stated(given, "seat_price").rate("seat_price")?;
    Ok(vec![("total", exact(invoice::seats(given.input.amount("seats")?, price)?))])
}

pub fn included_quantity(given: &Given) -> Result<Row, Failure> {
    let rule = Included {
        base: given.rule.amount("base")?,
        included: given.rule.amount("included")?,
        overage_price: given.rule.rate("overage_price")?,
    };
    let rounding = given.rule.rounding("rounding")?.unwrap_or_default();
    let decimals = given.rule.count("decimals")?;
    let found = rule.bill(given.input.amount("used")?, decimals, rounding)?;
    Ok(vec![
        ("overage_quantity", amount(found.quantity)),
        ("overage", exact(found.amount)),
        ("total", exact(found.total)),
    ])
}

/// Exact: no case rounds it.
pub fn fee(given: &Given) -> Result<Row, Failure> {
    let (fee, net) =
        invoice::fee(given.input.amount("amount")?, stated(given, "fee_rate").rate("fee_rate")?)?;
    Ok(vec![("fee", exact(fee)), ("net", exact(net))])
}

//! How the vendor computes columns of its exports, as a format declares it: a sum, a price times a
//! quantity by one of the published formulas, or a quotient. `earnest check sources` computes them again.

use super::load::Named;
use super::raw;
use crate::error::Result;
use earnest_core::invoice::Formula;

/// A column that others give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plausible {
    /// Position in the format's columns.
    pub column: usize,
    pub by: By,
}

/// How it is computed; columns are positions in the format's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// What is added, and what is subtracted from it; if `not_negative`, 0 where less than that is left.
    Sum { plus: Vec<usize>, less: Vec<usize>, not_negative: bool },
    /// Any of the formulas.
    Price { any_of: Vec<Way>, of: Product },
    /// One divided by the other, to the nearest of the decimals that the column shows.
    Quotient { number: usize, divisor: usize },
}

/// The factors of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    pub price: usize,
    /// The share of the price that is credited; without it, nothing is.
    pub credit: Option<usize>,
    pub quantity: usize,
    /// Without it, 1.
    pub exchange_rate: Option<usize>,
}

/// How price, quantity and exchange rate become an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Cut at the currency's minor unit, by one of the vendor's formulas.
    Cut(Formula),
    /// To the nearest minor unit, either one if both are as near.
    Nearest,
}

impl Way {
    /// Names in format files.
    const ALL: [(&'static str, Way); 4] = [
        ("amount_then_exchange", Way::Cut(Formula::AmountThenExchange)),
        ("once", Way::Cut(Formula::Once)),
        ("price_then_quantity", Way::Cut(Formula::PriceThenQuantity)),
        ("nearest", Way::Nearest),
    ];
}

/// The rules of a format file, checked.
pub(super) fn plausible_of(named: &Named) -> Result<Vec<Plausible>> {
    named.raw.plausible.iter().map(|rule| one(named, rule)).collect()
}

fn one(named: &Named, raw: &raw::Plausible) -> Result<Plausible> {
    let of_price = raw.price.is_some() || raw.quantity.is_some() || !raw.any_of.is_empty();
    let of_price = of_price || raw.credit.is_some() || raw.exchange_rate.is_some();
    let of_sum = !raw.sum.is_empty() || !raw.less.is_empty() || raw.not_negative;
    let of_quotient = raw.quotient.is_some() || raw.divisor.is_some();
    let by = match (of_sum, of_price, of_quotient) {
        (true, false, false) if !raw.sum.is_empty() => By::Sum {
            plus: named.all(&raw.sum)?,
            less: named.all(&raw.less)?,
            not_negative: raw.not_negative,
        },
        (false, true, false) => price(named, raw)?,
        (false, false, true) => match (&raw.quotient, &raw.divisor) {
            (Some(number), Some(divisor)) => {
                By::Quotient { number: named.position(number)?, divisor: named.position(divisor)? }
            }
            _ => return neither(named, raw),
        },
        _ => return neither(named, raw),
    };
    Ok(Plausible { column: named.position(&raw.column)?, by })
}

fn neither<T>(named: &Named, raw: &raw::Plausible) -> Result<T> {
    let message = "expected either `sum`, with or without `less`, or `price` and `quantity` with \
                   `any_of`, or `quotient` and `divisor`";
    Err(named.file.error(Some(raw.column.span()), message))
}

fn price(named: &Named, raw: &raw::Plausible) -> Result<By> {
    let (Some(price), Some(quantity)) = (&raw.price, &raw.quantity) else {
        return neither(named, raw);
    };
    let way = |name: &crate::ingest::toml_file::Text| {
        let known = Way::ALL.iter().find(|(known, _)| known == name.get_ref());
        known.map(|(_, way)| *way).ok_or_else(|| {
            let known: Vec<&str> = Way::ALL.iter().map(|(known, _)| *known).collect();
            let found = name.get_ref();
            let message = format!("expected one of `{}`, found `{found}`", known.join("`, `"));
            named.file.error(Some(name.span()), message)
        })
    };
    let any_of = raw.any_of.iter().map(way).collect::<Result<Vec<_>>>()?;
    if any_of.is_empty() {
        let message = "expected `any_of` beside `price`: how they become the amount";
        return Err(named.file.error(Some(raw.column.span()), message));
    }
    let of = Product {
        price: named.position(price)?,
        credit: named.optional(raw.credit.as_ref())?,
        quantity: named.position(quantity)?,
        exchange_rate: named.optional(raw.exchange_rate.as_ref())?,
    };
    Ok(By::Price { any_of, of })
}

//! How the vendor computes columns of its exports, as a format declares it: a sum, or a price times a
//! quantity by one of the published formulas. `earnest check sources` computes them again.

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
    /// What is added, and what is subtracted from it.
    Sum { plus: Vec<usize>, less: Vec<usize> },
    /// Any of these formulas; without an exchange rate it is 1.
    Price { any_of: Vec<Way>, price: usize, quantity: usize, exchange_rate: Option<usize> },
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
    let at = Some(raw.column.span());
    let by = match (&raw.price, &raw.quantity) {
        (Some(price), Some(quantity)) if raw.sum.is_empty() && raw.less.is_empty() => {
            let way = |name: &crate::ingest::toml_file::Text| {
                let known = Way::ALL.iter().find(|(known, _)| known == name.get_ref());
                known.map(|(_, way)| *way).ok_or_else(|| {
                    let known: Vec<&str> = Way::ALL.iter().map(|(known, _)| *known).collect();
                    let found = name.get_ref();
                    let message =
                        format!("expected one of `{}`, found `{found}`", known.join("`, `"));
                    named.file.error(Some(name.span()), message)
                })
            };
            let any_of = raw.any_of.iter().map(way).collect::<Result<Vec<_>>>()?;
            if any_of.is_empty() {
                let message = "expected `any_of` beside `price`: how they become the amount";
                return Err(named.file.error(at, message));
            }
            By::Price {
                any_of,
                price: named.position(price)?,
                quantity: named.position(quantity)?,
                exchange_rate: named.optional(raw.exchange_rate.as_ref())?,
            }
        }
        (None, None) if !raw.sum.is_empty() && raw.any_of.is_empty() => {
            By::Sum { plus: named.all(&raw.sum)?, less: named.all(&raw.less)? }
        }
        _ => {
            let message = "expected either `sum`, with or without `less`, or `price` and `quantity` \
                           with `any_of`";
            return Err(named.file.error(at, message));
        }
    };
    Ok(Plausible { column: named.position(&raw.column)?, by })
}

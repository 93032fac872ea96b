//! In: a tier table (edges, rates or prices, flats) and a quantity at amount scale.
//! Out: what it costs or earns, exact, tier by tier; slices re-add to the total.

mod shapes;

use crate::Error;
use crate::decimal::{AMOUNT_SCALE, EXACT_SCALE, Rounding, divide, exact, multiply, sum};
use serde::{Deserialize, Serialize};

/// How a table turns a quantity into an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each slice earns the terms of its own tier (graduated, slab, step).
    Marginal,
    /// The tier reached sets the terms of the whole quantity (volume, retrospective).
    Whole,
    /// A completed tier earns its whole amount or rate, the last one pro rata.
    Interpolated,
    /// Every tier reached counts, each on at most its own upper edge.
    Rolling,
    /// Every tier reached counts, each on the full quantity.
    Total,
}

/// To which tier a quantity equal to an upper edge belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edge {
    /// To the tier that ends there.
    #[default]
    Inclusive,
    /// To the tier that begins there, if there is one.
    Next,
}

/// What becomes of a quantity above the last edge of a marginal or whole table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AboveLast {
    /// An error: the table says nothing about it.
    #[default]
    Refused,
    /// The terms of the last tier go on.
    LastTier,
}

/// What becomes of a negative quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Negative {
    /// The exact negative of the positive quantity, as a refund is of its sale.
    #[default]
    Mirrored,
    /// Nothing: no flat either.
    Zero,
}

/// What a tier pays on its quantity, at rate scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Terms {
    /// Only the flat.
    #[default]
    None,
    /// A share of the quantity, which is an amount of money.
    Rate(i128),
    /// A price per unit, or per package of `per` units (amount scale): a started one counts whole.
    UnitPrice { price: i128, per: Option<i128> },
    /// The amount of the completed tier (interpolated tables only).
    Amount(i128),
}

/// One line of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tier {
    /// Upper edge, at amount scale; `None`: open.
    pub to: Option<i128>,
    pub terms: Terms,
    /// Due once if the tier is entered, at rate scale.
    pub flat: i128,
}

/// Counts a quantity in larger units before it is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitScale {
    /// Positive, at amount scale.
    pub divide_by: i128,
    /// To whole units; `None`: the quotient at amount scale.
    pub rounding: Option<Rounding>,
}

impl UnitScale {
    /// The quantity in larger units, both at amount scale.
    fn apply(&self, quantity: i128) -> Result<i128, Error> {
        let decimals = if self.rounding.is_some() { 0 } else { AMOUNT_SCALE };
        let divisor = (self.divide_by, AMOUNT_SCALE);
        let rounding = self.rounding.unwrap_or_default();
        let units = divide((quantity, AMOUNT_SCALE), divisor, decimals, rounding)?;
        crate::decimal::rescale(units, decimals, AMOUNT_SCALE, rounding)
    }
}

/// A table of tiers with its conventions. Sources: tier pages of Stripe, Lago, OpenMeter, Kill Bill,
/// Oracle Incentive Compensation and Dynamics 365 rebate management.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierTable {
    shape: Shape,
    tiers: Vec<Tier>,
    conventions: Conventions,
}

/// What tables decide differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conventions {
    pub edge: Edge,
    pub above_last: AboveLast,
    pub negative: Negative,
    /// Is the flat of the first tier due on a quantity of zero?
    pub flat_on_zero: bool,
    pub unit_scale: Option<UnitScale>,
}

/// What one tier contributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Counted from 1.
    pub tier: usize,
    /// What the tier's terms were applied to, at amount scale.
    pub quantity: i128,
    pub terms: Terms,
    /// With the flat, at exact scale.
    pub amount: i128,
}

/// What a quantity costs or earns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Priced {
    /// At exact scale.
    pub total: i128,
    /// They re-add to the total.
    pub slices: Vec<Slice>,
    /// The tier reached, counted from 1; `None` if the quantity entered none.
    pub tier: Option<usize>,
}

impl Priced {
    fn of(slices: Vec<Slice>) -> Result<Priced, Error> {
        let total = sum(slices.iter().map(|slice| slice.amount))?;
        let tier = slices.last().map(|slice| slice.tier);
        Ok(Priced { total, slices, tier })
    }

    fn negated(self) -> Priced {
        let negate =
            |slice: Slice| Slice { quantity: -slice.quantity, amount: -slice.amount, ..slice };
        let slices = self.slices.into_iter().map(negate).collect();
        Priced { total: -self.total, slices, tier: self.tier }
    }

    /// Total per unit of `quantity` (amount scale), rounded half away from zero to `decimals`; zero
    /// for no quantity. For rates it is the blended rate.
    ///
    /// # Errors
    /// On overflow.
    pub fn average(&self, quantity: i128, decimals: u32) -> Result<i128, Error> {
        share(self.total, quantity, decimals)
    }
}

impl Slice {
    /// What the slice contributes to the blended rate of `quantity`; of an interpolated amount, the
    /// amount itself. Rounded half away from zero to `decimals`.
    ///
    /// # Errors
    /// On overflow.
    pub fn share(&self, quantity: i128, decimals: u32) -> Result<i128, Error> {
        match self.terms {
            Terms::Amount(_) => {
                crate::decimal::rescale(self.amount, EXACT_SCALE, decimals, Rounding::default())
            }
            _ => share(self.amount, quantity, decimals),
        }
    }
}

fn share(amount: i128, quantity: i128, decimals: u32) -> Result<i128, Error> {
    if quantity == 0 {
        return Ok(0);
    }
    divide((amount, EXACT_SCALE), (quantity, AMOUNT_SCALE), decimals, Rounding::default())
}

impl TierTable {
    /// A table, checked.
    ///
    /// # Errors
    /// If edges don't rise, an open tier isn't the last, or terms don't fit the shape.
    pub fn new(
        shape: Shape,
        tiers: Vec<Tier>,
        conventions: Conventions,
    ) -> Result<TierTable, Error> {
        if tiers.is_empty() {
            return Err(Error::new("expected at least one tier"));
        }
        let mut from = 0;
        for (position, tier) in tiers.iter().enumerate() {
            let last = position + 1 == tiers.len();
            match tier.to {
                Some(to) if to > from => from = to,
                None if last && shape != Shape::Interpolated => {}
                _ => return Err(Error(format!("expected tier {} to end higher", position + 1))),
            }
            let fits = match tier.terms {
                Terms::Amount(_) => shape == Shape::Interpolated,
                Terms::UnitPrice { .. } if shape == Shape::Interpolated => false,
                Terms::UnitPrice { per: Some(per), .. } => per > 0,
                _ => true,
            };
            if !fits {
                return Err(Error(format!("expected other terms in tier {}", position + 1)));
            }
        }
        if conventions.unit_scale.is_some_and(|scale| scale.divide_by <= 0) {
            return Err(Error::new("expected a positive number of units to divide by"));
        }
        Ok(TierTable { shape, tiers, conventions })
    }

    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    #[must_use]
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    #[must_use]
    pub fn conventions(&self) -> &Conventions {
        &self.conventions
    }

    /// What a quantity (amount scale) costs or earns.
    ///
    /// # Errors
    /// On overflow, or if the quantity lies above a table that says nothing about it.
    pub fn price(&self, quantity: i128) -> Result<Priced, Error> {
        self.price_at(quantity, quantity)
    }

    /// As [`TierTable::price`], where another quantity than the one paid picks the tier of a whole
    /// table (prorated usage).
    ///
    /// # Errors
    /// As [`TierTable::price`], or if `tier_quantity` differs for another shape.
    pub fn price_at(&self, quantity: i128, tier_quantity: i128) -> Result<Priced, Error> {
        if quantity < 0 {
            return match self.conventions.negative {
                Negative::Zero => Ok(Priced::default()),
                Negative::Mirrored => {
                    let positive = crate::decimal::subtract(0, quantity)?;
                    Ok(self.price_at(positive, tier_quantity.saturating_abs())?.negated())
                }
            };
        }
        if quantity != tier_quantity && self.shape != Shape::Whole {
            return Err(Error::new("expected a whole table for a quantity that picks the tier"));
        }
        let counted = |quantity| match self.conventions.unit_scale {
            Some(scale) => scale.apply(quantity),
            None => Ok(quantity),
        };
        let (quantity, tier_quantity) = (counted(quantity)?, counted(tier_quantity)?);
        Priced::of(match self.shape {
            Shape::Marginal => self.marginal(quantity)?,
            Shape::Whole => self.whole(quantity, tier_quantity)?,
            Shape::Interpolated => self.interpolated(quantity)?,
            Shape::Rolling | Shape::Total => self.lines(quantity)?,
        })
    }

    /// The slice of a tier on a quantity, with the flat where it is due.
    fn slice(&self, position: usize, quantity: i128, flat: bool) -> Result<Slice, Error> {
        let tier = &self.tiers[position];
        let earned = match tier.terms {
            Terms::None | Terms::Amount(_) => 0,
            Terms::Rate(rate) => exact(quantity, rate)?,
            Terms::UnitPrice { price, per: None } => exact(quantity, price)?,
            Terms::UnitPrice { price, per: Some(per) } => {
                exact(crate::package::started(quantity, per)?, price)?
            }
        };
        let flat = if flat { widen_rate(tier.flat)? } else { 0 };
        let amount = sum([earned, flat])?;
        Ok(Slice { tier: position + 1, quantity, terms: tier.terms, amount })
    }
}

/// A rate or price as an exact amount.
pub(crate) fn widen_rate(rate: i128) -> Result<i128, Error> {
    multiply(rate, crate::decimal::power_of_ten(AMOUNT_SCALE))
}

#[cfg(test)]
mod tests;

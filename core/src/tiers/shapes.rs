//! In: a table and a quantity that is not negative. Out: the slices of each shape.

use super::{AboveLast, Edge, Shape, Slice, Terms, TierTable, widen_rate};
use crate::Error;
use crate::decimal::{AMOUNT_SCALE, Rounding, exact, format, round_ratio_by};

impl TierTable {
    /// Each slice in its own tier. A tier is entered once its lower edge is exceeded, or reached if
    /// edges belong to the next tier.
    pub(super) fn marginal(&self, quantity: i128) -> Result<Vec<Slice>, Error> {
        self.within(quantity)?;
        let mut slices = Vec::new();
        let mut from = 0;
        for position in 0..self.tiers.len() {
            let last = position + 1 == self.tiers.len();
            let to = self.tiers[position].to.filter(|_| !last).unwrap_or(quantity);
            if quantity == 0 && position == 0 {
                if self.conventions.flat_on_zero {
                    slices.push(self.slice(0, 0, true)?);
                }
            } else if self.enters(quantity, from) {
                slices.push(self.slice(position, quantity.min(to) - from, true)?);
            }
            from = to;
        }
        Ok(slices)
    }

    /// All of the quantity on the terms of the tier that `tier_quantity` reaches.
    pub(super) fn whole(&self, quantity: i128, tier_quantity: i128) -> Result<Vec<Slice>, Error> {
        let position = self.reached(tier_quantity)?;
        let flat = quantity != 0 || self.conventions.flat_on_zero;
        Ok(vec![self.slice(position, quantity, flat)?])
    }

    /// Completed tiers whole, the last one pro rata; rates are of the whole quantity.
    pub(super) fn interpolated(&self, quantity: i128) -> Result<Vec<Slice>, Error> {
        let mut slices = Vec::new();
        let mut from = 0;
        for (position, tier) in self.tiers.iter().enumerate() {
            let Some(to) = tier.to.filter(|_| quantity > from) else { break };
            let part = quantity.min(to) - from;
            let complete = match tier.terms {
                Terms::Amount(amount) => widen_rate(amount)?,
                Terms::Rate(rate) => exact(quantity, rate)?,
                Terms::None | Terms::UnitPrice { .. } => 0,
            };
            let earned = round_ratio_by(complete, part, to - from, Rounding::default())?;
            let amount = crate::decimal::sum([earned, widen_rate(tier.flat)?])?;
            slices.push(Slice { tier: position + 1, quantity: part, terms: tier.terms, amount });
            from = to;
        }
        Ok(slices)
    }

    /// Every tier reached: on at most its own edge (rolling) or on the full quantity (total).
    pub(super) fn lines(&self, quantity: i128) -> Result<Vec<Slice>, Error> {
        let mut slices = Vec::new();
        let mut from = 0;
        for (position, tier) in self.tiers.iter().enumerate() {
            let zero = quantity == 0 && position == 0 && self.conventions.flat_on_zero;
            if !zero && (quantity == 0 || !self.enters(quantity, from)) {
                break;
            }
            let to = tier.to.unwrap_or(quantity);
            let counted = if self.shape == Shape::Rolling { quantity.min(to) } else { quantity };
            slices.push(self.slice(position, counted, true)?);
            from = to;
        }
        Ok(slices)
    }

    /// True if a quantity that is not zero lies in the tier above `from`, or beyond it.
    fn enters(&self, quantity: i128, from: i128) -> bool {
        match self.conventions.edge {
            Edge::Inclusive => quantity > from,
            Edge::Next => quantity >= from,
        }
    }

    /// Position of the tier that a quantity reaches.
    fn reached(&self, quantity: i128) -> Result<usize, Error> {
        self.within(quantity)?;
        let last = self.tiers.len() - 1;
        let holds = |to: Option<i128>| match (to, self.conventions.edge) {
            (None, _) => true,
            (Some(to), Edge::Inclusive) => quantity <= to,
            (Some(to), Edge::Next) => quantity < to,
        };
        Ok(self.tiers.iter().position(|tier| holds(tier.to)).unwrap_or(last))
    }

    /// Refuses what lies above the last edge, unless the last tier goes on.
    fn within(&self, quantity: i128) -> Result<(), Error> {
        match (self.tiers[self.tiers.len() - 1].to, self.conventions.above_last) {
            (Some(to), AboveLast::Refused) if quantity > to => Err(Error(format!(
                "expected a quantity of at most {}, the last edge, found {}",
                format(to, AMOUNT_SCALE, 0),
                format(quantity, AMOUNT_SCALE, 0)
            ))),
            _ => Ok(()),
        }
    }
}

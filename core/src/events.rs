//! In: the amounts of events (amount scale), a percentage, a fixed fee, allowances and bounds.
//! Out: what is charged for them, exact, and which part was paid.

use crate::Error;
use crate::decimal::{exact, subtract, sum};
use crate::tiers::widen_rate;

/// A percentage per event. Source: Lago, percentage charge. Amounts at amount scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentage {
    /// Of the paid part, at rate scale.
    pub rate: i128,
    /// Per paid event, at rate scale.
    pub fixed: i128,
    /// The allowance ends at the first of the two limits that is met; `None`: not limited by it.
    pub free_events: Option<usize>,
    pub free_amount: Option<i128>,
    /// Least and most for one paid event.
    pub event_minimum: Option<i128>,
    pub event_maximum: Option<i128>,
}

/// What events are charged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charged {
    /// At exact scale.
    pub total: i128,
    /// Per event, at exact scale.
    pub each: Vec<i128>,
    /// What was beyond the allowance, at amount scale.
    pub paid_amount: i128,
    /// Events of which something was beyond it.
    pub paid_events: usize,
}

impl Percentage {
    /// Charges events in their order. The event that crosses the free amount pays for its rest, and
    /// its fixed fee in full.
    ///
    /// # Errors
    /// On overflow, or if an event is negative: which part of it was free isn't known.
    pub fn charge(&self, events: &[i128]) -> Result<Charged, Error> {
        let mut charged = Charged::default();
        let mut used: i128 = 0;
        for (position, &event) in events.iter().enumerate() {
            if event < 0 {
                return Err(Error::new("expected events that are not negative"));
            }
            let paid = self.paid_part(position, used, event)?;
            used = sum([used, event])?;
            let amount = paid.map_or(Ok(0), |part| self.one(part))?;
            charged.each.push(amount);
            charged.paid_amount = sum([charged.paid_amount, paid.unwrap_or(0)])?;
            charged.paid_events += usize::from(paid.is_some());
        }
        charged.total = sum(charged.each.iter().copied())?;
        Ok(charged)
    }

    /// What of an event is beyond the allowance; `None` if it is free.
    fn paid_part(&self, position: usize, used: i128, event: i128) -> Result<Option<i128>, Error> {
        let allowance = self.free_events.is_some() || self.free_amount.is_some();
        let counted_out = self.free_events.is_some_and(|free| position >= free);
        if !allowance || counted_out {
            return Ok(Some(event));
        }
        let Some(free) = self.free_amount else { return Ok(None) };
        let left = subtract(free, used)?.max(0);
        Ok(if left == 0 {
            Some(event)
        } else if event > left {
            Some(event - left)
        } else {
            None
        })
    }

    /// The charge of one paid event: minimum first, then maximum.
    fn one(&self, part: i128) -> Result<i128, Error> {
        let mut amount = sum([exact(part, self.rate)?, widen_rate(self.fixed)?])?;
        if let Some(minimum) = self.event_minimum {
            amount = amount.max(crate::decimal::widened(minimum)?);
        }
        if let Some(maximum) = self.event_maximum {
            amount = amount.min(crate::decimal::widened(maximum)?);
        }
        Ok(amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::{AMOUNT_SCALE, power_of_ten};

    #[test]
    fn the_first_limit_met_ends_the_allowance() {
        let one = power_of_ten(AMOUNT_SCALE);
        let events = [50 * one, 200 * one, one, one];
        let by = |free_events, free_amount| {
            let rule = Percentage { free_events, free_amount, ..Percentage::default() };
            let charged = rule.charge(&events).expect("charged");
            (charged.paid_amount / one, charged.paid_events)
        };
        assert_eq!(by(None, None), (252, 4));
        assert_eq!(by(Some(1), None), (202, 3));
        assert_eq!(by(None, Some(250 * one)), (2, 2), "what meets the amount exactly is free");
        assert_eq!(by(None, Some(249 * one)), (3, 3));
        assert_eq!(by(Some(1), Some(250 * one)), (202, 3));
        assert_eq!(by(Some(9), Some(0)), (252, 4), "an allowance of nothing is met at once");
        let used_up = Percentage { free_amount: Some(one), ..Percentage::default() };
        assert_eq!(used_up.charge(&[one, 0]).map(|charged| charged.paid_events), Ok(1));
        assert!(Percentage::default().charge(&[-1]).is_err());
    }
}

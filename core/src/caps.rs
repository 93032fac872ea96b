//! In: a limit and amounts in their order, refunds negative. Out: what of each is credited, what is
//! capped, what room is left. All amounts of a cap have one scale, which is the caller's.

use crate::Error;
use crate::decimal::{subtract, sum};

/// A limit on what is credited in a window, or on the base that earns.
/// Source: RULES 2, caps; Partner Center docs, max cap balance report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    limit: i128,
    gross: i128,
}

/// What a cap makes of one amount: gross = amount + forgone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credited {
    pub amount: i128,
    /// Capped, or given back negative by a refund of what was capped.
    pub forgone: i128,
    /// Room after it.
    pub left: i128,
}

impl Cap {
    /// A cap with all its room.
    ///
    /// # Errors
    /// If the limit is negative.
    pub fn new(limit: i128) -> Result<Cap, Error> {
        if limit < 0 {
            return Err(Error::new("expected a limit of 0 or more"));
        }
        Ok(Cap { limit, gross: 0 })
    }

    /// Credits the next amount: `clamp(running gross to it) − clamp(running gross before it)`, clamped
    /// to 0 and the limit, so that refunds give room back.
    ///
    /// # Errors
    /// On overflow.
    pub fn credit(&mut self, gross: i128) -> Result<Credited, Error> {
        let before = self.gross.clamp(0, self.limit);
        self.gross = sum([self.gross, gross])?;
        let amount = self.gross.clamp(0, self.limit) - before;
        Ok(Credited { amount, forgone: subtract(gross, amount)?, left: self.left() })
    }

    /// Room left.
    #[must_use]
    pub fn left(&self) -> i128 {
        self.limit - self.gross.clamp(0, self.limit)
    }
}

/// What a cap makes of the net amount of its whole window: the lesser of the two. A negative net is
/// credited as it is, so that it isn't lost; no limit credits everything.
///
/// # Errors
/// As [`Cap::new`] and [`Cap::credit`].
pub fn credit_once(limit: Option<i128>, net: i128) -> Result<Credited, Error> {
    match limit {
        Some(limit) if net > 0 => Cap::new(limit)?.credit(net),
        Some(limit) => Ok(Credited { amount: net, forgone: 0, left: Cap::new(limit)?.left() }),
        None => Ok(Credited { amount: net, forgone: 0, left: 0 }),
    }
}

/// What a report shows as left of a cap: cap − earnings so far.
///
/// # Errors
/// On overflow.
pub fn balance(limit: i128, earned: i128) -> Result<i128, Error> {
    subtract(limit, earned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random and are the same every time.
    fn xorshift(state: &mut u64) -> i128 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        i128::from(*state >> 40)
    }

    #[test]
    fn credits_add_to_the_lesser_of_limit_and_net() {
        let mut state = 88_172_645_463_325_252;
        for limit in [0, 1, 1_000_000, 40_000_000, i128::from(u64::MAX)] {
            let mut cap = Cap::new(limit).expect("a cap");
            let (mut net, mut credited): (i128, i128) = (0, 0);
            for _ in 0..500 {
                let amount = xorshift(&mut state);
                // Three of eight are refunds, none of more than what is left of the sales.
                let refund = amount % 8 < 3;
                let gross = if refund { -amount.min(net) } else { amount };
                let found = cap.credit(gross).expect("fits");
                net += gross;
                credited += found.amount;
                assert_eq!(found.amount + found.forgone, gross);
                assert_eq!(credited, net.min(limit), "limit {limit}, net {net}");
                assert_eq!(found.left, limit - credited);
            }
        }
    }

    #[test]
    fn one_net_amount_is_credited_up_to_the_limit() {
        let credit = |net| credit_once(Some(100), net).map(|found| (found.amount, found.forgone));
        assert_eq!(
            [-5, 0, 99, 100, 101].map(credit),
            [Ok((-5, 0)), Ok((0, 0)), Ok((99, 0)), Ok((100, 0)), Ok((100, 1))]
        );
        assert_eq!(credit_once(None, 101).map(|found| found.amount), Ok(101));
        assert!(credit_once(Some(-1), -5).is_err());
    }

    #[test]
    fn a_refund_gives_room_back() {
        let mut cap = Cap::new(100).expect("a cap");
        let credits = [80, 40, -30, 20, -110]
            .map(|gross| cap.credit(gross).map(|found| (found.amount, found.forgone)));
        assert_eq!(
            credits,
            [Ok((80, 0)), Ok((20, 20)), Ok((-10, -20)), Ok((10, 10)), Ok((-100, -10))]
        );
        let credits = [-50, 70, 90].map(|gross| cap.credit(gross).map(|found| found.amount));
        assert_eq!(credits, [Ok(0), Ok(20), Ok(80)], "below nothing, refunds use up later sales");
        assert!(Cap::new(-1).is_err());
        assert!(cap.credit(i128::MAX).is_err(), "overflow");
    }
}

//! What a cycle does with a balance: order it, hold it or carry it. In: the movements of one balance
//! (participant × program × earning type) in one cycle, and what decides. Out: the closing balance,
//! the order if there is one, the reason if there is none. Amounts in program currency, money scale.

use crate::Error;
use crate::decimal::{RATE_SCALE, Unit, power_of_ten, round_ratio};
use crate::reason::CarryReason;

/// Every movement of a balance in a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Movements {
    pub opening: i128,
    pub earned: i128,
    pub adjusted: i128,
    pub returned: i128,
    pub transferred_in: i128,
    pub converted_in: i128,
    pub ordered: i128,
    pub forfeited: i128,
    pub escheated: i128,
    pub written_off: i128,
    pub recovered_outside: i128,
    pub transferred_out: i128,
}

impl Movements {
    /// The balance identity: what the movements leave.
    #[must_use]
    pub fn closing(&self) -> i128 {
        self.opening
            + self.earned
            + self.adjusted
            + self.returned
            + self.transferred_in
            + self.converted_in
            - self.ordered
            - self.forfeited
            - self.escheated
            - self.written_off
            - self.recovered_outside
            - self.transferred_out
    }

    /// What a balance begins with, and what enters it or is taken before anything is ordered, by name.
    #[must_use]
    pub fn entering(&self) -> [(&'static str, i128); 10] {
        [
            ("opening", self.opening),
            ("earned", self.earned),
            ("adjusted", self.adjusted),
            ("returned", self.returned),
            ("transferred in", self.transferred_in),
            ("converted", self.converted_in),
            ("escheated", self.escheated),
            ("written off", self.written_off),
            ("recovered", self.recovered_outside),
            ("transferred out", self.transferred_out),
        ]
    }

    /// Checks the balance identity and that held and below-minimum are parts of closing.
    ///
    /// # Errors
    /// If either doesn't hold.
    pub fn verify(&self, closing: i128, held: i128, below_minimum: i128) -> Result<(), Error> {
        if self.closing() != closing {
            let expected = self.closing();
            return Err(Error(format!(
                "expected a closing balance of {expected}, found {closing}"
            )));
        }
        if held < 0 || below_minimum < 0 || held + below_minimum > closing.max(0) {
            return Err(Error(format!(
                "expected held {held} and below minimum {below_minimum} to be parts of closing {closing}"
            )));
        }
        Ok(())
    }
}

/// Every movement of a co-op fund.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FundMovements {
    pub earned: i128,
    pub adjusted: i128,
    pub rolled_in: i128,
    pub converted: i128,
    pub claims_paid: i128,
    pub expired: i128,
    pub expiry_reversed: i128,
    pub rolled_out: i128,
}

impl FundMovements {
    /// The fund identity: what the movements leave.
    #[must_use]
    pub fn left(&self) -> i128 {
        self.earned + self.adjusted + self.rolled_in
            - self.converted
            - self.claims_paid
            - self.expired
            + self.expiry_reversed
            - self.rolled_out
    }

    /// Checks the fund identity.
    ///
    /// # Errors
    /// If it doesn't hold.
    pub fn verify(&self, left: i128, reserved: i128, available: i128) -> Result<(), Error> {
        if self.left() == left && left == reserved + available {
            return Ok(());
        }
        let expected = self.left();
        Err(Error(format!(
            "expected {expected} left in the fund = reserved + available, \
             found {left} = {reserved} + {available}"
        )))
    }
}

/// What happens to a balance below the minimum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BelowMinimum {
    /// It waits for later cycles.
    #[default]
    Carry,
    /// It is lost.
    Forfeit,
}

/// What decides whether a balance is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// In program currency; a balance equal to it is ordered.
    pub minimum: i128,
    pub below_minimum: BelowMinimum,
    /// The part of the balance that doesn't count toward the minimum, of either sign.
    pub uncounted: i128,
    /// `Hold` or `Profile`: why all of the balance is held, whatever it is.
    pub hold: Option<CarryReason>,
    pub pays: Pays,
}

/// In which currency a balance is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pays {
    /// All of it in one, converted once.
    Converted {
        /// Program units per payment unit, at rate scale; `None`: unknown.
        rate: Option<i128>,
        /// Of the payment currency.
        unit: Unit,
    },
    /// Each part in the currency in which it was earned.
    AsEarned {
        /// What of the balance is positive in its currency, in program currency; not negative.
        payable: i128,
    },
}

/// What an order releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// In program currency.
    pub gross_program: i128,
    /// Program units per payment unit, at rate scale; `None`: it is paid as it was earned.
    pub rate: Option<i128>,
    /// In payment currency, at money scale: converted and rounded once, or what its items were
    /// earned as.
    pub gross: i128,
}

/// A balance at the end of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// With what was ordered.
    pub movements: Movements,
    pub closing: i128,
    pub held: i128,
    pub below_minimum: i128,
    /// What is ordered, in program currency.
    pub released: Option<i128>,
    /// Why what is left wasn't ordered; `None` if all of it was, or if there is nothing.
    pub reason: Option<CarryReason>,
}

/// Whether a year's earnings are lost at its end: all of them are positive and below the minimum.
/// Source: RULES 5.
#[must_use]
pub fn year_is_lost(earned: i128, minimum: i128) -> bool {
    0 < earned && earned < minimum
}

impl Settled {
    /// Takes what is forfeited at year end from the balance; negative gives it back.
    pub fn forfeit(&mut self, amount: i128) {
        self.movements.forfeited += amount;
        self.closing -= amount;
        self.held = self.held.min(self.closing.max(0));
        self.below_minimum = self.below_minimum.min(self.closing.max(0) - self.held);
        self.reason = match self.reason {
            _ if self.closing == 0 => (amount > 0).then_some(CarryReason::Forfeited),
            // What came back waits for the next cycle.
            Some(CarryReason::Negative) | None if self.closing > 0 => {
                Some(CarryReason::BelowMinimum)
            }
            reason => reason,
        };
    }
}

/// What an amount in program currency comes to in payment currency, rounded once.
///
/// # Errors
/// On overflow.
pub fn converted(amount: i128, rate: i128, unit: Unit) -> Result<i128, Error> {
    round_ratio(amount, power_of_ten(RATE_SCALE), rate, unit)
}

/// The waterfall of one cycle: closing balance → minus held → not positive: carry → below the
/// minimum: carry or forfeit → gross, converted once. A missing rate holds what would be ordered; what is less
/// than the payment currency's smallest unit waits as if it were below the minimum. What is paid as it was
/// earned is decided the same way, and leaves what no order can pay: that is carried.
///
/// # Errors
/// On overflow.
pub fn settle(movements: Movements, terms: &Terms) -> Result<Settled, Error> {
    let balance = movements.closing();
    let counted = balance - terms.uncounted;
    let (mut held, mut below_minimum, mut forfeited) = (0, 0, 0);
    let mut released = None;
    let reason = if balance <= 0 {
        (balance < 0).then_some(CarryReason::Negative)
    } else if let Some(hold) = terms.hold {
        held = balance;
        Some(hold)
    } else if counted < terms.minimum && terms.below_minimum == BelowMinimum::Forfeit {
        forfeited = balance;
        Some(CarryReason::Forfeited)
    } else if counted < terms.minimum {
        below_minimum = balance;
        Some(CarryReason::BelowMinimum)
    } else {
        match payable(balance, terms.pays)? {
            None => {
                held = balance;
                Some(CarryReason::NoRate)
            }
            Some(payable) => {
                released = Some(payable).filter(|payable| *payable != 0);
                below_minimum = (balance - payable).max(0);
                match balance - payable {
                    0 => None,
                    left if left < 0 => Some(CarryReason::Negative),
                    _ => Some(CarryReason::BelowMinimum),
                }
            }
        }
    };
    let ordered = movements.ordered + released.unwrap_or_default();
    let forfeited = movements.forfeited + forfeited;
    let movements = Movements { ordered, forfeited, ..movements };
    let closing = movements.closing();
    movements.verify(closing, held, below_minimum)?;
    Ok(Settled { movements, closing, held, below_minimum, released, reason })
}

/// What an order of a balance releases, in program currency; `None`: its rate is missing.
fn payable(balance: i128, pays: Pays) -> Result<Option<i128>, Error> {
    Ok(match pays {
        Pays::Converted { rate: None, .. } => None,
        Pays::Converted { rate: Some(rate), unit } => {
            let gross = converted(balance, rate, unit)?;
            Some(if gross == 0 { 0 } else { balance })
        }
        Pays::AsEarned { payable } => Some(payable),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const USD: Terms = Terms {
        minimum: 200_000,
        below_minimum: BelowMinimum::Carry,
        uncounted: 0,
        hold: None,
        pays: pays(1_000_000_000, 2),
    };

    const fn pays(rate: i128, minor_units: u32) -> Pays {
        Pays::Converted { rate: Some(rate), unit: Unit::new(minor_units) }
    }

    /// What a release comes to in payment currency.
    fn gross(terms: &Terms, released: i128) -> i128 {
        match terms.pays {
            Pays::Converted { rate: Some(rate), unit } => {
                converted(released, rate, unit).expect("it fits")
            }
            _ => released,
        }
    }

    /// Runs cycles of what was earned; gives what was ordered and what was carried.
    fn run(terms: &Terms, earned: &[i128]) -> Vec<(i128, i128, Option<CarryReason>)> {
        let mut opening = 0;
        earned
            .iter()
            .map(|&earned| {
                let movements = Movements { opening, earned, ..Movements::default() };
                let settled = settle(movements, terms).expect("it settles");
                opening = settled.closing;
                let gross = settled.released.map_or(0, |released| gross(terms, released));
                (gross, settled.closing, settled.reason)
            })
            .collect()
    }

    #[test]
    fn exactly_the_minimum_is_ordered() {
        let below = Some(CarryReason::BelowMinimum);
        assert_eq!(
            run(&USD, &[150_000, 49_990, 10, 30_000]),
            [(0, 150_000, below), (0, 199_990, below), (200_000, 0, None), (0, 30_000, below)]
        );
    }

    #[test]
    fn what_does_not_count_toward_the_minimum_is_paid_all_the_same() {
        let terms = |uncounted| Terms { uncounted, ..USD };
        let below = Some(CarryReason::BelowMinimum);
        assert_eq!(run(&terms(60_000), &[259_990]), [(0, 259_990, below)]);
        assert_eq!(run(&terms(60_000), &[260_000]), [(260_000, 0, None)]);
        assert_eq!(run(&terms(-50_000), &[150_000]), [(150_000, 0, None)]);
    }

    #[test]
    fn what_stays_below_the_minimum_may_be_forfeited() {
        let terms = Terms { below_minimum: BelowMinimum::Forfeit, ..USD };
        let movements = Movements { opening: -10_000, earned: 209_999, ..Movements::default() };
        let settled = settle(movements, &terms).expect("it settles");
        assert_eq!((settled.movements.forfeited, settled.closing), (199_999, 0));
        assert_eq!(settled.reason, Some(CarryReason::Forfeited));
        let lost = (0, 0, Some(CarryReason::Forfeited));
        let negative = (0, -50_000, Some(CarryReason::Negative));
        assert_eq!(
            run(&terms, &[199_990, 200_000, -50_000, 60_000]),
            [lost, (200_000, 0, None), negative, lost]
        );
        let held = Terms { hold: Some(CarryReason::Hold), ..terms };
        assert_eq!(run(&held, &[10]), [(0, 10, Some(CarryReason::Hold))], "a hold stops it");
    }

    #[test]
    fn a_negative_balance_is_carried_until_it_is_made_up_for() {
        let negative = Some(CarryReason::Negative);
        assert_eq!(
            run(&USD, &[-792_000, 500_000, 292_000, 250_000]),
            [(0, -792_000, negative), (0, -292_000, negative), (0, 0, None), (250_000, 0, None)]
        );
    }

    #[test]
    fn a_held_balance_is_held_whole_and_a_negative_one_is_not() {
        for hold in [CarryReason::Hold, CarryReason::Profile] {
            let terms = Terms { hold: Some(hold), ..USD };
            let movements = Movements { earned: 50_000, ..Movements::default() };
            let settled = settle(movements, &terms).expect("it settles");
            assert_eq!((settled.held, settled.below_minimum), (50_000, 0));
            assert_eq!(settled.reason, Some(hold));
            assert_eq!(run(&terms, &[-10]), [(0, -10, Some(CarryReason::Negative))]);
        }
    }

    #[test]
    fn a_missing_rate_holds_the_order_only() {
        let terms = Terms { pays: Pays::Converted { rate: None, unit: Unit::new(2) }, ..USD };
        assert_eq!(
            run(&terms, &[199_990, 10]),
            [
                (0, 199_990, Some(CarryReason::BelowMinimum)),
                (0, 200_000, Some(CarryReason::NoRate))
            ]
        );
    }

    #[test]
    fn orders_are_converted_and_rounded_once() {
        let eur = Terms { pays: pays(1_200_000_000, 2), ..USD };
        assert_eq!(run(&eur, &[2_640_000]), [(2_200_000, 0, None)]);
        let jpy = Terms { pays: pays(9_100_000, 0), ..USD };
        assert_eq!(run(&jpy, &[200_000]), [(21_978_000, 0, None)]);
        let none = Terms { pays: pays(60_000_000_000_000, 2), minimum: 0, ..USD };
        assert_eq!(run(&none, &[10]), [(0, 10, Some(CarryReason::BelowMinimum))]);
    }

    #[test]
    fn what_is_paid_as_earned_is_decided_whole_and_ordered_in_part() {
        let settled = |earned, payable| {
            let terms = Terms { pays: Pays::AsEarned { payable }, ..USD };
            let movements = Movements { earned, ..Movements::default() };
            let settled = settle(movements, &terms).expect("it settles");
            (settled.released, settled.closing, settled.below_minimum, settled.reason)
        };
        let (below, negative) = (Some(CarryReason::BelowMinimum), Some(CarryReason::Negative));
        assert_eq!(settled(326_000, 326_000), (Some(326_000), 0, 0, None));
        assert_eq!(settled(326_000, 450_000), (Some(450_000), -124_000, 0, negative));
        assert_eq!(settled(326_000, 300_000), (Some(300_000), 26_000, 26_000, below));
        assert_eq!(settled(326_000, 0), (None, 326_000, 326_000, below));
        assert_eq!(settled(199_990, 450_000), (None, 199_990, 199_990, below), "as a whole");
    }

    #[test]
    fn identities_are_checked() {
        let movements = Movements { opening: 5, earned: 7, ordered: 2, ..Movements::default() };
        assert!(movements.verify(10, 10, 0).is_ok());
        assert!(movements.verify(11, 0, 0).is_err());
        assert!(movements.verify(10, 6, 5).is_err());
        let fund = FundMovements { earned: 9, converted: 4, ..FundMovements::default() };
        assert!(fund.verify(5, 2, 3).is_ok());
        assert!(fund.verify(5, 2, 2).is_err());
        assert!(fund.verify(9, 0, 9).is_err());
    }
}

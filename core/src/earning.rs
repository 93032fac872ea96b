//! From a row to an earning: the amounts of one line or aggregate, and how refunds reverse them.
//! Rules: `e = round(rate × base)`, `rebate = round(share × e)`, `coop = e − rebate`; in program
//! currency `E = round(e × fx)`, `Rebate = round(rebate × fx)`, `Coop = E − Rebate`. Where a split has a
//! fee too, co-op and fee divide what the rebate leaves by their shares, in each currency.

use crate::Error;
use crate::calendar::{FiscalHalf, Period};
use crate::decimal::{
    AMOUNT_SCALE, MONEY_SCALE, RATE_SCALE, Rounding, Unit, multiply, power_of_ten, round_product,
    round_ratio, wide_ratio,
};
use crate::program::Program;
use chrono::NaiveDate;
use std::sync::Arc;

/// As what an earning is paid or kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EarningType {
    Rebate,
    Coop,
    Fee,
}

impl EarningType {
    /// All of them, in the order of their numbers.
    pub const ALL: [EarningType; 3] = [EarningType::Rebate, EarningType::Coop, EarningType::Fee];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EarningType::Rebate => "rebate",
            EarningType::Coop => "coop",
            EarningType::Fee => "fee",
        }
    }
}

/// What a participant earned under a lever in a period; several of the same are added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Position of the program.
    pub program: usize,
    pub lever: Arc<str>,
    /// Whose rules earned it; of converted co-op, that of the half's last day.
    pub term: Arc<str>,
    pub earning_type: EarningType,
    pub participant: Arc<str>,
    pub period: Period,
    /// For co-op: the half in whose fund it lies (a refund's is its original's). `None`: that of the
    /// period.
    pub fund_half: Option<FiscalHalf>,
    /// Of converted co-op: the cycle in which it converts. `None`: earned, and due by its period.
    pub converted_in: Option<Period>,
    /// Why it enters its cycle.
    pub kind: EntryKind,
    /// The cycle that it enters, if that is not the one in which its period is due.
    pub entered: Option<Period>,
    /// Of co-op that takes away: the day since which it is known, if that is after its period.
    pub known_on: Option<NaiveDate>,
    /// In program currency, at money scale.
    pub amount: i128,
    /// The currency in which it is paid by a program that pays in transaction currency, and what it is
    /// in it, at money scale; with other programs the program's currency, and `amount`.
    pub currency: Arc<str>,
    pub own_amount: i128,
    /// How many earnings it sums.
    pub earnings: i64,
}

/// Why a posting enters a cycle. Source: RULES 5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// It is due in it by its period, or no cycle was closed yet.
    #[default]
    Regular,
    /// Its own cycle was closed without it.
    Late,
    /// It changes what a closed cycle settled.
    Adjustment,
}

impl EntryKind {
    pub const ALL: [EntryKind; 3] = [EntryKind::Regular, EntryKind::Late, EntryKind::Adjustment];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EntryKind::Regular => "regular",
            EntryKind::Late => "late",
            EntryKind::Adjustment => "adjustment",
        }
    }
}

impl Posting {
    /// The cycle it enters.
    #[must_use]
    pub fn cycle(&self, program: &Program) -> Period {
        let entered = self.converted_in.or(self.entered);
        entered.unwrap_or_else(|| program.due_cycle(self.period, self.earning_type))
    }

    /// The day on which it counts: its period's last; of what takes away the day since which it is known, of
    /// what changes a closed cycle the due day of the cycle that it enters, since what was decided before
    /// is not decided again (RULES 6).
    #[must_use]
    pub fn counts_on(&self, program: &Program) -> NaiveDate {
        let last_day = self.period.last_day();
        let entered = self.entered.map(|cycle| program.due_day(cycle, self.earning_type));
        let later = entered.or(self.known_on);
        later.map_or(last_day, |day| day.max(last_day))
    }
}

/// What one line earned, all at money scale: in transaction currency and in program currency.
/// Co-op is never stored: it is what rebate and fee leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Amounts {
    pub earned: i128,
    pub rebate: i128,
    pub fee: i128,
    pub program_earned: i128,
    pub program_rebate: i128,
    pub program_fee: i128,
}

/// How an earning is split, at rate scale; co-op is the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Shares {
    pub rebate: i128,
    pub fee: i128,
    /// Of the rebate.
    pub rounding: Rounding,
}

impl Shares {
    /// All of it rebate.
    pub const REBATE: Shares = Shares::new(power_of_ten(RATE_SCALE), 0);
    /// All of it a fee.
    pub const FEE: Shares = Shares::new(0, power_of_ten(RATE_SCALE));

    /// Of rebate and fee, a half rounded away from zero.
    #[must_use]
    pub const fn new(rebate: i128, fee: i128) -> Shares {
        Shares { rebate, fee, rounding: Rounding::HalfAwayFromZero }
    }

    /// The share of an earning type.
    #[must_use]
    pub fn of(&self, earning_type: EarningType) -> i128 {
        match earning_type {
            EarningType::Rebate => self.rebate,
            EarningType::Coop => power_of_ten(RATE_SCALE) - self.rebate - self.fee,
            EarningType::Fee => self.fee,
        }
    }

    /// The earning types that have a share, in their order.
    pub fn types(self) -> impl Iterator<Item = EarningType> {
        EarningType::ALL.into_iter().filter(move |&earning_type| self.of(earning_type) != 0)
    }

    fn rebate_of(&self, amount: i128, unit: Unit) -> Result<i128, Error> {
        let unit = Unit { rounding: self.rounding, ..unit };
        round_product((amount, MONEY_SCALE), (self.rebate, RATE_SCALE), unit)
    }

    /// The fee's part of what the rebate leaves.
    fn fee_of(&self, rest: i128, unit: Unit) -> Result<i128, Error> {
        let (one, fee) = (power_of_ten(RATE_SCALE), self.fee);
        match one - self.rebate {
            _ if fee == 0 => Ok(0),
            left if left == fee => Ok(rest),
            left => round_ratio(rest, fee, left, unit),
        }
    }
}

/// What a line is multiplied with, and to what its money is rounded. Rates at rate scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Terms {
    pub rate: i128,
    pub shares: Shares,
    /// Program units per transaction unit.
    pub exchange_rate: i128,
    /// Of transaction currency.
    pub unit: Unit,
    pub program_unit: Unit,
}

impl Amounts {
    /// The amounts of a base (at amount scale), each rounded once.
    ///
    /// # Errors
    /// On overflow.
    pub fn of(base: i128, terms: &Terms) -> Result<Amounts, Error> {
        Amounts::of_earned(gross(base, terms.rate, terms.unit)?, terms)
    }

    /// The amounts of what is earned already (money scale), split and exchanged, each rounded once.
    ///
    /// # Errors
    /// On overflow.
    pub fn of_earned(earned: i128, terms: &Terms) -> Result<Amounts, Error> {
        let shares = &terms.shares;
        let rebate = shares.rebate_of(earned, terms.unit)?;
        let (program_earned, program_rebate) = (terms.exchange(earned)?, terms.exchange(rebate)?);
        Ok(Amounts {
            earned,
            rebate,
            fee: shares.fee_of(earned - rebate, terms.unit)?,
            program_earned,
            program_rebate,
            program_fee: shares.fee_of(program_earned - program_rebate, terms.program_unit)?,
        })
    }

    /// The amounts of what is earned in both currencies already (money scale), split in each.
    ///
    /// # Errors
    /// On overflow.
    pub fn of_both(earned: i128, program_earned: i128, terms: &Terms) -> Result<Amounts, Error> {
        let shares = &terms.shares;
        let rebate = shares.rebate_of(earned, terms.unit)?;
        let program_rebate = shares.rebate_of(program_earned, terms.program_unit)?;
        Ok(Amounts {
            earned,
            rebate,
            fee: shares.fee_of(earned - rebate, terms.unit)?,
            program_earned,
            program_rebate,
            program_fee: shares.fee_of(program_earned - program_rebate, terms.program_unit)?,
        })
    }

    /// The amounts of a fixed amount (program currency, money scale): it is earned as it is in program
    /// currency, in transaction currency `round(amount ÷ fx)`. A negative base takes it back, a base of
    /// zero earns nothing.
    ///
    /// # Errors
    /// On overflow, or without an exchange rate.
    pub fn fixed(amount: i128, base: i128, terms: &Terms) -> Result<Amounts, Error> {
        let amount = amount * base.signum();
        let one = power_of_ten(RATE_SCALE);
        let earned = round_ratio(amount, one, terms.exchange_rate, terms.unit)?;
        Amounts::of_both(earned, amount, terms)
    }

    /// What one of two payees has of these, of which the other has the rest. `share` (rate scale) is that
    /// of the first; `first`: it is that one. Each is split in both currencies.
    ///
    /// # Errors
    /// On overflow.
    pub fn payee(&self, share: i128, first: bool, terms: &Terms) -> Result<Amounts, Error> {
        let part = |amount, unit| {
            let of_first = round_product((amount, MONEY_SCALE), (share, RATE_SCALE), unit)?;
            Ok::<_, Error>(if first { of_first } else { amount - of_first })
        };
        let earned = part(self.earned, terms.unit)?;
        let program_earned = part(self.program_earned, terms.program_unit)?;
        Amounts::of_both(earned, program_earned, terms)
    }

    /// The amounts of which a cap credits only a part: `credited` of `gross`, both in program currency;
    /// `payout` if they are what is earned in it (money scale), else they are base (amount scale).
    ///
    /// # Errors
    /// On overflow.
    pub fn credited(
        &self,
        credited: i128,
        gross: i128,
        payout: bool,
        terms: &Terms,
    ) -> Result<Amounts, Error> {
        if credited == gross {
            return Ok(*self);
        }
        let part = |amount, unit| round_ratio(amount, credited.abs(), gross.abs(), unit);
        let earned = part(self.earned, terms.unit)?;
        let program_earned =
            if payout { credited } else { part(self.program_earned, terms.program_unit)? };
        Amounts::of_both(earned, program_earned, terms)
    }

    #[must_use]
    pub fn plus(&self, other: &Amounts) -> Amounts {
        Amounts {
            earned: self.earned + other.earned,
            rebate: self.rebate + other.rebate,
            fee: self.fee + other.fee,
            program_earned: self.program_earned + other.program_earned,
            program_rebate: self.program_rebate + other.program_rebate,
            program_fee: self.program_fee + other.program_fee,
        }
    }

    /// What is left, e.g. what a cap leaves out: `self` is the whole.
    #[must_use]
    pub fn minus(&self, part: &Amounts) -> Amounts {
        Amounts {
            earned: self.earned - part.earned,
            rebate: self.rebate - part.rebate,
            fee: self.fee - part.fee,
            program_earned: self.program_earned - part.program_earned,
            program_rebate: self.program_rebate - part.program_rebate,
            program_fee: self.program_fee - part.program_fee,
        }
    }

    /// The part of an earning type: in transaction currency, in program currency.
    #[must_use]
    pub fn part(&self, earning_type: EarningType) -> (i128, i128) {
        match earning_type {
            EarningType::Rebate => (self.rebate, self.program_rebate),
            EarningType::Fee => (self.fee, self.program_fee),
            EarningType::Coop => (
                self.earned - self.rebate - self.fee,
                self.program_earned - self.program_rebate - self.program_fee,
            ),
        }
    }

    /// What a refund takes back once `cumulated` of `base` is refunded, of which `before` was
    /// refunded earlier: `round(original × cumulated ÷ base) − reversed so far`, negative.
    ///
    /// # Errors
    /// On overflow, or if `base` is not positive.
    pub fn reversed(
        &self,
        before: i128,
        cumulated: i128,
        base: i128,
        (unit, program_unit): (Unit, Unit),
    ) -> Result<Amounts, Error> {
        let step = |amount, unit| -> Result<i128, Error> {
            let now = round_ratio(amount, cumulated, base, unit)?;
            Ok(round_ratio(amount, before, base, unit)? - now)
        };
        Ok(Amounts {
            earned: step(self.earned, unit)?,
            rebate: step(self.rebate, unit)?,
            fee: step(self.fee, unit)?,
            program_earned: step(self.program_earned, program_unit)?,
            program_rebate: step(self.program_rebate, program_unit)?,
            program_fee: step(self.program_fee, program_unit)?,
        })
    }
}

impl Terms {
    /// The units of both currencies.
    #[must_use]
    pub fn units(&self) -> (Unit, Unit) {
        (self.unit, self.program_unit)
    }

    /// An amount of transaction currency in program currency, rounded.
    fn exchange(&self, amount: i128) -> Result<i128, Error> {
        let rate = self.exchange_rate;
        if rate == power_of_ten(RATE_SCALE) && self.program_unit == self.unit {
            return Ok(amount);
        }
        round_product((amount, MONEY_SCALE), (rate, RATE_SCALE), self.program_unit)
    }
}

/// `round(rate × base)` in transaction currency, at money scale.
///
/// # Errors
/// On overflow.
pub fn gross(base: i128, rate: i128, unit: Unit) -> Result<i128, Error> {
    round_product((base, AMOUNT_SCALE), (rate, RATE_SCALE), unit)
}

/// Shares of an amount (money scale) by exact base, at nine decimals (amount scale out), in the given
/// order; the last takes the rest, so that they re-add. A total base of zero gives the last all.
///
/// # Errors
/// On overflow.
pub fn shares(amount: i128, bases: &[i128]) -> Result<Vec<i128>, Error> {
    let total: i128 = bases.iter().sum();
    let mut left = multiply(amount, power_of_ten(AMOUNT_SCALE - MONEY_SCALE))?;
    let mut shares = Vec::with_capacity(bases.len());
    for (position, &base) in bases.iter().enumerate() {
        let last = position + 1 == bases.len();
        let share = if last { left } else { share(amount, base, total)? };
        left -= share;
        shares.push(share);
    }
    Ok(shares)
}

/// The share of one base of a total, of an amount (money scale), at nine decimals (amount scale out);
/// nothing of a total of zero.
///
/// # Errors
/// On overflow.
pub fn share(amount: i128, base: i128, total: i128) -> Result<i128, Error> {
    if total == 0 {
        return Ok(0);
    }
    let nine = multiply(amount, power_of_ten(RATE_SCALE - MONEY_SCALE))?;
    let share = wide_ratio(nine * total.signum(), base, total.abs(), Rounding::default())?;
    multiply(share, power_of_ten(AMOUNT_SCALE - RATE_SCALE))
}

#[cfg(test)]
mod tests;

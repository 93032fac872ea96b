//! From a row to an earning: the amounts of one line or aggregate, and how refunds reverse them.
//! Rules: `e = round(rate × base)`, `rebate = round(share × e)`, `coop = e − rebate`; in program
//! currency `E = round(e × fx)`, `Rebate = round(rebate × fx)`, `Coop = E − Rebate`.

use crate::Error;
use crate::calendar::{FiscalHalf, Period};
use crate::decimal::{
    AMOUNT_SCALE, MONEY_SCALE, RATE_SCALE, multiply, power_of_ten, round_div, round_product,
    round_ratio,
};
use crate::program::Program;
use std::sync::Arc;

/// As what an earning is paid or kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// In program currency, at money scale.
    pub amount: i128,
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
        self.converted_in.or(self.entered).unwrap_or_else(|| program.due_cycle(self.period))
    }
}

/// What one line earned, all at money scale: in transaction currency and in program currency.
/// Co-op is never stored: it is what the rebate leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    pub earned: i128,
    pub rebate: i128,
    pub program_earned: i128,
    pub program_rebate: i128,
}

/// What a line is multiplied with. Rates at rate scale, minor units of the two currencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub rate: i128,
    /// Share of the rebate.
    pub share: i128,
    /// Program units per transaction unit.
    pub exchange_rate: i128,
    pub minor_units: u32,
    pub program_minor_units: u32,
}

impl Amounts {
    /// The amounts of a base (at amount scale), each rounded once.
    ///
    /// # Errors
    /// On overflow.
    pub fn of(base: i128, terms: &Terms) -> Result<Amounts, Error> {
        Amounts::of_earned(gross(base, terms.rate, terms.minor_units)?, terms)
    }

    /// The amounts of what is earned already (money scale), split and exchanged, each rounded once.
    ///
    /// # Errors
    /// On overflow.
    pub fn of_earned(earned: i128, terms: &Terms) -> Result<Amounts, Error> {
        let rebate =
            round_product(earned, MONEY_SCALE, terms.share, RATE_SCALE, terms.minor_units)?;
        let exchange = |amount| {
            let (rate, minor_units) = (terms.exchange_rate, terms.program_minor_units);
            if rate == power_of_ten(RATE_SCALE) && minor_units == terms.minor_units {
                return Ok(amount);
            }
            round_product(amount, MONEY_SCALE, rate, RATE_SCALE, minor_units)
        };
        Ok(Amounts {
            earned,
            rebate,
            program_earned: exchange(earned)?,
            program_rebate: exchange(rebate)?,
        })
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
        let part =
            |amount, minor_units| round_ratio(amount, credited.abs(), gross.abs(), minor_units);
        let program_minor = terms.program_minor_units;
        let earned = part(self.earned, terms.minor_units)?;
        let program_earned =
            if payout { credited } else { part(self.program_earned, program_minor)? };
        let share = |amount, minor_units| {
            round_product(amount, MONEY_SCALE, terms.share, RATE_SCALE, minor_units)
        };
        Ok(Amounts {
            earned,
            rebate: share(earned, terms.minor_units)?,
            program_earned,
            program_rebate: share(program_earned, program_minor)?,
        })
    }

    /// What a cap leaves out: `self` is the whole.
    #[must_use]
    pub fn minus(&self, part: &Amounts) -> Amounts {
        Amounts {
            earned: self.earned - part.earned,
            rebate: self.rebate - part.rebate,
            program_earned: self.program_earned - part.program_earned,
            program_rebate: self.program_rebate - part.program_rebate,
        }
    }

    /// The part of an earning type: in transaction currency, in program currency.
    #[must_use]
    pub fn part(&self, earning_type: EarningType) -> (i128, i128) {
        match earning_type {
            EarningType::Rebate | EarningType::Fee => (self.rebate, self.program_rebate),
            EarningType::Coop => {
                (self.earned - self.rebate, self.program_earned - self.program_rebate)
            }
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
        minor_units: u32,
        program_minor_units: u32,
    ) -> Result<Amounts, Error> {
        let step = |amount, minor_units| -> Result<i128, Error> {
            let now = round_ratio(amount, cumulated, base, minor_units)?;
            Ok(round_ratio(amount, before, base, minor_units)? - now)
        };
        Ok(Amounts {
            earned: step(self.earned, minor_units)?,
            rebate: step(self.rebate, minor_units)?,
            program_earned: step(self.program_earned, program_minor_units)?,
            program_rebate: step(self.program_rebate, program_minor_units)?,
        })
    }
}

/// `round(rate × base)` in transaction currency, at money scale.
///
/// # Errors
/// On overflow.
pub fn gross(base: i128, rate: i128, minor_units: u32) -> Result<i128, Error> {
    round_product(base, AMOUNT_SCALE, rate, RATE_SCALE, minor_units)
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
    let exact = multiply(nine, base)?;
    let share = round_div(exact * total.signum(), total.abs())?;
    multiply(share, power_of_ten(AMOUNT_SCALE - RATE_SCALE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::parse;

    fn terms(rate: &str, share: &str, fx: &str, minor: u32) -> Terms {
        let rate_of = |text| parse(text, RATE_SCALE).expect("a rate");
        Terms {
            rate: rate_of(rate),
            share: rate_of(share),
            exchange_rate: rate_of(fx),
            minor_units: minor,
            program_minor_units: 2,
        }
    }

    fn base(text: &str) -> i128 {
        parse(text, AMOUNT_SCALE).expect("an amount")
    }

    #[test]
    fn eur_100_36_at_4_percent() {
        let amounts = Amounts::of(base("100.36"), &terms("0.04", "0.6", "1.09", 2)).expect("fits");
        assert_eq!(amounts.part(EarningType::Rebate), (2_410, 2_630));
        assert_eq!(amounts.part(EarningType::Coop), (1_600, 1_740));
    }

    #[test]
    fn a_refund_is_the_exact_negative_of_its_sale() {
        for text in ["100.36", "0.125", "33.335", "1", "0.01"] {
            let terms = terms("0.05", "0.6", "1.1", 2);
            let sale = Amounts::of(base(text), &terms).expect("fits");
            let refund = Amounts::of(-base(text), &terms).expect("fits");
            assert_eq!(sale.earned, -refund.earned);
            assert_eq!(sale.program_rebate, -refund.program_rebate);
        }
    }

    #[test]
    fn yen_have_no_cents() {
        let amounts = Amounts::of(base("1234"), &terms("0.04", "0.6", "0.0091", 0)).expect("fits");
        assert_eq!(amounts.earned, 49_000);
        assert_eq!(amounts.rebate, 29_000);
        assert_eq!(amounts.program_earned, 450);
        assert_eq!(amounts.program_rebate, 260);
    }

    #[test]
    fn refunds_in_thirds_reverse_exactly_all() {
        let terms = terms("0.04", "0.6", "1.09", 2);
        let sale = Amounts::of(base("100.36"), &terms).expect("fits");
        let whole = base("100.36");
        let steps = [0, base("33.45"), base("66.90"), whole];
        let mut sum = Amounts::default();
        for pair in steps.windows(2) {
            let part = sale.reversed(pair[0], pair[1], whole, 2, 2).expect("fits");
            sum.earned += part.earned;
            sum.rebate += part.rebate;
            sum.program_earned += part.program_earned;
            sum.program_rebate += part.program_rebate;
        }
        assert_eq!(sum.earned, -sale.earned);
        assert_eq!(sum.rebate, -sale.rebate);
        assert_eq!(sum.program_earned, -sale.program_earned);
        assert_eq!(sum.program_rebate, -sale.program_rebate);
    }

    #[test]
    fn shares_re_add_and_the_last_takes_the_rest() {
        let shares = shares(1_000, &[base("1"), base("1"), base("1")]).expect("fits");
        assert_eq!(shares, vec![333_333_333_000, 333_333_333_000, 333_333_334_000]);
        let netted = super::shares(-40_000, &[base("-2000"), base("1000")]).expect("fits");
        assert_eq!(netted.iter().sum::<i128>(), base("-40"));
        assert_eq!(netted[0], base("-80"));
        assert_eq!(super::shares(0, &[base("5"), base("-5")]), Ok(vec![0, 0]));
    }
}

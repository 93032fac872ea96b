//! The year-end test of one account. In: its postings as they enter, its orders. Out: what a term
//! forfeits in a cycle, or gets back.

use super::Posting;
use crate::error::Result;
use earnest_core::calendar::Period;
use earnest_core::decimal::Rounding;
use earnest_core::earning::EarningType;
use earnest_core::program::{Program, YearEnd};
use earnest_core::purses::{Purse, Purses};
use earnest_core::waterfall::year_is_lost;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The lever under which what was forfeited stands among a payment's items.
pub const LEVER: &str = "forfeiture";
/// The same for what waited too long for a profile.
pub const LAPSE: &str = "lapse";
/// What stands before the origin cycle of a lapsed lot where a term stands otherwise.
pub const LAPSED: &str = "lapse ";

/// What a term forfeits in a cycle, or a missing profile; negative if it gets it back.
pub struct Forfeiture<'a> {
    pub cycle: Period,
    /// Blank for a missing profile.
    pub term: &'a str,
    pub lever: &'static str,
    /// The term's last month, or the cycle that the lot is from.
    pub period: Period,
    /// In program currency, at money scale.
    pub amount: i128,
    /// The same by the currencies of what it takes, or gives back.
    pub parts: Vec<Purse>,
}

/// True for items that take from a balance what was forfeited.
pub fn takes(lever: &str, program_amount: i128) -> bool {
    program_amount < 0 && [LEVER, LAPSE].contains(&lever)
}

impl Forfeiture<'_> {
    /// What tells forfeitures of a participant apart.
    pub fn window(&self, earning_type: EarningType) -> String {
        let of = match self.lever {
            LAPSE => format!("{LAPSED}{}", self.period),
            _ => self.term.to_owned(),
        };
        format!("{of}/{}/{}", earning_type.name(), self.cycle)
    }
}

/// The terms of an account, in program currency at money scale.
pub struct Terms<'a> {
    program: &'a Program,
    earning_type: EarningType,
    /// The program's currency.
    home: Arc<str>,
    by_term: BTreeMap<&'a str, Amounts>,
}

#[derive(Default)]
struct Amounts {
    /// All that entered, converted co-op included.
    earned: i128,
    /// The part that no order released.
    unordered: i128,
    /// The part of that which is forfeited now.
    forfeited: i128,
    /// What is neither ordered nor forfeited, by currency.
    left: Purses,
    /// What is forfeited now.
    taken: Purses,
}

impl Amounts {
    /// Takes an amount, or gives back what was taken if it is negative; gives its parts. By currency all
    /// that is forfeited then is as if it were taken at once, so that what a refund takes back comes back
    /// in its currency.
    fn forfeit(
        &mut self,
        amount: i128,
        (home, rounding): (&Arc<str>, Rounding),
    ) -> Result<Vec<Purse>> {
        self.forfeited += amount;
        let mut parts = Purses::default();
        for purse in self.taken.iter() {
            self.left.add(&purse.currency, purse.program, purse.own);
            parts.add(&purse.currency, -purse.program, -purse.own);
        }
        self.taken = Purses::default();
        for purse in self.left.take(self.forfeited, home, rounding)? {
            self.taken.add(&purse.currency, purse.program, purse.own);
            parts.add(&purse.currency, purse.program, purse.own);
        }
        let parts = parts.iter().filter(|part| (part.program, part.own) != (0, 0));
        Ok(parts.cloned().collect())
    }
}

impl<'a> Terms<'a> {
    pub fn new((program, earning_type): (&'a Program, EarningType), home: &Arc<str>) -> Terms<'a> {
        Terms { program, earning_type, home: Arc::clone(home), by_term: BTreeMap::new() }
    }

    pub fn enter(&mut self, postings: &'a [Posting]) {
        for posting in postings {
            let amounts = self.by_term.entry(&posting.term).or_default();
            amounts.earned += posting.amount;
            amounts.unordered += posting.amount;
            amounts.left.add(&posting.currency, posting.amount, posting.own_amount);
        }
    }

    /// What a closed cycle took from a term, or gave back to it.
    ///
    /// # Errors
    /// On overflow.
    pub fn record(
        &mut self,
        cycle: Period,
        term: &str,
        amount: i128,
    ) -> Result<Option<Forfeiture<'a>>> {
        let mut terms = self.program.terms.iter().filter(|one| one.term == term);
        let until = terms.find_map(|one| one.days.until?.pred_opt());
        let amounts = self.by_term.iter_mut().find(|(name, _)| **name == term);
        let (Some(until), Some((&term, amounts))) = (until, amounts) else { return Ok(None) };
        let (period, parts) =
            (Period::of(until), amounts.forfeit(amount, (&self.home, self.program.rounding))?);
        Ok(Some(Forfeiture { cycle, term, lever: LEVER, period, amount, parts }))
    }

    /// The balance was ordered, or lost below the minimum: all but what was forfeited before, and what
    /// is left in currencies that no order could pay.
    pub fn release(&mut self, is_left: impl Fn(&str) -> bool) {
        for amounts in self.by_term.values_mut() {
            amounts.left.retain(&is_left);
            amounts.unordered = amounts.forfeited + amounts.left.program();
        }
    }

    /// What lapsed can't be forfeited again: it is taken from the oldest terms.
    ///
    /// # Errors
    /// On overflow.
    pub fn lapse(&mut self, mut amount: i128) -> Result<()> {
        for term in &self.program.terms {
            if let Some(amounts) = self.by_term.get_mut(term.term.as_str()) {
                let taken = amount.min(amounts.unordered - amounts.forfeited).max(0);
                amounts.unordered -= taken;
                amounts.left.take(taken, &self.home, self.program.rounding)?;
                amount -= taken;
            }
        }
        Ok(())
    }

    /// Tests every term whose last month is due by `cycle`: it forfeits what is left of it, if all that
    /// it earned is positive and below the minimum; rows that come later test it again. A balance
    /// (`closing`) never becomes negative by it.
    ///
    /// # Errors
    /// On overflow.
    pub fn test(&mut self, cycle: Period, mut closing: i128) -> Result<Vec<Forfeiture<'a>>> {
        let payment = &self.program.payment;
        if payment.year_end == YearEnd::Carry {
            return Ok(Vec::new());
        }
        let mut forfeitures = Vec::new();
        for rules in &self.program.terms {
            let Some(last) = rules.days.until.and_then(|until| until.pred_opt()) else { continue };
            let period = Period::of(last);
            let found = self.by_term.iter_mut().find(|(name, _)| **name == rules.term);
            let Some((&term, amounts)) = found else { continue };
            if self.program.due_cycle(period, self.earning_type) > cycle {
                continue;
            }
            let lost = year_is_lost(amounts.earned, payment.minimum);
            let wanted = if lost { amounts.unordered.max(0) } else { 0 };
            let amount = (wanted - amounts.forfeited).min(closing.max(0));
            if amount != 0 {
                closing -= amount;
                let parts = amounts.forfeit(amount, (&self.home, self.program.rounding))?;
                forfeitures.push(Forfeiture { cycle, term, lever: LEVER, period, amount, parts });
            }
        }
        Ok(forfeitures)
    }
}

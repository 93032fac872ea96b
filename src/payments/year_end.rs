//! The year-end test of one account. In: its postings as they enter, its orders. Out: what a term
//! forfeits in a cycle, or gets back.

use super::Posting;
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;
use earnest_core::program::{Program, YearEnd};
use earnest_core::waterfall::year_is_lost;
use std::collections::BTreeMap;

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
}

impl Forfeiture<'_> {
    /// A lot that waited too long.
    pub fn lapse(cycle: Period, origin: Period, amount: i128) -> Forfeiture<'static> {
        Forfeiture { cycle, term: "", lever: LAPSE, period: origin, amount }
    }

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
}

impl<'a> Terms<'a> {
    pub fn new(program: &'a Program) -> Terms<'a> {
        Terms { program, by_term: BTreeMap::new() }
    }

    pub fn enter(&mut self, postings: &'a [Posting]) {
        for posting in postings {
            let amounts = self.by_term.entry(&posting.term).or_default();
            amounts.earned += posting.amount;
            amounts.unordered += posting.amount;
        }
    }

    /// What a closed cycle took from a term, or gave back to it.
    pub fn record(&mut self, cycle: Period, term: &str, amount: i128) -> Option<Forfeiture<'a>> {
        let terms = &self.program.terms;
        let until = terms.iter().find(|one| one.term == term)?.days.until;
        let period = Period::of(until.and_then(|until| until.pred_opt())?);
        let (&term, amounts) = self.by_term.iter_mut().find(|(name, _)| **name == term)?;
        amounts.forfeited += amount;
        Some(Forfeiture { cycle, term, lever: LEVER, period, amount })
    }

    /// The whole balance was ordered, or lost below the minimum: all but what was forfeited before.
    pub fn release(&mut self) {
        for amounts in self.by_term.values_mut() {
            amounts.unordered = amounts.forfeited;
        }
    }

    /// What lapsed can't be forfeited again: it is taken from the oldest terms.
    pub fn lapse(&mut self, mut amount: i128) {
        for term in &self.program.terms {
            if let Some(amounts) = self.by_term.get_mut(term.term.as_str()) {
                let taken = amount.min(amounts.unordered - amounts.forfeited).max(0);
                amounts.unordered -= taken;
                amount -= taken;
            }
        }
    }

    /// Tests every term whose last month is due by `cycle`: it forfeits what is left of it, if all that
    /// it earned is positive and below the minimum; rows that come later test it again. A balance
    /// (`closing`) never becomes negative by it.
    pub fn test(&mut self, cycle: Period, mut closing: i128) -> Vec<Forfeiture<'a>> {
        let payment = &self.program.payment;
        if payment.year_end == YearEnd::Carry {
            return Vec::new();
        }
        let mut forfeitures = Vec::new();
        for term in &self.program.terms {
            let Some(last) = term.days.until.and_then(|until| until.pred_opt()) else { continue };
            let period = Period::of(last);
            let Some((name, amounts)) = self.by_term.get_key_value(term.term.as_str()) else {
                continue;
            };
            if self.program.due_cycle(period) > cycle {
                continue;
            }
            let lost = year_is_lost(amounts.earned, payment.minimum);
            let wanted = if lost { amounts.unordered.max(0) } else { 0 };
            let amount = (wanted - amounts.forfeited).min(closing.max(0));
            if amount != 0 {
                closing -= amount;
                forfeitures.push(Forfeiture { cycle, term: name, lever: LEVER, period, amount });
            }
        }
        for forfeiture in &forfeitures {
            if let Some(amounts) = self.by_term.get_mut(forfeiture.term) {
                amounts.forfeited += forfeiture.amount;
            }
        }
        forfeitures
    }
}

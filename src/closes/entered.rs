//! What entered which cycle. In: sums of earnings as they are now, and what changed in them since it was
//! settled. Out: postings.

use super::{Change, Closed, by_month, outcomes};
use crate::error::Result;
use earnest_core::calendar::FiscalHalf;
use earnest_core::earning::{EarningType, EntryKind, Posting};
use earnest_core::program::Program;
use std::sync::Arc;

impl Closed {
    /// Makes of sums of earnings what entered which cycle: what was settled as regular is what is
    /// earned now, without all that changed since; each change is a posting of its own. Sums of the
    /// same kind are left to be added up.
    ///
    /// # Errors
    /// If a change belongs to no program of the job.
    pub fn enter(
        &self,
        programs: &[Program],
        mut earned: Vec<Posting>,
        open: &[Change],
    ) -> Result<Vec<Posting>> {
        earned.extend(by_month::moved(programs, &earned, self.changes.iter().chain(open))?);
        for change in self.changes.iter().chain(open) {
            let posting = posting(programs, change)?;
            let came = i64::from(change.earned_now.is_some());
            let went = i64::from(change.settled_before.is_some());
            earned.push(Posting {
                kind: EntryKind::Regular,
                entered: None,
                amount: -posting.amount,
                own_amount: -posting.own_amount,
                earnings: went - came,
                ..posting.clone()
            });
            earned.push(posting);
        }
        Ok(earned)
    }
}

/// What a change puts into its cycle.
pub fn posting(programs: &[Program], change: &Change) -> Result<Posting> {
    let of = &change.attributes;
    let program = outcomes::position(programs, of.text("program"))?;
    let half = of.get("fund_half");
    let rules = &programs[program];
    let start = rules.fiscal_year_start;
    let earning_type = of.earning_type()?;
    // Of changes that were closed while the program paid otherwise, it isn't known.
    let (currency, own_amount) = match rules.pays_as_earned() && earning_type != EarningType::Coop {
        true => (of.text("transaction_currency"), change.own_amount.unwrap_or_default()),
        false => (rules.currency.as_str(), change.amount()),
    };
    Ok(Posting {
        program,
        lever: Arc::from(of.text("lever")),
        term: Arc::from(of.text("term")),
        earning_type,
        participant: Arc::from(of.text("participant_id")),
        period: change.period,
        fund_half: half.map(|half| FiscalHalf::named(half, start)).transpose()?,
        converted_in: None,
        kind: change.kind,
        entered: Some(change.cycle),
        known_on: None,
        amount: change.amount(),
        currency: Arc::from(currency),
        own_amount,
        earnings: 1,
    })
}

//! Payments. In: what was earned per participant, month and lever, who is paid how, and payment
//! rates. Out: for every cycle due by the as-of date, orders with their items, balances and co-op
//! funds with every movement, and the journal.
//!
//! Closure key: participant. Closed cycles are not calculated: their postings pass through the accounts,
//! what they ordered is taken from their records, and only open cycles come out. Before the first
//! close every posting enters its due cycle as `regular`.

mod claim_tables;
#[cfg(test)]
mod claim_tests;
mod claims;
mod cycles;
mod fund;
mod fund_journal;
mod journal;
mod payees;
mod rollover;
mod tables;
#[cfg(test)]
mod tests;
mod year_end;

use crate::exchange_rates::ExchangeRates;
pub use earnest_core::earning::Posting;
pub use fund::LEVER as CLAIM;
pub use rollover::LEVER as ROLLOVER;
pub use year_end::LEVER as FORFEITURE;

use crate::closes::Closed;
use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use chrono::NaiveDate;
use claims::Claims;
use cycles::Account;
use earnest_core::earning::EarningType;
use earnest_core::program::Program;
use payees::Payees;
use rayon::prelude::*;

/// The tables of this stage, each sorted by its key.
pub struct Payments {
    pub determinations: RecordBatch,
    pub payments: RecordBatch,
    pub payment_items: RecordBatch,
    pub balances: RecordBatch,
    pub coop_fund: RecordBatch,
    pub claim_items: RecordBatch,
    pub journal: RecordBatch,
}

/// Settles every open cycle whose due day is on or before `as_of`. `postings` are what entered cycles,
/// closed ones too; `enrollments`, `rates` and `claims` are the rows in force of `enrollments`,
/// `exchange_rates` and `claims`.
///
/// # Errors
/// If a table lacks a column, an amount overflows, or an identity doesn't hold.
pub fn pay(
    programs: &[Program],
    postings: Vec<Posting>,
    enrollments: &RecordBatch,
    rates: &RecordBatch,
    claims: &RecordBatch,
    closed: &Closed,
    as_of: NaiveDate,
) -> Result<Payments> {
    let mut payees = Payees::read(programs, enrollments)?;
    let rates = ExchangeRates::read(rates, "payment")?;
    let mut postings = added_up(programs, postings)?;
    let decisions = rollover::decide(programs, &postings, closed, as_of);
    let claims = Claims::read(programs, claims, as_of)?;
    let earned = postings.clone();
    let mut funds = fund::funds(programs, &earned, &decisions, &claims, &rates, as_of)?;
    for account in &funds {
        if let Some(since) = account.broken_since() {
            payees.hold(account.position, account.participant, since);
        }
    }
    funds.iter_mut().for_each(|account| account.order(&payees, as_of));
    let converted = |decision| rollover::Decision::postings(decision, &programs[decision.program]);
    postings.extend(decisions.iter().flat_map(converted));
    sort(programs, &mut postings);
    let accounts: Vec<&[Posting]> = postings.chunk_by(same_account).collect();
    let settled = accounts
        .par_iter()
        .map(|postings| {
            let mut account = Account::of(&programs[postings[0].program], postings);
            // Co-op stays in its fund.
            if account.earning_type != EarningType::Coop {
                account.settle(&payees, &rates, closed, as_of)?;
            }
            Ok(account)
        })
        .collect::<Result<Vec<_>>>()?;
    let built = tables::build(&settled, programs, &decisions, &funds, closed)?;
    claim_tables::with_claims(built, &funds, &claims.stray)
}

/// One posting per account, lever, term, period, fund half and entry, in the order of the tables' keys.
fn added_up(programs: &[Program], mut postings: Vec<Posting>) -> Result<Vec<Posting>> {
    if let Some(posting) = postings.iter().find(|posting| posting.program >= programs.len()) {
        let (found, count) = (posting.program, programs.len());
        return Err(Error::broken(format!(
            "posting: expected one of {count} programs, found number {found}"
        )));
    }
    let half = |posting: &Posting| match posting.earning_type {
        EarningType::Coop => Some(
            posting
                .fund_half
                .unwrap_or_else(|| programs[posting.program].fund_half(posting.period)),
        ),
        EarningType::Rebate | EarningType::Fee => None,
    };
    for posting in &mut postings {
        posting.fund_half = half(posting);
    }
    sort(programs, &mut postings);
    postings.dedup_by(|next, kept| {
        let same = same_account(next, kept)
            && next.period == kept.period
            && next.lever == kept.lever
            && next.term == kept.term
            && next.fund_half == kept.fund_half
            && next.kind == kept.kind
            && next.entered == kept.entered;
        if same {
            kept.amount += next.amount;
            kept.earnings += next.earnings;
        }
        same
    });
    Ok(postings)
}

/// By account, then by the cycle that they enter.
fn sort(programs: &[Program], postings: &mut [Posting]) {
    postings.par_sort_unstable_by(|a, b| {
        let key = |posting: &Posting| {
            let program = &programs[posting.program];
            (posting.earning_type.name(), posting.cycle(program), posting.period)
        };
        a.participant
            .cmp(&b.participant)
            .then_with(|| programs[a.program].program.cmp(&programs[b.program].program))
            .then_with(|| key(a).cmp(&key(b)))
            .then_with(|| a.lever.cmp(&b.lever))
            .then_with(|| a.term.cmp(&b.term))
            .then_with(|| a.fund_half.cmp(&b.fund_half))
            .then_with(|| (a.kind, a.entered).cmp(&(b.kind, b.entered)))
    });
}

fn same_account(a: &Posting, b: &Posting) -> bool {
    a.program == b.program && a.earning_type == b.earning_type && a.participant == b.participant
}

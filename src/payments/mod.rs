//! Payments. In: what was earned per participant, month and lever, who is paid how, payment rates, what
//! the bank says of payments, and what people adjust. Out: for every cycle due by the as-of date, orders
//! with their items, balances, their lots and co-op funds with every movement, and the journal.
//!
//! Closure key: participant. Closed cycles are not calculated: their postings pass through the accounts,
//! what they ordered is taken from their records, and only open cycles come out. Before the first
//! close every posting enters its due cycle as `regular`.

mod adjustments;
mod as_earned;
#[cfg(test)]
mod as_earned_tests;
#[cfg(test)]
mod claim_return_tests;
mod claim_returns;
mod claim_tables;
#[cfg(test)]
mod claim_tests;
mod claims;
mod cycles;
mod fund;
mod fund_journal;
mod journal;
mod kept_claims;
mod life_tables;
#[cfg(test)]
mod life_tests;
#[cfg(test)]
mod offset_tests;
mod offsets;
mod orders;
mod payees;
mod payment_journal;
mod rollover;
mod statuses;
mod tables;
#[cfg(test)]
mod tests;
mod year_end;

use crate::exchange_rates::ExchangeRates;
pub use earnest_core::earning::Posting;
pub use fund::LEVER as CLAIM;
pub use offsets::LEVER as OFFSET;
pub use orders::RETURN;
pub use rollover::LEVER as ROLLOVER;
pub use year_end::{LAPSE, LEVER as FORFEITURE};

use crate::closes::Closed;
use crate::error::{Error, Result};
use adjustments::{Adjustment, Adjustments};
use arrow::array::RecordBatch;
use chrono::NaiveDate;
use claims::Claims;
use cycles::{Account, World};
use earnest_core::earning::EarningType;
use earnest_core::program::Program;
use fund::FundAccount;
use payees::Payees;
use rayon::prelude::*;
use statuses::Statuses;
use std::collections::{BTreeMap, HashMap};

/// The tables of this stage, each sorted by its key.
pub struct Payments {
    pub determinations: RecordBatch,
    pub payments: RecordBatch,
    pub payment_items: RecordBatch,
    pub payment_history: RecordBatch,
    pub balances: RecordBatch,
    pub balance_lots: RecordBatch,
    pub adjustments: RecordBatch,
    pub offsets: RecordBatch,
    pub coop_fund: RecordBatch,
    pub claim_items: RecordBatch,
    pub journal: RecordBatch,
}

/// The rows in force of the staged tables of the same names.
pub struct Staged<'a> {
    pub memberships: &'a RecordBatch,
    pub enrollments: &'a RecordBatch,
    pub exchange_rates: &'a RecordBatch,
    pub claims: &'a RecordBatch,
    pub payment_statuses: &'a RecordBatch,
    pub manual_adjustments: &'a RecordBatch,
}

/// Settles every open cycle whose due day is on or before `as_of`. `postings` are what entered cycles,
/// closed ones too.
///
/// # Errors
/// If a table lacks a column, an amount overflows, or an identity doesn't hold.
pub fn pay(
    programs: &[Program],
    postings: Vec<Posting>,
    staged: &Staged,
    closed: &Closed,
    as_of: NaiveDate,
) -> Result<Payments> {
    let mut payees = Payees::read(programs, staged.enrollments, staged.memberships)?;
    let rates = ExchangeRates::read(staged.exchange_rates, "payment")?;
    let mut postings = added_up(programs, postings)?;
    let statuses = Statuses::read(programs, staged.payment_statuses, closed, as_of)?;
    let claims = Claims::read(programs, staged.claims, as_of)?;
    let claims = claims.keep(programs, closed, &statuses, as_of)?;
    let decisions = rollover::decide(programs, &postings, (closed, &claims.stay), as_of);
    let earned = postings.clone();
    let mut funds = fund::funds(programs, &earned, &decisions, &claims, &rates, as_of)?;
    for account in &funds {
        if let Some(since) = account.broken_since() {
            payees.hold(account.position, account.participant, since);
        }
    }
    let converted = |decision| rollover::Decision::postings(decision, &programs[decision.program]);
    postings.extend(decisions.iter().flat_map(converted));
    sort(programs, &mut postings);
    let adjustments = Adjustments::read(programs, staged.manual_adjustments, closed, as_of)?;
    let settle = |payees: &Payees, funds: &mut [FundAccount]| -> Result<Vec<Account>> {
        let world = World { payees, rates: &rates, statuses: &statuses, closed, as_of };
        funds.iter_mut().try_for_each(|account| account.order(&world))?;
        let back: HashMap<(usize, &str), &FundAccount> = funds
            .iter()
            .filter(|fund| claim_returns::pays_again(fund, &world))
            .map(|fund| ((fund.position, fund.participant), fund))
            .collect();
        let claimed = claims.by_account.keys();
        let claimed = claimed.map(|(program, participant)| (*program, participant.as_str()));
        let claimed = claimed.filter(|key| back.contains_key(key));
        let mut accounts = accounts(programs, &postings, &adjustments, claimed);
        // Co-op stays in its fund.
        let payable = |account: &&mut Account| account.earning_type != EarningType::Coop;
        let mut groups = offsets::groups(accounts.iter_mut().filter(payable));
        groups.par_iter_mut().try_for_each(|group| offsets::settle(group, &world))?;
        let coop = accounts.iter_mut().filter(|one| one.earning_type == EarningType::Coop);
        for account in coop.filter(|_| !back.is_empty()) {
            if let Some(fund) = back.get(&(account.position, account.participant)) {
                account.payments = claim_returns::reissues(fund, &world)?;
            }
        }
        Ok(accounts)
    };
    let mut settled = settle(&payees, &mut funds)?;
    let held = life_tables::holds(&settled, &funds, &statuses);
    if !held.is_empty() {
        for (program, participant, since) in held {
            payees.hold(program, &participant, since);
        }
        settled = settle(&payees, &mut funds)?;
    }
    let built =
        tables::build(&settled, programs, &decisions, &funds, (&statuses, &adjustments), closed)?;
    claim_tables::with_claims(built, &funds, &claims.stray)
}

/// Accounts with postings or adjustments, and of co-op those that claimed, sorted as postings are.
fn accounts<'a>(
    programs: &'a [Program],
    postings: &'a [Posting],
    adjustments: &'a Adjustments,
    claimed: impl Iterator<Item = (usize, &'a str)>,
) -> Vec<Account<'a>> {
    let mut found: BTreeMap<_, (usize, &[Posting], &[Adjustment])> = BTreeMap::new();
    let key = |participant: &'a str, program: usize, earning_type: EarningType| {
        (participant, programs[program].program.as_str(), earning_type.name(), earning_type)
    };
    for postings in postings.chunk_by(same_account) {
        let one = &postings[0];
        let key = key(&one.participant, one.program, one.earning_type);
        found.insert(key, (one.program, postings, &[]));
    }
    for ((participant, program, earning_type), adjustments) in &adjustments.by_account {
        let key = key(participant, *program, *earning_type);
        found.entry(key).or_insert((*program, &[], &[])).2 = adjustments;
    }
    for (program, participant) in claimed {
        let key = key(participant, program, EarningType::Coop);
        found.entry(key).or_insert((program, &[], &[]));
    }
    let account = |((participant, _, _, earning_type), (program, postings, adjustments))| {
        let of = (&programs[program], program);
        Account::of(of, (participant, earning_type), postings, adjustments)
    };
    found.into_iter().map(account).collect()
}

/// One posting per account, lever, term, period, fund half and currency, in the order of the tables' keys.
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
            && next.entered == kept.entered
            && next.known_on == kept.known_on
            && next.currency == kept.currency;
        if same {
            kept.amount += next.amount;
            kept.own_amount += next.own_amount;
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
            .then_with(|| (a.kind, a.entered, a.known_on).cmp(&(b.kind, b.entered, b.known_on)))
            .then_with(|| a.currency.cmp(&b.currency))
    });
}

fn same_account(a: &Posting, b: &Posting) -> bool {
    a.program == b.program && a.earning_type == b.earning_type && a.participant == b.participant
}

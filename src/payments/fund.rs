//! The co-op funds of every participant of every program, and what claims make of them. In: co-op
//! postings, what became of each half's threshold, claims. Out: every movement of each fund, claims with
//! their decisions, and orders that pay what was allowed, off-cycle.

use super::Posting;
use super::claim_returns::{comes_back_in, followed};
use super::claims::Claims;
use super::cycles::World;
use super::payees::{Payees, unit};
use super::rollover::Decision;
use crate::closes::Claimed;
use crate::error::Result;
use crate::exchange_rates::ExchangeRates;
use chrono::NaiveDate;
use earnest_core::calendar::{FiscalHalf, Period};
use earnest_core::earning::EarningType;
use earnest_core::fund::claims::{self, Claim, Outcome, Rules};
use earnest_core::fund::ledger::{Expiry, Fund, FundTerms, Ledger};
use earnest_core::id;
use earnest_core::program::Program;
use earnest_core::program::tax::Taxpayer;
use earnest_core::reason::{CarryReason, ClaimReason};
use earnest_core::status::{History, follow};
use earnest_core::tax::{Taxes, tax};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The lever under which claims are paid.
pub const LEVER: &str = "coop_claim";
/// The kind of order that pays a claim.
pub const ORDER_KIND: &str = "claim";

/// The funds of one participant in one program.
pub struct FundAccount<'a> {
    pub program: &'a Program,
    /// Its position.
    pub position: usize,
    pub participant: &'a str,
    /// By half; those in which nothing ever moved are left out.
    pub funds: Vec<(FiscalHalf, Fund)>,
    pub expiries: Vec<Expiry>,
    pub claims: Vec<Outcome<'a>>,
    /// Of each claim.
    pub orders: Vec<Result<ClaimOrder, Option<ClaimReason>>>,
}

/// An order that pays a claim.
pub struct ClaimOrder {
    pub payment_id: String,
    pub method: String,
    pub due_on: NaiveDate,
    pub cycle: Period,
    /// 1 for the first claim of a cycle, method and currency.
    pub sequence: i64,
    pub taxes: Taxes,
    /// The snapshot as which it stays; `None`: it is made anew.
    pub kept_from: Option<i64>,
    /// What became of it.
    pub history: History,
    /// The cycle into which it comes back.
    pub returns_in: Option<Period>,
}

/// Funds of all accounts with co-op or claims, sorted by participant and program.
///
/// # Errors
/// On overflow.
pub fn funds<'a>(
    programs: &'a [Program],
    postings: &'a [Posting],
    decisions: &[Decision],
    claims: &'a Claims,
    rates: &ExchangeRates,
    as_of: NaiveDate,
) -> Result<Vec<FundAccount<'a>>> {
    type Of<'a> = (Vec<&'a Posting>, &'a [Claim]);
    let mut accounts: BTreeMap<(&str, usize), Of> = BTreeMap::new();
    for posting in postings.iter().filter(|posting| posting.earning_type == EarningType::Coop) {
        let key = (&*posting.participant, posting.program);
        accounts.entry(key).or_default().0.push(posting);
    }
    for ((program, participant), claims) in &claims.by_account {
        accounts.entry((participant, *program)).or_default().1 = claims;
    }
    let mut decided: BTreeMap<(usize, &str), Vec<&Decision>> = BTreeMap::new();
    for decision in decisions {
        decided.entry((decision.program, &decision.participant)).or_default().push(decision);
    }
    let accounts: Vec<_> = accounts.into_iter().collect();
    let mut accounts = accounts
        .into_par_iter()
        .map(|((participant, position), (postings, claims))| {
            let decisions = decided.get(&(position, participant)).map_or(&[][..], Vec::as_slice);
            let program = &programs[position];
            let mut account =
                account((program, participant), &postings, decisions, claims, rates, as_of)?;
            account.position = position;
            Ok(account)
        })
        .collect::<Result<Vec<_>>>()?;
    accounts.sort_by_key(|account| (account.participant, account.program.program.as_str()));
    Ok(accounts)
}

fn account<'a>(
    (program, participant): (&'a Program, &'a str),
    postings: &[&Posting],
    decisions: &[&Decision],
    claims: &'a [Claim],
    rates: &ExchangeRates,
    as_of: NaiveDate,
) -> Result<FundAccount<'a>> {
    let mut earned: BTreeMap<(NaiveDate, NaiveDate, FiscalHalf), i128> = BTreeMap::new();
    for posting in postings {
        let half = posting.fund_half.unwrap_or_else(|| program.fund_half(posting.period));
        let counts_on = posting.counts_on(program);
        // What expired without it is booked as if it had been known.
        let booked = if posting.known_on.is_some() { posting.period.last_day() } else { counts_on };
        *earned.entry((counts_on, booked, half)).or_default() += posting.amount;
    }
    let moved: BTreeSet<FiscalHalf> =
        earned.iter().filter(|(_, amount)| **amount != 0).map(|((.., half), _)| *half).collect();
    let terms = |half| terms(program, participant, decisions, half);
    let by_day = earned.iter().map(|((day, booked, half), amount)| (*day, *booked, *half, *amount));
    let mut ledger = Ledger::booked(terms, by_day);
    for decision in decisions {
        ledger.convert(decision.half, decision.converted());
    }
    let rate = |currency: &str, month| rates.rate(currency, &program.currency, month);
    let claims = claims::decide(&Rules { program, rate, as_of }, claims, &mut ledger)?;
    let (funds, expiries) = ledger.close();
    for fund in funds.values() {
        fund.movements.verify(fund.left(), fund.reserved, fund.available())?;
    }
    let shown = |(half, fund): &(FiscalHalf, Fund)| !fund.is_empty() || moved.contains(half);
    Ok(FundAccount {
        program,
        position: 0,
        participant,
        funds: funds.into_iter().filter(shown).collect(),
        expiries,
        claims,
        orders: Vec::new(),
    })
}

/// A half's fund is what it is when the half is over and its threshold decided.
fn terms(
    program: &Program,
    participant: &str,
    decisions: &[&Decision],
    half: FiscalHalf,
) -> FundTerms {
    let over_on = half.end().first_day();
    let decision = decisions.iter().find(|decision| decision.half == half);
    let settled_on = if decision.is_some() || program.coop_threshold(half).is_some() {
        let cycle = program.due_cycle(half.last(), EarningType::Coop);
        program.due_day(cycle, EarningType::Coop).max(over_on)
    } else {
        over_on
    };
    FundTerms {
        settled_on,
        converted: decision.is_some_and(|decision| !decision.conversion.qualified),
        end: program.fund_end(half, participant),
    }
}

impl FundAccount<'_> {
    /// Since when a claim contradicts itself or its fund.
    pub fn broken_since(&self) -> Option<NaiveDate> {
        self.claims.iter().filter_map(|claim| claim.broken_since).min()
    }

    /// Orders what was allowed: on the day of approval, or the first day after it on which it can be paid.
    /// Orders that were sent stay as they were published.
    ///
    /// # Errors
    /// On overflow.
    pub fn order(&mut self, world: &World) -> Result<()> {
        let mut orders: Vec<Result<ClaimOrder, Option<ClaimReason>>> =
            self.claims.iter().map(|claim| self.order_of(claim, world)).collect();
        let mut sequences: BTreeMap<(String, String, Period), i64> = BTreeMap::new();
        // The numbers of orders that stay are taken.
        let mut by_day: Vec<(bool, NaiveDate, usize)> = orders
            .iter()
            .enumerate()
            .filter_map(|(place, order)| {
                order.as_ref().ok().map(|order| (order.kept_from.is_none(), order.due_on, place))
            })
            .collect();
        by_day.sort_unstable();
        for (.., place) in by_day {
            let currency = self.claims[place].tested.currency.clone();
            if let Ok(order) = &mut orders[place] {
                let claim = &self.claims[place];
                let key = (order.method.clone(), currency, order.cycle);
                let number = sequences.entry(key).or_default();
                if order.kept_from.is_some() {
                    *number = order.sequence.max(*number);
                } else {
                    *number += 1;
                    order.sequence = *number;
                    order.taxes = self.taxes(claim, order.due_on, world.payees)?;
                }
                let said = world.statuses.of(self.position, self.participant, &order.payment_id);
                order.history = followed(order.due_on, claim.sent_on, said);
                order.returns_in = comes_back_in(self, (&order.payment_id, &order.history), world);
            }
        }
        self.orders = orders;
        Ok(())
    }

    /// Of what is allowed.
    fn taxes(&self, claim: &Outcome, due_on: NaiveDate, payees: &Payees) -> Result<Taxes> {
        let taxpayer = payees.taxpayer(self.position, self.participant, due_on);
        let paid = claim.items.iter().filter(|item| item.decision.pays());
        let paid: Vec<i128> = paid.map(|item| item.allowed).collect();
        taxes(self.program, &claim.tested.currency, (due_on, taxpayer), &paid)
    }

    fn order_of(&self, claim: &Outcome, world: &World) -> Result<ClaimOrder, Option<ClaimReason>> {
        let Some(approved_on) = claim.approved_on else { return Err(None) };
        let payment_id = payment_id(self, ORDER_KIND, &claim.claim.claim_id);
        if let Some(kept) = self.published(claim, &payment_id, world) {
            return Ok(ClaimOrder {
                method: kept.method.clone(),
                cycle: kept.cycle,
                sequence: kept.sequence,
                taxes: kept.taxes,
                kept_from: Some(kept.snapshot),
                ..ClaimOrder::new(payment_id, kept.due_on)
            });
        }
        let (payees, position, participant) = (world.payees, self.position, self.participant);
        let (due_on, method) = if claim.sent_on.is_some() {
            // A fact, whatever the profile says.
            payees.known_method(position, participant, approved_on)
        } else if claim.broken_since.is_some() {
            return Err(None);
        } else {
            let payable = payees.first(position, participant, approved_on, world.as_of);
            payable.map_err(|reason| {
                Some(match reason {
                    CarryReason::Hold => ClaimReason::Hold,
                    CarryReason::Check => ClaimReason::Check,
                    _ => ClaimReason::Profile,
                })
            })?
        };
        Ok(ClaimOrder { method: method.to_owned(), ..ClaimOrder::new(payment_id, due_on) })
    }

    /// The order of a claim that was sent, as the snapshot before published it: nothing that becomes known of
    /// the payee later changes it. Not one that was due after it was sent, nor of a claim that becomes `Sent`
    /// with another amount than was ordered.
    fn published<'w>(
        &self,
        claim: &Outcome,
        payment_id: &str,
        world: &World<'w, '_>,
    ) -> Option<&'w Claimed> {
        let kept = world.closed.claimed(payment_id)?;
        let said = world.statuses.of(self.position, self.participant, payment_id);
        let sent_on = claim.sent_on.or_else(|| follow(kept.due_on, said).sent_on)?;
        let paid = claim.items.iter().find(|item| item.decision.pays())?;
        let same = (&kept.currency, kept.gross) == (&claim.tested.currency, paid.allowed);
        (same && kept.due_on <= sent_on).then_some(kept)
    }
}

impl ClaimOrder {
    /// Of the month in which it is due, before it is numbered and taxed.
    fn new(payment_id: String, due_on: NaiveDate) -> ClaimOrder {
        ClaimOrder {
            payment_id,
            method: String::new(),
            due_on,
            cycle: Period::of(due_on),
            sequence: 0,
            taxes: Taxes::default(),
            kept_from: None,
            history: follow(due_on, &[]),
            returns_in: None,
        }
    }
}

/// Stable id of an order of co-op, of its kind and what it pays.
pub fn payment_id(account: &FundAccount, kind: &str, what: &str) -> String {
    let key = [&account.program.program, "coop", account.participant, kind, what];
    let text = id::text(id::digest(key.iter().map(|part| part.as_bytes())));
    format!("P{}", text[..16].to_uppercase())
}

/// Taxes of co-op that is paid on a day.
pub fn taxes(
    program: &Program,
    currency: &str,
    (due_on, taxpayer): (NaiveDate, Taxpayer),
    paid: &[i128],
) -> Result<Taxes> {
    let rates = program.tax_rates(due_on, EarningType::Coop, taxpayer);
    let paid: Vec<(i128, bool)> = paid.iter().map(|amount| (*amount, true)).collect();
    Ok(tax(&paid, rates, unit(program, currency)?)?.0)
}

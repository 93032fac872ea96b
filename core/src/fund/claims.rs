//! Claims against the co-op funds of one participant in one program. In: what exports say of each claim,
//! status by status, and the funds' ledger. Out: what was allowed and refused, with reasons, and what it
//! did to the funds. A claim is tested once, on the day of its submission; later movements of the fund
//! never test it again. Source: RULES 6.

mod desk;
mod ordered;

pub use ordered::Ordered;

use super::ledger::{FundTerms, Ledger};
use super::status::Status;
use crate::Error;
use crate::calendar::{FiscalHalf, Period};
use crate::program::Program;
use crate::reason::ClaimReason;
use chrono::NaiveDate;
use desk::{Desk, in_program};
use std::collections::BTreeMap;

/// A claim with its rows in force, by day and status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    pub claim_id: String,
    pub rows: Vec<ClaimRow>,
    /// What was published of it when it was sent: it stays.
    pub sent: Option<Ordered>,
    /// What was published of it when it was allowed, if the rows still say so: it isn't tested again.
    pub allowed: Option<Ordered>,
    /// The export says something else; the rows are those of what was sent.
    pub differs: bool,
}

/// What an export says of a claim on a day. Amounts in the claim's currency, money scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRow {
    pub status: Status,
    pub status_on: NaiveDate,
    pub submitted_on: Option<NaiveDate>,
    /// The fiscal half, as written; `None`: the one that is used in the activity's month.
    pub half: Option<String>,
    pub activity: String,
    pub month: Period,
    pub currency: String,
    pub asked: i128,
    /// What whoever decides claims allowed; `None`: what the rules allow.
    pub decided: Option<i128>,
    pub note: Option<String>,
}

impl ClaimRow {
    /// True if it names another half than this one.
    fn names_another(&self, half: FiscalHalf, program: &Program) -> bool {
        let named = |text: &String| FiscalHalf::named(text, program.fiscal_year_start);
        self.half.as_ref().is_some_and(|text| named(text) != Ok(half))
    }

    /// True if both ask for the same.
    fn asks_like(&self, other: &ClaimRow) -> bool {
        let what = |row: &ClaimRow| (row.month, row.asked);
        what(self) == what(other)
            && (&self.half, &self.activity, &self.currency)
                == (&other.half, &other.activity, &other.currency)
    }
}

impl Claim {
    /// True if its rows say that it was allowed, of this half.
    #[must_use]
    pub fn is_allowed(&self, half: FiscalHalf, program: &Program) -> bool {
        self.rows.iter().any(|row| {
            let allowed = matches!(row.status, Status::Approved | Status::Sent);
            allowed && !row.names_another(half, program)
        })
    }
}

/// What became of a part of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Reserved; not decided yet.
    Pending,
    Approved,
    Paid,
    Refused,
    /// It can't be decided: see the reason.
    Held,
}

impl Decision {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Decision::Pending => "pending",
            Decision::Approved => "approved",
            Decision::Paid => "paid",
            Decision::Refused => "refused",
            Decision::Held => "held",
        }
    }

    /// Whether an order pays it.
    #[must_use]
    pub fn pays(self) -> bool {
        matches!(self, Decision::Approved | Decision::Paid)
    }
}

/// A part of a claim with its decision. `asked`, `allowed` and `refused` in the claim's currency, the other
/// amounts in program currency, all at money scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimItem {
    pub decision: Decision,
    pub reason: Option<ClaimReason>,
    pub asked: i128,
    pub allowed: i128,
    pub refused: i128,
    /// `allowed` at the claim's rate.
    pub program_amount: i128,
    pub reserved: i128,
    pub paid: i128,
    /// What expired when the reserve was released after the fund's end.
    pub expired: i128,
}

/// A claim and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<'a> {
    pub claim: &'a Claim,
    /// The newest row that counts: its status and note.
    pub row: &'a ClaimRow,
    /// The row that says what it asks for.
    pub tested: &'a ClaimRow,
    pub half: Option<FiscalHalf>,
    /// Program units per claim unit, of the activity's month, at rate scale.
    pub rate: Option<i128>,
    pub submitted_on: NaiveDate,
    pub decided_on: Option<NaiveDate>,
    pub approved_on: Option<NaiveDate>,
    pub sent_on: Option<NaiveDate>,
    /// Since when it contradicts itself or its fund.
    pub broken_since: Option<NaiveDate>,
    pub items: Vec<ClaimItem>,
}

/// What decides besides the funds.
pub struct Rules<'a, R> {
    pub program: &'a Program,
    /// Program units per unit of a currency in a month, at rate scale.
    pub rate: R,
    pub as_of: NaiveDate,
}

/// Decides claims, those of a day by claim id, and brings the ledger to the as-of date. `claims` are sorted
/// by id. Claims that were never submitted are left out.
///
/// # Errors
/// On overflow.
pub fn decide<'a, R, T>(
    rules: &Rules<R>,
    claims: &'a [Claim],
    ledger: &mut Ledger<T>,
) -> Result<Vec<Outcome<'a>>, Error>
where
    R: Fn(&str, Period) -> Option<i128>,
    T: Fn(FiscalHalf) -> FundTerms,
{
    let mut states: Vec<State> = claims.iter().map(State::new).collect();
    let mut used = BTreeMap::new();
    let mut pledged = Pledged::new(rules.program, claims)?;
    for event in events(claims).into_iter().filter(|event| event.day <= rules.as_of) {
        ledger.advance(event.day);
        let (state, row) = (&mut states[event.claim], &claims[event.claim].rows[event.row]);
        pledged.leave(event.claim);
        let mut desk = Desk { rules, ledger, used: &mut used, pledged: &pledged, day: event.day };
        if event.submission {
            state.submitted_on = Some(event.day);
            desk.test(state, row)?;
        } else {
            desk.follow(state, row)?;
        }
        pledged.enter(event.claim, state.reserved + state.paid);
    }
    ledger.advance(rules.as_of);
    states.into_iter().filter_map(|state| state.outcome(rules).transpose()).collect()
}

/// A fund and an activity.
type Of<'a> = (FiscalHalf, &'a str);

/// What claims that were allowed before will yet take of each fund and its activities: others that become known
/// later, with an earlier day, can't have it. In program currency.
struct Pledged<'a> {
    /// Of each claim: what of, all of it, and what it hasn't taken yet.
    claims: Vec<Option<(Of<'a>, i128, i128)>>,
    open: BTreeMap<Of<'a>, i128>,
}

impl<'a> Pledged<'a> {
    fn new(program: &Program, claims: &'a [Claim]) -> Result<Pledged<'a>, Error> {
        let pledge = |claim: &'a Claim| {
            let Some(known) = claim.sent.as_ref().or(claim.allowed.as_ref()) else {
                return Ok(None);
            };
            let amount = desk::in_program(program, known.allowed, known.rate)?;
            let of = (known.half, known.activity.as_str());
            Ok((!known.overclaimed).then_some((of, amount, amount)))
        };
        let claims = claims.iter().map(pledge).collect::<Result<Vec<_>, Error>>()?;
        let mut open = BTreeMap::new();
        for (of, amount, _) in claims.iter().flatten() {
            *open.entry(*of).or_default() += amount;
        }
        Ok(Pledged { claims, open })
    }

    /// A claim's own pledge doesn't stand in its way.
    fn leave(&mut self, claim: usize) {
        if let Some((of, _, left)) = &mut self.claims[claim] {
            *self.open.entry(*of).or_default() -= std::mem::take(left);
        }
    }

    /// What a claim has taken is pledged no more.
    fn enter(&mut self, claim: usize, taken: i128) {
        if let Some((of, amount, left)) = &mut self.claims[claim] {
            *left = (*amount - taken).max(0);
            *self.open.entry(*of).or_default() += *left;
        }
    }

    fn of_half(&self, half: FiscalHalf) -> i128 {
        let of_half = self.open.iter().filter(|((of, _), _)| *of == half);
        of_half.map(|(_, amount)| amount).sum()
    }

    fn of_activity(&self, half: FiscalHalf, activity: &str) -> i128 {
        self.open.get(&(half, activity)).copied().unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    day: NaiveDate,
    claim: usize,
    row: usize,
    /// False sorts first, so this is turned around in [`events`].
    submission: bool,
}

/// One event per row, and one for the submission, which comes before the row that first tells of it.
fn events(claims: &[Claim]) -> Vec<Event> {
    let mut events = Vec::new();
    for (claim, Claim { rows, .. }) in claims.iter().enumerate() {
        let told = rows.iter().position(|row| match row.status {
            Status::Editing => false,
            Status::NotSubmittedExpired => row.submitted_on.is_some(),
            _ => true,
        });
        for (row, told_of) in rows.iter().enumerate() {
            if told == Some(row) {
                let day = told_of.submitted_on.unwrap_or(told_of.status_on).min(told_of.status_on);
                events.push(Event { day, claim, row, submission: true });
            }
            events.push(Event { day: told_of.status_on, claim, row, submission: false });
        }
    }
    events.sort_by_key(|event| (event.day, event.claim, event.row, !event.submission));
    events
}

/// A claim while its rows are read.
struct State<'a> {
    claim: &'a Claim,
    row: Option<&'a ClaimRow>,
    /// The row whose request was tested.
    tested: Option<&'a ClaimRow>,
    submitted_on: Option<NaiveDate>,
    half: Option<FiscalHalf>,
    rate: Option<i128>,
    allowed: i128,
    refused: Vec<(ClaimReason, i128)>,
    /// `allowed` and `refused` as tested, for a dispute.
    granted: (i128, Vec<(ClaimReason, i128)>),
    held: Option<ClaimReason>,
    broken_since: Option<NaiveDate>,
    /// A row says something else than was sent.
    differs: bool,
    reserved: i128,
    paid: i128,
    expired: i128,
    decided_on: Option<NaiveDate>,
    approved_on: Option<NaiveDate>,
    sent_on: Option<NaiveDate>,
}

impl<'a> State<'a> {
    fn new(claim: &'a Claim) -> State<'a> {
        State {
            claim,
            row: None,
            tested: None,
            submitted_on: None,
            half: None,
            rate: None,
            allowed: 0,
            refused: Vec::new(),
            granted: (0, Vec::new()),
            held: None,
            broken_since: None,
            differs: claim.differs,
            reserved: 0,
            paid: 0,
            expired: 0,
            decided_on: None,
            approved_on: None,
            sent_on: None,
        }
    }

    /// Something can't be: the claim is held from that day on.
    fn break_off(&mut self, reason: ClaimReason, day: NaiveDate) {
        self.held = Some(reason);
        self.broken_since = Some(day);
    }

    fn outcome<R>(self, rules: &Rules<R>) -> Result<Option<Outcome<'a>>, Error> {
        let (Some(tested), Some(submitted_on)) = (self.tested, self.submitted_on) else {
            return Ok(None);
        };
        let mut items = Vec::new();
        let refused: i128 = self.refused.iter().map(|(_, amount)| amount).sum();
        let rest = tested.asked - refused;
        if self.allowed != 0 || self.held.is_some() {
            let decision = match self.held {
                _ if self.sent_on.is_some() => Decision::Paid,
                Some(_) => Decision::Held,
                None if self.approved_on.is_some() => Decision::Approved,
                None => Decision::Pending,
            };
            let allowed = if decision == Decision::Held { 0 } else { self.allowed };
            items.push(ClaimItem {
                decision,
                reason: self.held.or(self.differs.then_some(ClaimReason::SentDiffers)),
                asked: rest,
                allowed,
                refused: 0,
                program_amount: match self.rate {
                    Some(rate) => in_program(rules.program, allowed, rate)?,
                    None => 0,
                },
                reserved: self.reserved,
                paid: self.paid,
                expired: 0,
            });
        }
        for (place, &(reason, amount)) in self.refused.iter().enumerate() {
            items.push(ClaimItem {
                decision: Decision::Refused,
                reason: Some(reason),
                asked: amount,
                allowed: 0,
                refused: amount,
                program_amount: 0,
                reserved: 0,
                paid: 0,
                expired: if place == 0 { self.expired } else { 0 },
            });
        }
        Ok(Some(Outcome {
            claim: self.claim,
            row: self.row.unwrap_or(tested),
            tested,
            half: self.half,
            rate: self.rate,
            submitted_on,
            decided_on: self.decided_on,
            approved_on: self.approved_on,
            sent_on: self.sent_on,
            broken_since: self.broken_since,
            items,
        }))
    }
}

#[cfg(test)]
mod tests;

//! The look at what caps limit: sums of scopes, and every earning in them.

use super::scope::{ScopeKey, ScopeOf, Sum, Tally};
use super::{CapsClosed, ItemKey, Keyed};
use crate::earnings::aggregate::{Aggregates, TakenBack};
use crate::earnings::context::Context;
use crate::earnings::evaluate::{Evaluated, Outcome, Verdict};
use crate::earnings::facts::day;
use crate::earnings::measures::Subject;
use crate::earnings::originals::Originals;
use crate::earnings::rows::Line;
use crate::earnings::settled_first::Settled;
use crate::earnings::unit::{RefundLine, SetAside};
use crate::earnings::windows::SolvedWindow;
use crate::error::Result;
use crate::warehouse::{Records, Spill, SpillWriter};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::decimal::{AMOUNT_SCALE, EXACT_SCALE, Rounding, exact, rescale};
use earnest_core::earning::{Amounts, Terms};
use earnest_core::id;
use earnest_core::program::cap::{CapOn, Whose};
use earnest_core::program::measured::Per;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What waits until all of a scope is known.
#[derive(Serialize, Deserialize)]
pub enum Entry<'a> {
    Sum(ScopeKey, Sum),
    #[serde(borrow)]
    Item(Item<'a>),
}

/// An earning in its place among those of its scope.
#[derive(Serialize, Deserialize)]
pub struct Item<'a> {
    pub scope: ScopeKey,
    #[serde(borrow)]
    pub order: Order<'a>,
    /// On the scale of what the cap limits.
    pub gross: i128,
    /// The period whose row it is.
    pub period: Period,
    /// The cycle in which it takes room.
    pub enters: Period,
    /// Of a refund's piece: the earning that it takes back, and how much of its base others did before.
    pub taken_back: Option<(ItemKey, i128)>,
}

/// The order in which earnings take room: by the closed cycle that settled it, if one has, by date and by
/// transaction id, or aggregate key; by source, original, lever, role and participant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Order<'a> {
    settled: i32,
    pub on: i32,
    pub id: &'a str,
    pub source: i32,
    original: Option<&'a str>,
    lever: usize,
    role: i32,
    participant: i32,
}

impl Order<'_> {
    /// The key by which its row is found.
    pub fn key(&self, program: usize) -> ItemKey {
        let Self { id, source, original, lever, role, participant, .. } = *self;
        digest((source, id, original), (program, lever), (role, participant))
    }
}

/// Takes what is earned in a period.
pub struct Look<'a> {
    context: &'a Context<'a>,
    period: Period,
    closed: CapsClosed<'a>,
    aggregates: Aggregates,
    sums: Keyed<ScopeKey, Sum>,
    earned: SpillWriter<'a, usize>,
}

/// What is earned, before caps.
struct Gross<'a> {
    line: &'a Line<'a>,
    /// Of a sum or a measure: its key.
    aggregate: Option<&'a str>,
    outcome: &'a Outcome,
    terms: &'a Terms,
    amounts: &'a Amounts,
    taken_back: Option<(ItemKey, i128)>,
}

/// What decides which cap an earning lies under, and whose room of it it takes: by the cap on a day, in the
/// window of a month. Of a refund's piece it is what decided its original, whose room it gives back.
struct Ruled<'a> {
    on: NaiveDate,
    period: Period,
    customer: Option<&'a str>,
    /// Of a measure: whose it is.
    measured: Option<&'a Subject>,
}

impl<'a> Look<'a> {
    pub fn new(
        context: &'a Context<'a>,
        period: Period,
        closed: CapsClosed<'a>,
        earned: &'a Spill<usize>,
    ) -> Look<'a> {
        Look {
            context,
            period,
            closed,
            aggregates: Aggregates::default(),
            sums: HashMap::default(),
            earned: earned.writer(),
        }
    }

    /// Takes what a line earns; what it adds to sums of lines waits until they are complete.
    ///
    /// # Errors
    /// If the disk refuses, or on overflow.
    pub fn line(&mut self, line: &Line, evaluated: &Evaluated) -> Result<()> {
        for outcome in &evaluated.outcomes {
            match &outcome.verdict {
                Verdict::Earned(terms, amounts) => {
                    let (on, period) = (day(line.transaction_on), self.period);
                    let ruled = Ruled { on, period, customer: line.customer_id, measured: None };
                    let (aggregate, taken_back) = (None, None);
                    let item = Gross { line, aggregate, outcome, terms, amounts, taken_back };
                    self.take(&item, &ruled, false)?;
                }
                Verdict::Aggregated(..) => self.collect(line, outcome),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes what refunds of the period take back of its own sums.
    pub fn summed(&mut self, aside: &SetAside) {
        aside.summed(self.context, |line, outcome| self.collect(line, outcome));
    }

    fn collect(&mut self, line: &Line, outcome: &Outcome) {
        if self.context.programs[outcome.program].is_capped(outcome.lever) {
            self.aggregates.collect(line, outcome);
        }
    }

    /// Hands over what was found.
    ///
    /// # Errors
    /// If the disk refuses, or on overflow.
    pub fn finish(mut self, taken_back: &TakenBack) -> Result<()> {
        self.aggregates(taken_back)?;
        for (key, sum) in self.sums {
            self.earned.add(self.context.bucket(key), &Entry::Sum(key, sum))?;
        }
        self.earned.finish()
    }

    /// Takes the aggregates that the period's lines add up to, and what its refunds take back of others.
    fn aggregates(&mut self, taken_back: &TakenBack) -> Result<()> {
        let (context, period) = (self.context, self.period);
        let aggregates = std::mem::take(&mut self.aggregates);
        aggregates.earned((&context.names, period), taken_back, |summed| {
            let (line, customer) = (&summed.line, summed.line.customer_id);
            let (mut on, mut period, mut taken_back) = (line.transaction_on, period, None);
            if let Some(of) = &summed.refunded {
                (on, period) = (of.on, of.period);
                let original = item_key((line, Some(&of.key)), &summed.outcome);
                taken_back = Some((original, -of.before));
            }
            let follows = summed.refunded.is_some() && on <= line.transaction_on;
            let ruled = Ruled { on: day(on), period, customer, measured: None };
            let item = Gross {
                line,
                aggregate: Some(&summed.key),
                outcome: &summed.outcome,
                terms: &summed.terms,
                amounts: &summed.amounts,
                taken_back,
            };
            self.take(&item, &ruled, follows)
        })
    }

    /// Takes what measures earn in the period; it counts in the month whose rules it has.
    ///
    /// # Errors
    /// If the disk refuses, or on overflow.
    pub fn measured(&mut self, measured: &Records) -> Result<()> {
        let context = self.context;
        for solved in measured.iter::<SolvedWindow>() {
            let (_, solved) = solved?;
            let program = &context.programs[solved.subject.program];
            if !program.is_capped(solved.subject.lever) {
                continue;
            }
            let measured = &program.levers[solved.subject.lever].measured;
            let (Some(earned), Some(measured)) = (&solved.earned, measured) else { continue };
            let on = measured.rules_day(solved.window, solved.booked.rules);
            let ruled = Ruled {
                on,
                period: Period::of(on),
                customer: solved.subject.customer.as_deref(),
                measured: Some(&solved.subject),
            };
            let item = Gross {
                line: &solved.line(context, earned),
                aggregate: Some(&solved.key(context)),
                outcome: &solved.outcome(context, earned),
                terms: &earned.terms,
                amounts: &Amounts::of_earned(earned.amount(), &earned.terms)?,
                taken_back: None,
            };
            self.take(&item, &ruled, false)?;
        }
        Ok(())
    }

    /// Takes what is earned. `follows`: it takes back what came before it in order.
    fn take(&mut self, item: &Gross, ruled: &Ruled, follows: bool) -> Result<()> {
        let Gross { line, aggregate, outcome, terms, amounts, taken_back } = item;
        let program = &self.context.programs[outcome.program];
        let Some((position, cap)) = program.cap_on(outcome.lever, ruled.on) else { return Ok(()) };
        let company = || company_of(self.context, outcome, ruled);
        let Whose { participant, company, customer } =
            cap.whose(outcome.subject.participant, company, ruled.customer);
        let scope = ScopeOf {
            program: outcome.program,
            cap: position,
            participant,
            company,
            customer,
            window: cap.window.first(ruled.period, program.fiscal_year_start),
        };
        let key = scope.key();
        let gross = match cap.on {
            CapOn::Payout => amounts.program_earned,
            CapOn::Base => {
                let base = exact(line.base, terms.exchange_rate)?;
                rescale(base, EXACT_SCALE, AMOUNT_SCALE, Rounding::default())?
            }
        };
        let subject = &outcome.subject;
        let tally = Tally::of(gross, follows, subject.participant);
        match self.sums.get_mut(&key) {
            Some(known) => known.tally.add(&tally)?,
            None => _ = self.sums.insert(key, Sum { scope: scope.to_owned(), tally }),
        }
        let (source, id) = place(line, *aggregate);
        let names = &self.context.names;
        let settled = self.closed.settled_first.cycle(&Settled {
            program: &program.program,
            lever: &program.levers[outcome.lever].lever,
            participant: scope.participant.map_or("", |one| names.participants.text(one)),
            source: if source < 0 { "" } else { names.sources.text(source) },
            id,
            original: line.original_transaction_id.unwrap_or_default(),
        });
        let enters = settled
            .unwrap_or_else(|| program.first_cycle_of(self.period, terms.shares, self.closed.open));
        let item = Item {
            scope: key,
            order: Order {
                settled: settled
                    .map_or(i32::MAX, |cycle| cycle.year() * 12 + cycle.month().cast_signed()),
                on: line.transaction_on,
                id,
                source,
                original: line.original_transaction_id,
                lever: outcome.lever,
                role: subject.role,
                participant: subject.participant,
            },
            gross,
            period: self.period,
            enters,
            taken_back: *taken_back,
        };
        self.earned.add(self.context.bucket(key), &Entry::Item(item))
    }

    /// Takes what a linked refund takes back.
    ///
    /// # Errors
    /// If the disk refuses, on overflow, or if what it refunds was not calculated.
    pub fn pieces(&mut self, refund: &RefundLine, originals: &Originals) -> Result<()> {
        for (_, reversal) in refund.reversals(self.context).filter(|(_, one)| one.excess == 0) {
            let original = originals.of(reversal)?;
            let id = &*original.transaction_id;
            let line = refund.piece(0, reversal, original);
            for outcome in &original.outcomes() {
                if original.period != self.period {
                    self.collect(&refund.summed(reversal, original), outcome);
                }
                let Verdict::Earned(terms, amounts) = &outcome.verdict else { continue };
                let reversed = amounts.reversed(
                    reversal.before,
                    reversal.cumulated,
                    reversal.base,
                    terms.units(),
                )?;
                let ruled = Ruled {
                    on: day(original.transaction_on),
                    period: original.period,
                    customer: original.customer_id.as_deref(),
                    measured: None,
                };
                let follows = (original.transaction_on, id)
                    <= (refund.transaction_on, refund.transaction_id.as_str());
                let of_original =
                    Line { transaction_id: Some(id), original_transaction_id: None, ..line };
                let item = Gross {
                    line: &line,
                    aggregate: None,
                    outcome,
                    terms,
                    amounts: &reversed,
                    taken_back: Some((item_key((&of_original, None), outcome), reversal.before)),
                };
                self.take(&item, &ruled, follows)?;
            }
        }
        Ok(())
    }
}

/// The company that an earning is of: that of a measure per company, else that of who earns, in the month.
fn company_of<'a>(context: &'a Context, outcome: &Outcome, ruled: &Ruled<'a>) -> Option<&'a str> {
    let measured = &context.programs[outcome.program].levers[outcome.lever].measured;
    match ruled.measured {
        Some(subject) if measured.as_ref().is_some_and(|of| of.per == Per::Company) => {
            subject.company.as_deref()
        }
        _ => {
            let participant = context.names.participants.text(outcome.subject.participant);
            context.decisions.company(outcome.program, participant, ruled.period)
        }
    }
}

/// Source and id by which earnings stand in order: aggregates have no source.
fn place<'a>(line: &'a Line, aggregate: Option<&'a str>) -> (i32, &'a str) {
    match aggregate {
        Some(key) => (-1, key),
        None => (line.source, line.transaction_id.unwrap_or_default()),
    }
}

pub fn item_key((line, aggregate): (&Line, Option<&str>), outcome: &Outcome) -> ItemKey {
    let (source, id) = place(line, aggregate);
    let subject = &outcome.subject;
    let row = (source, id, line.original_transaction_id);
    digest(row, (outcome.program, outcome.lever), (subject.role, subject.participant))
}

fn digest(
    (source, id, original): (i32, &str, Option<&str>),
    (program, lever): (usize, usize),
    (role, participant): (i32, i32),
) -> ItemKey {
    let both = |a: i32, b: i32| u64::from(a.cast_unsigned()) << 32 | u64::from(b.cast_unsigned());
    let place = [program as u64, lever as u64, both(source, role), both(participant, 0)];
    // Few and long: a part costs more than its bytes.
    id::digest([
        place.map(u64::to_le_bytes).as_flattened(),
        id.as_bytes(),
        original.unwrap_or_default().as_bytes(),
    ])
}

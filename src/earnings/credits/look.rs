//! Looks at all lines for what caps limit: sums of scopes, or the earnings of some of them one by one.

use super::rooms::{self, Entries};
use super::scope::{ScopeKey, ScopeOf, Sum, Tally};
use super::{CapsClosed, ItemKey, Keyed};
use crate::earnings::aggregate::Aggregates;
use crate::earnings::context::Context;
use crate::earnings::evaluate::{Evaluated, Outcome, Verdict};
use crate::earnings::facts::day;
use crate::earnings::measures::Measures;
use crate::earnings::originals::Originals;
use crate::earnings::rows::Line;
use crate::earnings::segments::Segments;
use crate::earnings::settled_first::Settled;
use crate::earnings::unit::{self, RefundLine, Taker};
use crate::earnings::{PeriodFiles, largest_first};
use crate::error::Result;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::decimal::{AMOUNT_SCALE, EXACT_SCALE, Rounding, exact, rescale};
use earnest_core::earning::{Amounts, Terms};
use earnest_core::id;
use earnest_core::program::cap::CapOn;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The scopes that are looked at again.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Those of which every earning is needed.
    pub items: &'a HashSet<ScopeKey>,
    /// Those of which sums by cycle are needed.
    pub rooms: &'a HashSet<ScopeKey>,
    pub closed: CapsClosed<'a>,
}

/// What a look finds.
#[derive(Default)]
pub struct Found {
    pub sums: Sums,
    pub items: Vec<Item>,
    pub entries: Entries,
}

/// By the closed cycle that settled it, if one has, by date and by transaction id, or aggregate key; by
/// source, original, lever, role and participant.
type Order = (i32, i32, Box<str>, i32, Option<Box<str>>, usize, i32, i32);

/// An earning in its place among those of its scope.
pub struct Item {
    pub scope: ScopeKey,
    pub order: Order,
    pub key: ItemKey,
    pub gross: i128,
    /// Of a refund's piece: the earning that it takes back, and how much of its base others did before.
    pub taken_back: Option<Box<(ItemKey, i128)>>,
}

pub type Sums = Keyed<ScopeKey, Sum>;

/// One look at all lines: sums of scopes, or more of those asked for.
pub fn look(
    context: &Context,
    (periods, measures): (&[PeriodFiles], &Measures),
    asked: Option<Asked>,
) -> Result<Found> {
    let units: Vec<_> = largest_first(periods)
        .into_iter()
        .par_bridge()
        .map(|(period, files)| {
            let mut look = Look::new(context, *period, asked);
            let aside = unit::read_lines(context, *period, files, &mut look)?;
            look.aggregates()?;
            Ok((*period, look.found, aside))
        })
        .collect::<Result<_>>()?;
    let mut originals = Originals::default();
    let mut refunds: BTreeMap<Period, Vec<RefundLine>> = BTreeMap::new();
    let mut found = Found::default();
    found.items.reserve(units.iter().map(|(_, part, _)| part.items.len()).sum());
    for (period, part, aside) in units {
        found.items.extend(part.items);
        rooms::extend(&mut found.entries, part.entries)?;
        originals.extend(aside.originals);
        refunds.insert(period, aside.refunds);
        for (key, part) in part.sums {
            add_sum(&mut found.sums, key, part)?;
        }
    }
    for (period, refunds) in refunds {
        let mut look = Look { found, ..Look::new(context, period, asked) };
        for refund in &refunds {
            look.pieces(refund, &originals)?;
        }
        found = look.found;
    }
    for &period in measures.by_period.keys() {
        let mut look = Look { found, ..Look::new(context, period, asked) };
        look.measured(measures)?;
        found = look.found;
    }
    Ok(found)
}

fn add_sum(sums: &mut Sums, key: ScopeKey, part: Sum) -> Result<()> {
    match sums.get_mut(&key) {
        None => {
            sums.insert(key, part);
        }
        Some(known) => known.tally.add(&part.tally)?,
    }
    Ok(())
}

struct Look<'a> {
    context: &'a Context<'a>,
    period: Period,
    segments: Segments,
    asked: Option<Asked<'a>>,
    aggregates: Aggregates,
    found: Found,
}

impl Taker for Look<'_> {
    fn asks_for(&self, program: usize, lever: usize) -> bool {
        self.context.programs[program].is_capped(lever)
    }

    fn line(&mut self, line: &Line, evaluated: &Evaluated) -> Result<()> {
        for outcome in &evaluated.outcomes {
            match &outcome.verdict {
                Verdict::Earned(terms, amounts) => {
                    let ruled = (day(line.transaction_on), self.period, line.customer_id);
                    let (aggregate, taken_back) = (None, None);
                    let item = Gross { line, aggregate, outcome, terms, amounts, taken_back };
                    self.take(&item, ruled, false)?;
                }
                Verdict::Aggregated(..)
                    if self.context.programs[outcome.program].is_capped(outcome.lever) =>
                {
                    let outcome = std::slice::from_ref(outcome);
                    self.aggregates.collect(&self.segments, line, outcome);
                }
                _ => {}
            }
        }
        Ok(())
    }
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

impl<'a> Look<'a> {
    fn new(context: &'a Context<'a>, period: Period, asked: Option<Asked<'a>>) -> Look<'a> {
        Look {
            context,
            period,
            segments: Segments::of(context.programs, period),
            asked,
            aggregates: Aggregates::default(),
            found: Found::default(),
        }
    }

    /// Takes the aggregates that the period's lines add up to.
    fn aggregates(&mut self) -> Result<()> {
        let (context, period) = (self.context, self.period);
        let aggregates = std::mem::take(&mut self.aggregates);
        aggregates.earned(&context.names, period, |summed| {
            let ruled = (day(summed.line.transaction_on), period, summed.line.customer_id);
            let item = Gross {
                line: &summed.line,
                aggregate: Some(&summed.key),
                outcome: &summed.outcome,
                terms: &summed.terms,
                amounts: &summed.amounts,
                taken_back: None,
            };
            self.take(&item, ruled, false)
        })
    }

    /// Takes what measures earn in the period; after their window they count in its last month.
    fn measured(&mut self, measures: &Measures) -> Result<()> {
        let (context, period) = (self.context, self.period);
        for solved in measures.by_period.get(&period).into_iter().flat_map(HashMap::values) {
            let program = &context.programs[solved.subject.program];
            if !program.is_capped(solved.subject.lever) {
                continue;
            }
            let measured = &program.levers[solved.subject.lever].measured;
            let (Some(earned), Some(measured)) = (&solved.earned, measured) else { continue };
            let on = measured.rules_day(solved.window, period);
            let ruled = (on, Period::of(on), solved.subject.customer.as_deref());
            let item = Gross {
                line: &solved.line(context, earned, period),
                aggregate: Some(&solved.key(context, period)),
                outcome: &solved.outcome(context, earned),
                terms: &earned.terms,
                amounts: &Amounts::of_earned(earned.amount(), &earned.terms)?,
                taken_back: None,
            };
            self.take(&item, ruled, false)?;
        }
        Ok(())
    }

    /// Takes what is earned, by the cap on `on` in the window of `period`; of a refund's piece they
    /// are those of its original, whose room it gives back. `follows`: it takes back what came before
    /// it in order.
    fn take(
        &mut self,
        item: &Gross,
        (on, period, customer): (NaiveDate, Period, Option<&str>),
        follows: bool,
    ) -> Result<()> {
        let Gross { line, aggregate, outcome, terms, amounts, taken_back } = item;
        let program = &self.context.programs[outcome.program];
        let Some((position, cap)) = program.cap_on(outcome.lever, on) else { return Ok(()) };
        let (participant, customer) = cap.per.whose(outcome.subject.participant, customer);
        let scope = ScopeOf {
            program: outcome.program,
            cap: position,
            participant,
            customer,
            window: cap.window.first(period, program.fiscal_year_start),
        };
        let key = scope.key();
        let (as_item, as_entry) = self
            .asked
            .map_or((true, true), |asked| (asked.items.contains(&key), asked.rooms.contains(&key)));
        if !as_item && !as_entry {
            return Ok(());
        }
        let gross = match cap.on {
            CapOn::Payout => amounts.program_earned,
            CapOn::Base => {
                let base = exact(line.base, terms.exchange_rate)?;
                rescale(base, EXACT_SCALE, AMOUNT_SCALE, Rounding::default())?
            }
        };
        let participant = outcome.subject.participant;
        let Some(asked) = self.asked else {
            let tally = Tally::of(gross, follows, participant);
            return match self.found.sums.get_mut(&key) {
                Some(known) => known.tally.add(&tally),
                None => {
                    self.found.sums.insert(key, Sum { scope: scope.to_owned(), tally });
                    Ok(())
                }
            };
        };
        let (source, id) = place(line, *aggregate);
        let names = &self.context.names;
        let settled = asked.closed.settled_first.cycle(&Settled {
            program: &program.program,
            lever: &program.levers[outcome.lever].lever,
            participant: scope.participant.map_or("", |one| names.participants.text(one)),
            source: if source < 0 { "" } else { names.sources.text(source) },
            id,
            original: line.original_transaction_id.unwrap_or_default(),
        });
        if as_entry {
            let due = program.first_due_cycle_of(self.period, terms.shares);
            let enters = asked.closed.open.map_or(due, |open| due.max(open));
            let row = (line.transaction_on, id, source);
            let place = (key, settled.unwrap_or(enters));
            rooms::enter(&mut self.found.entries, place, gross, row)?;
        }
        if !as_item {
            return Ok(());
        }
        self.found.items.push(Item {
            scope: key,
            order: (
                settled.map_or(i32::MAX, |cycle| cycle.year() * 12 + cycle.month().cast_signed()),
                line.transaction_on,
                id.into(),
                source,
                line.original_transaction_id.map(Into::into),
                outcome.lever,
                outcome.subject.role,
                outcome.subject.participant,
            ),
            key: item_key((line, *aggregate), outcome),
            gross,
            taken_back: taken_back.map(Box::new),
        });
        Ok(())
    }

    fn pieces(&mut self, refund: &RefundLine, originals: &Originals) -> Result<()> {
        let pieces = self.context.links.refunds[refund.number].iter();
        for reversal in pieces.filter(|reversal| reversal.excess == 0) {
            let original = originals.of(reversal)?;
            let id = &*original.transaction_id;
            let line = Line {
                source: refund.source,
                transaction_id: Some(&refund.transaction_id),
                original_transaction_id: Some(id),
                customer_id: None,
                transaction_on: refund.transaction_on,
                period: 0,
                currency: refund.currency,
                base: reversal.before - reversal.cumulated,
                quantity: 0,
                known_on: None,
            };
            for outcome in &original.outcomes() {
                let Verdict::Earned(terms, amounts) = &outcome.verdict else { continue };
                let reversed = amounts.reversed(
                    reversal.before,
                    reversal.cumulated,
                    reversal.base,
                    terms.minor_units,
                    terms.program_minor_units,
                )?;
                let customer = original.customer_id.as_deref();
                let ruled = (day(original.transaction_on), original.period, customer);
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
                self.take(&item, ruled, follows)?;
            }
        }
        Ok(())
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
    id::digest([
        &source.to_le_bytes()[..],
        id.as_bytes(),
        line.original_transaction_id.unwrap_or_default().as_bytes(),
        &(outcome.program as u64).to_le_bytes(),
        &(outcome.lever as u64).to_le_bytes(),
        &subject.role.to_le_bytes(),
        &subject.participant.to_le_bytes(),
    ])
}

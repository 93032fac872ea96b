//! The rows of measured earnings: one earning per window, period and rules, and the share of every line.

use super::context::Context;
use super::credits::Credits;
use super::evaluate::{Outcome, Verdict};
use super::measures::Subject;
use super::measures::{WindowKey, booked, line_adds, piece_adds, window_of};
use super::originals::Original;
use super::rows::{self, Line, Share};
use super::sink::{Ids, Origin, Sink};
use super::windows::{Earned, Measures, Solved, SolvedWindow};
use crate::error::Result;
use earnest_core::calendar::Period;
use earnest_core::decimal::{AMOUNT_SCALE, EXACT_SCALE, Rounding, rescale};
use earnest_core::earning::{Amounts, share};
use earnest_core::id::Digester;
use earnest_core::measure::Booked;
use earnest_core::reason::Reason;
use std::collections::HashMap;

/// The measured earnings of a period, as its lines take their shares.
pub struct Shares<'a> {
    context: &'a Context<'a>,
    period: Period,
    windows: Vec<Window>,
    /// What lines take of them; `None`: it is held.
    takings: Vec<Option<Taking>>,
    /// Places of windows, by the month whose rules rule too.
    places: HashMap<(WindowKey, Period), usize, foldhash::fast::RandomState>,
}

/// A window with what it earns in the period.
struct Window {
    solved: Solved,
    /// `None`: it is held.
    earning: Option<Earning>,
}

struct Earning {
    /// What tells it apart.
    key: String,
    /// What caps credit of it.
    amounts: Amounts,
}

/// What lines take of a window's earning. It is kept apart, and small: a line's is anywhere in memory.
struct Taking {
    /// Sum of the parts' measures, which shares are taken of.
    parts: i128,
    /// What the last part adds; it takes what others leave.
    last: Option<i128>,
    /// Of each of its types, those first.
    taken: [Option<Taken>; 3],
}

struct Taken {
    earning_id: u128,
    /// At money scale.
    amount: i128,
    /// Shares given so far, at amount scale.
    given: i128,
}

impl<'a> Shares<'a> {
    /// # Errors
    /// If the disk refuses, or on overflow.
    pub fn of(
        context: &'a Context<'a>,
        (measures, credits): (&Measures, &Credits),
        period: Period,
    ) -> Result<Shares<'a>> {
        let solved = measures.of(period)?;
        let mut windows = Vec::with_capacity(solved.count());
        let mut takings = Vec::with_capacity(solved.count());
        let mut places = HashMap::default();
        places.reserve(solved.count());
        let mut digester = Digester::default();
        for window in solved.iter::<SolvedWindow>() {
            let (key, solved) = window?;
            let earning = Earning::of(context, &solved, credits, &mut digester)?;
            let (earning, ids) = earning.unzip();
            let taking = |(earning, ids)| Taking::new(&solved, earning, ids);
            takings.push(earning.as_ref().zip(ids).map(taking));
            places.insert((key, solved.booked.rules), windows.len());
            windows.push(Window { solved, earning });
        }
        Ok(Shares { context, period, windows, takings, places })
    }

    /// Writes a line's shares of the measured earnings that it adds to.
    ///
    /// # Errors
    /// If the disk refuses, or on overflow.
    pub fn line(&mut self, sink: &mut Sink, line: &Line, outcomes: &[Outcome]) -> Result<()> {
        if self.windows.is_empty() {
            return Ok(());
        }
        for outcome in outcomes {
            let Verdict::Measured(terms) = &outcome.verdict else { continue };
            let program = &self.context.programs[outcome.program];
            let Some(measured) = &program.levers[outcome.lever].measured else { continue };
            let adds = line_adds(measured.of, terms.exchange_rate, line)?;
            self.part(sink, line, outcome, (self.period, line.customer_id), adds)?;
        }
        Ok(())
    }

    /// Writes the share of a refund's piece.
    ///
    /// # Errors
    /// If the disk refuses, or on overflow.
    pub fn piece(
        &mut self,
        sink: &mut Sink,
        line: &Line,
        outcome: &Outcome,
        original: &Original,
        taken: (i128, i128, i128),
    ) -> Result<()> {
        let Verdict::Measured(terms) = &outcome.verdict else { return Ok(()) };
        let program = &self.context.programs[outcome.program];
        let Some(measured) = &program.levers[outcome.lever].measured else { return Ok(()) };
        let adds = piece_adds(measured.of, terms.exchange_rate, original, taken)?;
        let of = (original.period, original.customer_id.as_deref());
        self.part(sink, line, outcome, of, adds)
    }

    fn part(
        &mut self,
        sink: &mut Sink,
        line: &Line,
        outcome: &Outcome,
        of: (Period, Option<&str>),
        adds: i128,
    ) -> Result<()> {
        let Some((key, _)) = window_of(self.context, outcome, of) else { return Ok(()) };
        let rules = booked(self.context, outcome, (of.0, self.period)).rules;
        let Some(&place) = self.places.get(&(key, rules)) else { return Ok(()) };
        let Some(taking) = &mut self.takings[place] else {
            return sink.refused(line, &outcome.subject, &[Reason::NoRate], None);
        };
        let id = line.transaction_id.unwrap_or_default();
        let original = line.original_transaction_id;
        let measured = rescale(adds, EXACT_SCALE, AMOUNT_SCALE, Rounding::default())?;
        // Others than the last part may add as much.
        if taking.last == Some(measured)
            && self.windows[place].ends_with((line.source, id, original))
        {
            // It takes the rest, once all others have theirs.
            return Ok(());
        }
        for taken in taking.taken.iter_mut().map_while(Option::as_mut) {
            let amount = share(taken.amount, measured, taking.parts)?;
            taken.given += amount;
            sink.source(
                taken.earning_id,
                &Share {
                    source: line.source,
                    transaction_id: id,
                    original_transaction_id: original,
                    currency: line.currency,
                    base: line.base,
                    measured: Some(measured),
                    earning_share: amount,
                    program_share: amount,
                },
            )?;
        }
        Ok(())
    }

    /// Writes the period's measured earnings and what is left for their last parts.
    ///
    /// # Errors
    /// If the disk refuses, or on overflow.
    pub fn finish(self, sink: &mut Sink) -> Result<()> {
        // Windows are large: they stay where they are.
        let mut ordered: Vec<_> = self.windows.iter().zip(&self.takings).collect();
        ordered.sort_unstable_by_key(|(Window { solved, .. }, _)| {
            (&solved.subject, solved.window, solved.booked)
        });
        for (Window { solved, earning }, taking) in ordered {
            let (Some(earning), Some(earned)) = (earning, &solved.earned) else { continue };
            earning.write(sink, self.context, (solved, earned))?;
            let Some(last) = &solved.last else { continue };
            for taken in taking.iter().flat_map(|taking| taking.taken.iter().flatten()) {
                let amount = super::sink::widen(taken.amount) - taken.given;
                sink.source(
                    taken.earning_id,
                    &Share {
                        source: last.source,
                        transaction_id: &last.transaction_id,
                        original_transaction_id: last.original.as_deref(),
                        currency: last.currency,
                        base: last.base,
                        measured: Some(last.measured),
                        earning_share: amount,
                        program_share: amount,
                    },
                )?;
            }
        }
        Ok(())
    }
}

impl Window {
    /// True if a part is the last one.
    fn ends_with(&self, part: (i32, &str, Option<&str>)) -> bool {
        self.solved.last.as_ref().is_some_and(|last| last.key() == part)
    }
}

impl Taking {
    fn new(solved: &Solved, earning: &Earning, ids: Ids) -> Taking {
        let taken = |id: Option<_>| {
            id.map(|(earning_id, earning_type)| {
                let amount = earning.amounts.part(earning_type).0;
                Taken { earning_id, amount, given: 0 }
            })
        };
        let last = solved.last.as_ref().map(|last| last.measured);
        Taking { parts: solved.parts, last, taken: ids.map(taken) }
    }
}

impl Earning {
    /// The earning of a window and its ids.
    fn of(
        context: &Context,
        solved: &Solved,
        credits: &Credits,
        digester: &mut Digester,
    ) -> Result<Option<(Earning, Ids)>> {
        let Some(earned) = &solved.earned else { return Ok(None) };
        let gross = Amounts::of_earned(earned.amount(), &earned.terms)?;
        let outcome = solved.outcome(context, earned);
        let key = solved.key(context);
        let line = solved.line(context, earned);
        let amounts = credits.of((&line, Some(&key)), &outcome, &earned.terms, &gross)?;
        let of = (&earned.terms, &outcome.subject);
        let ids = super::sink::aggregate_ids(context, digester, of, &key);
        Ok(Some((Earning { key, amounts }, ids)))
    }

    fn write(
        &self,
        sink: &mut Sink,
        context: &Context,
        (solved, earned): (&Solved, &Earned),
    ) -> Result<()> {
        let origin = Origin {
            fund_period: solved.booked.rules,
            aggregate_key: Some(&self.key),
            tier_detail: Some(super::tier_detail::json(context, solved, earned)),
        };
        let line = solved.line(context, earned);
        let outcome = solved.outcome(context, earned);
        let gross = Amounts::of_earned(earned.amount(), &earned.terms)?;
        sink.earned(&line, &outcome, &earned.terms, (&gross, &self.amounts), &origin)?;
        Ok(())
    }
}

impl Solved {
    /// The last month of the window.
    pub fn last_month(&self, context: &Context) -> Period {
        let lever = &context.programs[self.subject.program].levers[self.subject.lever];
        lever.measured.as_ref().map_or(self.window, |measured| measured.window.last(self.window))
    }

    /// The month whose lines were refunded, if it has other rules than that in which that is booked.
    pub fn refunded(&self, context: &Context) -> Option<Period> {
        let Booked { period, rules } = self.booked;
        (rules != period.min(self.last_month(context))).then_some(rules)
    }

    /// `customer or company/first month/last month/month`, of refunds under other rules `/refunded month`
    /// too: what tells earnings of a lever apart.
    pub fn key(&self, context: &Context) -> String {
        let Subject { customer, company, .. } = &self.subject;
        let whose = customer.as_deref().or(company.as_deref()).unwrap_or_default();
        let key =
            format!("{whose}/{}/{}/{}", self.window, self.last_month(context), self.booked.period);
        match self.refunded(context) {
            Some(month) => format!("{key}/{month}"),
            None => key,
        }
    }

    /// The earning of a month as a line: of its last day.
    pub fn line(&self, context: &Context, earned: &Earned) -> Line<'_> {
        let period = self.booked.period;
        Line {
            source: self.source,
            transaction_id: None,
            original_transaction_id: None,
            customer_id: self.subject.customer.as_deref(),
            transaction_on: period.last_day().to_epoch_days(),
            period: context.names.period(period),
            currency: context.facts[self.subject.program].currency,
            base: earned.measured,
            quantity: 0,
            known_on: None,
        }
    }

    pub fn outcome(&self, context: &Context, earned: &Earned) -> Outcome {
        let (program, lever) = (self.subject.program, self.subject.lever);
        let facts = &context.facts[program];
        let subject = rows::Subject {
            program: facts.key,
            term: earned.term,
            lever: facts.levers[lever],
            role: self.role,
            participant: self.subject.participant,
            partner: self.partner,
            group: facts.groups[lever],
        };
        Outcome {
            program,
            lever,
            subject,
            verdict: Verdict::Measured(earned.terms),
            rated: 0,
            how: None,
        }
    }
}

//! The rows of measured earnings: one earning per window and period, and the share of every line.

use super::context::Context;
use super::evaluate::{Outcome, Verdict};
use super::measures::{
    Earned, Measures, Solved, WindowKey, customer_of, line_adds, piece_adds, window_key,
};
use super::rows::{Line, Share, Subject};
use super::sink::{Ids, Origin, Sink};
use super::unit::Original;
use crate::error::Result;
use earnest_core::calendar::Period;
use earnest_core::decimal::{AMOUNT_SCALE, EXACT_SCALE, Rounding, rescale};
use earnest_core::earning::{Amounts, share};
use earnest_core::reason::Reason;
use std::collections::HashMap;

/// Shares given so far of an earning's types, at amount scale.
pub type Taken = HashMap<WindowKey, [i128; 3], foldhash::fast::RandomState>;

/// The measured earnings of a period, as its lines take their shares.
pub struct Shares<'a> {
    context: &'a Context<'a>,
    period: Period,
    windows: HashMap<WindowKey, Window<'a>, foldhash::fast::RandomState>,
    pub taken: Taken,
}

/// A window with what it earns in the period.
struct Window<'a> {
    solved: &'a Solved,
    earning: Option<Earning<'a>>,
}

struct Earning<'a> {
    earned: &'a Earned,
    subject: Subject,
    key: String,
    amounts: Amounts,
    ids: Ids,
}

impl<'a> Shares<'a> {
    /// # Errors
    /// On overflow.
    pub fn of(
        context: &'a Context<'a>,
        measures: &'a Measures,
        period: Period,
    ) -> Result<Shares<'a>> {
        let solved = measures.by_period.get(&period).into_iter().flatten();
        let windows = solved
            .map(|(key, solved)| {
                let earning = solved.earned.as_ref();
                let earning = earning
                    .map(|earned| Earning::of(context, solved, earned, period))
                    .transpose()?;
                Ok((*key, Window { solved, earning }))
            })
            .collect::<Result<_>>()?;
        Ok(Shares { context, period, windows, taken: Taken::default() })
    }

    /// Goes on where the lines of the period ended.
    pub fn resume(self, taken: Taken) -> Shares<'a> {
        Shares { taken, ..self }
    }

    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
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
            let window = measured.window.first(self.period, program.fiscal_year_start);
            let customer = customer_of(measured, line.customer_id);
            self.part(sink, line, outcome, (window, customer), adds)?;
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
        let window = measured.window.first(original.period, program.fiscal_year_start);
        let customer = customer_of(measured, original.customer_id.as_deref());
        self.part(sink, line, outcome, (window, customer), adds)
    }

    fn part(
        &mut self,
        sink: &mut Sink,
        line: &Line,
        outcome: &Outcome,
        (window, customer): (Period, Option<&str>),
        adds: i128,
    ) -> Result<()> {
        let participant = outcome.subject.participant;
        let key = window_key(outcome.program, outcome.lever, participant, customer, window);
        let Some(Window { solved, earning }) = self.windows.get(&key) else { return Ok(()) };
        let Some(earning) = earning else {
            return sink.refused(line, &outcome.subject, &[Reason::NoRate], None);
        };
        let last = &solved.last;
        let id = line.transaction_id.unwrap_or_default();
        let original = line.original_transaction_id;
        if last.key() == (line.source, id, original) {
            // It takes the rest, once all others have theirs.
            return Ok(());
        }
        let measured = rescale(adds, EXACT_SCALE, AMOUNT_SCALE, Rounding::default())?;
        let given = self.taken.entry(key).or_default();
        for (given, (earning_id, earning_type)) in
            given.iter_mut().zip(earning.ids.into_iter().flatten())
        {
            let amount = share(earning.amounts.part(earning_type).0, measured, solved.parts)?;
            *given += amount;
            sink.source(
                earning_id,
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
        let mut windows: Vec<_> = self.windows.into_iter().collect();
        windows.sort_by(|(_, a), (_, b)| {
            (&a.solved.subject, a.solved.window).cmp(&(&b.solved.subject, b.solved.window))
        });
        for (key, Window { solved, earning }) in windows {
            let Some(earning) = earning else { continue };
            earning.write(sink, self.context, solved, self.period)?;
            let last = &solved.last;
            let given = self.taken.get(&key).copied().unwrap_or_default();
            for (given, (earning_id, earning_type)) in
                given.into_iter().zip(earning.ids.into_iter().flatten())
            {
                let amount = super::sink::widen(earning.amounts.part(earning_type).0) - given;
                sink.source(
                    earning_id,
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

impl<'a> Earning<'a> {
    fn of(
        context: &Context,
        solved: &Solved,
        earned: &'a Earned,
        period: Period,
    ) -> Result<Earning<'a>> {
        let amounts = Amounts::of_earned(earned.step.amount(), &earned.terms)?;
        let Solved { subject: of, window, .. } = solved;
        let facts = &context.facts[of.program];
        let subject = Subject {
            program: facts.key,
            term: earned.term,
            lever: facts.levers[of.lever],
            role: solved.role,
            participant: of.participant,
            partner: solved.partner,
            group: facts.groups[of.lever],
        };
        let lever = &context.programs[of.program].levers[of.lever];
        let last = lever.measured.as_ref().map(|measured| measured.window.last(*window));
        let key = [
            of.customer.as_deref().unwrap_or_default(),
            &window.to_string(),
            &last.unwrap_or(*window).to_string(),
            &period.to_string(),
        ]
        .join("/");
        let ids = super::sink::aggregate_ids(context, &earned.terms, &subject, &key);
        Ok(Earning { earned, subject, key, amounts, ids })
    }

    fn write(
        &self,
        sink: &mut Sink,
        context: &Context,
        solved: &Solved,
        period: Period,
    ) -> Result<()> {
        let of = &solved.subject;
        let program = &context.programs[of.program];
        let step = &self.earned.step;
        let line = Line {
            source: solved.source,
            transaction_id: None,
            original_transaction_id: None,
            customer_id: of.customer.as_deref(),
            transaction_on: period.last_day().to_epoch_days(),
            period: sink.period_key(),
            currency: context.facts[of.program].currency,
            base: step.measured,
            quantity: 0,
        };
        let last = program.levers[of.lever]
            .measured
            .as_ref()
            .map(|lever| lever.window.last(solved.window));
        let origin = Origin {
            fund_period: last.map_or(period, |last| last.min(period)),
            aggregate_key: Some(&self.key),
            tier_detail: Some(super::tier_detail::json(self.earned, solved.window, last)),
        };
        let outcome = Outcome {
            program: of.program,
            lever: of.lever,
            subject: self.subject,
            verdict: Verdict::Measured(self.earned.terms),
            rated: 0,
            how: None,
        };
        let amounts = (&self.amounts, &self.amounts);
        sink.earned(&line, &outcome, &self.earned.terms, amounts, &origin)?;
        Ok(())
    }
}

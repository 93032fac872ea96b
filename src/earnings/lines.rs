//! The second look at a period: its lines in, rows of results out.

use super::PeriodFiles;
use super::aggregate::{Aggregates, TakenBack};
use super::context::Context;
use super::credits::Credits;
use super::evaluate::Evaluated;
use super::first_look::FirstLook;
use super::originals::Originals;
use super::reversal::reverse;
use super::rows::Line;
use super::shares::Shares;
use super::sink::{Sink, Written};
use super::unit::{self, RefundLine, SetAside, Taker};
use crate::error::Result;
use crate::warehouse::Publisher;
use earnest_core::calendar::Period;

/// What a period leaves behind.
pub struct UnitResult {
    pub written: Written,
    pub aside: SetAside,
}

/// Calculates one period; with linked refunds, if it is known what they refund.
///
/// # Errors
/// If a file can't be read or written, or on overflow.
pub fn calculate(
    context: &Context,
    first_look: &FirstLook,
    publisher: &Publisher,
    (period, files): &PeriodFiles,
) -> Result<UnitResult> {
    let FirstLook { measures, capped, originals, taken_back } = first_look;
    let credits = &capped.of(*period)?;
    let mut writer = Writer {
        sink: Sink::new(context, *period, "rows")?,
        aggregates: Aggregates::default(),
        shares: Shares::of(context, (measures, credits), *period)?,
        credits,
        keeps_originals: originals.is_none(),
    };
    let mut aside = unit::read_lines(context, *period, files, &mut writer)?;
    let Writer { mut sink, mut aggregates, mut shares, .. } = writer;
    match originals {
        Some(originals) => {
            let refunds = std::mem::take(&mut aside.refunds);
            let takers = (&mut aggregates, &mut shares, credits);
            reverse(context, &mut sink, refunds, originals, takers)?;
        }
        None => aside.summed(context, |line, outcome| aggregates.collect(line, outcome)),
    }
    aggregates.finish(&mut sink, credits, taken_back)?;
    shares.finish(&mut sink)?;
    Ok(UnitResult { written: sink.finish(publisher)?, aside })
}

/// Calculates linked refunds of a period by themselves, once all lines are calculated.
///
/// # Errors
/// If a file can't be written, or on overflow.
pub fn reversed(
    context: &Context,
    FirstLook { measures, capped, .. }: &FirstLook,
    publisher: &Publisher,
    (originals, taken_back): (&Originals, &TakenBack),
    (period, refunds): (Period, Vec<RefundLine>),
) -> Result<Written> {
    let mut sink = Sink::new(context, period, "refunds")?;
    let credits = &capped.of(period)?;
    let mut shares = Shares::of(context, (measures, credits), period)?;
    let mut aggregates = Aggregates::default();
    let takers = (&mut aggregates, &mut shares, credits);
    reverse(context, &mut sink, refunds, originals, takers)?;
    // Those of its own period are in its sums already.
    aggregates.of_other_periods(period);
    aggregates.finish(&mut sink, credits, taken_back)?;
    sink.finish(publisher)
}

struct Writer<'a> {
    sink: Sink<'a>,
    aggregates: Aggregates,
    shares: Shares<'a>,
    credits: &'a Credits<'a>,
    keeps_originals: bool,
}

impl Taker for Writer<'_> {
    fn asks_for(&self, _: usize, _: usize) -> bool {
        true
    }

    fn keeps_originals(&self) -> bool {
        self.keeps_originals
    }

    fn line(&mut self, line: &Line, evaluated: &Evaluated) -> Result<()> {
        evaluated.outcomes.iter().for_each(|outcome| self.aggregates.collect(line, outcome));
        self.shares.line(&mut self.sink, line, &evaluated.outcomes)?;
        self.sink.line(line, evaluated, self.credits)
    }
}

//! The second look at a period: its lines in, rows of results out.

use super::PeriodFiles;
use super::aggregate::Aggregates;
use super::context::Context;
use super::credits::Credits;
use super::evaluate::Evaluated;
use super::measures::Measures;
use super::rows::Line;
use super::segments::Segments;
use super::shares::Shares;
use super::sink::{Sink, Written};
use super::unit::{self, SetAside, Taker};
use crate::error::Result;
use crate::warehouse::Store;

/// What a period leaves behind.
pub struct UnitResult {
    pub written: Written,
    pub aside: SetAside,
    /// What lines took of measured earnings so far.
    pub taken: super::shares::Taken,
}

/// Calculates one period.
///
/// # Errors
/// If a file can't be read or written, or on overflow.
pub fn calculate(
    context: &Context,
    store: &Store,
    (measures, credits): (&Measures, &Credits),
    (period, files): &PeriodFiles,
) -> Result<UnitResult> {
    let mut writer = Writer {
        sink: Sink::new(context, store, *period, "rows")?,
        aggregates: Aggregates::default(),
        segments: Segments::of(context.programs, *period),
        shares: Shares::of(context, (measures, credits), *period)?,
        credits,
    };
    let aside = unit::read_lines(context, *period, files, &mut writer)?;
    let Writer { mut sink, aggregates, shares, .. } = writer;
    aggregates.finish(&mut sink, credits)?;
    Ok(UnitResult { written: sink.finish()?, aside, taken: shares.taken })
}

struct Writer<'a> {
    sink: Sink<'a>,
    aggregates: Aggregates,
    segments: Segments,
    shares: Shares<'a>,
    credits: &'a Credits,
}

impl Taker for Writer<'_> {
    fn asks_for(&self, _: usize, _: usize) -> bool {
        true
    }

    fn line(&mut self, line: &Line, evaluated: &Evaluated) -> Result<()> {
        self.aggregates.collect(&self.segments, line, &evaluated.outcomes);
        self.shares.line(&mut self.sink, line, &evaluated.outcomes)?;
        self.sink.line(line, evaluated, self.credits)
    }
}

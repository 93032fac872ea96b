//! The first look at all lines, before a row is written: what they add to measures, and what they earn
//! under caps. Both wait in buckets; then windows are earned, and caps credit what is earned.

use super::aggregate::TakenBack;
use super::context::Context;
use super::credits::{self, Capped, CapsClosed, Look};
use super::evaluate::Evaluated;
use super::measures::Collector;
use super::originals::Originals;
use super::rows::Line;
use super::unit::{self, Taker};
use super::windows::{self, Measures};
use super::{PeriodFiles, largest_first};
use crate::error::Result;
use crate::warehouse::Spill;
use earnest_core::calendar::Period;
use earnest_core::program::Program;
use rayon::prelude::*;

/// What must be known of all lines before a row is written.
pub struct FirstLook {
    pub measures: Measures,
    pub capped: Capped,
    /// Lines that are refunded; `None`: nothing had to be known, so no line was looked at.
    pub originals: Option<Originals>,
    /// What refunds take back of sums of such lines, if they are known.
    pub taken_back: TakenBack,
}

/// Finds what measures earn and what caps credit; nothing is read if no program has either.
///
/// # Errors
/// If a file can't be read, the disk refuses, or on overflow.
pub fn look(context: &Context, periods: &[PeriodFiles], closed: CapsClosed) -> Result<FirstLook> {
    let (added, earned) = (Spill::new(context.store), Spill::new(context.store));
    let levers = || context.programs.iter().flat_map(|program| &program.levers);
    let measured = levers().any(|lever| lever.measured.is_some());
    let capped = context.programs.iter().any(|program| !program.caps.is_empty());
    let waiting = Waiting { added: &added, earned: &earned };
    let (originals, taken_back) = match measured || capped {
        true => {
            let (originals, taken_back) = lines(context, periods, closed, &waiting)?;
            (Some(originals), taken_back)
        }
        false => (None, TakenBack::default()),
    };
    let measures = match measured {
        true => windows::solve(context, &added)?,
        false => Measures::new(context),
    };
    // It takes the system a while to remove its file.
    rayon::spawn(move || drop(added));
    if context.programs.iter().any(caps_measures) {
        measures.periods().into_par_iter().try_for_each(|period| {
            let mut look = Look::new(context, period, closed, &earned);
            look.measured(&measures.of(period)?)?;
            look.finish(&TakenBack::default())
        })?;
    }
    let capped = credits::credit(context, closed, &earned)?;
    rayon::spawn(move || drop(earned));
    Ok(FirstLook { measures, capped, originals, taken_back })
}

fn caps_measures(program: &Program) -> bool {
    let levers = program.levers.iter().enumerate();
    levers.into_iter().any(|(place, lever)| lever.measured.is_some() && program.is_capped(place))
}

/// What lines add and earn, by bucket.
struct Waiting<'a> {
    added: &'a Spill<usize>,
    earned: &'a Spill<usize>,
}

/// Looks at all lines, then at linked refunds, which need the lines that they refund.
fn lines(
    context: &Context,
    periods: &[PeriodFiles],
    closed: CapsClosed,
    waiting: &Waiting,
) -> Result<(Originals, TakenBack)> {
    let units: Vec<_> = largest_first(periods)
        .into_iter()
        .par_bridge()
        .map(|(period, files)| {
            let mut both = Both::new(context, *period, closed, waiting);
            let aside = unit::read_lines(context, *period, files, &mut both)?;
            both.look.summed(&aside);
            both.finish(waiting, &TakenBack::default())?;
            Ok((*period, aside))
        })
        .collect::<Result<_>>()?;
    let mut originals = Originals::default();
    let mut refunds = Vec::new();
    for (period, aside) in units {
        originals.extend(aside.originals);
        refunds.push((period, aside.refunds));
    }
    let taken_back = TakenBack::of(context, &refunds, &originals)?;
    refunds.into_par_iter().try_for_each(|(period, refunds)| {
        let mut both = Both::new(context, period, closed, waiting);
        for refund in &refunds {
            both.collector.pieces(refund, &originals)?;
            both.look.pieces(refund, &originals)?;
        }
        both.finish(waiting, &taken_back)
    })?;
    Ok((originals, taken_back))
}

/// Takes lines for measures and for caps.
struct Both<'a> {
    collector: Collector<'a>,
    look: Look<'a>,
}

impl<'a> Both<'a> {
    fn new(
        context: &'a Context<'a>,
        period: Period,
        closed: CapsClosed<'a>,
        waiting: &Waiting<'a>,
    ) -> Both<'a> {
        let look = Look::new(context, period, closed, waiting.earned);
        Both { collector: Collector::new(context, period), look }
    }

    fn finish(self, waiting: &Waiting, taken_back: &TakenBack) -> Result<()> {
        self.collector.finish(waiting.added)?;
        self.look.finish(taken_back)
    }
}

impl Taker for Both<'_> {
    /// Of lines that are refunded, every outcome is kept.
    fn asks_for(&self, _: usize, _: usize) -> bool {
        true
    }

    fn keeps_originals(&self) -> bool {
        true
    }

    fn line(&mut self, line: &Line, evaluated: &Evaluated) -> Result<()> {
        self.collector.line(line, evaluated)?;
        self.look.line(line, evaluated)
    }
}

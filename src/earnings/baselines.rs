//! What windows are compared with, decided once: a close freezes a window's baseline, and only a correction
//! of the lines that it was measured by changes it. What becomes known later doesn't count in it. A line
//! keeps its source and id in whatever delivery it comes.

mod frozen;
mod rows;

pub use frozen::{CorrectedLines, FrozenBaseline, FrozenBaselines, Gone};
pub use rows::{Row, Rows};

use super::context::Context;
use super::measures::{Subject, company_of, customer_of, series, series_key};
use crate::eligibility::ParticipantMap;
use crate::ingest::InForceFile;
use earnest_core::calendar::Period;
use earnest_core::program::Redecide;
use earnest_core::program::measured::{Measured, Per};
use foldhash::fast::RandomState;
use std::collections::{HashMap, HashSet};

/// Baselines that closes froze, and what was corrected since.
pub struct Baselines<'a> {
    frozen: &'a FrozenBaselines,
    /// The oldest open cycle; `None`: none is closed.
    open: Option<Period>,
    looks: Vec<Look<'a>>,
    /// Days of lines that are gone and whether they take back, by whom they were sold by or to and the cycle
    /// that knew them.
    gone: HashMap<(u128, Period), Vec<(i32, bool)>, RandomState>,
}

/// Lines that counted when a cycle was closed.
struct Look<'a> {
    cycle: Period,
    /// By position of the file.
    known: Vec<bool>,
    /// Source and id of those that later files have.
    lost: HashSet<(i32, &'a str), RandomState>,
}

/// What a close said of a window's baseline.
pub enum Decided {
    /// Nothing: it is what is measured now.
    Open,
    /// It is so much, at amount scale.
    Frozen(FrozenBaseline),
    /// It was so much, but of the lines that counted at the close some are gone: it is what the others are now.
    Corrected(FrozenBaseline, Period),
}

impl<'a> Baselines<'a> {
    /// Finds whose lines are gone. `files` are those in force.
    pub fn new(
        context: &Context,
        (frozen, open): (&'a FrozenBaselines, Option<Period>),
        map: &ParticipantMap,
        files: &[InForceFile],
    ) -> Baselines<'a> {
        let mut baselines = Baselines { frozen, open, looks: Vec::new(), gone: HashMap::default() };
        for CorrectedLines { cycle, known, lost, gone } in &frozen.corrected {
            let known = files.iter().map(|file| known.contains(&file.path)).collect();
            let source = |name: &String| context.names.sources.key(name);
            let lost = lost.iter().filter_map(|(name, id)| Some((source(name)?, id.as_str())));
            baselines.looks.push(Look { cycle: *cycle, known, lost: lost.collect() });
            for gone in gone {
                baselines.note(context, map, *cycle, gone);
            }
        }
        baselines
    }

    /// Notes a line that is gone for everybody whose baselines it may have been in, by today's map.
    fn note(&mut self, context: &Context, map: &ParticipantMap, cycle: Period, gone: &Gone) {
        for (position, program) in context.programs.iter().enumerate() {
            let levers = program.levers.iter().enumerate();
            let levers =
                levers.filter_map(|(place, lever)| Some((place, lever.measured.as_ref()?)));
            let levers: Vec<(usize, &Measured)> =
                levers.filter(|(_, measured)| measured.compares()).collect();
            if levers.is_empty() {
                continue;
            }
            for (_, partner) in gone.roles().filter(|(role, _)| program.pays.contains(role)) {
                let Ok(participant) = map.on(position, partner, gone.on) else { continue };
                // Nobody's windows are of whom no line names.
                let Some(participant) = context.names.participants.key(participant) else {
                    continue;
                };
                for (lever, measured) in &levers {
                    let place = (position, participant);
                    let company = company_of(context, measured, place, Period::of(gone.on));
                    let customer = customer_of(measured, gone.customer.as_deref());
                    let whose = series_key(position, *lever, participant, company, customer);
                    let line = (gone.on.to_epoch_days(), gone.takes_back);
                    self.gone.entry((whose, cycle)).or_default().push(line);
                }
            }
        }
    }

    /// The cycles, of those since whose close lines were corrected, at whose close a line counted.
    pub fn counted(&self, file: usize, (source, id): (i32, &str)) -> impl Iterator<Item = Period> {
        let counted = move |look: &&Look| look.known[file] || look.lost.contains(&(source, id));
        self.looks.iter().filter(counted).map(|look| look.cycle)
    }

    /// What a close said of the baseline of a subject's window.
    pub fn decided(
        &self,
        context: &Context,
        measured: &Measured,
        (subject, window): (&Subject, Period),
    ) -> Decided {
        if self.frozen.is_empty() || measured.redecide == Redecide::Always {
            return Decided::Open;
        }
        let program = &context.programs[subject.program].program;
        let (whose, named) =
            (whose(context, measured, subject), named(context, measured, (subject, window)));
        let Some(frozen) = self.frozen.get((program, &whose, &named)) else { return Decided::Open };
        let days = measured.baseline.and_then(|on| on.days(measured.window, window));
        if let (Some(cycle), Some((first, last))) = (frozen.closed_by, days)
            && let Some(gone) = self.gone.get(&(series(subject), cycle))
        {
            let (first, last) = (first.to_epoch_days(), last.to_epoch_days());
            if gone.iter().any(|(on, takes_back)| first <= *on && (*on <= last || *takes_back)) {
                return Decided::Corrected(frozen, cycle);
            }
        }
        Decided::Frozen(frozen)
    }

    /// What `determinations` say of a window's baseline, at amount scale; `None`: what closed cycles' rows say.
    /// `first` is the first month in which something adds to the window.
    pub fn row(
        &self,
        context: &Context,
        measured: &Measured,
        (subject, window, first): (&Subject, Period, Period),
        (decided, baseline): (&Decided, i128),
    ) -> Option<Row> {
        let (_, last) = measured.baseline?.days(measured.window, window)?;
        let program = &context.programs[subject.program];
        let due = || {
            let day = measured.rules_day(window, first);
            let shares = program.shares_on(program.levers[subject.lever].pays_as, day);
            program.first_cycle_of(first, shares, self.open)
        };
        let (cycle, frozen) = match decided {
            Decided::Open => (due(), false),
            // Its row is a closed cycle's, or an earlier run decided it for good.
            Decided::Frozen(frozen) if frozen.kept => return None,
            Decided::Frozen(frozen) => (frozen.cycle, true),
            Decided::Corrected(frozen, _) if frozen.amount == baseline => return None,
            Decided::Corrected(..) => (due(), false),
        };
        Some(Row {
            program: subject.program,
            subject: whose(context, measured, subject),
            window: named(context, measured, (subject, window)),
            cycle,
            baseline,
            on: last.to_epoch_days(),
            frozen,
        })
    }
}

/// Whose baseline it is, as `determinations` name it: the participant, `company` and the company's id, the
/// participant and its customer.
fn whose(context: &Context, measured: &Measured, subject: &Subject) -> String {
    let participant = || context.names.participants.text(subject.participant);
    match (&subject.company, measured.per) {
        (Some(company), _) => format!("company {company}"),
        (None, Per::Customer) => {
            let customer = subject.customer.as_deref().unwrap_or_default();
            format!("{}, customer {customer}", participant())
        }
        (None, _) => participant().to_owned(),
    }
}

/// The lever, the first and last month of the window, the first and last day of what it is compared with.
fn named(context: &Context, measured: &Measured, (subject, window): (&Subject, Period)) -> String {
    let lever = &context.programs[subject.program].levers[subject.lever].lever;
    let last = measured.window.last(window);
    match measured.baseline.and_then(|on| on.days(measured.window, window)) {
        Some((from, until)) => format!("{lever} {window}..{last} {from}..{until}"),
        None => format!("{lever} {window}..{last}"),
    }
}

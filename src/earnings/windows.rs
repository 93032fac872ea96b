//! What the windows of measures earn, month by month; and of a company's, what each location does.

mod location;
mod nothing;

use super::baselines::{self, Decided};
use super::context::Context;
use super::measures::{
    Added, ByDay, Part, Record, Revenue, Subject, WindowKey, add_to, series, window_key,
};
use crate::error::Result;
use crate::warehouse::{Records, Spill};
use earnest_core::calendar::Period;
use earnest_core::decimal::{Unit, sum};
use earnest_core::earning::Terms;
use earnest_core::measure::{Adds, Booked, Step, WindowTerms, by_location, rounded, steps};
use earnest_core::program::measured::{Baseline, Measured};
use location::Location;
use nothing::{add_roster, due_at_end, nothing};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The earning of a subject's window in a period by the same rules, or why there is none.
#[derive(Serialize, Deserialize)]
pub struct Solved {
    pub subject: Subject,
    pub window: Period,
    pub booked: Booked,
    /// `None`: what it is compared with lacks an exchange rate, so the window's lines are held.
    pub earned: Option<Earned>,
    pub role: i32,
    /// Key, or negative; as the source.
    pub partner: i32,
    pub source: i32,
    /// Sum of the parts' measures, which shares are taken of.
    pub parts: i128,
    /// `None`: no line of the period is the subject's.
    pub last: Option<Part>,
}

#[derive(Serialize, Deserialize)]
pub struct Earned {
    /// Of the whole measure.
    pub step: Step,
    /// The subject's own part of what the window earned up to the month before, and up to it, at money
    /// scale; all of it but for companies.
    pub before: i128,
    pub after: i128,
    /// What the subject added in the month, at amount scale.
    pub measured: i128,
    pub baseline: Option<i128>,
    /// What was measured over the days before, if that picks the tier.
    pub trailing: Option<i128>,
    pub terms: Terms,
    /// Key of the term.
    pub term: i32,
}

impl Solved {
    fn of(added: Added, earned: Option<Earned>) -> Solved {
        let Added { subject, window, booked, role, partner, source, parts, last, .. } = added;
        Solved { subject, window, booked, earned, role, partner, source, parts, last }
    }
}

impl Earned {
    /// What the month earns, at money scale.
    pub fn amount(&self) -> i128 {
        self.after - self.before
    }
}

/// What measured levers earn, by period; `windows.rs` says how.
pub struct Measures {
    solved: Spill<Period>,
    /// Rows of `determinations`.
    pub baselines: baselines::Rows,
}

impl Measures {
    /// Nothing, yet.
    pub fn new(context: &Context) -> Measures {
        let baselines = baselines::Rows::new(context.store);
        Measures { solved: Spill::new(context.store), baselines }
    }

    /// The periods in which something is earned, in order.
    pub fn periods(&self) -> Vec<Period> {
        self.solved.parts()
    }

    /// What is earned in a period: each a [`SolvedWindow`].
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn of(&self, period: Period) -> Result<Records> {
        self.solved.read(period)
    }
}

/// What a subject's lines add to a window, in order of where it is booked.
struct Window {
    key: WindowKey,
    months: Vec<Added>,
}

/// A window and what it earns in a period.
pub type SolvedWindow = (WindowKey, Solved);

/// Earns every window, month by month, bucket by bucket.
///
/// # Errors
/// If the disk refuses, or on overflow.
pub fn solve(context: &Context, records: &Spill<usize>) -> Result<Measures> {
    add_roster(context, records)?;
    let measures = Measures::new(context);
    records.parts().into_par_iter().try_for_each(|bucket| {
        let (windows, revenue) = bucket_of(context, &records.read(bucket)?)?;
        let (mut solved, mut compared) = (measures.solved.writer(), measures.baselines.writer());
        for windows in windows {
            let (months, baseline) = solve_whole(context, windows, &revenue)?;
            for window in months {
                solved.add(window.1.booked.period, &window)?;
            }
            if let Some(row) = baseline {
                compared.add(bucket, &row)?;
            }
        }
        solved.finish()?;
        compared.finish()
    })?;
    Ok(measures)
}

/// The windows of a bucket, those of a company together; and what they are compared with.
fn bucket_of(context: &Context, records: &Records) -> Result<(Vec<Vec<Window>>, Revenue)> {
    let mut windows: HashMap<WindowKey, Window, foldhash::fast::RandomState> = HashMap::default();
    let mut revenue = Revenue::default();
    for record in records.iter() {
        match record? {
            Record::Added(key, added) => {
                let window =
                    windows.entry(key).or_insert_with(|| Window { key, months: Vec::new() });
                window.months.push(added);
            }
            Record::Revenue(key, day, amount) => {
                let days = revenue.now.entry(key).or_default();
                add_to(days.entry(day).or_insert(Some(0)), amount)?;
            }
            Record::Then(cycle, key, day, amount) => {
                let days = revenue.then.entry((key, cycle)).or_default();
                add_to(days.entry(day).or_insert(Some(0)), amount)?;
            }
        }
    }
    // Only a company's window is of several subjects.
    let mut of_companies: BTreeMap<(u128, Period), Vec<Window>> = BTreeMap::new();
    let mut whole = Vec::with_capacity(windows.len());
    for window in windows.into_values() {
        let window = window.in_order(context)?;
        let Some(added) = window.months.first() else { continue };
        if added.subject.company.is_some() {
            let of = (series(&added.subject), added.window);
            of_companies.entry(of).or_default().push(window);
        } else {
            whole.push(vec![window]);
        }
    }
    whole.extend(of_companies.into_values());
    Ok((whole, revenue))
}

impl Window {
    /// What is booked alike once, in order, with the last one if something is due then.
    fn in_order(mut self, context: &Context) -> Result<Window> {
        self.months.sort_by_key(|added| added.booked);
        let mut months: Vec<Added> = Vec::with_capacity(self.months.len());
        for added in self.months {
            match months.last_mut() {
                Some(known) if known.booked == added.booked => known.merge(added)?,
                _ => months.push(added),
            }
        }
        if let Some(any) = months.first()
            && let Some(last) = due_at_end(context, any).map(Booked::own)
        {
            match months.binary_search_by_key(&last, |added| added.booked) {
                Ok(place) => months[place].own = true,
                Err(place) => {
                    let program = &context.programs[any.subject.program];
                    let nothing = nothing(program, any.subject.clone(), (any.window, last));
                    months.insert(place, nothing);
                }
            }
        }
        Ok(Window { key: self.key, months })
    }
}

/// Earns a measure's window for all its subjects: one, or a company's locations. Gives what `determinations`
/// say of its baseline too.
fn solve_whole(
    context: &Context,
    mut windows: Vec<Window>,
    revenue: &Revenue,
) -> Result<(Vec<SolvedWindow>, Option<baselines::Row>)> {
    windows.sort_by_key(|window| window.months.first().map(|added| added.subject.participant));
    let Some(any) = windows.first().and_then(|window| window.months.first()) else {
        return Ok((Vec::new(), None));
    };
    let (subject, window) = (any.subject.clone(), any.window);
    let program = &context.programs[subject.program];
    let Some(measured) = &program.levers[subject.lever].measured else {
        return Ok((Vec::new(), None));
    };
    let payee = payee(context, measured, &subject);
    if let Some(payee) = payee
        && !windows.iter().any(|window| window.is_of(payee))
    {
        let subject = Subject { participant: payee, ..subject.clone() };
        windows.push(Window { key: window_key(&subject, window), months: Vec::new() });
    }
    let mut months: BTreeMap<Booked, Adds> = BTreeMap::new();
    for added in windows.iter().flat_map(|window| &window.months) {
        let adds = months.entry(added.booked).or_default();
        adds.exact = sum([adds.exact, added.exact])?;
        adds.own |= added.own;
    }
    let months: Vec<(Booked, Adds)> = months.into_iter().collect();
    let whole = Whole { context, subject, window, measured, payee };
    let decided = whole.decided();
    let Some((baseline, trailing)) = whole.compared(revenue, &decided)? else {
        return Ok((whole.held(windows), None));
    };
    let row = whole.row(&months, (&decided, baseline));
    let Some(table) = measured.table(window) else { return Ok((whole.held(windows), row)) };
    let (last, unit) = (measured.window.last(window), whole.unit());
    let terms = WindowTerms { measured, table, last, baseline, trailing, unit };
    let steps = steps(&terms, &months)?;
    Ok((whole.solved(windows, steps, (baseline, trailing))?, row))
}

impl Window {
    fn is_of(&self, participant: i32) -> bool {
        self.months.iter().any(|added| added.subject.participant == participant)
    }
}

/// To whom all of a company's earnings are declared to be paid.
fn payee(context: &Context, measured: &Measured, subject: &Subject) -> Option<i32> {
    let payee = measured.payees.get(subject.company.as_ref()?)?;
    context.names.participants.key(payee)
}

/// A measure's window.
struct Whole<'a> {
    context: &'a Context<'a>,
    /// One of those whose it is.
    subject: Subject,
    window: Period,
    measured: &'a Measured,
    payee: Option<i32>,
}

impl Whole<'_> {
    fn unit(&self) -> Unit {
        self.context.facts[self.subject.program].unit
    }

    /// What a close said of the baseline.
    fn decided(&self) -> Decided {
        match &self.context.baselines {
            Some(baselines) if self.measured.compares() => {
                baselines.decided(self.context, self.measured, (&self.subject, self.window))
            }
            _ => Decided::Open,
        }
    }

    /// What `determinations` say of the baseline. `months` are those that add to the window, in order.
    fn row(&self, months: &[(Booked, Adds)], decided: (&Decided, i128)) -> Option<baselines::Row> {
        let (first, _) = months.first()?;
        let baselines = self.context.baselines.as_ref()?;
        let of = (&self.subject, self.window, first.period);
        baselines.row(self.context, self.measured, of, decided)
    }

    /// Baseline (0 without one) and measure of the days before, at amount scale; `None` if they aren't
    /// known.
    fn compared(
        &self,
        revenue: &Revenue,
        decided: &Decided,
    ) -> Result<Option<(i128, Option<i128>)>> {
        let series = series(&self.subject);
        let sold = match decided {
            Decided::Open => revenue.now.get(&series),
            Decided::Frozen(frozen) => return Ok(Some((frozen.amount, None))),
            Decided::Corrected(_, cycle) => revenue.then.get(&(series, *cycle)),
        };
        let nothing = BTreeMap::new();
        let sold = sold.unwrap_or(&nothing);
        let Some(days) = self.measured.trailing_days else {
            return Ok(self.baseline(sold)?.map(|baseline| (baseline, None)));
        };
        let end = self.window.end().to_epoch_days();
        let mut exact = 0;
        for (_, amount) in sold.range(end - days.cast_signed()..end) {
            let Some(amount) = amount else { return Ok(None) };
            exact = sum([exact, *amount])?;
        }
        Ok(Some((0, Some(self.rounded(exact)?))))
    }

    /// The baseline by what was sold, at amount scale; `None` if it lacks an exchange rate.
    fn baseline(&self, sold: &ByDay) -> Result<Option<i128>> {
        let first = |window: Period| window.first_day().to_epoch_days();
        Ok(match self.measured.baseline {
            None => Some(0),
            Some(Baseline::Fixed(amount)) => Some(amount),
            Some(Baseline::HighWater) => {
                let mut mark = 0;
                for (_, amount) in sold.range(..first(self.window)) {
                    let Some(amount) = amount else { return Ok(None) };
                    mark = self.rounded(*amount)?.max(mark);
                }
                Some(mark)
            }
            Some(one @ (Baseline::LastYear | Baseline::Previous)) => {
                let compared = one.first(self.measured.window, self.window);
                match compared.map_or(Some(&Some(0)), |window| sold.get(&first(window))) {
                    None => Some(0),
                    Some(exact) => exact.map(|exact| self.rounded(exact)).transpose()?,
                }
            }
        })
    }

    fn rounded(&self, exact: i128) -> Result<i128> {
        Ok(rounded(self.measured.of, exact, self.unit())?)
    }

    /// What is known of windows that don't earn for want of an exchange rate.
    fn held(&self, windows: Vec<Window>) -> Vec<SolvedWindow> {
        let months = windows
            .into_iter()
            .flat_map(|window| window.months.into_iter().map(move |added| (window.key, added)));
        let with_lines = months.filter(|(_, added)| added.last.is_some());
        with_lines.map(|(key, added)| (key, Solved::of(added, None))).collect()
    }

    /// Each subject's part of each step. Months in which a subject adds and earns nothing are left out.
    fn solved(
        &self,
        windows: Vec<Window>,
        steps: Vec<Step>,
        compared: (i128, Option<i128>),
    ) -> Result<Vec<SolvedWindow>> {
        let mut parts: Vec<Location> = windows.into_iter().map(Location::new).collect();
        let mut solved = Vec::with_capacity(steps.len() * parts.len());
        for step in steps {
            for part in &mut parts {
                part.add(step.booked, self)?;
            }
            let afters = self.afters(&parts, &step)?;
            for (part, after) in parts.iter_mut().zip(afters) {
                let before = std::mem::replace(&mut part.earned, after);
                let added = part.now.take();
                let lines = added.as_ref().is_some_and(|added| added.last.is_some());
                if !lines && before == after {
                    continue;
                }
                let measured = part.cumulated - part.cumulated_before;
                let step = Step { ..step.clone() };
                let own = (before, after, measured);
                let earned = self.earned(step, own, compared);
                solved.push((part.key, part.solved(added, self, earned)));
            }
        }
        Ok(solved)
    }

    /// What each location has earned up to a step.
    fn afters(&self, parts: &[Location], step: &Step) -> Result<Vec<i128>> {
        if self.subject.company.is_none() {
            return Ok(vec![step.after]);
        }
        let weight = |part: &Location| match self.payee {
            Some(payee) => i128::from(part.subject(self).participant == payee),
            None => part.cumulated,
        };
        let weights: Vec<i128> = parts.iter().map(weight).collect();
        Ok(by_location(step.after, &weights, self.unit())?)
    }

    fn earned(
        &self,
        step: Step,
        (before, after, measured): (i128, i128, i128),
        (baseline, trailing): (i128, Option<i128>),
    ) -> Earned {
        let program = &self.context.programs[self.subject.program];
        let month = step.booked.rules;
        let day = self.measured.rules_day(self.window, month);
        let pays_as = program.levers[self.subject.lever].pays_as;
        let term = program.term_on(day).or_else(|| program.term_on(month.last_day()));
        let term = term.or_else(|| program.term_on(month.first_day()));
        let unit = self.unit();
        Earned {
            terms: Terms {
                rate: step.rate(),
                shares: program.shares_on(pays_as, day),
                exchange_rate: self.context.one(),
                unit,
                program_unit: unit,
            },
            baseline: self.measured.baseline.map(|_| baseline),
            trailing,
            term: term
                .and_then(|term| self.context.names.terms.key(&term.term))
                .unwrap_or_default(),
            step,
            before,
            after,
            measured,
        }
    }
}

//! Levers over a measure. First look: what every line adds to which window of whom. Then the windows
//! are earned, month by month. Closure key: participant (or its customer); windows span periods, so
//! this is done before rows are written.

use super::context::Context;
use super::evaluate::{Evaluated, Outcome, Verdict};
use super::rows::Line;
use super::unit::{self, Original, RefundLine, Taker};
use super::{PeriodFiles, largest_first};
use crate::error::Result;
use earnest_core::calendar::Period;
use earnest_core::decimal::{AMOUNT_SCALE, EXACT_SCALE, Rounding, exact, rescale, sum, widened};
use earnest_core::earning::Terms;
use earnest_core::id;
use earnest_core::measure::{Step, WindowTerms, rounded, steps};
use earnest_core::program::measured::{Baseline, Measured, Per, Quantity};
use earnest_core::program::{Grain, Lever, Program};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// What a measure is of: program, lever, participant and, if it is per customer, the customer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    pub program: usize,
    pub lever: usize,
    pub participant: i32,
    pub customer: Option<String>,
}

/// A subject's window, by the digest of both.
pub type WindowKey = u128;

/// What a transaction (or a piece of a refund) adds, and what its share of the earning is found by.
#[derive(Clone, Debug)]
pub struct Part {
    pub source: i32,
    pub transaction_id: String,
    pub original: Option<String>,
    pub currency: i32,
    /// At amount scale, in transaction currency.
    pub base: i128,
    /// At amount scale, in program currency or units.
    pub measured: i128,
}

impl Part {
    pub fn key(&self) -> (i32, &str, Option<&str>) {
        (self.source, &self.transaction_id, self.original.as_deref())
    }
}

/// What the lines of one window add in one period.
#[derive(Clone, Debug)]
struct Added {
    subject: Subject,
    /// First month of the window.
    window: Period,
    /// At exact scale.
    exact: i128,
    /// Sum of the parts' measures.
    parts: i128,
    role: i32,
    partner: i32,
    source: i32,
    /// The last part in key order: it takes the rest.
    last: Part,
}

/// The earning of a window in a period, or why there is none.
pub struct Solved {
    pub subject: Subject,
    pub window: Period,
    /// `None`: the baseline lacks an exchange rate, so the window's lines are held.
    pub earned: Option<Earned>,
    pub role: i32,
    pub partner: i32,
    pub source: i32,
    /// Sum of the parts' measures, which shares are taken of.
    pub parts: i128,
    pub last: Part,
}

pub struct Earned {
    pub step: Step,
    pub baseline: Option<i128>,
    pub terms: Terms,
    /// Key of the term.
    pub term: i32,
}

/// All earnings of measured levers, by period and window.
#[derive(Default)]
pub struct Measures {
    pub by_period: HashMap<Period, HashMap<WindowKey, Solved, foldhash::fast::RandomState>>,
}

type AddedByWindow = HashMap<WindowKey, Added, foldhash::fast::RandomState>;

/// Revenue of a subject in a window that baselines look at: at exact scale; `None` if a line of it has
/// no exchange rate.
type Revenue = HashMap<WindowKey, Option<i128>, foldhash::fast::RandomState>;

/// Finds what measured levers earn; nothing is read if no program has one.
///
/// # Errors
/// If a file can't be read, or on overflow.
pub fn measure(context: &Context, periods: &[PeriodFiles]) -> Result<Measures> {
    let any = context.programs.iter().flat_map(|program| &program.levers);
    if !any.into_iter().any(|lever| lever.measured.is_some()) {
        return Ok(Measures::default());
    }
    let units: Vec<Unit> = largest_first(periods)
        .into_iter()
        .par_bridge()
        .map(|(period, files)| {
            let mut collector = Collector::new(context, *period);
            let aside = unit::read_lines(context, *period, files, &mut collector)?;
            let Collector { added, revenue, .. } = collector;
            Ok(Unit {
                period: *period,
                added,
                revenue,
                refunds: aside.refunds,
                originals: aside.originals,
            })
        })
        .collect::<Result<_>>()?;
    let mut originals = HashMap::new();
    let mut refunds = Vec::new();
    let mut revenue = Revenue::default();
    let mut added: BTreeMap<Period, AddedByWindow> = BTreeMap::new();
    for unit in units {
        originals.extend(unit.originals);
        refunds.extend(unit.refunds.into_iter().map(|refund| (unit.period, refund)));
        added.insert(unit.period, unit.added);
        for (key, amount) in unit.revenue {
            add_revenue(&mut revenue, key, amount)?;
        }
    }
    for (period, refund) in &refunds {
        let added = added.entry(*period).or_default();
        add_pieces(context, refund, &originals, added, &mut revenue)?;
    }
    solve(context, added, &revenue)
}

struct Unit {
    period: Period,
    added: AddedByWindow,
    revenue: Revenue,
    refunds: Vec<RefundLine>,
    originals: HashMap<(i32, String), Original>,
}

/// The first look at a period.
struct Collector<'a> {
    context: &'a Context<'a>,
    period: Period,
    added: AddedByWindow,
    revenue: Revenue,
}

impl<'a> Collector<'a> {
    fn new(context: &'a Context<'a>, period: Period) -> Collector<'a> {
        Collector { context, period, added: HashMap::default(), revenue: HashMap::default() }
    }
}

impl Taker for Collector<'_> {
    /// Aggregates matter too: a refund that is netted within one isn't linked.
    fn asks_for(&self, program: usize, lever: usize) -> bool {
        let lever = &self.context.programs[program].levers[lever];
        lever.measured.is_some() || lever.grain == Grain::CustomerProductGroupPeriod
    }

    fn line(&mut self, line: &Line, evaluated: &Evaluated) -> Result<()> {
        for outcome in &evaluated.outcomes {
            let Verdict::Measured(terms) = &outcome.verdict else { continue };
            let (program, lever) = rules(self.context, outcome);
            let Some(measured) = &lever.measured else { continue };
            let adds = line_adds(measured.of, terms.exchange_rate, line)?;
            let window = measured.window.first(self.period, program.fiscal_year_start);
            let part = Part {
                source: line.source,
                transaction_id: String::new(),
                original: None,
                currency: line.currency,
                base: line.base,
                measured: rescale(adds, EXACT_SCALE, AMOUNT_SCALE, Rounding::default())?,
            };
            let id = line.transaction_id.unwrap_or_default();
            add(
                self.context,
                &mut self.added,
                outcome,
                (line.customer_id, id),
                window,
                adds,
                part,
            )?;
        }
        for &(program, lever, participant) in &evaluated.baselines {
            let rules = &self.context.programs[program];
            let Some(measured) = &rules.levers[lever].measured else { continue };
            let rate = self.context.exchange_rate(program, line.currency, self.period);
            let adds = match (measured.of, rate) {
                (Quantity::Amount, None) => None,
                (of, rate) => Some(line_adds(of, rate.unwrap_or_default(), line)?),
            };
            let window = measured.window.first(self.period, rules.fiscal_year_start);
            let customer = line.customer_id.filter(|_| measured.per == Per::Customer);
            let key = window_key(program, lever, participant, customer, window);
            add_revenue(&mut self.revenue, key, adds)?;
        }
        Ok(())
    }
}

fn add_revenue(revenue: &mut Revenue, key: WindowKey, adds: Option<i128>) -> Result<()> {
    let before = revenue.entry(key).or_insert(Some(0));
    *before = match (*before, adds) {
        (Some(before), Some(adds)) => Some(sum([before, adds])?),
        _ => None,
    };
    Ok(())
}

fn rules<'a>(context: &Context<'a>, outcome: &Outcome) -> (&'a Program, &'a Lever) {
    let program = &context.programs[outcome.program];
    (program, &program.levers[outcome.lever])
}

/// The key of a subject's window.
pub fn window_key(
    program: usize,
    lever: usize,
    participant: i32,
    customer: Option<&str>,
    window: Period,
) -> WindowKey {
    let month = window.year() * 12 + window.month().cast_signed();
    id::digest([
        &(program as u64).to_le_bytes()[..],
        &(lever as u64).to_le_bytes(),
        &participant.to_le_bytes(),
        &month.to_le_bytes(),
        &[u8::from(customer.is_some())],
        customer.unwrap_or_default().as_bytes(),
    ])
}

/// The customer that a measure is kept by, of a line.
pub fn customer_of<'a>(measured: &Measured, customer: Option<&'a str>) -> Option<&'a str> {
    customer.filter(|_| measured.per == Per::Customer)
}

fn add(
    context: &Context,
    added: &mut AddedByWindow,
    outcome: &Outcome,
    (customer, id): (Option<&str>, &str),
    window: Period,
    adds: i128,
    part: Part,
) -> Result<()> {
    let (_, lever) = rules(context, outcome);
    let customer = lever.measured.as_ref().and_then(|measured| customer_of(measured, customer));
    let (program, lever) = (outcome.program, outcome.lever);
    let subject = outcome.subject;
    let key = window_key(program, lever, subject.participant, customer, window);
    let place = (part.source, id, part.original.as_deref());
    match added.get_mut(&key) {
        Some(known) => {
            known.exact = sum([known.exact, adds])?;
            known.parts = sum([known.parts, part.measured])?;
            known.role = known.role.min(subject.role);
            known.partner = known.partner.min(subject.partner);
            known.source = known.source.min(part.source);
            if known.last.key() < place {
                known.last = Part { transaction_id: id.to_owned(), ..part };
            }
        }
        None => {
            let subject_key = Subject {
                program,
                lever,
                participant: subject.participant,
                customer: customer.map(str::to_owned),
            };
            added.insert(
                key,
                Added {
                    subject: subject_key,
                    window,
                    exact: adds,
                    parts: part.measured,
                    role: subject.role,
                    partner: subject.partner,
                    source: part.source,
                    last: Part { transaction_id: id.to_owned(), ..part },
                },
            );
        }
    }
    Ok(())
}

/// What a line adds to a measure, at exact scale.
///
/// # Errors
/// On overflow.
pub fn line_adds(of: Quantity, exchange_rate: i128, line: &Line) -> Result<i128> {
    Ok(match of {
        Quantity::Amount => exact(line.base, exchange_rate)?,
        Quantity::Quantity => widened(line.quantity)?,
    })
}

/// What a piece of a refund takes back from its original's measure, at exact scale.
///
/// # Errors
/// On overflow.
pub fn piece_adds(
    of: Quantity,
    exchange_rate: i128,
    original: &Original,
    (before, cumulated, base): (i128, i128, i128),
) -> Result<i128> {
    Ok(match of {
        Quantity::Amount => exact(before - cumulated, exchange_rate)?,
        Quantity::Quantity => {
            let units = |refunded| {
                earnest_core::decimal::round_ratio_by(
                    original.quantity,
                    refunded,
                    base,
                    Rounding::default(),
                )
            };
            widened(units(before)? - units(cumulated)?)?
        }
    })
}

/// Linked refunds count in the window of what they refund, in their own period.
fn add_pieces(
    context: &Context,
    refund: &RefundLine,
    originals: &HashMap<(i32, String), Original>,
    added: &mut AddedByWindow,
    revenue: &mut Revenue,
) -> Result<()> {
    let names = &context.names;
    let key = (names.sources.text(refund.source).to_owned(), refund.transaction_id.clone());
    for reversal in context.links.refunds.get(&key).into_iter().flatten() {
        let (source, id) = &reversal.original;
        let original_key = (names.sources.key(source).unwrap_or_default(), id.clone());
        let Some(original) = originals.get(&original_key).filter(|_| reversal.excess == 0) else {
            continue;
        };
        let base = context.links.originals.get(&reversal.original).copied().unwrap_or(1);
        let taken = (reversal.before, reversal.cumulated, base);
        let customer = refund.customer_id.as_deref();
        for outcome in &original.evaluated.outcomes {
            let Verdict::Measured(terms) = &outcome.verdict else { continue };
            let (program, lever) = rules(context, outcome);
            let Some(measured) = &lever.measured else { continue };
            let adds = piece_adds(measured.of, terms.exchange_rate, original, taken)?;
            let window = measured.window.first(original.period, program.fiscal_year_start);
            let part = Part {
                source: refund.source,
                transaction_id: String::new(),
                original: Some(id.clone()),
                currency: refund.currency,
                base: reversal.before - reversal.cumulated,
                measured: rescale(adds, EXACT_SCALE, AMOUNT_SCALE, Rounding::default())?,
            };
            let named =
                (original.customer_id.as_deref().or(customer), refund.transaction_id.as_str());
            add(context, added, outcome, named, window, adds, part)?;
        }
        for &(program, lever, participant) in &original.evaluated.baselines {
            let rules = &context.programs[program];
            let Some(measured) = &rules.levers[lever].measured else { continue };
            let rate = context.exchange_rate(program, refund.currency, original.period);
            let adds = match (measured.of, rate) {
                (Quantity::Amount, None) => None,
                (of, rate) => Some(piece_adds(of, rate.unwrap_or_default(), original, taken)?),
            };
            let window = measured.window.first(original.period, rules.fiscal_year_start);
            let customer = customer_of(measured, original.customer_id.as_deref());
            add_revenue(revenue, window_key(program, lever, participant, customer, window), adds)?;
        }
    }
    Ok(())
}

/// Earns every window, month by month.
fn solve(
    context: &Context,
    added: BTreeMap<Period, AddedByWindow>,
    revenue: &Revenue,
) -> Result<Measures> {
    let mut windows: HashMap<WindowKey, Vec<(Period, Added)>, foldhash::fast::RandomState> =
        HashMap::default();
    for (period, added) in added {
        for (key, added) in added {
            windows.entry(key).or_default().push((period, added));
        }
    }
    let solved: Vec<Vec<(Period, WindowKey, Solved)>> = windows
        .into_par_iter()
        .map(|(key, months)| solve_window(context, key, months, revenue))
        .collect::<Result<_>>()?;
    let mut measures = Measures::default();
    for (period, key, solved) in solved.into_iter().flatten() {
        measures.by_period.entry(period).or_default().insert(key, solved);
    }
    Ok(measures)
}

fn solve_window(
    context: &Context,
    key: WindowKey,
    months: Vec<(Period, Added)>,
    revenue: &Revenue,
) -> Result<Vec<(Period, WindowKey, Solved)>> {
    let Some((_, first)) = months.first() else { return Ok(Vec::new()) };
    let (subject, window) = (&first.subject, first.window);
    let program = &context.programs[subject.program];
    let lever = &program.levers[subject.lever];
    let Some(measured) = &lever.measured else { return Ok(Vec::new()) };
    let minor_units = context.facts[subject.program].minor_units;
    let baseline = baseline(subject, measured, window, revenue, minor_units)?;
    let table = measured.table(window);
    let steps = match (baseline, table) {
        (Some(baseline), Some(table)) => {
            let terms = WindowTerms { measured, table, baseline, minor_units };
            let adds: Vec<_> =
                months.iter().map(|(period, added)| (*period, added.exact)).collect();
            steps(&terms, &adds)?.into_iter().map(Some).collect()
        }
        _ => vec![None; months.len()],
    };
    let mut solved = Vec::with_capacity(months.len());
    for ((period, added), step) in months.into_iter().zip(steps) {
        let day = measured.rules_day(window, period);
        let term = program.term_on(day).or_else(|| program.term_on(period.last_day()));
        let term = term.or_else(|| program.term_on(period.first_day()));
        let earned = step.map(|step| Earned {
            terms: Terms {
                rate: step.rate(),
                shares: program.shares_on(lever.pays_as, day),
                exchange_rate: context.one(),
                minor_units,
                program_minor_units: minor_units,
            },
            baseline: measured.baseline.and(baseline),
            term: term.and_then(|term| context.names.terms.key(&term.term)).unwrap_or_default(),
            step,
        });
        let Added { subject, window, role, partner, source, parts, last, .. } = added;
        let window = Solved { subject, window, earned, role, partner, source, parts, last };
        solved.push((period, key, window));
    }
    Ok(solved)
}

/// What a window is compared with, at amount scale: 0 without a baseline; `None` if it isn't known.
fn baseline(
    subject: &Subject,
    measured: &Measured,
    window: Period,
    revenue: &Revenue,
    minor_units: u32,
) -> Result<Option<i128>> {
    let Some(baseline) = measured.baseline else { return Ok(Some(0)) };
    let Some(first) = baseline.first(measured.window, window) else {
        let Baseline::Fixed(amount) = baseline else { return Ok(Some(0)) };
        return Ok(Some(amount));
    };
    let Subject { program, lever, participant, customer } = subject;
    let key = window_key(*program, *lever, *participant, customer.as_deref(), first);
    match revenue.get(&key) {
        None => Ok(Some(0)),
        Some(None) => Ok(None),
        Some(Some(exact)) => Ok(Some(rounded(measured.of, *exact, minor_units)?)),
    }
}

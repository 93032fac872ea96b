//! Levers over a measure. First look: what every line adds to which window of whom; then the windows
//! are earned (`windows.rs`). Closure key: participant (or its customer), or company; windows span
//! periods, so this is done before rows are written.

mod by_window;

use super::context::Context;
use super::evaluate::{Evaluated, Outcome, Verdict};
use super::originals::{Original, Originals};
use super::rows::Line;
use super::unit::RefundLine;
use crate::error::Result;
use crate::warehouse::Spill;
use by_window::AddedByWindow;
use earnest_core::calendar::Period;
use earnest_core::decimal::{AMOUNT_SCALE, EXACT_SCALE, Rounding, exact, rescale, sum, widened};
use earnest_core::id;
use earnest_core::measure::Booked;
use earnest_core::program::measured::{Measured, Per, Quantity};
use earnest_core::program::{Lever, Program};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Whose part of a measure it is: program, lever, participant and, if it is per customer, the customer;
/// if per company, the company, where the participant belongs to one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    pub program: usize,
    pub lever: usize,
    pub participant: i32,
    pub company: Option<String>,
    pub customer: Option<String>,
}

/// A subject's window, by the digest of both.
pub type WindowKey = u128;

/// What a transaction (or a piece of a refund) adds, and what its share of the earning is found by.
#[derive(Clone, Debug, Serialize, Deserialize)]
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

/// What the lines of a subject's window add in one period under the same rules.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Added {
    pub subject: Subject,
    /// First month of the window.
    pub window: Period,
    pub booked: Booked,
    /// Some of it is the month's own: lines, or who is due something without one.
    pub own: bool,
    /// At exact scale.
    pub exact: i128,
    /// Sum of the parts' measures, which shares are taken of.
    pub parts: i128,
    pub role: i32,
    /// Key, or negative; as the source.
    pub partner: i32,
    pub source: i32,
    /// The last part in key order: it takes the rest. `None`: no line adds anything.
    pub last: Option<Part>,
}

/// What was sold to, or by, somebody, by first day of the window, or by day if days before pick its tier: at
/// exact scale; `None` if a line of it has no exchange rate.
pub type ByDay = BTreeMap<i32, Option<i128>>;

/// By key of whose it is.
#[derive(Default)]
pub struct Revenue {
    pub now: HashMap<u128, ByDay, foldhash::fast::RandomState>,
    /// Of the lines that counted when a cycle was closed, as they are now, if some of them were corrected.
    pub then: HashMap<(u128, Period), ByDay, foldhash::fast::RandomState>,
}

/// What lines add, as it waits until all lines have been looked at: what all subjects of a window have is
/// in one bucket, with the revenue that it is compared with.
#[derive(Serialize, Deserialize)]
pub enum Record {
    Added(WindowKey, Added),
    /// By key and day of [`Revenue`].
    Revenue(u128, i32, Option<i128>),
    /// The same, of lines that counted when a cycle was closed.
    Then(Period, u128, i32, Option<i128>),
}

/// Adds up what the lines of a period add to measures.
pub struct Collector<'a> {
    context: &'a Context<'a>,
    period: Period,
    added: AddedByWindow,
    /// By key and day of [`Revenue`].
    revenue: HashMap<(u128, i32), Option<i128>, foldhash::fast::RandomState>,
    then: HashMap<(Period, u128, i32), Option<i128>, foldhash::fast::RandomState>,
}

impl<'a> Collector<'a> {
    pub fn new(context: &'a Context<'a>, period: Period) -> Collector<'a> {
        Collector {
            context,
            period,
            added: AddedByWindow::default(),
            revenue: HashMap::default(),
            then: HashMap::default(),
        }
    }

    /// Hands over what was added up.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn finish(self, records: &Spill<usize>) -> Result<()> {
        let mut writer = records.writer();
        for (key, added) in self.added.chunks.into_iter().flatten() {
            let bucket = self.context.bucket(series(&added.subject));
            writer.add(bucket, &Record::Added(key, added))?;
        }
        for ((key, day), amount) in self.revenue {
            writer.add(self.context.bucket(key), &Record::Revenue(key, day, amount))?;
        }
        for ((cycle, key, day), amount) in self.then {
            writer.add(self.context.bucket(key), &Record::Then(cycle, key, day, amount))?;
        }
        writer.finish()
    }

    /// Takes what a line adds to measures, and to what they are compared with.
    ///
    /// # Errors
    /// On overflow.
    pub fn line(&mut self, line: &Line, evaluated: &Evaluated) -> Result<()> {
        for outcome in &evaluated.outcomes {
            let Verdict::Measured(terms) = &outcome.verdict else { continue };
            let Some(measured) = &rules(self.context, outcome).1.measured else { continue };
            let adds = line_adds(measured.of, terms.exchange_rate, line)?;
            let part = Part {
                source: line.source,
                transaction_id: String::new(),
                original: None,
                currency: line.currency,
                base: line.base,
                measured: rescale(adds, EXACT_SCALE, AMOUNT_SCALE, Rounding::default())?,
            };
            let id = line.transaction_id.unwrap_or_default();
            self.add(outcome, (line.customer_id, id), self.period, adds, part)?;
        }
        for &(program, lever, participant) in &evaluated.baselines {
            let rules = &self.context.programs[program];
            let Some(measured) = &rules.levers[lever].measured else { continue };
            let rate = self.context.exchange_rate(program, line.currency, self.period);
            let adds = match (measured.of, rate) {
                (Quantity::Amount, None) => None,
                (of, rate) => Some(line_adds(of, rate.unwrap_or_default(), line)?),
            };
            let company = company_of(self.context, measured, (program, participant), self.period);
            let customer = customer_of(measured, line.customer_id);
            let whose = series_key(program, lever, participant, company, customer);
            let day = counted_on(measured, line.transaction_on, self.period, rules);
            self.sold((whose, day), adds, &evaluated.counted)?;
        }
        Ok(())
    }

    /// Takes what somebody sold, and the closes at which that counted.
    fn sold(
        &mut self,
        (whose, day): (u128, i32),
        adds: Option<i128>,
        counted: &[Period],
    ) -> Result<()> {
        for cycle in counted {
            add_to(self.then.entry((*cycle, whose, day)).or_insert(Some(0)), adds)?;
        }
        add_to(self.revenue.entry((whose, day)).or_insert(Some(0)), adds)
    }

    /// Takes what a linked refund takes back: it counts in the window of what it refunds, in its own period.
    ///
    /// # Errors
    /// On overflow, or if what it refunds was not calculated.
    pub fn pieces(&mut self, refund: &RefundLine, originals: &Originals) -> Result<()> {
        let context = self.context;
        for (_, reversal) in refund.reversals(context).filter(|(_, one)| one.excess == 0) {
            let original = originals.of(reversal)?;
            let taken = (reversal.before, reversal.cumulated, reversal.base);
            let customer = refund.customer_id.as_deref();
            for outcome in &original.outcomes() {
                let Verdict::Measured(terms) = &outcome.verdict else { continue };
                let Some(measured) = &rules(context, outcome).1.measured else { continue };
                let adds = piece_adds(measured.of, terms.exchange_rate, original, taken)?;
                let part = Part {
                    source: refund.source,
                    transaction_id: String::new(),
                    original: Some(original.transaction_id.to_string()),
                    currency: refund.currency,
                    base: reversal.before - reversal.cumulated,
                    measured: rescale(adds, EXACT_SCALE, AMOUNT_SCALE, Rounding::default())?,
                };
                let customer = original.customer_id.as_deref().or(customer);
                let named = (customer, refund.transaction_id.as_str());
                self.add(outcome, named, original.period, adds, part)?;
            }
            for &(program, lever, participant) in &original.baselines {
                let rules = &context.programs[program];
                let Some(measured) = &rules.levers[lever].measured else { continue };
                let rate = context.exchange_rate(program, refund.currency, original.period);
                let adds = match (measured.of, rate) {
                    (Quantity::Amount, None) => None,
                    (of, rate) => Some(piece_adds(of, rate.unwrap_or_default(), original, taken)?),
                };
                let place = (program, participant);
                let company = company_of(context, measured, place, original.period);
                let customer = customer_of(measured, original.customer_id.as_deref());
                let whose = series_key(program, lever, participant, company, customer);
                let day = counted_on(measured, refund.transaction_on, original.period, rules);
                self.sold((whose, day), adds, &refund.counted)?;
            }
        }
        Ok(())
    }

    /// Adds a part to the window of a period.
    fn add(
        &mut self,
        outcome: &Outcome,
        (customer, id): (Option<&str>, &str),
        period: Period,
        adds: i128,
        part: Part,
    ) -> Result<()> {
        let context = self.context;
        let Some((key, window)) = window_of(context, outcome, (period, customer)) else {
            return Ok(());
        };
        let of = outcome.subject;
        let booked = booked(context, outcome, (period, self.period));
        let own = period == self.period;
        match self.added.get_mut((key, booked.rules)) {
            Some(known) => {
                known.exact = sum([known.exact, adds])?;
                known.own |= own;
                known.parts = sum([known.parts, part.measured])?;
                known.role = known.role.min(of.role);
                known.partner = known.partner.min(of.partner);
                known.source = known.source.min(part.source);
                let place = (part.source, id, part.original.as_deref());
                if known.last.as_ref().is_none_or(|last| last.key() < place) {
                    // Its text is written over: in a window of many lines, many are the last so far.
                    let kept = known.last.take().map(|last| last.transaction_id);
                    let mut transaction_id = kept.unwrap_or_default();
                    id.clone_into(&mut transaction_id);
                    known.last = Some(Part { transaction_id, ..part });
                }
            }
            None => {
                let subject = subject(context, outcome, (period, customer));
                let (role, partner, source, parts) =
                    (of.role, of.partner, part.source, part.measured);
                let last = Some(Part { transaction_id: id.to_owned(), ..part });
                let exact = adds;
                let new = Added {
                    subject,
                    window,
                    booked,
                    own,
                    exact,
                    parts,
                    role,
                    partner,
                    source,
                    last,
                };
                self.added.insert(key, new);
            }
        }
        Ok(())
    }
}

impl Added {
    /// Adds what other lines add; who adds nothing is of no account beside others.
    ///
    /// # Errors
    /// On overflow.
    pub fn merge(&mut self, other: Added) -> Result<()> {
        let own = self.own || other.own;
        let (Some(last), Some(others)) = (&self.last, &other.last) else {
            if self.last.is_none() {
                *self = other;
            }
            self.own = own;
            return Ok(());
        };
        self.own = own;
        let later = last.key() < others.key();
        self.exact = sum([self.exact, other.exact])?;
        self.parts = sum([self.parts, other.parts])?;
        self.role = self.role.min(other.role);
        self.partner = self.partner.min(other.partner);
        self.source = self.source.min(other.source);
        if later {
            self.last = other.last;
        }
        Ok(())
    }
}

/// The day by which revenue is kept: its own if days before pick the tier, else the window's first.
fn counted_on(measured: &Measured, on: i32, period: Period, program: &Program) -> i32 {
    match measured.trailing_days {
        Some(_) => on,
        None => {
            let window = measured.window.first(period, program.fiscal_year_start);
            window.first_day().to_epoch_days()
        }
    }
}

/// Adds to an amount; what lacks an exchange rate leaves none.
///
/// # Errors
/// On overflow.
pub fn add_to(amount: &mut Option<i128>, adds: Option<i128>) -> Result<()> {
    *amount = match (*amount, adds) {
        (Some(before), Some(adds)) => Some(sum([before, adds])?),
        _ => None,
    };
    Ok(())
}

fn rules<'a>(context: &Context<'a>, outcome: &Outcome) -> (&'a Program, &'a Lever) {
    let program = &context.programs[outcome.program];
    (program, &program.levers[outcome.lever])
}

/// The key of whose measure it is: the company's, if it is known, else the participant's.
pub fn series_key(
    program: usize,
    lever: usize,
    participant: i32,
    company: Option<&str>,
    customer: Option<&str>,
) -> u128 {
    let participant = if company.is_some() { -1 } else { participant };
    key((program, lever, participant), (company, customer), None)
}

/// As [`series_key`], of a subject.
pub fn series(subject: &Subject) -> u128 {
    let Subject { program, lever, participant, company, customer } = subject;
    series_key(*program, *lever, *participant, company.as_deref(), customer.as_deref())
}

/// The key of a subject's window.
pub fn window_key(subject: &Subject, window: Period) -> WindowKey {
    let Subject { program, lever, participant, company, customer } = subject;
    let whose = (company.as_deref(), customer.as_deref());
    key((*program, *lever, *participant), whose, Some(window))
}

/// The key of what is kept by program, lever or cap, participant, company, customer and window.
pub fn key(
    (program, rule, participant): (usize, usize, i32),
    (company, customer): (Option<&str>, Option<&str>),
    window: Option<Period>,
) -> u128 {
    let month = window.map_or(-1, |window| window.year() * 12 + window.month().cast_signed());
    let named = u64::from(company.is_some()) << 1 | u64::from(customer.is_some());
    let whose = u64::from(participant.cast_unsigned()) << 32 | u64::from(month.cast_unsigned());
    // Few and long: a part costs more than its bytes.
    let place = [program as u64, rule as u64, named, whose].map(u64::to_le_bytes);
    id::digest([
        place.as_flattened(),
        company.unwrap_or_default().as_bytes(),
        customer.unwrap_or_default().as_bytes(),
    ])
}

/// The key of the window that a line adds to under an outcome: of its period, and its customer.
pub fn window_of(
    context: &Context,
    outcome: &Outcome,
    (period, customer): (Period, Option<&str>),
) -> Option<(WindowKey, Period)> {
    let (program, lever) = rules(context, outcome);
    let measured = lever.measured.as_ref()?;
    let window = measured.window.first(period, program.fiscal_year_start);
    let participant = outcome.subject.participant;
    let company = company_of(context, measured, (outcome.program, participant), period);
    let whose = (outcome.program, outcome.lever, participant);
    let named = (company, customer_of(measured, customer));
    Some((key(whose, named, Some(window)), window))
}

/// Where what a line adds under an outcome is booked: a line, or a refund's original, of a period, in one.
pub fn booked(context: &Context, outcome: &Outcome, (of, period): (Period, Period)) -> Booked {
    let rules = context.programs[outcome.program].rules_month(outcome.lever, of, period);
    Booked { period, rules }
}

/// The company whose measure a participant's lines of a period add to.
pub fn company_of<'a>(
    context: &'a Context,
    measured: &Measured,
    (program, participant): (usize, i32),
    period: Period,
) -> Option<&'a str> {
    if measured.per != Per::Company {
        return None;
    }
    context.decisions.company(program, context.names.participants.text(participant), period)
}

/// The customer that a measure is kept by, of a line.
pub fn customer_of<'a>(measured: &Measured, customer: Option<&'a str>) -> Option<&'a str> {
    customer.filter(|_| measured.per == Per::Customer)
}

fn subject(
    context: &Context,
    outcome: &Outcome,
    (period, customer): (Period, Option<&str>),
) -> Subject {
    let (_, lever) = rules(context, outcome);
    let (program, participant) = (outcome.program, outcome.subject.participant);
    let measured = lever.measured.as_ref();
    let company = measured.and_then(|measured| {
        company_of(context, measured, (program, participant), period).map(str::to_owned)
    });
    let customer = measured.and_then(|measured| customer_of(measured, customer));
    let customer = customer.map(str::to_owned);
    Subject { program, lever: outcome.lever, participant, company, customer }
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

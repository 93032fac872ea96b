//! Trailing revenue that a close froze. Only a correction of the lines that decided it undoes it: some
//! were replaced or withdrawn, and what they are now misses the amount. What became known later doesn't
//! count for or against it, nor do lines that came again as they were.

use super::qualified::Undone;
use super::{Asked, BySubject, Measured, Sold, SoldByDay, Subject};
use crate::error::Result;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::decimal::Unit;
use earnest_core::determination;
use earnest_core::trailing::measured;
use std::collections::HashMap;
use std::sync::OnceLock;

/// A qualification that was decided for good, or one that was undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    pub program: String,
    /// The location, or `company` and the company's id.
    pub subject: String,
    /// The requirement and the days that were measured.
    pub window: String,
    /// The cycle that decided it.
    pub cycle: Period,
    pub on: NaiveDate,
    /// At money scale.
    pub measured: i128,
    pub threshold: i128,
    pub transactions: Option<i64>,
    /// False: it was undone.
    pub qualified: bool,
    /// A closed cycle's row, which stays; else it is published again.
    pub kept: bool,
    /// The cycle whose close froze it; `None`: its rule never decides again, whatever is corrected.
    pub closed_by: Option<Period>,
}

/// What was corrected of the lines that counted when a cycle was closed.
pub struct Corrected {
    pub cycle: Period,
    /// Lines that counted then and no longer do, or not as they were.
    pub gone: Vec<Sold>,
    measure: Box<dyn Fn() -> Result<Vec<Sold>> + Send + Sync>,
    now: OnceLock<Vec<Sold>>,
}

/// Whom corrections concern under a requirement.
pub struct Standing<'a> {
    /// Days of the lines that are gone.
    gone: BySubject<'a, Vec<NaiveDate>>,
    /// What the lines of then are now, if somebody is concerned.
    now: BySubject<'a, SoldByDay>,
}

impl Corrected {
    /// `measure` gives what counts now of the lines that counted then; it is called once, if at all.
    pub fn new(
        cycle: Period,
        gone: Vec<Sold>,
        measure: impl Fn() -> Result<Vec<Sold>> + Send + Sync + 'static,
    ) -> Corrected {
        Corrected { cycle, gone, measure: Box::new(measure), now: OnceLock::new() }
    }

    fn now(&self) -> Result<&[Sold]> {
        if let Some(now) = self.now.get() {
            return Ok(now);
        }
        let now = (self.measure)()?;
        Ok(self.now.get_or_init(|| now))
    }
}

impl Frozen {
    /// The first and the last day that were measured.
    #[must_use]
    pub fn days(&self) -> Option<(NaiveDate, NaiveDate)> {
        determination::days(&self.window)
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        match self.subject.strip_prefix("company ") {
            Some(company) => Subject::Company(company),
            None => Subject::Location(&self.subject),
        }
    }
}

/// Rows of a requirement, as it is worded on their days.
pub fn rows<'a>(
    all: &'a [Frozen],
    asked: &'a Asked<'a>,
) -> impl Iterator<Item = &'a Frozen> + use<'a> {
    let program = &asked.program.program;
    all.iter().filter(move |row| {
        row.program == *program
            && determination::before(&row.window).is_some_and(|name| name == asked.name)
            && asked.days.contain(row.on)
    })
}

/// The newest row of everybody, as far as it wasn't undone.
pub fn newest<'a>(rows: impl Iterator<Item = &'a Frozen>) -> Vec<&'a Frozen> {
    let mut newest: HashMap<&str, &Frozen> = HashMap::new();
    for row in rows {
        let known = newest.entry(&row.subject).or_insert(row);
        // Of one cycle, what is decided anew comes after what it replaces.
        let rank = |row: &Frozen| (row.cycle, row.qualified);
        if rank(row) > rank(known) {
            *known = row;
        }
    }
    newest.into_values().filter(|row| row.qualified).collect()
}

impl<'a> Standing<'a> {
    /// Of what was corrected since the close that froze some of `frozen`.
    ///
    /// # Errors
    /// If what is there now can't be read, or on overflow.
    pub fn of(
        measured: &Measured,
        asked: &Asked<'a>,
        corrected: &'a Corrected,
        frozen: &[&Frozen],
    ) -> Result<Standing<'a>> {
        let mut gone: BySubject<Vec<NaiveDate>> = HashMap::new();
        let mut subjects = Vec::new();
        for line in &corrected.gone {
            measured.concerned(asked, line, &mut subjects);
            for &subject in &subjects {
                gone.entry(subject).or_default().push(line.on);
            }
        }
        let mut standing = Standing { gone, now: HashMap::new() };
        let ours = frozen.iter().filter(|frozen| frozen.closed_by == Some(corrected.cycle));
        if ours.into_iter().any(|frozen| standing.concerns(frozen)) {
            standing.now = measured.by_subject(asked, corrected.now()?)?;
        }
        Ok(standing)
    }

    /// True if a line that decided is gone.
    fn concerns(&self, frozen: &Frozen) -> bool {
        let gone = self.gone.get(&frozen.subject()).into_iter().flatten();
        let days = frozen.days();
        days.is_some_and(|(first, last)| gone.into_iter().any(|on| first <= *on && *on <= last))
    }

    /// What the lines that decided miss the amount with; `None`: they don't, or all are as they were.
    ///
    /// # Errors
    /// On overflow.
    pub fn missed(&self, frozen: &Frozen, unit: Unit) -> Result<Option<Undone>> {
        let Some(days) = frozen.days().filter(|_| self.concerns(frozen)) else { return Ok(None) };
        let none = SoldByDay::default();
        let now = self.now.get(&frozen.subject()).unwrap_or(&none);
        let measured = measured(&now.exact, days, unit)?;
        Ok((measured < frozen.threshold).then(|| Undone {
            frozen: frozen.clone(),
            measured,
            transactions: now.lines(days),
        }))
    }
}

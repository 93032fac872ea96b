//! Trailing revenue that a close froze. Only a correction of the lines that decided it undoes it: some
//! were replaced or withdrawn, and what they are now misses the amount. What became known later doesn't
//! count for or against it, nor do lines that came again as they were.

use super::qualified::Undone;
use super::{Asked, BySubject, Sold, SoldByDay, Subject};
use crate::error::Result;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::trailing::measured;
use std::collections::HashMap;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrected {
    pub cycle: Period,
    /// Lines that counted then and no longer do, or not as they were.
    pub gone: Vec<Sold>,
    /// What counts now of the lines that counted then.
    pub now: Vec<Sold>,
}

/// Whom corrections concern under a requirement.
pub struct Standing<'a> {
    /// Days of the lines that are gone.
    pub gone: BySubject<'a, Vec<NaiveDate>>,
    /// What the lines of then are now.
    pub now: BySubject<'a, SoldByDay>,
}

impl Frozen {
    /// The first and the last day that were measured.
    #[must_use]
    pub fn days(&self) -> Option<(NaiveDate, NaiveDate)> {
        self.window().map(|(_, days)| days)
    }

    /// The requirement's name, the first and the last day that were measured.
    fn window(&self) -> Option<(&str, (NaiveDate, NaiveDate))> {
        let (name, days) = self.window.rsplit_once(' ')?;
        let (first, last) = days.split_once("..")?;
        Some((name, (first.parse().ok()?, last.parse().ok()?)))
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        match self.subject.strip_prefix("company ") {
            Some(company) => Subject::Company(company),
            None => Subject::Location(&self.subject),
        }
    }
}

/// The newest row of everybody who qualified under a requirement, as far as it wasn't undone.
pub fn newest<'a>(rows: &'a [Frozen], asked: &Asked) -> impl Iterator<Item = &'a Frozen> {
    let mut newest: HashMap<&str, &Frozen> = HashMap::new();
    for row in rows.iter().filter(|row| row.program == asked.program.program) {
        let ours = row.window().is_some_and(|(name, _)| name == asked.name);
        if !ours || !asked.days.contain(row.on) {
            continue;
        }
        let known = newest.entry(&row.subject).or_insert(row);
        // Of one cycle, what is decided anew comes after what it replaces.
        let rank = |row: &Frozen| (row.cycle, row.qualified);
        if rank(row) > rank(known) {
            *known = row;
        }
    }
    newest.into_values().filter(|row| row.qualified)
}

impl Standing<'_> {
    /// What the lines that decided miss the amount with; `None`: they don't, or all are as they were.
    ///
    /// # Errors
    /// On overflow.
    pub fn missed(&self, frozen: &Frozen, minor_units: u32) -> Result<Option<Undone>> {
        let Some(days) = frozen.days() else { return Ok(None) };
        let subject = frozen.subject();
        let within = |on: &NaiveDate| days.0 <= *on && *on <= days.1;
        if !self.gone.get(&subject).is_some_and(|gone| gone.iter().any(within)) {
            return Ok(None);
        }
        let none = SoldByDay::default();
        let now = self.now.get(&subject).unwrap_or(&none);
        let measured = measured(&now.exact, days, minor_units)?;
        Ok((measured < frozen.threshold).then(|| Undone {
            frozen: frozen.clone(),
            measured,
            transactions: now.lines(days),
        }))
    }
}

//! A subject's part of a measure: of a company's, a location's.

use super::super::measures::{Added, Subject, WindowKey};
use super::nothing::nothing;
use super::{Earned, Solved, Whole, Window};
use crate::error::Result;
use earnest_core::decimal::sum;
use earnest_core::measure::Booked;

/// A subject's part of a measure, step by step.
pub struct Location {
    pub key: WindowKey,
    months: std::iter::Peekable<std::vec::IntoIter<Added>>,
    /// What it adds at the step at hand.
    pub now: Option<Added>,
    /// Sums of what it added, at exact scale, and as they count, at amount scale.
    exact: i128,
    pub cumulated_before: i128,
    pub cumulated: i128,
    /// Money scale.
    pub earned: i128,
    /// Whose it is: subject, role, partner, source; `None`: the declared payee's, who adds nothing.
    whose: Option<(Subject, i32, i32, i32)>,
}

impl Location {
    pub fn new(window: Window) -> Location {
        let first = window.months.first();
        let whose =
            first.map(|added| (added.subject.clone(), added.role, added.partner, added.source));
        Location {
            key: window.key,
            months: window.months.into_iter().peekable(),
            now: None,
            exact: 0,
            cumulated_before: 0,
            cumulated: 0,
            earned: 0,
            whose,
        }
    }

    pub fn add(&mut self, booked: Booked, whole: &Whole) -> Result<()> {
        self.now = self.months.next_if(|added| added.booked == booked);
        self.exact = sum([self.exact, self.now.as_ref().map_or(0, |added| added.exact)])?;
        self.cumulated_before = self.cumulated;
        self.cumulated = whole.rounded(self.exact)?;
        Ok(())
    }

    pub fn subject(&self, whole: &Whole) -> Subject {
        match &self.whose {
            Some((subject, ..)) => subject.clone(),
            None => Subject { participant: whole.payee.unwrap_or(-1), ..whole.subject.clone() },
        }
    }

    pub fn solved(&self, added: Option<Added>, whole: &Whole, earned: Earned) -> Solved {
        let program = &whole.context.programs[whole.subject.program];
        let subject = self.subject(whole);
        let added = added.unwrap_or_else(|| {
            let nothing = nothing(program, subject, (whole.window, earned.step.booked));
            match self.whose {
                Some((_, role, partner, source)) => Added { role, partner, source, ..nothing },
                None => nothing,
            }
        });
        Solved::of(added, Some(earned))
    }
}

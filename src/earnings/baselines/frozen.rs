//! What closed cycles' files say of baselines, and what was corrected since. By digest: there is one for
//! every window.

use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::program::Role;
use earnest_core::{determination, id};
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

/// A row of `determinations` that a close froze, or an earlier run whose rule never decides again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrozenBaseline {
    /// The cycle that decided it last.
    pub cycle: Period,
    /// In program currency or units, at amount scale.
    pub amount: i128,
    /// The cycle whose close froze it first; `None`: its rule never decides again.
    pub closed_by: Option<Period>,
    /// Its row is a closed cycle's, which stays; else it is published again.
    pub kept: bool,
}

/// Baselines that were decided for good.
#[derive(Default)]
pub struct FrozenBaselines {
    by_window: HashMap<u128, FrozenBaseline, RandomState>,
    /// Days that were measured, both inclusive, by the cycle whose close froze it.
    days: BTreeMap<Period, BTreeSet<(NaiveDate, NaiveDate)>>,
    /// What was corrected since, close by close.
    pub corrected: Vec<CorrectedLines>,
}

/// Lines that counted when a cycle was closed, and no longer do, or not as they were.
pub struct CorrectedLines {
    pub cycle: Period,
    /// Files in force then.
    pub known: HashSet<PathBuf>,
    /// Source and id of lines that no longer count in those files, whether or not they came again.
    pub lost: HashSet<(String, String)>,
    /// Those that didn't come again as they were.
    pub gone: Vec<Gone>,
}

/// A line that is gone.
pub struct Gone {
    pub billed: Option<String>,
    pub reseller: Option<String>,
    pub customer: Option<String>,
    pub on: NaiveDate,
    /// It has a negative base, and may have counted on an earlier day: that of what it refunds.
    pub takes_back: bool,
}

impl Gone {
    /// The partners that it concerned, by role.
    pub fn roles(&self) -> impl Iterator<Item = (Role, &str)> {
        let billed_as = if self.reseller.is_some() { Role::Provider } else { Role::Direct };
        let roles = [(Role::Reseller, &self.reseller), (billed_as, &self.billed)];
        roles.into_iter().filter_map(|(role, partner)| Some((role, partner.as_deref()?)))
    }
}

impl FrozenBaselines {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_window.is_empty()
    }

    /// Takes a row of a program about a subject's window; of several the newest counts.
    pub fn add(&mut self, of: (&str, &str, &str), row: FrozenBaseline) {
        if let (Some(cycle), Some(days)) = (row.closed_by, determination::days(of.2)) {
            self.days.entry(cycle).or_default().insert(days);
        }
        let known = self.by_window.entry(key(of)).or_insert(row);
        let closed_by = known.closed_by.into_iter().chain(row.closed_by).min();
        if known.cycle < row.cycle {
            *known = row;
        }
        known.closed_by = closed_by;
    }

    /// What was decided of a program's subject and window.
    #[must_use]
    pub fn get(&self, of: (&str, &str, &str)) -> Option<FrozenBaseline> {
        self.by_window.get(&key(of)).copied()
    }

    /// The days that were measured, both inclusive, by the cycle whose close froze it.
    pub fn days(&self) -> impl Iterator<Item = (Period, (NaiveDate, NaiveDate))> {
        self.days.iter().flat_map(|(cycle, days)| days.iter().map(|days| (*cycle, *days)))
    }

    /// True if a cycle's close froze some.
    #[must_use]
    pub fn has(&self, cycle: Period) -> bool {
        self.days.contains_key(&cycle)
    }
}

fn key((program, subject, window): (&str, &str, &str)) -> u128 {
    id::digest([program, subject, window].map(str::as_bytes))
}

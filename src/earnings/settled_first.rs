//! Which closed cycle settled an earning first. Caps credit what closed cycles settled before anything
//! else: what becomes known later can't take the room of what was paid.

use earnest_core::calendar::Period;
use earnest_core::id;
use std::collections::HashMap;

/// What tells an earning of a capped lever apart, whatever its type: it has one cap for all of them.
#[derive(Clone, Copy)]
pub struct Settled<'a> {
    pub program: &'a str,
    pub lever: &'a str,
    /// Blank under a cap that participants share: there it keeps its place when another one earns it.
    pub participant: &'a str,
    /// Blank of aggregates.
    pub source: &'a str,
    /// Of the transaction, or the aggregate's key.
    pub id: &'a str,
    /// Of linked refunds: the transaction that is refunded; else blank.
    pub original: &'a str,
}

impl Settled<'_> {
    fn key(&self) -> u128 {
        let Self { program, lever, participant, source, id, original } = *self;
        id::digest([program, lever, participant, source, id, original].map(str::as_bytes))
    }
}

/// Earnings of capped levers that closed cycles settled.
#[derive(Default)]
pub struct SettledFirst {
    cycles: HashMap<u128, Period>,
}

impl SettledFirst {
    /// Notes that a cycle settled an earning, of its participant and of anybody; the first one counts.
    pub fn note(&mut self, settled: &Settled, cycle: Period) {
        for settled in [*settled, Settled { participant: "", ..*settled }] {
            let first = self.cycles.entry(settled.key()).or_insert(cycle);
            *first = cycle.min(*first);
        }
    }

    /// The cycle that settled it first; `None`: none has yet.
    #[must_use]
    pub fn cycle(&self, settled: &Settled) -> Option<Period> {
        if self.cycles.is_empty() {
            return None;
        }
        self.cycles.get(&settled.key()).copied()
    }
}

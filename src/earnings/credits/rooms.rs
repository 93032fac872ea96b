//! How much of a shared cap's room the closes of each cycle give away. In: what is earned in the scopes
//! of several participants, cycle by cycle. Out: what is taken up to each cycle, and by which row last.

use super::{Keyed, Scope, ScopeKey, limit, money};
use crate::earnings::context::Context;
use crate::error::Result;
use earnest_core::calendar::Period;
use earnest_core::decimal::sum;
use std::collections::BTreeMap;

/// The room of a scope as of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    pub scope: Scope,
    pub cycle: Period,
    /// What cycles up to it take of the cap, in program currency at money scale.
    pub taken: i128,
    pub last: Last,
}

/// A row in the order in which rows take room: day since 1970, transaction id or aggregate key, source
/// (negative: an aggregate).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Last {
    pub on: i32,
    pub id: String,
    pub source: i32,
}

/// What enters a scope in a cycle.
pub struct Entered {
    /// On the scale of what the cap limits.
    gross: i128,
    last: Last,
}

/// What enters which scope, by cycle.
pub type Entries = Keyed<ScopeKey, BTreeMap<Period, Entered>>;

/// Adds what a row earns, gross; one that earns nothing takes no room.
///
/// # Errors
/// On overflow.
pub fn enter(
    entries: &mut Entries,
    (scope, cycle): (ScopeKey, Period),
    gross: i128,
    (on, id, source): (i32, &str, i32),
) -> Result<()> {
    if gross == 0 {
        return Ok(());
    }
    let cycles = entries.entry(scope).or_default();
    if let Some(entered) = cycles.get_mut(&cycle) {
        entered.gross = sum([entered.gross, gross])?;
        let last = &entered.last;
        if (last.on, last.id.as_str(), last.source) < (on, id, source) {
            entered.last = Last { on, id: id.to_owned(), source };
        }
    } else {
        let last = Last { on, id: id.to_owned(), source };
        cycles.insert(cycle, Entered { gross, last });
    }
    Ok(())
}

/// The rooms of a scope, cycle by cycle: rows that enter later take what is left.
///
/// # Errors
/// On overflow.
pub fn of_scope(
    context: &Context,
    scope: &Scope,
    cycles: BTreeMap<Period, Entered>,
) -> Result<Vec<Room>> {
    let (limit, mut gross) = (limit(context, scope)?, 0);
    let rooms = cycles.into_iter().map(|(cycle, entered)| {
        gross = sum([gross, entered.gross])?;
        let taken = money(context, scope, gross.clamp(0, limit))?;
        Ok(Room { scope: scope.clone(), cycle, taken, last: entered.last })
    });
    rooms.collect()
}

//! Caps: of what lines, sums of lines and measures earn, how much is credited. The first look adds up
//! what every scope earns; only scopes that can reach their limit are looked at again, earning by
//! earning in their order. Closure key: whoever shares a cap.

mod look;
mod rooms;
mod scope;

pub use rooms::Room;
pub use scope::Scope;

use super::PeriodFiles;
use super::cap_rooms::{self, FrozenRoom};
use super::context::Context;
use super::evaluate::Outcome;
use super::measures::Measures;
use super::rows::Line;
use super::settled_first::SettledFirst;
use crate::error::Result;
use earnest_core::calendar::Period;
use earnest_core::caps::Cap;
use earnest_core::decimal::{AMOUNT_SCALE, MONEY_SCALE, Rounding, power_of_ten, rescale};
use earnest_core::earning::{Amounts, Terms};
use earnest_core::program::Program;
use earnest_core::program::cap::{CapOn, ProgramCap};
use look::{Asked, Item, item_key, look};
use rayon::prelude::*;
use scope::{ScopeKey, Sum};
use std::collections::{HashMap, HashSet};

/// An earning of a line, a sum of lines or a measure under a lever, by digest.
type ItemKey = u128;
type Keyed<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// What was used of a cap. Amounts in program currency at money scale.
pub struct Balance {
    pub scope: Scope,
    pub gross: i128,
    pub used: i128,
    pub left: i128,
}

/// What caps credit.
#[derive(Default)]
pub struct Credits {
    /// Where what is credited isn't all.
    by_item: Keyed<ItemKey, Found>,
    /// Whether a cap limits it on some day, by program and lever.
    capped: Vec<Vec<bool>>,
    /// In order of their scopes.
    pub balances: Vec<Balance>,
    /// Of caps that several participants share, in order of their scopes and cycles.
    pub rooms: Vec<Room>,
}

/// What closed cycles gave away of caps.
#[derive(Clone, Copy)]
pub struct CapsClosed<'a> {
    pub settled_first: &'a SettledFirst,
    /// The oldest open cycle; `None`: none is closed.
    pub open: Option<Period>,
    pub rooms: &'a [FrozenRoom],
}

impl Credits {
    /// What is credited of what a line earns under a lever; of an aggregate, with its key.
    ///
    /// # Errors
    /// On overflow.
    pub fn of(
        &self,
        (line, aggregate): (&Line, Option<&str>),
        outcome: &Outcome,
        terms: &Terms,
        gross: &Amounts,
    ) -> Result<Amounts> {
        match self.found((line, aggregate), outcome) {
            Some(found) => found.credit.part(gross, found.on, terms),
            None => Ok(*gross),
        }
    }

    /// What is credited of a refund's piece. `before` is what pieces before it take back of the same
    /// earning, `reversed` what this one does, both gross. All pieces together are rounded as the
    /// earning was, so they take back what was credited, to the cent.
    ///
    /// # Errors
    /// On overflow.
    pub fn of_piece(
        &self,
        line: &Line,
        outcome: &Outcome,
        terms: &Terms,
        (before, reversed): (&Amounts, &Amounts),
    ) -> Result<Amounts> {
        let Some(Found { credit, before: taken, on }) = self.found((line, None), outcome) else {
            return Ok(*reversed);
        };
        let all = taken.plus(credit).part(&before.plus(reversed), *on, terms)?;
        Ok(all.minus(&taken.part(before, *on, terms)?))
    }

    fn found(&self, item: (&Line, Option<&str>), outcome: &Outcome) -> Option<&Found> {
        if self.by_item.is_empty() || !self.capped[outcome.program][outcome.lever] {
            return None;
        }
        self.by_item.get(&item_key(item, outcome))
    }
}

/// What a cap credits of an item.
struct Found {
    credit: Credit,
    /// Of a refund's piece: what it credits of the pieces before it of the same earning.
    before: Credit,
    on: CapOn,
}

/// How much of what is credited, on the scale of what the cap limits.
#[derive(Clone, Copy, Default)]
struct Credit {
    gross: i128,
    credited: i128,
}

impl Credit {
    fn is_whole(&self) -> bool {
        self.gross == self.credited
    }

    fn plus(&self, other: &Credit) -> Credit {
        Credit { gross: self.gross + other.gross, credited: self.credited + other.credited }
    }

    fn part(&self, of: &Amounts, on: CapOn, terms: &Terms) -> Result<Amounts> {
        Ok(of.credited(self.credited, self.gross, on == CapOn::Payout, terms)?)
    }
}

/// Finds what caps credit; nothing is read if no program has one.
///
/// # Errors
/// If a file can't be read, or on overflow.
pub fn credit(
    context: &Context,
    periods: &[PeriodFiles],
    measures: &Measures,
    closed: CapsClosed,
) -> Result<Credits> {
    if context.programs.iter().all(|program| program.caps.is_empty()) {
        return Ok(Credits::default());
    }
    let sums = look(context, (periods, measures), None)?.sums;
    let (mut reached, mut shared) = (HashSet::new(), HashSet::new());
    let frozen = cap_rooms::keys(closed.rooms);
    for (key, Sum { scope, tally }) in &sums {
        if tally.loose || tally.positive > limit(context, scope)? {
            reached.insert(*key);
        }
        if scope.participant.is_none()
            && (tally.several || cap_rooms::is_in(&frozen, context, scope))
        {
            shared.insert(*key);
        }
    }
    let capped = |program: &Program| {
        (0..program.levers.len()).map(|lever| program.is_capped(lever)).collect()
    };
    let mut credits =
        Credits { capped: context.programs.iter().map(capped).collect(), ..Credits::default() };
    let mut used: Keyed<ScopeKey, i128> = HashMap::default();
    if !reached.is_empty() || !shared.is_empty() {
        let asked = Asked { items: &reached, rooms: &shared, closed };
        let look::Found { mut items, entries, .. } =
            look(context, (periods, measures), Some(asked))?;
        for (key, cycles) in entries {
            let Some(sum) = sums.get(&key) else { continue };
            credits.rooms.extend(rooms::of_scope(context, &sum.scope, cycles)?);
        }
        credits.rooms.sort_by(|a, b| (&a.scope, a.cycle).cmp(&(&b.scope, b.cycle)));
        items.par_sort_unstable_by(|a, b| (a.scope, &a.order).cmp(&(b.scope, &b.order)));
        for items in items.chunk_by(|a, b| a.scope == b.scope) {
            let Some(scope) = items.first().and_then(|item| sums.get(&item.scope)) else {
                continue;
            };
            let mut cap = Cap::new(limit(context, &scope.scope)?)?;
            let mut pieces: Vec<(&Item, Credit)> = Vec::new();
            let on = rules(context, &scope.scope).on;
            for item in items {
                let credited = cap.credit(item.gross)?.amount;
                *used.entry(item.scope).or_default() += credited;
                let credit = Credit { gross: item.gross, credited };
                if item.taken_back.is_some() {
                    pieces.push((item, credit));
                } else if !credit.is_whole() {
                    let before = Credit::default();
                    credits.by_item.insert(item.key, Found { credit, before, on });
                }
            }
            credits.by_item.extend(cumulated(pieces, on));
        }
    }
    for (key, Sum { scope, tally }) in sums {
        let used = if reached.contains(&key) { used.get(&key).copied() } else { Some(tally.net) };
        let used = money(context, &scope, used.unwrap_or_default())?;
        let (cap, gross) = (rules(context, &scope), money(context, &scope, tally.net)?);
        credits.balances.push(Balance { gross, used, left: cap.limit - used, scope });
    }
    credits.balances.sort_by(|a, b| a.scope.cmp(&b.scope));
    Ok(credits)
}

/// Pieces of refunds with what is credited of those before them of the same earning, where that, or what
/// is credited of themselves, isn't all.
fn cumulated(mut pieces: Vec<(&Item, Credit)>, on: CapOn) -> Vec<(ItemKey, Found)> {
    pieces.sort_unstable_by(|a, b| a.0.taken_back.cmp(&b.0.taken_back));
    let original = |item: &Item| item.taken_back.as_deref().map(|(original, _)| *original);
    let mut found = Vec::new();
    for pieces in pieces.chunk_by(|a, b| original(a.0) == original(b.0)) {
        let mut before = Credit::default();
        for (item, credit) in pieces {
            if !before.is_whole() || !credit.is_whole() {
                found.push((item.key, Found { credit: *credit, before, on }));
            }
            before = before.plus(credit);
        }
    }
    found
}

fn rules<'a>(context: &Context<'a>, scope: &Scope) -> &'a ProgramCap {
    &context.programs[scope.program].caps[scope.cap]
}

/// A cap's limit on the scale of what it limits.
fn limit(context: &Context, scope: &Scope) -> Result<i128> {
    let cap = rules(context, scope);
    Ok(match cap.on {
        CapOn::Payout => cap.limit,
        CapOn::Base => {
            earnest_core::decimal::multiply(cap.limit, power_of_ten(AMOUNT_SCALE - MONEY_SCALE))?
        }
    })
}

/// What a cap limits as money, rounded to the program's minor unit.
fn money(context: &Context, scope: &Scope, amount: i128) -> Result<i128> {
    let cap = rules(context, scope);
    if cap.on == CapOn::Payout {
        return Ok(amount);
    }
    let minor = context.facts[scope.program].minor_units;
    let rounded = rescale(amount, AMOUNT_SCALE, minor, Rounding::default())?;
    Ok(rounded * power_of_ten(MONEY_SCALE - minor))
}

//! Caps: of what lines, sums of lines and measures earn, how much is credited. The first look adds up
//! what every scope earns and sets each earning aside, in buckets by scope; only those of scopes that can
//! reach their limit are credited one by one in their order. Closure key: whoever shares a cap.

mod look;
mod rooms;
mod scope;

pub use look::Look;
pub use rooms::Room;
pub use scope::Scope;

use super::cap_rooms::{self, FrozenRoom};
use super::context::Context;
use super::evaluate::Outcome;
use super::rows::Line;
use super::settled_first::SettledFirst;
use crate::error::Result;
use crate::warehouse::{Records, Spill, SpillWriter};
use earnest_core::calendar::Period;
use earnest_core::caps::Cap;
use earnest_core::decimal::{AMOUNT_SCALE, MONEY_SCALE, power_of_ten};
use earnest_core::earning::{Amounts, Terms};
use earnest_core::program::Program;
use earnest_core::program::cap::{CapOn, ProgramCap};
use look::{Entry, Item, item_key};
use rayon::prelude::*;
use rooms::Entries;
use scope::{ScopeKey, Sum};
use serde::{Deserialize, Serialize};
use std::collections::hash_map::Entry as MapEntry;
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

/// What caps credit, of all periods.
pub struct Capped {
    found: Spill<Period>,
    /// Whether a cap limits it on some day, by program and lever.
    capped: Vec<Vec<bool>>,
    /// In order of their scopes.
    pub balances: Vec<Balance>,
    /// Of caps that several participants share, in order of their scopes and cycles.
    pub rooms: Vec<Room>,
}

impl Capped {
    /// What caps credit of what a period earns.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn of(&self, period: Period) -> Result<Credits<'_>> {
        let by_item = self.found.read(period)?.iter().collect::<Result<_>>()?;
        Ok(Credits { by_item, capped: &self.capped })
    }
}

/// What caps credit of what a period earns.
pub struct Credits<'a> {
    /// Where what is credited isn't all.
    by_item: Keyed<ItemKey, Found>,
    capped: &'a [Vec<bool>],
}

/// What closed cycles gave away of caps.
#[derive(Clone, Copy)]
pub struct CapsClosed<'a> {
    pub settled_first: &'a SettledFirst,
    /// The oldest open cycle; `None`: none is closed.
    pub open: Option<Period>,
    pub rooms: &'a [FrozenRoom],
}

impl Credits<'_> {
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

    /// What is credited of a refund's piece, or of what refunds take back of a sum, with its key.
    /// `before` is what pieces before it take back of the same earning, `reversed` what this one does,
    /// both gross. All pieces together are rounded as the earning was, so they take back what was
    /// credited, to the cent.
    ///
    /// # Errors
    /// On overflow.
    pub fn of_piece(
        &self,
        item: (&Line, Option<&str>),
        outcome: &Outcome,
        terms: &Terms,
        (before, reversed): (&Amounts, &Amounts),
    ) -> Result<Amounts> {
        let Some(Found { credit, before: taken, on }) = self.found(item, outcome) else {
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
#[derive(Serialize, Deserialize)]
struct Found {
    credit: Credit,
    /// Of a refund's piece: what it credits of the pieces before it of the same earning.
    before: Credit,
    on: CapOn,
}

/// How much of what is credited, on the scale of what the cap limits.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
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

/// Credits what is earned, bucket by bucket.
///
/// # Errors
/// If the disk refuses, or on overflow.
pub fn credit(context: &Context, closed: CapsClosed, earned: &Spill<usize>) -> Result<Capped> {
    let found = Spill::new(context.store);
    let frozen = cap_rooms::keys(closed.rooms);
    let buckets: Vec<_> = earned
        .parts()
        .into_par_iter()
        .map(|bucket| {
            let records = earned.read(bucket)?;
            let mut writer = found.writer();
            let bucket = Bucket::read(context, &frozen, &records)?.credit(context, &mut writer)?;
            writer.finish()?;
            Ok(bucket)
        })
        .collect::<Result<_>>()?;
    let capped = |program: &Program| {
        (0..program.levers.len()).map(|lever| program.is_capped(lever)).collect()
    };
    let capped = context.programs.iter().map(capped).collect();
    let mut all = Capped { found, capped, balances: Vec::new(), rooms: Vec::new() };
    for (balances, rooms) in buckets {
        all.balances.extend(balances);
        all.rooms.extend(rooms);
    }
    all.balances.par_sort_by(|a, b| a.scope.cmp(&b.scope));
    all.rooms.sort_by(|a, b| (&a.scope, a.cycle).cmp(&(&b.scope, b.cycle)));
    Ok(all)
}

/// What is earned in some scopes.
struct Bucket<'a> {
    sums: Keyed<ScopeKey, Sum>,
    /// Of scopes that can reach their limit.
    items: Vec<Item<'a>>,
    rooms: Vec<Room>,
}

impl<'a> Bucket<'a> {
    fn read(
        context: &Context,
        frozen: &cap_rooms::Keys,
        records: &'a Records,
    ) -> Result<Bucket<'a>> {
        let mut sums: Keyed<ScopeKey, Sum> = HashMap::default();
        let mut items: Vec<Item> = Vec::new();
        for entry in records.iter() {
            match entry? {
                Entry::Item(item) => items.push(item),
                Entry::Sum(key, sum) => match sums.entry(key) {
                    MapEntry::Occupied(mut known) => known.get_mut().tally.add(&sum.tally)?,
                    MapEntry::Vacant(new) => _ = new.insert(sum),
                },
            }
        }
        let (mut reached, mut shared) = (HashSet::new(), HashSet::new());
        for (key, Sum { scope, tally }) in &sums {
            if tally.loose || tally.positive > limit(context, scope)? {
                reached.insert(*key);
            }
            if scope.participant.is_none()
                && (tally.several || cap_rooms::is_in(frozen, context, scope))
            {
                shared.insert(*key);
            }
        }
        let mut entries = Entries::default();
        for item in items.iter().filter(|item| shared.contains(&item.scope)) {
            let row = (item.order.on, item.order.id, item.order.source);
            rooms::enter(&mut entries, (item.scope, item.enters), item.gross, row)?;
        }
        let mut rooms = Vec::new();
        for (key, cycles) in entries {
            let Some(sum) = sums.get(&key) else { continue };
            rooms.extend(rooms::of_scope(context, &sum.scope, cycles)?);
        }
        items.retain(|item| reached.contains(&item.scope));
        Ok(Bucket { sums, items, rooms })
    }

    /// Writes what is credited where that isn't all; gives back balances and rooms.
    fn credit(
        mut self,
        context: &Context,
        writer: &mut SpillWriter<Period>,
    ) -> Result<(Vec<Balance>, Vec<Room>)> {
        let mut used: Keyed<ScopeKey, i128> = HashMap::default();
        self.items.sort_unstable_by(|a, b| (a.scope, &a.order).cmp(&(b.scope, &b.order)));
        for items in self.items.chunk_by(|a, b| a.scope == b.scope) {
            let Some(Sum { scope, .. }) = items.first().and_then(|item| self.sums.get(&item.scope))
            else {
                continue;
            };
            let mut cap = Cap::new(limit(context, scope)?)?;
            let mut pieces: Vec<(&Item, Credit)> = Vec::new();
            let on = rules(context, scope).on;
            let used = used.entry(items[0].scope).or_default();
            for item in items {
                let credited = cap.credit(item.gross)?.amount;
                *used += credited;
                let credit = Credit { gross: item.gross, credited };
                if item.taken_back.is_some() {
                    pieces.push((item, credit));
                } else if !credit.is_whole() {
                    let found = Found { credit, before: Credit::default(), on };
                    writer.add(item.period, &(item.order.key(scope.program), found))?;
                }
            }
            for (item, found) in cumulated(pieces, on) {
                writer.add(item.period, &(item.order.key(scope.program), found))?;
            }
        }
        let mut balances = Vec::with_capacity(self.sums.len());
        for (key, Sum { scope, tally }) in self.sums {
            let used = money(context, &scope, used.get(&key).copied().unwrap_or(tally.net))?;
            let (cap, gross) = (rules(context, &scope), money(context, &scope, tally.net)?);
            balances.push(Balance { gross, used, left: cap.limit - used, scope });
        }
        Ok((balances, self.rooms))
    }
}

/// Pieces of refunds with what is credited of those before them of the same earning, where that, or what
/// is credited of themselves, isn't all.
fn cumulated<'a, 'b>(
    mut pieces: Vec<(&'b Item<'a>, Credit)>,
    on: CapOn,
) -> Vec<(&'b Item<'a>, Found)> {
    pieces.sort_unstable_by_key(|(item, _)| item.taken_back);
    let original = |item: &Item| item.taken_back.map(|(original, _)| original);
    let mut found = Vec::new();
    for pieces in pieces.chunk_by(|a, b| original(a.0) == original(b.0)) {
        let mut before = Credit::default();
        for (item, credit) in pieces {
            if !before.is_whole() || !credit.is_whole() {
                found.push((*item, Found { credit: *credit, before, on }));
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
    Ok(context.facts[scope.program].unit.round(amount, AMOUNT_SCALE)?)
}

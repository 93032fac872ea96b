//! The participant map changed for a settled month: what one participant earned for a transaction is
//! gone, and another earns for it. Both sides are adjustments of what was settled. Of sums of transactions
//! a part may move: one participant's falls and another's rises.

use super::attributes::Attributes;
use super::changes::Change;
use crate::eligibility::ParticipantMap;
use chrono::{Days, NaiveDate};
use earnest_core::calendar::Period;
use earnest_core::earning::EntryKind;
use earnest_core::eligibility::Range;
use earnest_core::program::Program;
use earnest_core::reason::AdjustmentReason;
use std::collections::HashMap;

/// What stays the same when only the participant changes. Aggregates have no transaction; their key
/// names the participant, so they are recognized by what they aggregate.
const SAME: [&str; 11] = [
    "program",
    "lever",
    "earning_type",
    "role",
    "source",
    "transaction_id",
    "original_transaction_id",
    "customer_id",
    "product_group",
    "transaction_currency",
    "earning_participant_id",
];

/// What stays the same when a part of a sum goes to another participant.
const SAME_SUM: [&str; 7] = [
    "program",
    "lever",
    "earning_type",
    "role",
    "customer_id",
    "product_group",
    "transaction_currency",
];

type Key = (Vec<Option<String>>, NaiveDate);

fn key(attributes: &Attributes, same: &[&str]) -> Key {
    let texts = same.iter().map(|name| attributes.get(name).map(str::to_owned)).collect();
    (texts, attributes.transaction_on)
}

impl Change {
    /// Says that the participant map changed it.
    fn mapped(&mut self, corrects: Option<Period>) {
        self.kind = EntryKind::Adjustment;
        self.cause = AdjustmentReason::PartnerMapping;
        self.corrects = corrects;
    }
}

/// Pairs what is gone with what came for another participant.
pub fn pair(changes: &mut [Change]) {
    let mut gone: HashMap<Key, Vec<usize>> = HashMap::new();
    for (place, change) in changes.iter().enumerate() {
        if change.earned_now.is_none() {
            gone.entry(key(&change.attributes, &SAME)).or_default().push(place);
        }
    }
    if gone.is_empty() {
        return;
    }
    for place in 0..changes.len() {
        // Nothing was settled of it, or nothing is left of what was.
        let came = changes[place].settled_before.unwrap_or_default() == 0;
        if !came || changes[place].earned_now.is_none() {
            continue;
        }
        let Some(candidates) = gone.get_mut(&key(&changes[place].attributes, &SAME)) else {
            continue;
        };
        let participant = changes[place].attributes.text("participant_id").to_owned();
        let other = |&at: &usize| changes[at].attributes.text("participant_id") != participant;
        let Some(found) = candidates.iter().position(other) else { continue };
        let other = candidates.remove(found);
        let corrects = changes[other].corrects;
        for side in [place, other] {
            changes[side].mapped(corrects);
        }
    }
}

/// Sums whose change isn't explained yet.
fn open_sums(changes: &[Change]) -> impl Iterator<Item = (usize, &Change)> {
    changes.iter().enumerate().filter(|(_, change)| {
        change.attributes.get("transaction_id").is_none()
            && change.cause != AdjustmentReason::PartnerMapping
            && change.amount() != 0
    })
}

/// True if a part of some sum may have moved: one falls, another one of the same rises.
pub fn may_pair_sums(changes: &[Change]) -> bool {
    let mut fell: HashMap<Key, bool> = HashMap::new();
    open_sums(changes).any(|(_, change)| {
        let falls = change.amount() < 0;
        *fell.entry(key(&change.attributes, &SAME_SUM)).or_insert(falls) != falls
    })
}

/// Pairs sums of which a part went from one participant to another, by the map when the last cycle was
/// closed and the one of now.
pub fn pair_sums(
    changes: &mut [Change],
    programs: &[Program],
    (then, now): (&ParticipantMap, &ParticipantMap),
) {
    let mut moves: HashMap<(usize, &str, &str), Vec<Range>> = HashMap::new();
    for position in 0..programs.len() {
        for moved in now.moved(then, position) {
            moves.entry((position, moved.from, moved.to)).or_default().push(moved.days);
        }
    }
    let mut sums: HashMap<Key, Vec<usize>> = HashMap::new();
    for (place, change) in open_sums(changes) {
        sums.entry(key(&change.attributes, &SAME_SUM)).or_default().push(place);
    }
    let moved = |from: &Change, to: &Change| {
        let named = from.attributes.text("program");
        let position = programs.iter().position(|program| program.program == named);
        position.is_some_and(|position| {
            let (first, end) = days_of(&programs[position], from);
            let (from, to) = [from, to].map(|of| of.attributes.text("participant_id")).into();
            let mut days = moves.get(&(position, from, to)).into_iter().flatten();
            days.any(|days| days.0 < end && first < days.1)
        })
    };
    let mut found = Vec::new();
    for places in sums.values() {
        for &from in places {
            for &to in places {
                let (one, other) = (&changes[from], &changes[to]);
                let apart = (one.amount() < 0) != (other.amount() < 0);
                if apart && moved(one, other) {
                    found.push((from, to));
                }
            }
        }
    }
    found.sort_unstable();
    for (from, to) in found {
        let corrects = changes[from].corrects.or(changes[to].corrects);
        for side in [from, to] {
            let own = changes[side].corrects;
            changes[side].mapped(own.or(corrects));
        }
    }
}

/// The days whose transactions a sum depends on: those of its month, of a measure those of its window.
fn days_of(program: &Program, change: &Change) -> (NaiveDate, NaiveDate) {
    let named = change.attributes.text("lever");
    let lever = program.levers.iter().find(|lever| lever.lever == named);
    let Some(measured) = lever.and_then(|lever| lever.measured.as_ref()) else {
        return (change.period.first_day(), change.period.end());
    };
    let end = change.period.end();
    let first = measured.window.first(change.period, program.fiscal_year_start).first_day();
    let back = measured.trailing_days.and_then(|days| end.checked_sub_days(Days::new(days.into())));
    (back.map_or(first, |back| back.min(first)), end)
}

//! The participant map changed for a settled month: what one participant earned for a transaction is
//! gone, and another earns for it. Both sides are adjustments of what was settled. Of sums of transactions
//! a part may move: one participant's falls and another's rises.

use super::attributes::Attributes;
use super::changes::Change;
use crate::eligibility::ParticipantMap;
use chrono::{Days, NaiveDate};
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
    let mut signs: HashMap<Key, (bool, bool)> = HashMap::new();
    open_sums(changes).any(|(_, change)| {
        let (fell, rose) = signs.entry(key(&change.attributes, &SAME_SUM)).or_default();
        if change.amount() < 0 {
            *fell = true
        } else {
            *rose = true
        }
        *fell && *rose
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
        let text = |of: &Change, name| of.attributes.text(name).to_owned();
        let named = text(from, "program");
        let position = programs.iter().position(|program| program.program == named)?;
        let (first, end) = days_of(&programs[position], from);
        let (from, to) = (text(from, "participant_id"), text(to, "participant_id"));
        let days = moves.get(&(position, from.as_str(), to.as_str()))?;
        days.iter().any(|days| days.0 < end && first < days.1).then_some(())
    };
    let mut found = Vec::new();
    for places in sums.values() {
        for &from in places {
            for &to in places {
                let (one, other) = (&changes[from], &changes[to]);
                let apart = (one.amount() < 0) != (other.amount() < 0);
                if apart && moved(one, other).is_some() {
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

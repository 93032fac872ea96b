//! The participant map changed for a settled month: what one participant earned for a transaction is
//! gone, and another earns for it. Both sides are adjustments of what was settled.

use super::attributes::Attributes;
use super::changes::Change;
use chrono::NaiveDate;
use earnest_core::earning::EntryKind;
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

type Key = (Vec<Option<String>>, NaiveDate);

fn key(attributes: &Attributes) -> Key {
    let texts = SAME.iter().map(|name| attributes.get(name).map(str::to_owned)).collect();
    (texts, attributes.transaction_on)
}

/// Pairs what is gone with what came for another participant.
pub fn pair(changes: &mut [Change]) {
    let mut gone: HashMap<Key, Vec<usize>> = HashMap::new();
    for (place, change) in changes.iter().enumerate() {
        if change.earned_now.is_none() {
            gone.entry(key(&change.attributes)).or_default().push(place);
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
        let Some(candidates) = gone.get_mut(&key(&changes[place].attributes)) else { continue };
        let participant = changes[place].attributes.text("participant_id").to_owned();
        let other = |&at: &usize| changes[at].attributes.text("participant_id") != participant;
        let Some(found) = candidates.iter().position(other) else { continue };
        let other = candidates.remove(found);
        let corrects = changes[other].corrects;
        for side in [place, other] {
            changes[side].kind = EntryKind::Adjustment;
            changes[side].cause = AdjustmentReason::PartnerMapping;
            changes[side].corrects = corrects;
        }
    }
}

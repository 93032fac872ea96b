//! Which refund reverses what of which line. In: refunds and candidates. Out: pieces by transaction.
//! Refunds that name a reference are linked first, by it; the others by order, subscription, SKU and
//! currency.

use super::link_lines::{LinkLine, Place};
use chrono::NaiveDate;
use earnest_core::id;
use earnest_core::refund::{Candidate, Refund, link};
use rayon::prelude::*;
use std::collections::HashMap;

/// A transaction within all sources.
pub type TransactionKey = (String, String);

/// All links of a run.
#[derive(Default)]
pub struct LinkIndex {
    /// What each linked refund reverses.
    pub refunds: HashMap<TransactionKey, Vec<Reversal>, foldhash::fast::RandomState>,
    /// Lines that are (partly) refunded: their base at amount scale.
    pub originals: HashMap<TransactionKey, i128, foldhash::fast::RandomState>,
    /// Rows of linked refunds and of refunded lines, in order, by position of their file.
    pub rows: HashMap<usize, Vec<usize>>,
}

/// A piece of a refund.
pub struct Reversal {
    pub original: TransactionKey,
    /// The original's day.
    pub original_on: NaiveDate,
    /// Base of the original refunded before and with this piece; equal for excess.
    pub before: i128,
    pub cumulated: i128,
    /// Base that exceeds every line it could be linked to; 0 for a piece.
    pub excess: i128,
}

/// Links all refunds. Groups are independent, so they are linked in `buckets` portions side by side.
pub fn link_all(refunds: Vec<LinkLine>, candidates: &[LinkLine], buckets: usize) -> LinkIndex {
    let mut index = LinkIndex::default();
    let mut consumed = HashMap::default();
    let (by_reference, mut by_key): (Vec<_>, Vec<_>) =
        refunds.into_iter().partition(|line| line.reference_id.is_some());
    if !by_reference.is_empty() {
        let lines: Vec<&LinkLine> = candidates.iter().collect();
        let found =
            link_groups(by_reference, &lines, &consumed, reference_group, target_group, false);
        by_key.extend(index.add(found, &mut consumed));
    }
    let buckets = buckets.max(1);
    let mut portions: Vec<(Vec<LinkLine>, Vec<&LinkLine>)> = Vec::new();
    portions.resize_with(buckets, Default::default);
    for refund in by_key {
        if let Some(key) = refund.link_key {
            portions[bucket(key, buckets)].0.push(refund);
        }
    }
    for candidate in candidates {
        if let Some(key) = candidate.link_key {
            portions[bucket(key, buckets)].1.push(candidate);
        }
    }
    let found: Vec<Found> = portions
        .into_par_iter()
        .map(|(refunds, lines)| link_groups(refunds, &lines, &consumed, key_group, key_group, true))
        .collect();
    for found in found {
        index.add(found, &mut consumed);
    }
    for rows in index.rows.values_mut() {
        rows.sort_unstable();
        rows.dedup();
    }
    index
}

fn bucket(link_key: i64, buckets: usize) -> usize {
    usize::try_from(link_key.cast_unsigned() % buckets as u64).unwrap_or_default()
}

/// Digest of source, currency and what groups lines.
type Group = u128;

fn group(line: &LinkLine, by: &str) -> Group {
    id::digest([line.source.as_bytes(), line.currency.as_bytes(), by.as_bytes()])
}

fn reference_group(line: &LinkLine) -> Option<Group> {
    line.reference_id.as_deref().map(|reference| group(line, reference))
}

fn target_group(line: &LinkLine) -> Option<Group> {
    line.reference_target.as_deref().map(|target| group(line, target))
}

fn key_group(line: &LinkLine) -> Option<Group> {
    line.link_key.map(|key| group(line, &key.to_string()))
}

/// How much base of a line is refunded already.
type Consumed = HashMap<TransactionKey, i128, foldhash::fast::RandomState>;

/// What linking a portion found.
#[derive(Default)]
struct Found {
    /// Refund, its original with the original's base, and what it reverses of it.
    reversals: Vec<(TransactionKey, i128, Reversal)>,
    places: Vec<Place>,
    consumed: Vec<(TransactionKey, i128)>,
    /// Refunds that have no candidate.
    unlinked: Vec<LinkLine>,
}

impl LinkIndex {
    /// Takes what was found; gives back the refunds that have no candidate.
    fn add(&mut self, found: Found, consumed: &mut Consumed) -> Vec<LinkLine> {
        for (refund, base, reversal) in found.reversals {
            self.originals.insert(reversal.original.clone(), base);
            self.refunds.entry(refund).or_default().push(reversal);
        }
        for (file, row) in found.places {
            self.rows.entry(file).or_default().push(row);
        }
        consumed.extend(found.consumed);
        found.unlinked
    }
}

/// Links group by group.
fn link_groups(
    refunds: Vec<LinkLine>,
    candidates: &[&LinkLine],
    consumed: &Consumed,
    refund_group: fn(&LinkLine) -> Option<Group>,
    candidate_group: fn(&LinkLine) -> Option<Group>,
    within: bool,
) -> Found {
    type Members<'a> = (Vec<LinkLine>, Vec<&'a LinkLine>);
    let mut groups: HashMap<Group, Members, foldhash::fast::RandomState> = HashMap::default();
    for refund in refunds {
        if let Some(group) = refund_group(&refund) {
            groups.entry(group).or_default().0.push(refund);
        }
    }
    for &candidate in candidates {
        if let Some(group) = candidate_group(candidate)
            && let Some(members) = groups.get_mut(&group)
        {
            members.1.push(candidate);
        }
    }
    let mut found = Found::default();
    for (refunds, lines) in groups.into_values() {
        link_group(refunds, &lines, consumed, within, &mut found);
    }
    found
}

fn link_group(
    refunds: Vec<LinkLine>,
    lines: &[&LinkLine],
    consumed: &Consumed,
    within: bool,
    found: &mut Found,
) {
    let given: Vec<Refund> = refunds
        .iter()
        .map(|line| Refund {
            transaction_id: line.transaction_id.clone(),
            transaction_on: line.transaction_on,
            charge: line.charge,
            base: -line.base,
        })
        .collect();
    let before = |line: &LinkLine| match consumed.is_empty() {
        true => 0,
        false => consumed.get(&key(line)).copied().unwrap_or_default(),
    };
    let mut candidates: Vec<Candidate> = lines
        .iter()
        .map(|line| Candidate {
            transaction_id: line.transaction_id.clone(),
            charge: line.charge,
            base: line.base,
            refunded: before(line),
        })
        .collect();
    let links = link(&given, &mut candidates, within);
    for (line, candidate) in lines.iter().zip(&candidates) {
        if candidate.refunded > 0 {
            found.consumed.push((key(line), candidate.refunded));
        }
    }
    let pieces = links.pieces.iter().map(|piece| {
        let (before, cumulated) = (piece.before, piece.cumulated);
        (piece.refund, piece.candidate, before, cumulated, 0)
    });
    let excess = links.excess.iter().map(|&(refund, last, excess)| (refund, last, 0, 0, excess));
    for (refund, line, before, cumulated, excess) in pieces.chain(excess) {
        let (original, original_on) = (key(lines[line]), lines[line].transaction_on);
        let reversal = Reversal { original, original_on, before, cumulated, excess };
        found.places.extend([refunds[refund].place, lines[line].place]);
        found.reversals.push((key(&refunds[refund]), lines[line].base, reversal));
    }
    let mut unlinked = vec![false; refunds.len()];
    links.unlinked.iter().for_each(|&refund| unlinked[refund] = true);
    let unlinked = refunds.into_iter().zip(unlinked).filter(|(_, unlinked)| *unlinked);
    found.unlinked.extend(unlinked.map(|(refund, _)| refund));
}

fn key(line: &LinkLine) -> TransactionKey {
    (line.source.clone(), line.transaction_id.clone())
}

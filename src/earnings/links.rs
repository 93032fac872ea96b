//! Which refund reverses what of which line. In: refunds and candidates. Out: pieces by transaction.
//! Refunds that name a reference are linked first, by it; the others by order, subscription, SKU and
//! currency. Groups are independent, so they can be linked bucket by bucket.

use super::facts::LinkLine;
use earnest_core::id;
use earnest_core::refund::{Candidate, Refund, link};
use std::collections::HashMap;

/// A transaction within all sources.
pub type TransactionKey = (String, String);

/// All links of a run.
#[derive(Default)]
pub struct LinkIndex {
    /// What each linked refund reverses.
    pub refunds: HashMap<TransactionKey, Vec<Reversal>>,
    /// Lines that are (partly) refunded: their base at amount scale.
    pub originals: HashMap<TransactionKey, i128>,
}

/// A piece of a refund.
pub struct Reversal {
    pub original: TransactionKey,
    /// Base of the original refunded before and with this piece; equal for excess.
    pub before: i128,
    pub cumulated: i128,
    /// Base that exceeds every line it could be linked to; 0 for a piece.
    pub excess: i128,
}

/// Links all refunds, in `buckets` portions that give the same result as one.
pub fn link_all(refunds: Vec<LinkLine>, candidates: Vec<LinkLine>, buckets: usize) -> LinkIndex {
    let mut index = LinkIndex::default();
    let (by_reference, mut by_key): (Vec<_>, Vec<_>) =
        refunds.into_iter().partition(|line| line.reference_id.is_some());
    let mut linker = Linker { consumed: HashMap::new(), index: &mut index };
    let unlinked = linker.link(by_reference, &candidates, reference_group, target_group, false);
    by_key.extend(unlinked.into_iter().filter(|line| line.link_key.is_some()));
    for bucket in 0..buckets.max(1) {
        let ours = |line: &LinkLine| bucket_of(line, buckets) == bucket;
        let portion: Vec<LinkLine> = by_key.extract_if(.., |line| ours(line)).collect();
        let lines: Vec<&LinkLine> = candidates.iter().filter(|line| ours(line)).collect();
        linker.link_refs(portion, &lines, key_group, key_group, true);
    }
    index
}

fn bucket_of(line: &LinkLine, buckets: usize) -> usize {
    let key = line.link_key.unwrap_or_default().cast_unsigned();
    usize::try_from(key % buckets.max(1) as u64).unwrap_or_default()
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

struct Linker<'a> {
    consumed: HashMap<TransactionKey, i128>,
    index: &'a mut LinkIndex,
}

impl Linker<'_> {
    fn link(
        &mut self,
        refunds: Vec<LinkLine>,
        candidates: &[LinkLine],
        refund_group: fn(&LinkLine) -> Option<Group>,
        candidate_group: fn(&LinkLine) -> Option<Group>,
        within: bool,
    ) -> Vec<LinkLine> {
        let candidates: Vec<&LinkLine> = candidates.iter().collect();
        self.link_refs(refunds, &candidates, refund_group, candidate_group, within)
    }

    /// Links group by group; gives back the refunds that have no candidate.
    fn link_refs(
        &mut self,
        refunds: Vec<LinkLine>,
        candidates: &[&LinkLine],
        refund_group: fn(&LinkLine) -> Option<Group>,
        candidate_group: fn(&LinkLine) -> Option<Group>,
        within: bool,
    ) -> Vec<LinkLine> {
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
        groups
            .into_values()
            .flat_map(|(refunds, candidates)| self.link_group(refunds, &candidates, within))
            .collect()
    }

    fn link_group(
        &mut self,
        refunds: Vec<LinkLine>,
        lines: &[&LinkLine],
        within: bool,
    ) -> Vec<LinkLine> {
        let given: Vec<Refund> = refunds
            .iter()
            .map(|line| Refund {
                transaction_id: line.transaction_id.clone(),
                transaction_on: line.transaction_on,
                charge: line.charge,
                base: -line.base,
            })
            .collect();
        let mut candidates: Vec<Candidate> = lines
            .iter()
            .map(|line| Candidate {
                transaction_id: line.transaction_id.clone(),
                charge: line.charge,
                base: line.base,
                refunded: self.consumed.get(&key(line)).copied().unwrap_or_default(),
            })
            .collect();
        let links = link(&given, &mut candidates, within);
        for (line, candidate) in lines.iter().zip(&candidates) {
            if candidate.refunded > 0 {
                self.consumed.insert(key(line), candidate.refunded);
            }
        }
        for piece in &links.pieces {
            self.add(
                &refunds[piece.refund],
                lines[piece.candidate],
                Reversal {
                    original: key(lines[piece.candidate]),
                    before: piece.before,
                    cumulated: piece.cumulated,
                    excess: 0,
                },
            );
        }
        for &(refund, last, excess) in &links.excess {
            let original = key(lines[last]);
            self.add(
                &refunds[refund],
                lines[last],
                Reversal { original, before: 0, cumulated: 0, excess },
            );
        }
        let mut unlinked = links.unlinked;
        unlinked.sort_unstable();
        let mut refunds: Vec<Option<LinkLine>> = refunds.into_iter().map(Some).collect();
        unlinked.into_iter().filter_map(|position| refunds[position].take()).collect()
    }

    fn add(&mut self, refund: &LinkLine, original: &LinkLine, reversal: Reversal) {
        self.index.originals.insert(key(original), original.base);
        self.index.refunds.entry(key(refund)).or_default().push(reversal);
    }
}

fn key(line: &LinkLine) -> TransactionKey {
    (line.source.clone(), line.transaction_id.clone())
}

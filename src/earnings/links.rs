//! Which refund reverses what of which line. In: refunds and candidates. Out: pieces by transaction.
//! Refunds that name a reference are linked first, by it; the others by order, subscription, SKU and
//! currency.

use super::link_lines::{Group, LinkLine, Place};
use chrono::NaiveDate;
use earnest_core::refund::{Candidate, Refund, link};
use rayon::prelude::*;
use std::collections::HashMap;

/// All links of a run. Linked refunds and refunded lines have numbers, which say nothing else.
#[derive(Default)]
pub struct LinkIndex {
    /// What linked refunds reverse, by their number.
    pub refunds: Vec<Vec<Reversal>>,
    /// Rows of linked refunds and of refunded lines, in order, by position of their file.
    pub rows: HashMap<usize, Vec<(usize, Linked)>>,
}

/// What a linked row is, with its number.
#[derive(Clone, Copy)]
pub enum Linked {
    Refund(usize),
    Refunded(usize),
}

/// A piece of a refund. Bases at amount scale.
pub struct Reversal {
    /// The number of the line that it refunds, its day and its base.
    pub original: usize,
    pub original_on: NaiveDate,
    pub base: i128,
    /// Base of the original refunded before and with this piece; equal for excess.
    pub before: i128,
    pub cumulated: i128,
    /// Base that exceeds every line it could be linked to; 0 for a piece.
    pub excess: i128,
}

/// Links all refunds. Groups are independent, so they are linked in `buckets` portions side by side.
pub fn link_all(refunds: &[LinkLine], candidates: &[LinkLine], buckets: usize) -> LinkIndex {
    let mut index = LinkIndex::default();
    let (mut numbers, mut consumed) = (Numbers::default(), Consumed::default());
    let (by_reference, mut by_key): (Vec<&LinkLine>, Vec<&LinkLine>) =
        refunds.iter().partition(|line| line.by_reference.is_some());
    if !by_reference.is_empty() {
        let candidates = candidates.iter().collect();
        let by_reference_of = |line: &LinkLine| line.by_reference;
        let found = link_groups(by_reference, candidates, &consumed, by_reference_of, false);
        by_key.extend(&found.unlinked);
        consumed.extend(found.consumed.iter().copied());
        index.add(found, &mut numbers);
    }
    let portions = portions(by_key, candidates, buckets.max(1));
    let found: Vec<Found> = portions
        .into_par_iter()
        .map(|(refunds, lines)| link_groups(refunds, lines, &consumed, |line| line.by_key, true))
        .collect();
    for found in found {
        index.add(found, &mut numbers);
    }
    for rows in index.rows.values_mut() {
        rows.sort_unstable_by_key(|(row, _)| *row);
    }
    index
}

/// Refunds and candidates.
type Lines<'a> = (Vec<&'a LinkLine>, Vec<&'a LinkLine>);

/// Refunds and candidates by their link key.
fn portions<'a>(
    refunds: Vec<&'a LinkLine>,
    candidates: &'a [LinkLine],
    buckets: usize,
) -> Vec<Lines<'a>> {
    let mut portions = vec![Lines::default(); buckets];
    for refund in refunds {
        if let Some(key) = refund.link_key {
            portions[bucket(key, buckets)].0.push(refund);
        }
    }
    for candidate in candidates {
        if let Some(key) = candidate.link_key {
            portions[bucket(key, buckets)].1.push(candidate);
        }
    }
    portions
}

fn bucket(link_key: i64, buckets: usize) -> usize {
    usize::try_from(link_key.cast_unsigned() % buckets as u64).unwrap_or_default()
}

/// How much base of a line is refunded already.
type Consumed = HashMap<Place, i128, foldhash::fast::RandomState>;

/// The numbers of refunded lines.
type Numbers = HashMap<Place, usize, foldhash::fast::RandomState>;

/// What linking a portion found.
#[derive(Default)]
struct Found<'a> {
    /// By place of a refund: what it reverses, with the place of each line that it refunds.
    reversals: Vec<(Place, Vec<(Place, Reversal)>)>,
    /// How much base of a line is refunded.
    consumed: Vec<(Place, i128)>,
    /// Refunds that have no candidate.
    unlinked: Vec<&'a LinkLine>,
}

impl LinkIndex {
    /// Takes what was found, and numbers it.
    fn add(&mut self, found: Found, numbers: &mut Numbers) {
        for ((file, row), pieces) in found.reversals {
            let mut reversals = Vec::with_capacity(pieces.len());
            for (place, mut reversal) in pieces {
                let next = numbers.len();
                reversal.original = *numbers.entry(place).or_insert_with(|| {
                    let rows = self.rows.entry(place.0).or_default();
                    rows.push((place.1, Linked::Refunded(next)));
                    next
                });
                reversals.push(reversal);
            }
            let refund = Linked::Refund(self.refunds.len());
            self.rows.entry(file).or_default().push((row, refund));
            self.refunds.push(reversals);
        }
    }
}

/// Links group by group.
fn link_groups<'a>(
    refunds: Vec<&'a LinkLine>,
    candidates: Vec<&'a LinkLine>,
    consumed: &Consumed,
    group_of: fn(&LinkLine) -> Option<Group>,
    within: bool,
) -> Found<'a> {
    let mut groups: HashMap<Group, Lines, foldhash::fast::RandomState> = HashMap::default();
    for refund in refunds {
        if let Some(group) = group_of(refund) {
            groups.entry(group).or_default().0.push(refund);
        }
    }
    for candidate in candidates {
        if let Some(group) = group_of(candidate)
            && let Some(members) = groups.get_mut(&group)
        {
            members.1.push(candidate);
        }
    }
    let mut found = Found::default();
    for (refunds, lines) in groups.into_values() {
        link_group(&refunds, &lines, consumed, within, &mut found);
    }
    found
}

fn link_group<'a>(
    refunds: &[&'a LinkLine],
    lines: &[&'a LinkLine],
    consumed: &Consumed,
    within: bool,
    found: &mut Found<'a>,
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
        false => consumed.get(&line.place).copied().unwrap_or_default(),
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
    // Only what is linked by reference comes before others.
    if !within {
        let refunded = lines.iter().zip(&candidates).filter(|(_, line)| line.refunded > 0);
        found.consumed.extend(refunded.map(|(line, candidate)| (line.place, candidate.refunded)));
    }
    let pieces = links.pieces.iter().map(|piece| {
        let (before, cumulated) = (piece.before, piece.cumulated);
        (piece.refund, piece.candidate, before, cumulated, 0)
    });
    let excess = links.excess.iter().map(|&(refund, last, excess)| (refund, last, 0, 0, excess));
    let mut reversals: Vec<Vec<(Place, Reversal)>> = Vec::new();
    reversals.resize_with(refunds.len(), Vec::new);
    for (refund, line, before, cumulated, excess) in pieces.chain(excess) {
        let line = lines[line];
        let (original_on, base) = (line.transaction_on, line.base);
        // Its number is given when all that was found is brought together.
        let reversal = Reversal { original: 0, original_on, base, before, cumulated, excess };
        reversals[refund].push((line.place, reversal));
    }
    let linked = refunds.iter().map(|line| line.place).zip(reversals);
    found.reversals.extend(linked.filter(|(_, pieces)| !pieces.is_empty()));
    found.unlinked.extend(links.unlinked.iter().map(|&refund| refunds[refund]));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line in the row of its number; groups and key as given.
    fn line(row: usize, base: i128, reference: Option<Group>, key: Option<i64>) -> LinkLine {
        let day = |text: &str| text.parse().expect("a day");
        LinkLine {
            place: (0, row),
            transaction_id: format!("T{row}"),
            transaction_on: day("2026-01-10"),
            base,
            charge: Some((day("2026-01-01"), day("2026-01-31"))),
            reference_id: None,
            link_key: key,
            by_reference: reference,
            by_key: key.map(|key| Group::from(key.unsigned_abs())),
        }
    }

    #[test]
    fn what_a_reference_consumed_is_gone_for_those_without_one() {
        let sale = line(0, 100, Some(1), Some(7));
        let refunds = [line(1, -60, Some(1), Some(7)), line(2, -60, None, Some(7))];
        for buckets in [1, 3] {
            let index = link_all(&refunds, std::slice::from_ref(&sale), buckets);
            let found = |reversal: &Reversal| {
                (reversal.original, reversal.before, reversal.cumulated, reversal.excess)
            };
            let all = index.refunds.iter().map(|all| all.iter().map(found).collect::<Vec<_>>());
            let all: Vec<_> = all.collect();
            assert_eq!(all, [vec![(0, 0, 60, 0)], vec![(0, 60, 100, 0), (0, 0, 0, 20)]]);
            let rows: Vec<usize> = index.rows[&0].iter().map(|(row, _)| *row).collect();
            assert_eq!(rows, [0, 1, 2]);
        }
    }
}

//! Lines and keys that come again within a delivery. In: digests, block by block. Out: the occurrence
//! number of equal lines, which all count; which rows of a `key` format are the same row again, and
//! which keys have rows that contradict each other.

use super::seen::Seen;
use arrow::array::{ArrayRef, BooleanArray, StringArray};
use earnest_core::id;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Occurrence numbers of equal lines.
#[derive(Default)]
pub(super) struct Occurrences {
    seen: Seen<3>,
    /// Of lines that came more than once, how often so far.
    again: HashMap<u128, u64>,
}

impl Occurrences {
    /// Takes the ids of lines that came in earlier parts of the delivery.
    pub(super) fn resume(&mut self, ids: &StringArray) {
        for text in ids.iter().flatten() {
            let parsed = text.split_once('-').and_then(|(digest, number)| {
                Some((id::digest_of(digest)?, number.parse::<u64>().ok()?))
            });
            let Some((digest, number)) = parsed else { continue };
            if self.seen.insert(digest, &[]).is_some() || number > 1 {
                let count = self.again.entry(digest).or_insert(1);
                *count = number.max(*count);
            }
        }
    }

    /// The ids of a block's rows; `None` if none of its lines came before, so that all are first.
    pub(super) fn ids(&mut self, digests: &[u128]) -> Option<ArrayRef> {
        let mut numbers: Vec<(usize, u64)> = Vec::new();
        self.seen.fetch(digests);
        for (row, digest) in digests.iter().enumerate() {
            if self.seen.insert(*digest, &[]).is_some() {
                let count = self.again.entry(*digest).or_insert(1);
                *count += 1;
                numbers.push((row, *count));
            }
        }
        if numbers.is_empty() {
            return None;
        }
        let mut numbers = numbers.into_iter().peekable();
        let ids = digests.iter().enumerate().map(|(row, digest)| {
            let number = numbers.next_if(|(again, _)| *again == row).map_or(1, |(_, count)| count);
            format!("{}-{number}", id::text(*digest))
        });
        Some(Arc::new(StringArray::from_iter_values(ids)))
    }
}

/// Keys of a delivery of a `key` format.
#[derive(Default)]
pub(super) struct Keys {
    seen: Seen<5>,
    /// First 64 bits of each distinct key's hash.
    pub hashes: Vec<u64>,
    /// Contents of keys whose rows differ.
    contents: HashMap<u128, Vec<u64>>,
    /// Keys whose rows differ within the delivery, with how many rows were staged.
    pub conflicts: BTreeMap<String, u64>,
}

impl Keys {
    /// Which rows of a block to keep; `None`: all. A row that equals an earlier one is left out.
    pub(super) fn take(
        &mut self,
        hashes: &[u128],
        contents: &[u128],
        keys: &StringArray,
    ) -> Option<BooleanArray> {
        let mut dropped: Vec<usize> = Vec::new();
        for (row, (hash, content)) in hashes.iter().zip(contents).enumerate() {
            let content = (content >> 64) as u64;
            let payload = [(content >> 32) as u32, (content & 0xFFFF_FFFF) as u32];
            let Some(first) = self.seen.insert(*hash, &payload) else {
                self.hashes.push(short(*hash));
                continue;
            };
            let first = u64::from(first[3]) << 32 | u64::from(first[4]);
            let known = self.contents.get(hash);
            if first == content || known.is_some_and(|known| known.contains(&content)) {
                dropped.push(row);
                continue;
            }
            self.contents.entry(*hash).or_default().push(content);
            *self.conflicts.entry(keys.value(row).to_owned()).or_insert(1) += 1;
        }
        if dropped.is_empty() {
            return None;
        }
        let mut kept = vec![true; hashes.len()];
        for row in dropped {
            kept[row] = false;
        }
        Some(kept.into())
    }

    /// Gives back what only staging needs.
    pub(super) fn forget(&mut self) {
        self.seen = Seen::default();
        self.contents = HashMap::new();
    }
}

/// The first 64 bits of a key's hash.
pub(super) fn short(hash: u128) -> u64 {
    (hash >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;

    #[test]
    fn equal_lines_are_numbered_over_blocks() {
        let mut occurrences = Occurrences::default();
        assert!(occurrences.ids(&[1, 2, 3]).is_none());
        let ids = occurrences.ids(&[4, 2, 2, 5]).expect("2 came before");
        let ids = ids.as_string::<i32>();
        let numbers: Vec<_> = (0..4).map(|row| ids.value(row)[26..].to_owned()).collect();
        assert_eq!(numbers, ["-1", "-2", "-3", "-1"]);
        assert_eq!(ids.value(3)[..26], id::text(5));
    }

    #[test]
    fn a_later_part_numbers_on() {
        let mut before = Occurrences::default();
        let of = |numbers: &[&str]| StringArray::from(numbers.to_vec());
        let [one, two] = [1, 2].map(id::text);
        before.resume(&of(&[&format!("{two}-3"), &format!("{one}-1"), &format!("{two}-1")]));
        let ids = before.ids(&[2, 1, 2, 3]).expect("they came before");
        let ids = ids.as_string::<i32>();
        let numbers: Vec<_> = (0..4).map(|row| ids.value(row)[26..].to_owned()).collect();
        assert_eq!(numbers, ["-4", "-2", "-5", "-1"]);
    }

    #[test]
    fn equal_rows_are_left_out_and_contradicting_ones_named() {
        let mut keys = Keys::default();
        let names = StringArray::from(vec!["a", "b", "a", "b", "b", "b"]);
        let high = |value: u128| value << 64;
        let kept = keys
            .take(
                &[high(1), high(2), high(1), high(2), high(2), high(2)],
                &[high(7), high(8), high(7), high(9), high(9), high(8)],
                &names,
            )
            .expect("rows came again");
        let kept: Vec<bool> = (0..kept.len()).map(|row| kept.value(row)).collect();
        assert_eq!(kept, [true, true, false, true, false, false]);
        assert_eq!(keys.conflicts, BTreeMap::from([("b".to_owned(), 2)]));
        assert_eq!(keys.hashes, [1, 2]);
    }
}

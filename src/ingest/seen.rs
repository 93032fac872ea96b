//! What came before within a delivery. In: digests of rows or keys. Out: whether one came before, and
//! what it carried. Small on purpose: a delivery may have tens of millions of rows.

/// A hash table whose entries are a digest's first 96 bits and a payload. Two of 50 million rows
/// share 96 bits with a probability below 10⁻¹³. `N` is 3 plus the words of the payload.
pub(super) struct Seen<const N: usize> {
    shards: Vec<Shard<N>>,
}

struct Shard<const N: usize> {
    /// All zeros: free. The length is a power of two.
    slots: Vec<[u32; N]>,
    used: usize,
}

/// Many, so that growing one moves little.
const SHARDS: usize = 64;

impl<const N: usize> Default for Seen<N> {
    fn default() -> Seen<N> {
        let shard = || Shard { slots: Vec::new(), used: 0 };
        Seen { shards: (0..SHARDS).map(|_| shard()).collect() }
    }
}

impl<const N: usize> Seen<N> {
    /// Looks once where each digest would lie: the memory comes for many of them at a time, not for one
    /// after the other.
    pub(super) fn fetch(&self, digests: &[u128]) {
        let first = |digest: &u128| {
            let shard = &self.shards[shard_of(*digest)];
            let slot = word(*digest, 1) as usize & shard.slots.len().wrapping_sub(1);
            shard.slots.get(slot).map_or(0, |entry| entry[0])
        };
        let all = digests.iter().map(first).fold(0, u32::wrapping_add);
        std::hint::black_box(all);
    }

    /// Takes a digest with its payload; the payload that it first came with, if it came before.
    pub(super) fn insert(&mut self, digest: u128, payload: &[u32]) -> Option<[u32; N]> {
        let mut entry = [0; N];
        for (place, word) in entry.iter_mut().take(3).enumerate() {
            *word = self::word(digest, place);
        }
        // An entry of zeros would look free.
        entry[0] |= u32::from(entry[..3] == [0; 3]);
        entry[3..].copy_from_slice(payload);
        let shard = &mut self.shards[shard_of(digest)];
        if shard.used * 5 >= shard.slots.len() * 4 {
            shard.grow();
        }
        shard.insert(entry)
    }
}

/// One of the four words of a digest, the lowest first.
fn word(digest: u128, place: usize) -> u32 {
    (digest >> (32 * place) & 0xFFFF_FFFF) as u32
}

fn shard_of(digest: u128) -> usize {
    (digest >> 122) as usize % SHARDS
}

impl<const N: usize> Shard<N> {
    fn insert(&mut self, entry: [u32; N]) -> Option<[u32; N]> {
        let mask = self.slots.len() - 1;
        let mut slot = (entry[1] as usize) & mask;
        loop {
            let known = self.slots[slot];
            if known[..3] == [0; 3] {
                self.slots[slot] = entry;
                self.used += 1;
                return None;
            }
            if known[..3] == entry[..3] {
                return Some(known);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let length = (self.slots.len() * 2).max(64);
        let before = std::mem::replace(&mut self.slots, vec![[0; N]; length]);
        self.used = 0;
        for entry in before.into_iter().filter(|entry| entry[..3] != [0; 3]) {
            self.insert(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earnest_core::id;

    #[test]
    fn what_came_before_is_known() {
        let digest = |number: u64| id::digest([number.to_le_bytes().as_slice()]);
        let mut seen = Seen::<4>::default();
        for number in 0..50_000_u64 {
            assert_eq!(seen.insert(digest(number), &[(number % 7) as u32]), None);
        }
        for number in (0..50_000_u64).rev() {
            let before = seen.insert(digest(number), &[9]).expect("it came before");
            assert_eq!(u64::from(before[3]), number % 7);
        }
        assert_eq!(seen.insert(0, &[1]), None);
        assert_eq!(seen.insert(0, &[2]).map(|entry| entry[3]), Some(1));
    }
}

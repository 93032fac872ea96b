//! Digests that identify things: of content only, never of a position, a file or an arrival time.

use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

/// Digest of parts, 128 bits. Parts are length-prefixed, so that `ab`,`c` differs from `a`,`bc`.
#[must_use]
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u128 {
    let mut short = [0; SHORT];
    let mut used = 0;
    let mut parts = parts.into_iter();
    while let Some(part) = parts.next() {
        let (begin, end) = (used + LENGTH, used + LENGTH + part.len());
        if end > SHORT {
            return digest_long(&short[..used], std::iter::once(part).chain(parts));
        }
        short[used..begin].copy_from_slice(&(part.len() as u64).to_le_bytes());
        short[begin..end].copy_from_slice(part);
        used = end;
    }
    xxh3_128(&short[..used])
}

/// Bytes of a part's length.
const LENGTH: usize = 8;

/// Bytes that are hashed at once, which is several times as fast as one part after the other.
const SHORT: usize = 240;

/// The same digest, whose first bytes are known.
fn digest_long<'a>(first: &[u8], parts: impl Iterator<Item = &'a [u8]>) -> u128 {
    let mut hasher = Xxh3Default::new();
    hasher.update(first);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.digest128()
}

/// Digests many small things without allocating: the same digests as [`digest`].
#[derive(Default)]
pub struct Digester(Vec<u8>);

impl Digester {
    pub fn digest(&mut self, parts: &[&str]) -> u128 {
        self.begin(parts);
        xxh3_128(&self.0)
    }

    /// Begins with parts; what is begun has one or several [`end`](Digester::end)s.
    pub fn begin(&mut self, parts: &[&str]) {
        self.0.clear();
        parts.iter().for_each(|part| self.add(part));
    }

    /// The digest of what was begun and a last part.
    pub fn end(&mut self, part: &str) -> u128 {
        let begun = self.0.len();
        self.add(part);
        let digest = xxh3_128(&self.0);
        self.0.truncate(begun);
        digest
    }

    fn add(&mut self, part: &str) {
        self.0.extend_from_slice(&(part.len() as u64).to_le_bytes());
        self.0.extend_from_slice(part.as_bytes());
    }
}

/// A digest as 26 characters of Crockford's base 32, lower case.
#[must_use]
pub fn text(digest: u128) -> String {
    characters(digest).map(char::from).iter().collect()
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The digest that [`text`] wrote; `None`: it wrote something else.
#[must_use]
pub fn digest_of(text: &str) -> Option<u128> {
    let known = |character| ALPHABET.iter().position(|known| *known == character);
    let digest = text.bytes().try_fold(0u128, |digest, character| {
        Some(digest.checked_mul(32)? | u128::try_from(known(character)?).ok()?)
    })?;
    (text.len() == 26).then_some(digest)
}

/// The 26 ASCII characters of [`text`], without an allocation.
#[must_use]
pub fn characters(digest: u128) -> [u8; 26] {
    const LOW: u128 = (1 << 60) - 1;
    let mut characters = [0; 26];
    // Shifts of 64 bits are cheap, those of 128 are not: twelve characters of 60 bits at a time.
    let parts = [(digest & LOW, 14..26), (digest >> 60 & LOW, 2..14), (digest >> 120, 0..2)];
    for (part, places) in parts {
        let mut part = (part & u128::from(u64::MAX)) as u64;
        for place in places.rev() {
            characters[place] = ALPHABET[(part & 31) as usize];
            part >>= 5;
        }
    }
    characters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        let of = |parts: &[&str]| digest(parts.iter().map(|part| part.as_bytes()));
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["a", ""]), of(&["a"]));
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        let digested = |parts: &[&str]| {
            let (last, first) = parts.split_last().expect("parts");
            let mut digester = Digester::default();
            digester.begin(first);
            assert_eq!(digester.end("another"), of(&[first, &["another"]].concat()));
            digester.end(last)
        };
        assert_eq!(of(&["a", "b"]), digested(&["a", "b"]));
        for length in [0, 1, 100, 223, 224, 225, 300] {
            let long = "x".repeat(length);
            for parts in [vec!["ab", &long], vec![&long, "ab"], vec!["ab", &long, &long]] {
                assert_eq!(of(&parts), digested(&parts), "{length}");
            }
        }
        assert_eq!(text(0), "0".repeat(26));
        assert_eq!(text(u128::MAX), format!("7{}", "z".repeat(25)));
        for digest in [0, 1, u128::MAX, of(&["a"])] {
            assert_eq!(digest_of(&text(digest)), Some(digest));
        }
        let other = [format!("8{}", "0".repeat(25)), "u".repeat(26), "0".repeat(25)];
        assert!(other.iter().all(|other| digest_of(other).is_none()));
    }
}

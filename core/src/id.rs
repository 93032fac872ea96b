//! Digests that identify things: of content only, never of a position, a file or an arrival time.

use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

/// Digest of parts, 128 bits. Parts are length-prefixed, so that `ab`,`c` differs from `a`,`bc`.
#[must_use]
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u128 {
    let mut hasher = Xxh3Default::new();
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
        self.0.clear();
        for part in parts {
            self.0.extend_from_slice(&(part.len() as u64).to_le_bytes());
            self.0.extend_from_slice(part.as_bytes());
        }
        xxh3_128(&self.0)
    }
}

/// A digest as 26 characters of Crockford's base 32, lower case.
#[must_use]
pub fn text(digest: u128) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    (0..26)
        .rev()
        .map(|place| char::from(ALPHABET[((digest >> (place * 5)) & 31) as usize]))
        .collect()
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
        assert_eq!(of(&["a", "b"]), Digester::default().digest(&["a", "b"]));
        assert_eq!(text(0), "0".repeat(26));
        assert_eq!(text(u128::MAX), format!("7{}", "z".repeat(25)));
    }
}

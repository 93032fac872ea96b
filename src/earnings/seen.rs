//! A cheap first look: most rows are known not to be in a set before the set is asked.

/// A bit for each digest that was added. It may say yes to others, and never no to one of them.
pub struct Seen(Vec<u64>);

impl Seen {
    /// For so many digests.
    pub fn with_capacity(digests: usize) -> Seen {
        Seen(vec![0; (digests / 4).next_power_of_two()])
    }

    pub fn add(&mut self, digest: u64) {
        let (word, bit) = self.place(digest);
        self.0[word] |= bit;
    }

    pub fn may_hold(&self, digest: u64) -> bool {
        let (word, bit) = self.place(digest);
        self.0[word] & bit != 0
    }

    /// Any bits of a digest are as good as others.
    fn place(&self, digest: u64) -> (usize, u64) {
        let word = usize::try_from(digest >> 6).unwrap_or_default() & (self.0.len() - 1);
        (word, 1 << (digest & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_never_denied() {
        let digest = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut seen = Seen::with_capacity(1_000);
        (0..1_000).for_each(|number| seen.add(digest(number)));
        assert!((0..1_000).all(|number| seen.may_hold(digest(number))));
        let others = (1_000..11_000).filter(|&number| seen.may_hold(digest(number))).count();
        assert!(others < 2_000, "{others} of 10000 others");
        assert!(!Seen::with_capacity(0).may_hold(digest(1)));
    }
}

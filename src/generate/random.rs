//! Random numbers as functions of a seed and a place, so that any row can be made again on its own,
//! in any order, on any thread.

/// Mixes two numbers into one; every bit of the result depends on every bit of both.
/// The finalizer is that of SplitMix64.
#[must_use]
pub const fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_add(b.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A stream of random numbers that starts at a place.
pub struct Random(pub u64);

impl Random {
    #[must_use]
    pub const fn at(seed: u64, place: u64) -> Random {
        Random(mix(seed, place))
    }

    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0, 0)
    }

    /// A number from 0 up to but without `limit`; `limit` is positive.
    pub const fn below(&mut self, limit: u64) -> u64 {
        (((self.next() as u128) * (limit as u128)) >> 64) as u64
    }

    /// True in `parts` of a thousand cases.
    pub const fn permille(&mut self, parts: u64) -> bool {
        self.below(1000) < parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_always_gives_the_same_numbers() {
        let draw = |seed, place| {
            let mut random = Random::at(seed, place);
            [random.below(10), random.below(1000), random.next()]
        };
        assert_eq!(draw(1, 7), draw(1, 7));
        assert_ne!(draw(1, 7), draw(1, 8));
        assert_ne!(draw(1, 7), draw(2, 7));
        let mut random = Random::at(1, 1);
        let mean: u64 = (0..10_000).map(|_| random.below(100)).sum::<u64>() / 10_000;
        assert!((45..55).contains(&mean), "{mean}");
    }
}

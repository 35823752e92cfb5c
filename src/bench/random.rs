//! Numbers that look random and are the same for the same seed, on every machine and in every version.
//!
//! SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). Written out because the
//! small generators of `rand` promise no such thing across its versions. Not for secrets.

/// A stream of numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below another; 0 below 0.
    pub fn below(&mut self, bound: usize) -> usize {
        // The upper half of the product: as even as anyone can tell, and no division.
        let product = u128::from(self.next()) * (bound as u128);
        usize::try_from(product >> 64).unwrap_or(0)
    }

    /// Whether something of this many per cent happens.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// A number below another, small ones more often: of 1,000 the hottest is drawn ten times as often as the median.
    pub fn skewed_below(&mut self, bound: usize) -> usize {
        // As a product of two even draws is skewed; integers alone, so that no machine rounds otherwise.
        let most = self.below(bound);
        self.below(most.saturating_add(1))
    }

    /// One of these, if there are any.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// Puts these into any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// One of these, the first ones much more often.
    pub fn pick_hot<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.skewed_below(from.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_splitmix64() {
        let mut random = Random::seeded(1_234_567);
        let drawn: Vec<_> = (0..3).map(|_| random.next()).collect();
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn what_is_drawn_is_in_bounds_and_hot_ones_come_more_often() {
        let mut random = Random::seeded(1);
        let mut seen = [0_usize; 100];
        for _ in 0..100_000 {
            seen[random.skewed_below(100)] += 1;
            assert!(random.below(3) < 3);
        }
        assert_eq!((random.below(0), random.below(1), random.skewed_below(0)), (0, 0, 0));
        assert!(seen[0] > 5 * seen[50] && seen[99] > 0, "{seen:?}");
        assert_eq!(random.pick::<u8>(&[]), None);
    }
}

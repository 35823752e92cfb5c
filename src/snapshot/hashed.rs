//! Looking things up among sorted hashes: they are spread evenly, so where one is can be guessed.

/// The first place whose hash is not below this one, of hashes that share so many of their upper bits.
pub fn place_of(hashes: &[u64], hash: u64, shared_bits: u32) -> usize {
    let spread = hash.checked_shl(shared_bits).unwrap_or_default();
    let guess = (u128::from(spread) * hashes.len() as u128) >> u64::BITS;
    // A guess is off by some eight places among 250: nearer than halving would come with as many looks. Hashes that
    // someone took care to crowd are found by halving.
    let mut place = usize::try_from(guess).unwrap_or_default();
    for _ in 0..MOST_STEPS {
        if place > 0 && hashes.get(place - 1).is_some_and(|before| *before >= hash) {
            place -= 1;
        } else if hashes.get(place).is_some_and(|here| *here < hash) {
            place += 1;
        } else {
            return place;
        }
    }
    hashes.partition_point(|other| *other < hash)
}

const MOST_STEPS: usize = 64;

/// Says of most hashes that are not there that they are not, at the price of one look into memory.
#[derive(Debug, Default)]
pub struct HashFilter {
    words: Box<[u64]>,
}

impl HashFilter {
    /// Of so many hashes.
    pub fn of<'a>(count: usize, hashes: impl Iterator<Item = &'a u64>) -> Self {
        let mut words = vec![0_u64; (count / HASHES_PER_WORD).next_power_of_two()].into_boxed_slice();
        for hash in hashes {
            let place = place_in(&words, *hash);
            if let Some(word) = words.get_mut(place) {
                *word |= bits_of(*hash);
            }
        }
        Self { words }
    }

    pub fn may_contain(&self, hash: u64) -> bool {
        let bits = bits_of(hash);
        self.words.get(place_in(&self.words, hash)).is_some_and(|word| word & bits == bits)
    }
}

fn place_in(words: &[u64], hash: u64) -> usize {
    // The count is a power of two.
    usize::try_from(hash >> 18).unwrap_or_default() & words.len().saturating_sub(1)
}

/// Three bits of a word.
fn bits_of(hash: u64) -> u64 {
    (1 << (hash & 63)) | (1 << (hash >> 6 & 63)) | (1 << (hash >> 12 & 63))
}

/// One word in sixteen bits a hash.
const HASHES_PER_WORD: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_guess_ends_where_halving_would(
            mut hashes in vec(prop_oneof![any::<u64>(), 0..9_u64, Just(u64::MAX)], 0..300), wanted in any::<u64>(), near in any::<prop::sample::Index>(),
        ) {
            hashes.sort_unstable();
            let known = if hashes.is_empty() { wanted } else { *near.get(&hashes) };
            for hash in [wanted, known, known.wrapping_add(1), 0, u64::MAX] {
                prop_assert_eq!(place_of(&hashes, hash, 0), hashes.partition_point(|other| *other < hash));
            }
        }

        #[test]
        fn a_shard_shares_its_upper_bits(shard in 0..4096_u64, lower in vec(0..(1_u64 << 52), 1..300), wanted in 0..(1_u64 << 52)) {
            let mut hashes: Vec<_> = lower.iter().map(|lower| (shard << 52) | lower).collect();
            hashes.sort_unstable();
            for hash in [(shard << 52) | wanted, hashes[0], u64::MAX, 0] {
                prop_assert_eq!(place_of(&hashes, hash, 12), hashes.partition_point(|other| *other < hash));
            }
        }

        #[test]
        fn a_filter_never_misses(hashes in vec(any::<u64>(), 0..500)) {
            let filter = HashFilter::of(hashes.len(), hashes.iter());
            prop_assert!(hashes.iter().all(|hash| filter.may_contain(*hash)));
        }
    }

    #[test]
    fn a_filter_lets_few_others_pass() {
        let spread = |number: u64| crate::model::pair_hash(number, 7);
        let filter = HashFilter::of(10_000, (0..10_000).map(spread).collect::<Vec<_>>().iter());
        let others = (10_000..110_000).filter(|number| filter.may_contain(spread(*number))).count();
        assert!(others < 2_000, "{others} of 100,000");
    }
}

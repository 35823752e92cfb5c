//! Which file of a bundle holds which item, so that one changed grant among a million rewrites one small file.
//!
//! A part of few items is one file (`entities.json`); as it grows it is split into 16, 256 and 4096, by the hash of
//! what each item is about (`entities-0a3.json`). The hash is part of the format: equal on every machine, for ever.

use std::ops::RangeInclusive;

/// How many files a part is split into, as a number of hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sharding {
    digits: u32,
}

impl Sharding {
    /// For so many items: no file grows much beyond a thousand before the next split.
    pub fn for_items(count: usize) -> Self {
        let digits = match count {
            0..=1_024 => 0,
            1_025..=16_384 => 1,
            16_385..=262_144 => 2,
            _ => 3,
        };
        Self { digits }
    }

    /// 1, 16, 256 or 4096.
    pub fn count(self) -> usize {
        1 << (4 * self.digits)
    }

    /// How many upper bits the hashes of one shard share.
    pub fn shared_bits(self) -> u32 {
        4 * self.digits
    }

    /// The shard that a hash belongs to.
    pub fn shard_of(self, hash: u64) -> usize {
        match self.digits {
            0 => 0,
            // The upper digits: fewer bits than a usize has on any machine.
            digits => usize::try_from(hash >> (64 - 4 * digits)).unwrap_or_default(),
        }
    }

    /// The hashes that belong to a shard.
    pub fn hashes_of(self, shard: usize) -> RangeInclusive<u64> {
        match self.digits {
            0 => 0..=u64::MAX,
            digits => {
                let bits = 64 - 4 * digits;
                let first = (shard as u64) << bits;
                first..=first | ((1 << bits) - 1)
            }
        }
    }

    /// The name of a shard's file, for a part that is called `entities.json` when it is one file.
    pub fn file(self, part: &str, shard: usize) -> String {
        let stem = part.trim_end_matches(EXTENSION);
        match self.digits {
            0 => part.to_owned(),
            digits => format!("{stem}-{shard:0width$x}{EXTENSION}", width = digits as usize),
        }
    }

    /// Which sharding of a part a file belongs to, and which shard it is.
    pub fn read(part: &str, file: &str) -> Option<(Self, usize)> {
        let stem = part.trim_end_matches(EXTENSION);
        let rest = file.strip_prefix(stem)?.strip_suffix(EXTENSION)?;
        if rest.is_empty() {
            return Some((Self::default(), 0));
        }
        let number = rest.strip_prefix('-')?;
        let sharding = Self { digits: u32::try_from(number.len()).ok().filter(|digits| (1..=3).contains(digits))? };
        let shard = usize::from_str_radix(number, 16).ok()?;
        (sharding.file(part, shard) == file).then_some((sharding, shard))
    }
}

const EXTENSION: &str = ".json";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EntityRef, entity_hash, pair_hash};

    #[test]
    fn parts_split_as_they_grow() {
        let counts = [0, 1_024, 1_025, 16_384, 16_385, 262_144, 262_145, 10_000_000];
        let shards = counts.map(|count| Sharding::for_items(count).count());
        assert_eq!(shards, [1, 1, 16, 16, 256, 256, 4_096, 4_096]);
    }

    #[test]
    fn a_shards_name_says_which_it_is() {
        for count in [1, 2_000, 20_000, 2_000_000] {
            let sharding = Sharding::for_items(count);
            for shard in [0, sharding.count() / 3, sharding.count() - 1] {
                let name = sharding.file("entities.json", shard);
                assert_eq!(Sharding::read("entities.json", &name), Some((sharding, shard)), "{name}");
            }
        }
        assert_eq!(Sharding::for_items(2_000_000).file("entities.json", 163), "entities-0a3.json");
        for other in
            ["entities-.json", "entities-0A3.json", "entities-00a3.json", "entities-x.json", "my-entities.json"]
        {
            assert_eq!(Sharding::read("entities.json", other), None, "{other}");
        }
    }

    #[test]
    fn a_shards_hashes_are_those_that_belong_to_it() {
        for count in [1, 2_000, 20_000, 2_000_000] {
            let sharding = Sharding::for_items(count);
            for shard in [0, sharding.count() / 3, sharding.count() - 1] {
                let hashes = sharding.hashes_of(shard);
                let ends = [*hashes.start(), *hashes.end()];
                assert_eq!(ends.map(|hash| sharding.shard_of(hash)), [shard; 2]);
                assert!(shard == 0 || sharding.shard_of(ends[0] - 1) == shard - 1);
            }
            assert_eq!(*sharding.hashes_of(sharding.count() - 1).end(), u64::MAX);
        }
    }

    #[test]
    fn shards_are_filled_evenly() {
        let sharding = Sharding::for_items(20_000);
        let mut pairs = vec![0_usize; sharding.count()];
        let mut entities = pairs.clone();
        for number in 0..20_000 {
            let user = entity_hash(&EntityRef::new("User", format!("user-{}@acme.com", number % 100)));
            let model = entity_hash(&EntityRef::new("Model", format!("model-{}", number / 100)));
            pairs[sharding.shard_of(pair_hash(user, model))] += 1;
            entities[sharding.shard_of(entity_hash(&EntityRef::new("User", number.to_string())))] += 1;
        }
        // 78 each on average, with a standard deviation of 9.
        for counts in [pairs, entities] {
            assert!(counts.iter().all(|count| (30..140).contains(count)), "{counts:?}");
        }
    }
}

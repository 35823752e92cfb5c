//! Slices that were cut, for requests that are asked again: of one snapshot, gone with it, and bounded for the whole
//! process: where all snapshots' slices together are too many, those of the snapshot that has most go.
//!
//! A slice is kept under everything that it depends on: who asks as the principal was built, the action, the resource
//! with all that the request says of it, the entities that the context names, and which attributes it has. Decisions are never kept: Cedar
//! evaluates every request anew.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use cedar_policy::EntityUid;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use smol_str::SmolStr;

use super::Slice;
use crate::schema::ActionNumber;

/// What a slice depends on, within one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SliceKey {
    pub principal: PrincipalKey,
    pub action: ActionNumber,
    pub resource: EntityUid,
    /// The attributes and parents that the request gives the resource, as JSON with its members in order.
    pub described: Option<Box<str>>,
    /// Entities that the context names.
    pub mentioned: Box<[EntityUid]>,
    /// The names of the context's attributes, sorted.
    pub context_names: Box<[SmolStr]>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PrincipalKey {
    /// Exactly what the snapshot knows of this entity.
    Known(EntityUid),
    /// An entity that was built once and has this number, which no other ever has.
    Built(u64),
}

/// The slices of one snapshot.
#[derive(Default)]
pub struct SliceCache {
    slices: OnceLock<Arc<Slices>>,
}

type Slices = Cache<SliceKey, Arc<Slice>, BySize>;

#[derive(Clone, Copy)]
struct BySize;

impl Weighter<SliceKey, Arc<Slice>> for BySize {
    fn weight(&self, key: &SliceKey, slice: &Arc<Slice>) -> u64 {
        let described = key.described.as_ref().map_or(0, |text| text.len());
        (slice.bytes() + described + size_of_val(&*key.mentioned) + size_of_val(&*key.context_names)) as u64
    }
}

impl SliceCache {
    pub fn get(&self, key: &SliceKey) -> Option<Arc<Slice>> {
        self.slices.get()?.get(key)
    }

    /// Keeps a slice, within so many bytes for all slices of all snapshots.
    pub fn insert(&self, key: SliceKey, slice: &Arc<Slice>, most_bytes: usize) {
        let most_bytes = most_bytes as u64;
        let slices = self.slices.get_or_init(|| {
            let slices = Arc::new(Cache::with_weighter(EXPECTED, most_bytes, BySize));
            ALL.note(&slices);
            slices
        });
        let before = slices.weight();
        slices.insert(key, Arc::clone(slice));
        ALL.account(before, slices.weight(), most_bytes);
    }

    /// How many slices there are, and their bytes.
    pub fn size(&self) -> (usize, u64) {
        self.slices.get().map_or((0, 0), |slices| (slices.len(), slices.weight()))
    }
}

impl Drop for SliceCache {
    fn drop(&mut self) {
        if let Some(slices) = self.slices.get() {
            ALL.account(slices.weight(), 0, u64::MAX);
        }
    }
}

/// The slices of all snapshots.
static ALL: Together<Slices> = Together { bytes: AtomicU64::new(0), caches: Mutex::new(Vec::new()) };

/// Caches that share one bound.
struct Together<C> {
    /// About: counted anew whenever it is too much.
    bytes: AtomicU64,
    caches: Mutex<Vec<Weak<C>>>,
}

/// A cache that can be made smaller.
trait Shrinks {
    fn bytes(&self) -> u64;

    /// Lets go of what is beyond so many bytes.
    fn shrink(&self, bytes: u64, most_bytes: u64);
}

impl Shrinks for Slices {
    fn bytes(&self) -> u64 {
        self.weight()
    }

    fn shrink(&self, bytes: u64, most_bytes: u64) {
        self.set_capacity(bytes);
        // It may grow again where others leave room.
        self.set_capacity(most_bytes);
    }
}

impl<C: Shrinks> Together<C> {
    fn note(&self, slices: &Arc<C>) {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        // Those whose snapshots are gone.
        caches.retain(|cache| cache.strong_count() > 0);
        caches.push(Arc::downgrade(slices));
    }

    /// Notes that a cache became larger or smaller; takes from the largest while all are too large.
    fn account(&self, before: u64, after: u64, most_bytes: u64) {
        let bytes = if after >= before {
            self.bytes.fetch_add(after - before, Ordering::Relaxed) + (after - before)
        } else {
            // Below nothing it would be very much, and counted anew.
            self.bytes.fetch_sub(before - after, Ordering::Relaxed);
            0
        };
        if bytes > most_bytes {
            self.shrink(most_bytes);
        }
    }

    fn shrink(&self, most_bytes: u64) {
        let caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut caches: Vec<_> = caches.iter().filter_map(Weak::upgrade).collect();
        let all = |caches: &[Arc<C>]| caches.iter().map(|cache| cache.bytes()).sum::<u64>();
        let mut bytes = all(&caches);
        // Not at each insertion: some room is made at once.
        let wanted = most_bytes - most_bytes / 16;
        if bytes > most_bytes {
            caches.sort_by_cached_key(|cache| std::cmp::Reverse(cache.bytes()));
            let sizes: Vec<_> = caches.iter().map(|cache| cache.bytes()).collect();
            let level = fair_level(sizes.iter().copied(), wanted);
            let larger = caches.iter().zip(&sizes).filter(|(_, size)| **size > level);
            larger.for_each(|(cache, _)| cache.shrink(level, most_bytes));
            bytes = all(&caches);
        }
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

/// The size that the largest must come down to, all alike, so that all together come to so much. Largest first.
fn fair_level(weights: impl Iterator<Item = u64> + Clone, wanted: u64) -> u64 {
    let mut rest: u64 = weights.clone().sum();
    let smaller = weights.clone().skip(1).chain([0]);
    for ((count, weight), next) in (1_u64..).zip(weights).zip(smaller) {
        rest -= weight;
        let level = wanted.saturating_sub(rest) / count;
        if level >= next {
            return level;
        }
    }
    wanted
}

impl std::fmt::Debug for SliceCache {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SliceCache({:?})", self.size())
    }
}

/// Slices of a busy tenant; it is no bound.
const EXPECTED: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Grows without bound unless it is told.
    #[derive(Default)]
    struct Growing(AtomicU64);

    impl Shrinks for Growing {
        fn bytes(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }

        fn shrink(&self, bytes: u64, _: u64) {
            self.0.store(bytes, Ordering::Relaxed);
        }
    }

    #[test]
    fn five_hundred_busy_tenants_stay_within_one_bound_and_an_idle_one_keeps_what_it_has() {
        let together = Together { bytes: AtomicU64::new(0), caches: Mutex::new(Vec::new()) };
        let caches: Vec<_> = (0..500).map(|_| Arc::new(Growing::default())).collect();
        caches.iter().for_each(|cache| together.note(cache));
        let grow = |cache: &Growing, bytes: u64| {
            let before = cache.0.fetch_add(bytes, Ordering::Relaxed);
            together.account(before, before + bytes, 1_000_000);
        };
        grow(&caches[499], 500);
        for round in 0..200_u64 {
            caches.iter().take(499).enumerate().for_each(|(number, cache)| grow(cache, 100 + number as u64 + round));
            let all: u64 = caches.iter().map(|cache| cache.bytes()).sum();
            assert!(all <= 1_000_000, "{all}");
        }
        assert_eq!(caches[499].bytes(), 500);
        let sizes = || caches.iter().take(499).map(|cache| cache.bytes());
        assert!(sizes().max().unwrap() < 4 * sizes().min().unwrap(), "{:?}", sizes().collect::<Vec<_>>());
    }

    fn level(weights: &[u64], wanted: u64) -> u64 {
        fair_level(weights.iter().copied(), wanted)
    }

    #[test]
    fn the_largest_come_down_to_one_level_and_small_ones_keep_what_they_have() {
        assert_eq!(level(&[100], 60), 60);
        assert_eq!(level(&[100, 10, 10], 60), 40);
        assert_eq!(level(&[100, 90, 10], 60), 25);
        assert_eq!(level(&[10, 10, 10], 30), 10);
        assert_eq!(level(&[10, 10, 10], 15), 5);
    }
}

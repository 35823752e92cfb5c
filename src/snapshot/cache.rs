//! Slices that were cut, for requests that are asked again: of one snapshot, bounded, gone with it.
//!
//! A slice is kept under everything that it depends on: who asks as the principal was built, the action, the resource
//! with all that the request says of it, the entities that the context names, and which attributes it has. Decisions are never kept: Cedar
//! evaluates every request anew.

use std::sync::{Arc, OnceLock};

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
    slices: OnceLock<Cache<SliceKey, Arc<Slice>, BySize>>,
}

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

    /// Keeps a slice, within so many bytes for all of them.
    pub fn insert(&self, key: SliceKey, slice: &Arc<Slice>, most_bytes: usize) {
        let expected = most_bytes / TYPICAL_BYTES;
        self.slices
            .get_or_init(|| Cache::with_weighter(expected, most_bytes as u64, BySize))
            .insert(key, Arc::clone(slice));
    }

    /// How many slices there are, and their bytes.
    pub fn size(&self) -> (usize, u64) {
        self.slices.get().map_or((0, 0), |slices| (slices.len(), slices.weight()))
    }
}

impl std::fmt::Debug for SliceCache {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SliceCache({:?})", self.size())
    }
}

const TYPICAL_BYTES: usize = 6_000;

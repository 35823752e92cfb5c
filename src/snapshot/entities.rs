//! The tenant's entities, compact: found by uid, read back when a slice wants them.
//!
//! Compiled entities stand in shards by hash, as their files do, hand-written ones in a shard a file. A new
//! snapshot shares with the one before every shard whose file did not change.

mod action;
mod record;
mod shard;
mod supplied;
mod walk;

pub use record::Found;
pub use shard::EntityShard;
pub use supplied::Supplied;
pub use walk::{Lineage, Located, mentioned_by, named_in, place_in_tenant, reach};

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use cedar_policy_core::ast;

use crate::bundle::Sharding;
use crate::model::{Fault, Faults};
use crate::schema::{Identity, LoadedSchema, TypeNumber, id_of};
use crate::vocabulary;

/// All entities of a snapshot, the schema's actions included.
#[derive(Debug)]
pub struct EntityStore {
    schema: Arc<LoadedSchema>,
    sharding: Sharding,
    /// By the upper digits of the hash; empty where there is no bundle.
    compiled: Vec<Arc<EntityShard>>,
    written: Arc<WrittenEntities>,
    len: usize,
    /// Of the one tenant that entities can be in.
    tenant_type: Option<TypeNumber>,
}

/// The entities of hand-written files.
#[derive(Debug, Default)]
pub struct WrittenEntities {
    pub files: Vec<Arc<EntityShard>>,
    /// Hash → the files that have an entity of this hash.
    by_hash: HashMap<u64, Vec<u32>>,
}

impl WrittenEntities {
    pub(super) fn of(files: Vec<Arc<EntityShard>>) -> Self {
        let mut by_hash: HashMap<u64, Vec<u32>> = HashMap::new();
        for (number, file) in (0_u32..).zip(&files) {
            for hash in file.hashes() {
                by_hash.entry(hash).or_default().push(number);
            }
        }
        Self { files, by_hash }
    }

    /// The files that may have an entity of this hash.
    fn files_of(&self, hash: u64) -> impl Iterator<Item = (u32, &EntityShard)> {
        let numbers = self.by_hash.get(&hash).map(Vec::as_slice).unwrap_or_default();
        numbers.iter().filter_map(|number| Some((*number, self.files.get(*number as usize)?.as_ref())))
    }
}

impl EntityStore {
    pub(super) fn new(
        schema: Arc<LoadedSchema>,
        sharding: Sharding,
        compiled: Vec<Arc<EntityShard>>,
        written: Arc<WrittenEntities>,
    ) -> Self {
        let len = compiled.iter().chain(&written.files).map(|shard| shard.len()).sum();
        let is_identity = schema.identity == Identity::Included;
        let tenant_type = schema.types.named(vocabulary::TENANT).filter(|_| is_identity);
        Self { schema, sharding, compiled, written, len, tenant_type }
    }

    /// An entity with its direct parents.
    pub fn get(&self, uid: &EntityUid) -> Option<Entity> {
        if let Some(found) = self.find(uid) {
            return found.read(&self.schema.types).map(Entity::from);
        }
        self.schema.actions.get(uid).map(|action| Entity::from(action.entity.as_ref().clone()))
    }

    pub fn contains(&self, uid: &EntityUid) -> bool {
        self.find(uid).is_some() || self.schema.actions.get(uid).is_some()
    }

    /// Where an entity is declared: `file:line`.
    pub fn place(&self, uid: &EntityUid) -> Option<String> {
        if let Some(found) = self.find(uid) {
            return Some(found.place());
        }
        self.schema.actions.get(uid).map(|_| SCHEMA.to_owned())
    }

    /// Direct parents.
    pub fn parents_of_uid(&self, uid: &EntityUid) -> Vec<EntityUid> {
        let located = Located::of(uid, &self.schema.types);
        located.map(|own| self.parents_of(&own)).unwrap_or_default().into_iter().map(|parent| parent.uid).collect()
    }

    pub(super) fn parents_of(&self, entity: &Located) -> Vec<Located> {
        self.find_located(entity).map(|found| found.parents(&self.schema.types)).unwrap_or_default()
    }

    /// The parents that an entity was given, which need not be the store's.
    pub(in crate::snapshot) fn located_parents(&self, entity: &ast::Entity) -> Vec<Located> {
        let parents = entity.parents().cloned().map(EntityUid::from);
        parents.filter_map(|parent| Located::of(&parent, &self.schema.types)).collect()
    }

    /// An entity as Cedar has it, and its direct parents.
    pub(in crate::snapshot) fn read(&self, entity: &Located) -> Option<(ast::Entity, Vec<Located>)> {
        let found = self.find_located(entity)?;
        Some((found.read(&self.schema.types)?, found.parents(&self.schema.types)))
    }

    /// Whether nothing stands above entities of a type that this lineage does not have already: the schema lets them
    /// be in their tenant only, of which there is one.
    fn ends_with(&self, number: TypeNumber, lineage: &Lineage) -> bool {
        let above = self.schema.types.above(number);
        above.is_empty() || self.tenant_type.is_some_and(|tenant| above == [tenant] && lineage.has_type(tenant))
    }

    /// Parents, and entities that attributes and tags name.
    pub fn reach_of(&self, uid: &EntityUid) -> Vec<EntityUid> {
        self.get(uid).map(|entity| reach(entity.as_ref())).unwrap_or_default()
    }

    /// The entities whose attributes or tags name another one, each with its place.
    pub fn mentioning(&self, uid: &EntityUid) -> Vec<(EntityUid, String)> {
        let types = &self.schema.types;
        let Some(named) = Located::of(uid, types) else { return Vec::new() };
        let names = |found: &Found<'_>| {
            let mut mentioned = Vec::new();
            found.read(types).iter().for_each(|entity| mentioned_by(entity, &mut mentioned));
            mentioned.contains(uid)
        };
        let shards = self.shards().filter(|shard| shard.may_mention(named.hash, types));
        let found = shards.flat_map(EntityShard::found).filter(names);
        found.filter_map(|found| Some((found.uid(types)?, found.place()))).collect()
    }

    /// The entities of hand-written files that are in another one, each with its place.
    pub fn written_within(&self, uid: &EntityUid) -> Vec<(EntityUid, String)> {
        let types = &self.schema.types;
        let is_in = |found: &Found<'_>| found.parents(types).iter().any(|parent| parent.uid == *uid);
        let found = self.written.files.iter().flat_map(|file| file.found()).filter(is_in);
        found.filter_map(|found| Some((found.uid(types)?, found.place()))).collect()
    }

    /// Where a hand-written file declares an entity.
    pub fn written_place(&self, uid: &EntityUid) -> Option<String> {
        let (number, hash) = self.schema.types.locate(uid)?;
        self.written
            .files_of(hash)
            .find_map(|(_, file)| file.find(hash, 0, number, id_of(uid)))
            .map(|found| found.place())
    }

    /// How many entities there are, not counting the schema's actions.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every entity, the schema's actions included.
    pub fn iter(&self) -> impl Iterator<Item = Entity> {
        let stored = self.shards().flat_map(|shard| shard.iter(&self.schema.types)).map(Entity::from);
        stored.chain(self.schema.actions.iter().map(|action| Entity::from(action.entity.as_ref().clone())))
    }

    /// Every entity's uid, without the schema's actions.
    pub fn uids(&self) -> impl Iterator<Item = EntityUid> {
        self.shards().flat_map(|shard| shard.uids(&self.schema.types))
    }

    /// How many bytes the entities take.
    pub fn bytes(&self) -> usize {
        self.shards().map(EntityShard::bytes).sum()
    }

    pub(super) fn compiled(&self) -> (Sharding, &[Arc<EntityShard>]) {
        (self.sharding, &self.compiled)
    }

    pub(super) fn written(&self) -> &Arc<WrittenEntities> {
        &self.written
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = &EntityShard> {
        self.compiled.iter().chain(&self.written.files).map(Arc::as_ref)
    }

    fn find(&self, uid: &EntityUid) -> Option<Found<'_>> {
        self.find_located(&Located::of(uid, &self.schema.types)?)
    }

    fn find_located(&self, entity: &Located) -> Option<Found<'_>> {
        let (number, hash, id) = (entity.number, entity.hash, id_of(&entity.uid));
        let compiled = self.compiled.get(self.sharding.shard_of(hash));
        compiled
            .and_then(|shard| shard.find(hash, self.sharding.shared_bits(), number, id))
            .or_else(|| self.written.files_of(hash).find_map(|(_, file)| file.find(hash, 0, number, id)))
    }

    /// A shard holds what its number says: the same entity is never looked for elsewhere.
    pub(super) fn check_places(&self, faults: &mut Faults) {
        for (number, shard) in self.compiled.iter().enumerate() {
            if shard.hashes().any(|hash| self.sharding.shard_of(hash) != number) {
                let message = "holds an entity that belongs in another shard: compile the bundle again";
                faults.push(Fault::of_file(shard.file(), message));
            }
        }
    }

    /// The same entity may not stand twice: looked for where one of the two is new.
    pub(super) fn check_unique(&self, is_new: impl Fn(&EntityShard) -> bool, faults: &mut Faults) {
        for (number, file) in (0_u32..).zip(&self.written.files) {
            for second in file.found() {
                let in_bundle = self.compiled.get(self.sharding.shard_of(second.hash())).map(Arc::as_ref);
                let in_bundle = in_bundle.map(|shard| (shard, self.sharding.shared_bits()));
                let earlier = self.written.files_of(second.hash()).filter(|(other, _)| *other < number);
                let others = in_bundle.into_iter().chain(earlier.map(|(_, shard)| (shard, 0)));
                for (other, shared_bits) in others.filter(|(other, _)| is_new(other) || is_new(file)) {
                    let first = other.find(second.hash(), shared_bits, second.type_number(), second.id());
                    let Some(first) = first else { continue };
                    let uid = second.uid(&self.schema.types).map(|uid| uid.to_string()).unwrap_or_default();
                    let message = format!("entity {uid} is already declared at {}", first.place());
                    faults.push(Fault { message, ..second.fault_place() });
                }
            }
        }
    }
}

const SCHEMA: &str = "the schema";

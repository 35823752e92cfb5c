//! One file of entities in, its entities as bytes out, found by hash.

use std::sync::OnceLock;

use cedar_policy::{Entity, EntityUid};
use cedar_policy_core::ast;
use serde_json::value::RawValue;

use super::action::{check_action, is_action};
use super::record::{self, Extension, Found};
use super::walk::{mentioned_by, place_in_tenant};
use crate::model::{Fault, Faults, Lines};
use crate::schema::{EntityTypes, Identity, LoadedSchema, TypeNumber};
use crate::snapshot::Origin;
use crate::snapshot::hashed::place_of;

/// The entities of one file.
#[derive(Debug)]
pub struct EntityShard {
    origin: Origin,
    /// Sorted, in step with `entries`.
    hashes: Box<[u64]>,
    entries: Box<[Entry]>,
    bytes: Box<[u8]>,
    extensions: Box<[Extension]>,
    /// The hashes of what attributes and tags name, sorted; found out when somebody wants to know.
    mentioned: OnceLock<Box<[u64]>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    end: u32,
    number: TypeNumber,
}

impl EntityShard {
    /// Reads a file of Cedar entity JSON. Every entity is checked against the schema, and put in its tenant.
    pub(crate) fn read(origin: Origin, text: &str, tenant: &EntityUid, schema: &LoadedSchema) -> (Self, Faults) {
        let mut faults = Faults::default();
        let mut shard = Builder { schema, origin, entries: Vec::new(), bytes: Vec::new(), extensions: Vec::new() };
        match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(items) => {
                let lines = Lines::of(text);
                for item in items {
                    let offset = (item.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
                    let (line, column) = lines.position(offset);
                    let added = read_entity(item.get(), tenant, schema).and_then(|entity| match entity {
                        Some(entity) => shard.add(&entity, (line, column)),
                        None => Ok(()),
                    });
                    if let Err(message) = added {
                        faults.push(Fault { file: shard.origin.file.clone(), line, column, message });
                    }
                }
            }
            Err(error) => {
                // serde_json counts columns from 0 where nothing was read yet.
                let (line, column) = (error.line(), error.column().max(1));
                faults.push(Fault { file: shard.origin.file.clone(), line, column, message: error.to_string() });
            }
        }
        shard.finish(&mut faults)
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn file(&self) -> &str {
        &self.origin.file
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
            + size_of_val(&*self.entries)
            + size_of_val(&*self.hashes)
            + self.extensions.len() * size_of::<Extension>()
    }

    pub(super) fn extension(&self, place: u32) -> Option<&Extension> {
        self.extensions.get(place as usize)
    }

    pub(super) fn hashes(&self) -> impl Iterator<Item = u64> {
        self.hashes.iter().copied()
    }

    /// An entity of a shard whose hashes share so many of their upper bits.
    pub(super) fn find(&self, hash: u64, shared_bits: u32, number: TypeNumber, id: &str) -> Option<Found<'_>> {
        let first = place_of(&self.hashes, hash, shared_bits);
        let same = self.hashes.iter().zip(&self.entries).skip(first).take_while(|(other, _)| **other == hash);
        same.map(|(hash, entry)| self.at(*hash, entry)).find(|found| found.type_number() == number && found.id() == id)
    }

    pub(super) fn found(&self) -> impl Iterator<Item = Found<'_>> {
        self.hashes.iter().zip(&self.entries).map(|(hash, entry)| self.at(*hash, entry))
    }

    pub(super) fn uids(&self, types: &EntityTypes) -> impl Iterator<Item = EntityUid> {
        self.found().filter_map(|found| found.uid(types))
    }

    pub(super) fn iter(&self, types: &EntityTypes) -> impl Iterator<Item = ast::Entity> {
        self.found().filter_map(|found| found.read(types))
    }

    /// Whether an attribute or a tag of some entity may name one of this hash.
    pub(super) fn may_mention(&self, hash: u64, types: &EntityTypes) -> bool {
        let find = || {
            let mut named = Vec::new();
            self.iter(types).for_each(|entity| mentioned_by(&entity, &mut named));
            let mut hashes: Vec<u64> = named.iter().filter_map(|uid| Some(types.locate(uid)?.1)).collect();
            hashes.sort_unstable();
            hashes.dedup();
            hashes.into()
        };
        self.mentioned.get_or_init(find).binary_search(&hash).is_ok()
    }

    fn at(&self, hash: u64, entry: &Entry) -> Found<'_> {
        let bytes = self.bytes.get(entry.start as usize..entry.end as usize).unwrap_or_default();
        Found { shard: self, hash, number: entry.number, bytes }
    }
}

struct Builder<'a> {
    schema: &'a LoadedSchema,
    origin: Origin,
    entries: Vec<(u64, Entry)>,
    bytes: Vec<u8>,
    extensions: Vec<Extension>,
}

impl Builder<'_> {
    fn add(&mut self, entity: &Entity, place: (usize, usize)) -> Result<(), String> {
        let uid = entity.uid();
        let Some((number, hash)) = self.schema.types.locate(&uid) else {
            return Err(format!("the schema has no entity type `{}`", uid.type_name()));
        };
        let record = record::write(entity.as_ref(), place, &self.schema.types, &mut self.extensions)?;
        let offset = |length: usize| u32::try_from(length).map_err(|_| "the file is too large".to_owned());
        let start = offset(self.bytes.len())?;
        self.bytes.extend(record);
        self.entries.push((hash, Entry { start, end: offset(self.bytes.len())?, number }));
        Ok(())
    }

    fn finish(mut self, faults: &mut Faults) -> (EntityShard, Faults) {
        // Stable: of two of one uid, the first in the file comes first.
        self.entries.sort_by_key(|(hash, _)| *hash);
        let shard = EntityShard {
            origin: self.origin,
            hashes: self.entries.iter().map(|(hash, _)| *hash).collect(),
            entries: self.entries.iter().map(|(_, entry)| *entry).collect(),
            bytes: self.bytes.into(),
            extensions: self.extensions.into(),
            mentioned: OnceLock::new(),
        };
        let found: Vec<_> = shard.found().collect();
        for (index, second) in found.iter().enumerate() {
            let before = found.iter().take(index).rev().take_while(|first| first.hash() == second.hash());
            let is_same = |first: &&Found<'_>| first.type_number() == second.type_number() && first.id() == second.id();
            if let Some(first) = before.filter(is_same).last() {
                let uid = second.uid(&self.schema.types).map(|uid| uid.to_string()).unwrap_or_default();
                let message = format!("entity {uid} is already declared at {}", first.place());
                faults.push(Fault { message, ..second.fault_place() });
            }
        }
        let faults = std::mem::take(faults);
        (shard, faults)
    }
}

/// Reads one entity and puts it in its tenant; nothing of an action, which the schema declares.
fn read_entity(json: &str, tenant: &EntityUid, schema: &LoadedSchema) -> Result<Option<Entity>, String> {
    let read = |schema| Entity::from_json_str(json, schema).map_err(|error| crate::tree::one_line(&error));
    let entity = match read(Some(&schema.schema)) {
        Ok(entity) if is_action(&entity.uid()) => entity,
        Ok(entity) if schema.identity == Identity::LeftOut || entity.uid() == *tenant => return Ok(Some(entity)),
        Ok(entity) => return place_in_tenant(entity, tenant, schema).map(Some),
        // Cedar compares an action without its groups' groups; what the file itself says is compared below.
        Err(message) => match read(None) {
            Ok(entity) if is_action(&entity.uid()) => entity,
            _ => return Err(message),
        },
    };
    check_action(&entity, schema).map(|()| None)
}

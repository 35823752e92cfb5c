//! Up the hierarchy and along attributes: what an entity is in, and what its data names.

use std::collections::HashSet;

use cedar_policy::{Entity, EntityUid};
use cedar_policy_core::ast::{
    self, EntityReference, ExprKind, Literal, PartialValue, PrincipalOrResourceConstraint, Value, ValueKind,
};

use super::shard::EntityShard;
use super::{EntityStore, Supplied};
use crate::model::{Fault, Faults};
use crate::schema::{EntityTypes, LoadedSchema, TypeNumber};

/// An entity with its type's number and its hash: by these it is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    pub uid: EntityUid,
    pub number: TypeNumber,
    pub hash: u64,
}

impl Located {
    /// `None` for what is of no type of the schema.
    pub fn of(uid: &EntityUid, types: &EntityTypes) -> Option<Self> {
        let (number, hash) = types.locate(uid)?;
        Some(Self { uid: uid.clone(), number, hash })
    }
}

/// An entity, its parents, and all that they are in.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    /// The entity itself is the first.
    pub entities: Vec<Located>,
    hashes: Vec<u64>,
}

impl Lineage {
    /// Walks up from an entity; `supplied` entities stand in for the store's. `None` when the entity is among its own
    /// ancestors: Cedar has no such hierarchy.
    pub fn of(own: Located, parents: Vec<Located>, store: &EntityStore, supplied: &[&Supplied]) -> Option<Self> {
        let mut lineage = Self::default();
        lineage.add(own);
        let mut is_circular = lineage.add_all(parents);
        let mut next = 1;
        while let Some(ancestor) = lineage.entities.get(next) {
            next += 1;
            if store.ends_with(ancestor.number, &lineage) {
                continue;
            }
            let given = supplied.iter().find(|entity| entity.is(&ancestor.uid));
            let parents = match given {
                Some(entity) => store.located_parents(entity.core()),
                None => store.parents_of(ancestor),
            };
            is_circular |= lineage.add_all(parents);
        }
        (!is_circular).then_some(lineage)
    }

    /// What the entity is in.
    pub fn ancestors(&self) -> impl Iterator<Item = &Located> {
        self.entities.iter().skip(1)
    }

    /// The lineage's entity, so that Cedar finds all ancestors on it.
    pub(in crate::snapshot) fn complete(&self, mut entity: ast::Entity) -> ast::Entity {
        for ancestor in self.ancestors() {
            // What is a parent already stays one.
            entity.add_indirect_ancestor(ancestor.uid.as_ref().clone());
        }
        entity
    }

    pub(super) fn has_type(&self, number: TypeNumber) -> bool {
        self.entities.iter().any(|entity| entity.number == number)
    }

    /// Adds what is not there yet, and says whether the entity itself was among it.
    fn add_all(&mut self, entities: Vec<Located>) -> bool {
        let mut is_circular = false;
        for entity in entities {
            match self.place_of(&entity) {
                Some(0) => is_circular = true,
                Some(_) => {}
                None => self.add(entity),
            }
        }
        is_circular
    }

    fn add(&mut self, entity: Located) {
        self.hashes.push(entity.hash);
        self.entities.push(entity);
    }

    fn place_of(&self, entity: &Located) -> Option<usize> {
        let same = self.hashes.iter().enumerate().filter(|(_, hash)| **hash == entity.hash);
        same.map(|(place, _)| place)
            .find(|place| self.entities.get(*place).is_some_and(|known| known.uid == entity.uid))
    }
}

impl EntityStore {
    /// An entity may not be its own ancestor: Cedar refuses such a hierarchy, so it is never live. A new circle has a
    /// new entity in it, of a type that the schema lets be in itself.
    pub(in crate::snapshot) fn check_hierarchy(&self, is_new: impl Fn(&EntityShard) -> bool, faults: &mut Faults) {
        let types = &self.schema.types;
        let mut finished: HashSet<EntityUid> = HashSet::new();
        for shard in self.shards().filter(|shard| is_new(shard)) {
            for found in shard.found().filter(|found| types.is_recursive(found.type_number())) {
                if let Some(uid) = found.uid(types) {
                    self.check_from(uid, &mut finished, faults);
                }
            }
        }
    }

    fn check_from(&self, start: EntityUid, finished: &mut HashSet<EntityUid>, faults: &mut Faults) {
        let mut open: HashSet<EntityUid> = HashSet::new();
        let mut stack = vec![(start, false)];
        while let Some((uid, leaving)) = stack.pop() {
            if leaving {
                open.remove(&uid);
                finished.insert(uid);
                continue;
            }
            if finished.contains(&uid) || !open.insert(uid.clone()) {
                continue;
            }
            stack.push((uid.clone(), true));
            for parent in self.parents_of_uid(&uid) {
                if open.contains(&parent) {
                    // What is left open is the way that led here: its end, from the parent on, is the circle. The same
                    // one of it is named wherever the walk began.
                    let way = stack.iter().filter(|(_, leaving)| *leaving).map(|(uid, _)| uid);
                    let named = way.skip_while(|uid| **uid != parent).min().unwrap_or(&uid);
                    let place = self.place(named).unwrap_or_default();
                    faults.push(Fault::of_file(place, format!("{named} is among its own ancestors")));
                } else {
                    stack.push((parent, false));
                }
            }
        }
    }
}

/// Gives an entity its tenant as a parent, where the schema lets it have one.
pub fn place_in_tenant(entity: Entity, tenant: &EntityUid, schema: &LoadedSchema) -> Result<Entity, String> {
    let core: &ast::Entity = entity.as_ref();
    let tenant: &ast::EntityUID = tenant.as_ref();
    if core.uid().entity_type() == tenant.entity_type() {
        return Err(format!("{} is another tenant: only {tenant} belongs here", core.uid()));
    }
    if core.ancestors().any(|parent| parent.entity_type() == tenant.entity_type() && parent != tenant) {
        return Err(format!("{} may only be in {tenant}", core.uid()));
    }
    let types = (schema.types.number(core.uid().entity_type()), schema.types.number(tenant.entity_type()));
    let may_be_in = matches!(types, (Some(own), Some(above)) if schema.types.may_be_in(own, above));
    if !may_be_in || core.ancestors().any(|parent| parent == tenant) {
        return Ok(entity);
    }
    let mut core = core.clone();
    core.add_parent(tenant.clone());
    Ok(Entity::from(core))
}

/// What a request that reaches an entity can reach next: its parents and the entities its data names.
pub fn reach(entity: &ast::Entity) -> Vec<EntityUid> {
    let mut found: Vec<_> = entity.parents().cloned().map(EntityUid::from).collect();
    mentioned_by(entity, &mut found);
    found
}

/// The entities that an entity's attributes and tags name.
pub fn mentioned_by(entity: &ast::Entity, found: &mut Vec<EntityUid>) {
    for (_, value) in entity.attrs().chain(entity.tags()) {
        match value {
            PartialValue::Value(value) => mentioned_in(value, found),
            PartialValue::Residual(expression) => found.extend(named_in(expression)),
        }
    }
}

/// The entities that an expression names.
pub fn named_in(expression: &ast::Expr) -> impl Iterator<Item = EntityUid> {
    expression.subexpressions().filter_map(|part| match part.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(EntityUid::from(uid.as_ref().clone())),
        _ => None,
    })
}

/// The entity that one side of a policy's scope names.
pub fn scope_entity(constraint: &PrincipalOrResourceConstraint) -> Option<EntityUid> {
    use PrincipalOrResourceConstraint::{Any, Eq, In, Is, IsIn};
    match constraint {
        Eq(EntityReference::EUID(uid)) | In(EntityReference::EUID(uid)) | IsIn(_, EntityReference::EUID(uid)) => {
            Some(uid.as_ref().clone().into())
        }
        Any | Is(_) | Eq(_) | In(_) | IsIn(..) => None,
    }
}

fn mentioned_in(value: &Value, found: &mut Vec<EntityUid>) {
    match &value.value {
        ValueKind::Lit(Literal::EntityUID(uid)) => found.push(EntityUid::from(uid.as_ref().clone())),
        ValueKind::Lit(_) | ValueKind::ExtensionValue(_) => {}
        ValueKind::Set(set) => set.iter().for_each(|element| mentioned_in(element, found)),
        ValueKind::Record(record) => record.values().for_each(|member| mentioned_in(member, found)),
    }
}

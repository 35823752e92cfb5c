//! Up the hierarchy and along attributes: what an entity is in, and what its data names.

use std::collections::HashSet;

use cedar_policy::{Entity, EntityUid};
use cedar_policy_core::ast::{self, ExprKind, Literal, PartialValue, Value, ValueKind};

use super::EntityStore;
use super::shard::EntityShard;
use crate::model::{Fault, Faults};
use crate::schema::LoadedSchema;

/// An entity's parents and all that they are in, itself left out.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    pub ancestors: Vec<EntityUid>,
    /// The entity is among its own ancestors: Cedar has no such hierarchy.
    pub is_circular: bool,
}

impl Lineage {
    /// Walks up from an entity; `supplied` entities stand in for the store's.
    pub fn of(uid: &EntityUid, store: &EntityStore, supplied: &[&Entity]) -> Self {
        let parents = |uid: &EntityUid| {
            let own = supplied.iter().find(|entity| entity.uid() == *uid);
            own.map_or_else(|| store.parents_of(uid), |entity| parents_of(entity))
        };
        let mut lineage = Self { ancestors: parents(uid), is_circular: false };
        let mut seen: HashSet<EntityUid> = HashSet::new();
        lineage.ancestors.retain(|parent| seen.insert(parent.clone()));
        let mut next = 0;
        while let Some(ancestor) = lineage.ancestors.get(next).cloned() {
            next += 1;
            if ancestor == *uid {
                lineage.is_circular = true;
                continue;
            }
            for parent in parents(&ancestor) {
                if seen.insert(parent.clone()) {
                    lineage.ancestors.push(parent);
                }
            }
        }
        lineage
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
            for parent in self.parents_of(&uid) {
                if open.contains(&parent) {
                    let place = self.place(&uid).unwrap_or_default();
                    faults.push(Fault::of_file(place, format!("{uid} is among its own ancestors")));
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

/// An entity's parents, as it was given them.
pub fn parents_of(entity: &Entity) -> Vec<EntityUid> {
    AsRef::<ast::Entity>::as_ref(entity).ancestors().cloned().map(EntityUid::from).collect()
}

/// What a request that reaches an entity can reach next: its parents and the entities its data names.
pub fn reach(entity: &Entity) -> Vec<EntityUid> {
    let mut found = parents_of(entity);
    mentioned_by(entity.as_ref(), &mut found);
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

fn mentioned_in(value: &Value, found: &mut Vec<EntityUid>) {
    match &value.value {
        ValueKind::Lit(Literal::EntityUID(uid)) => found.push(EntityUid::from(uid.as_ref().clone())),
        ValueKind::Lit(_) | ValueKind::ExtensionValue(_) => {}
        ValueKind::Set(set) => set.iter().for_each(|element| mentioned_in(element, found)),
        ValueKind::Record(record) => record.values().for_each(|member| mentioned_in(member, found)),
    }
}

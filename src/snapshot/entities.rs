//! The tenant's entities by uid, each with what it leads to, so that a request takes only what it can reach.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Entity, EntityUid};
use cedar_policy_core::ast::{self, ExprKind, Literal, PartialValue, Value, ValueKind};
use serde_json::value::RawValue;

use crate::model::{Fault, Faults, Lines};
use crate::schema::{Identity, LoadedSchema};
use crate::tree::SourceFile;
use crate::vocabulary;

/// All entities of a snapshot, the schema's actions included.
#[derive(Debug, Default)]
pub struct EntityStore {
    entities: HashMap<EntityUid, Stored>,
    /// How many of them are actions of the schema.
    actions: usize,
}

#[derive(Debug)]
struct Stored {
    entity: Entity,
    /// Parents first.
    reach: Vec<EntityUid>,
    parents: usize,
    place: String,
}

impl Stored {
    fn parents(&self) -> &[EntityUid] {
        self.reach.get(..self.parents).unwrap_or_default()
    }
}

impl EntityStore {
    pub fn get(&self, uid: &EntityUid) -> Option<&Entity> {
        self.entities.get(uid).map(|stored| &stored.entity)
    }

    /// Where an entity is declared: `file:line`.
    pub fn place(&self, uid: &EntityUid) -> Option<&str> {
        self.entities.get(uid).map(|stored| stored.place.as_str())
    }

    /// Parents, and entities that attributes and tags name.
    pub fn reach_of(&self, uid: &EntityUid) -> &[EntityUid] {
        self.entities.get(uid).map(|stored| stored.reach.as_slice()).unwrap_or_default()
    }

    /// How many entities there are, not counting the schema's actions.
    pub fn len(&self) -> usize {
        self.entities.len() - self.actions
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entity> {
        self.entities.values().map(|stored| &stored.entity)
    }

    /// Adds the schema's actions.
    pub(super) fn add_actions(&mut self, schema: &LoadedSchema, faults: &mut Faults) {
        match schema.schema.action_entities() {
            Ok(actions) => {
                for action in actions {
                    self.actions += 1;
                    self.insert(action, "the schema".to_owned());
                }
            }
            Err(error) => faults.push(Fault::of_file("schema", crate::tree::one_line(&error))),
        }
    }

    /// Adds a file of Cedar entity JSON.
    pub(super) fn add_file(
        &mut self,
        file: &SourceFile,
        tenant: &EntityUid,
        schema: &LoadedSchema,
        faults: &mut Faults,
    ) {
        let items: Vec<&RawValue> = match serde_json::from_str(&file.text) {
            Ok(items) => items,
            Err(error) => {
                // serde_json counts columns from 0 where nothing was read yet.
                let (line, column) = (error.line(), error.column().max(1));
                faults.push(Fault { file: file.name.clone(), line, column, message: error.to_string() });
                return;
            }
        };
        let lines = Lines::of(&file.text);
        for item in items {
            let offset = (item.get().as_ptr() as usize).saturating_sub(file.text.as_ptr() as usize);
            let (line, column) = lines.position(offset);
            let place = Fault { file: file.name.clone(), line, column, message: String::new() };
            match read_entity(item.get(), tenant, schema) {
                Err(message) => faults.push(Fault { message, ..place }),
                Ok(entity) => {
                    let uid = entity.uid();
                    if let Some(first) = self.entities.get(&uid) {
                        let message = format!("entity {uid} is already declared at {}", first.place);
                        faults.push(Fault { message, ..place });
                    } else {
                        self.insert(entity, format!("{}:{}", place.file, place.line));
                    }
                }
            }
        }
    }

    fn insert(&mut self, entity: Entity, place: String) {
        let (reach, parents) = (reach(&entity), parents(&entity).len());
        self.entities.insert(entity.uid(), Stored { entity, reach, parents, place });
    }

    /// An entity may not be its own ancestor: Cedar refuses such a hierarchy, so it is never live.
    pub(super) fn check_hierarchy(&self, faults: &mut Faults) {
        let mut finished: HashSet<&EntityUid> = HashSet::new();
        for start in self.entities.keys() {
            let mut open: HashSet<&EntityUid> = HashSet::new();
            let mut stack = vec![(start, false)];
            while let Some((uid, leaving)) = stack.pop() {
                if leaving {
                    open.remove(uid);
                    finished.insert(uid);
                    continue;
                }
                if finished.contains(uid) {
                    continue;
                }
                let Some(stored) = self.entities.get(uid) else { continue };
                if !open.insert(uid) {
                    continue;
                }
                stack.push((uid, true));
                for parent in stored.parents() {
                    if open.contains(parent) {
                        faults.push(Fault::of_file(&stored.place, format!("{uid} is among its own ancestors")));
                    } else {
                        stack.push((parent, false));
                    }
                }
            }
        }
    }
}

/// Reads one entity and puts it in its tenant.
fn read_entity(json: &str, tenant: &EntityUid, schema: &LoadedSchema) -> Result<Entity, String> {
    let entity = Entity::from_json_str(json, Some(&schema.schema)).map_err(|error| crate::tree::one_line(&error))?;
    if schema.identity == Identity::LeftOut || entity.uid() == *tenant {
        return Ok(entity);
    }
    place_in_tenant(entity, tenant, schema)
}

/// Gives an entity its tenant as a parent, where the schema lets it have one.
pub fn place_in_tenant(entity: Entity, tenant: &EntityUid, schema: &LoadedSchema) -> Result<Entity, String> {
    let kind = entity.uid().type_name().to_string();
    if kind == vocabulary::TENANT {
        return Err(format!("{} is another tenant: only {tenant} belongs here", entity.uid()));
    }
    let parents = parents(&entity);
    if parents.iter().any(|parent| parent.type_name() == tenant.type_name() && parent != tenant) {
        return Err(format!("{} may only be in {tenant}", entity.uid()));
    }
    if !schema.may_be_in(&kind, vocabulary::TENANT) || parents.contains(tenant) {
        return Ok(entity);
    }
    let mut core = AsRef::<ast::Entity>::as_ref(&entity).clone();
    core.add_parent(tenant.as_ref().clone());
    Ok(Entity::from(core))
}

fn parents(entity: &Entity) -> Vec<EntityUid> {
    AsRef::<ast::Entity>::as_ref(entity).ancestors().cloned().map(EntityUid::from).collect()
}

/// What a request that reaches an entity can reach next: its parents and the entities its data names.
pub fn reach(entity: &Entity) -> Vec<EntityUid> {
    let core = AsRef::<ast::Entity>::as_ref(entity);
    let mut found = parents(entity);
    for (_, value) in core.attrs().chain(core.tags()) {
        mentioned(value, &mut found);
    }
    found
}

/// The entities that an expression names.
pub fn named_in(expression: &ast::Expr) -> impl Iterator<Item = EntityUid> {
    expression.subexpressions().filter_map(|part| match part.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(EntityUid::from(uid.as_ref().clone())),
        _ => None,
    })
}

fn mentioned(value: &PartialValue, found: &mut Vec<EntityUid>) {
    match value {
        PartialValue::Value(value) => mentioned_in_value(value, found),
        PartialValue::Residual(expression) => found.extend(named_in(expression)),
    }
}

fn mentioned_in_value(value: &Value, found: &mut Vec<EntityUid>) {
    match &value.value {
        ValueKind::Lit(Literal::EntityUID(uid)) => found.push(EntityUid::from(uid.as_ref().clone())),
        ValueKind::Lit(_) | ValueKind::ExtensionValue(_) => {}
        ValueKind::Set(set) => set.iter().for_each(|element| mentioned_in_value(element, found)),
        ValueKind::Record(record) => record.values().for_each(|member| mentioned_in_value(member, found)),
    }
}

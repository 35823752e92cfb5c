//! A scene: one request, and the entities that stand in for the directory's while it is decided.
//!
//! What a scene does not describe is as the directory has it. Values are Cedar's JSON with every escape written out,
//! so that a scene can be changed, shown and kept without asking the schema what a text means.

mod show;
mod shrink;
mod tidy;

pub use show::{as_case, as_cedar, cedar_text};
pub use shrink::{SceneTree, shrink, smaller};
pub use tidy::tidied;

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::Entity;
use serde_json::{Map, Value, json};

use crate::decide::{AccessQuery, ActionName, Answer, Decider, QueryError, ResourceQuery, Staged};
use crate::model::EntityRef;
use crate::principal::Principal;
use crate::snapshot::{Depth, Snapshot};
use crate::tree::one_line;
use crate::vocabulary;

/// One request, and what there is beside the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    pub principal: EntityRef,
    /// `Action::"name"`.
    pub action: String,
    pub resource: EntityRef,
    pub context: Map<String, Value>,
    /// Entities that stand in for the directory's of the same uid.
    pub entities: BTreeMap<EntityRef, SceneEntity>,
}

/// An entity of a scene.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SceneEntity {
    pub attributes: Map<String, Value>,
    pub tags: Map<String, Value>,
    pub parents: BTreeSet<EntityRef>,
}

/// What scenes are decided by.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    pub snapshot: &'a Snapshot,
    pub decider: Decider,
}

impl<'a> World<'a> {
    /// Nothing that is asked here is asked twice: no slices are kept.
    pub fn of(snapshot: &'a Snapshot, decider: Decider) -> Self {
        Self { snapshot, decider: Decider { slice_bytes: 0, ..decider } }
    }
}

impl Scene {
    /// The scene's request with all that it is decided over.
    ///
    /// # Errors
    /// When the scene does not fit the schema.
    pub fn stage<'a>(&self, world: &World<'a>) -> Result<Staged<'a>, QueryError> {
        self.stage_for(world, &[])
    }

    /// The same, for someone who looks with other policies too.
    ///
    /// # Errors
    /// As [`Scene::stage`].
    pub fn stage_for<'a>(&self, world: &World<'a>, also: &[&Depth]) -> Result<Staged<'a>, QueryError> {
        let schema = &world.snapshot.schema;
        let principal = schema.types.uid_of(&self.principal);
        let principal = principal.ok_or_else(|| QueryError::UnknownResourceType(self.principal.entity_type.clone()))?;
        let query = AccessQuery {
            action: ActionName(self.action.clone()),
            resource: ResourceQuery::named(self.resource.clone()),
            context: Some(Value::Object(self.context.clone())),
            explain: false,
        };
        let entities = self.entities.iter().map(|(uid, entity)| {
            let read = Entity::from_json_value(entity.to_json(uid), Some(&schema.schema));
            read.map_err(|error| QueryError::Resource(one_line(&error)))
        });
        let entities = entities.collect::<Result<Vec<_>, _>>()?;
        world.decider.stage_for(world.snapshot, &Principal::named(principal), &query, &entities, also)
    }

    /// What the server would answer.
    ///
    /// # Errors
    /// When the scene does not fit the schema.
    pub fn answer(&self, world: &World<'_>) -> Result<Answer, QueryError> {
        self.stage(world).map(|staged| staged.answer(&world.decider))
    }

    /// The action's bare id, as cases name it.
    pub fn action_id(&self) -> String {
        vocabulary::read_ref(&self.action).map_or_else(|| self.action.clone(), |action| action.id)
    }
}

impl SceneEntity {
    /// As the directory has it.
    pub fn of(entity: &Entity) -> Self {
        let mut json = entity.to_json_value().unwrap_or_default();
        let mut member = |name: &str| json.get_mut(name).map(Value::take).unwrap_or_default();
        let object = |value| match value {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        let (attributes, tags) = (object(member("attrs")), object(member("tags")));
        let parents = serde_json::from_value(member("parents")).unwrap_or_default();
        Self { attributes, tags, parents }
    }

    /// Cedar's JSON of it.
    pub fn to_json(&self, uid: &EntityRef) -> Value {
        let mut json = json!({"uid": uid, "attrs": self.attributes, "parents": self.parents});
        if let (Some(members), false) = (json.as_object_mut(), self.tags.is_empty()) {
            members.insert("tags".to_owned(), Value::Object(self.tags.clone()));
        }
        json
    }
}

/// An entity as a value.
pub fn entity_value(uid: &EntityRef) -> Value {
    json!({"__entity": uid})
}

/// The entity that a value is.
pub fn as_entity(value: &Value) -> Option<EntityRef> {
    serde_json::from_value(value.get("__entity")?.clone()).ok()
}

/// A value of one of Cedar's extension types, by the function that makes it.
pub fn extension(function: &str, argument: impl Into<String>) -> Value {
    json!({"__extn": {"fn": function, "arg": argument.into()}})
}

/// The function and the argument of a value of an extension type.
pub fn as_extension(value: &Value) -> Option<(&str, &str)> {
    let made = value.get("__extn")?;
    Some((made.get("fn")?.as_str()?, made.get("arg")?.as_str()?))
}

/// A record's members, if a value is one and no escape.
pub fn as_record(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object().filter(|members| !members.contains_key("__entity") && !members.contains_key("__extn"))
}

#[cfg(test)]
mod tests;

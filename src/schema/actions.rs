//! The schema's actions: which types each is for, and which are in which group.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::entities_errors::EntitiesError;
use cedar_policy::{Context, Entity, EntityTypeName, EntityUid, Schema};
use cedar_policy_core::ast;

use super::data_types::{DataTypes, read_context_types};
use crate::vocabulary;

/// The number of an action within one schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionNumber(pub usize);

/// One action.
#[derive(Debug)]
pub struct ActionFacts {
    pub number: ActionNumber,
    pub uid: EntityUid,
    /// With all its groups as ancestors.
    pub entity: Arc<ast::Entity>,
    /// What the context of a request holds.
    pub context: DataTypes,
    /// Whether a request may come without a context.
    pub takes_no_context: bool,
    principals: Vec<EntityTypeName>,
    resources: Vec<EntityTypeName>,
}

/// All actions of a schema.
#[derive(Debug, Default)]
pub struct Actions {
    all: Vec<ActionFacts>,
    by_id: HashMap<String, ActionNumber>,
    by_uid: HashMap<EntityUid, ActionNumber>,
}

impl ActionFacts {
    pub fn applies_to_principal(&self, entity_type: &EntityTypeName) -> bool {
        self.principals.contains(entity_type)
    }

    pub fn applies_to_resource(&self, entity_type: &EntityTypeName) -> bool {
        self.resources.contains(entity_type)
    }

    /// Whether this is the other action, or in it.
    pub fn is_in(&self, other: &EntityUid) -> bool {
        self.uid == *other || self.entity.is_descendant_of(other.as_ref())
    }
}

impl Actions {
    pub(super) fn of(schema: &Schema) -> Result<Self, Box<EntitiesError>> {
        let mut actions = Self::default();
        let mut entities: Vec<Entity> = schema.action_entities().map_err(Box::new)?.into_iter().collect();
        entities.sort_by_key(|entity| entity.uid().to_string());
        for (number, entity) in entities.into_iter().enumerate() {
            let uid = entity.uid();
            let number = ActionNumber(number);
            if uid.type_name().to_string() == vocabulary::ACTION {
                actions.by_id.insert(uid.id().unescaped().to_owned(), number);
            }
            actions.by_uid.insert(uid.clone(), number);
            actions.all.push(ActionFacts {
                number,
                principals: schema.principals_for_action(&uid).into_iter().flatten().cloned().collect(),
                resources: schema.resources_for_action(&uid).into_iter().flatten().cloned().collect(),
                context: read_context_types(schema, &uid),
                takes_no_context: Context::empty().validate(schema, &uid).is_ok(),
                uid,
                entity: Arc::new(AsRef::<ast::Entity>::as_ref(&entity).clone()),
            });
        }
        Ok(actions)
    }

    /// An action of no namespace by its bare id.
    pub fn named(&self, id: &str) -> Option<&ActionFacts> {
        self.by_id.get(id).and_then(|number| self.all.get(number.0))
    }

    pub fn get(&self, uid: &EntityUid) -> Option<&ActionFacts> {
        self.by_uid.get(uid).and_then(|number| self.all.get(number.0))
    }

    pub fn iter(&self) -> impl Iterator<Item = &ActionFacts> {
        self.all.iter()
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

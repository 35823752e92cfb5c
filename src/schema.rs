//! The schema: every schema file and the identity part, as one checked Cedar schema.
//!
//! In: the texts of `schema/`. Out: a `LoadedSchema`, or every fault with its place. Also answers what others
//! need to know of the schema: which types contain which, which claims are typed.

mod actions;
mod data_types;
mod entity_types;
mod extension_values;
mod infer;
mod load;
mod notations;

pub use actions::{ActionFacts, ActionNumber, Actions};
pub use data_types::{DataType, DataTypes, EntityData, read_entity_data};
pub use entity_types::{EntityTypes, TypeNumber, id_of};
pub use extension_values::extension_value;
pub use infer::{Proposal, infer_schema};
pub use load::{Identity, load_schema};
pub use notations::cedar_notation;

use cedar_policy::{EntityTypeName, EntityUid, Schema, Validator};

use crate::model::Generation;

/// A schema that Cedar accepted.
#[derive(Debug)]
pub struct LoadedSchema {
    pub schema: Schema,
    pub validator: Validator,
    pub identity: Identity,
    pub types: EntityTypes,
    pub actions: Actions,
    /// The SHA-256 of the texts that it was made of.
    pub digest: Generation,
    /// The typed claims that principals carry.
    pub claim_types: DataTypes,
    /// What Cedar warns of, for `check`.
    pub warnings: Vec<String>,
    /// The schema as one Cedar schema text, as `export` writes it.
    pub text: String,
}

impl LoadedSchema {
    /// Whether the schema declares this entity type.
    pub fn has_type(&self, entity_type: &str) -> bool {
        self.types.named(entity_type).is_some()
    }

    /// Whether an entity of the first type may have one of the second among its ancestors.
    pub fn may_be_in(&self, child: &str, ancestor: &str) -> bool {
        let (child, ancestor) = (self.types.named(child), self.types.named(ancestor));
        child.zip(ancestor).is_some_and(|(child, ancestor)| self.types.may_be_in(child, ancestor))
    }

    /// An action by its bare id, if the schema has it.
    pub fn action(&self, id: &str) -> Option<EntityUid> {
        self.actions.named(id).map(|action| action.uid.clone())
    }

    /// Whether an action's requests may be about this type, or about something inside it.
    pub fn action_reaches(&self, action: &EntityUid, entity_type: &str) -> bool {
        let Some(resources) = self.schema.resources_for_action(action) else { return false };
        resources.map(EntityTypeName::to_string).any(|kind| kind == entity_type || self.may_be_in(&kind, entity_type))
    }
}

#[cfg(test)]
mod tests;

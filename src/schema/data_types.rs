//! What the schema says of data that comes from outside: the typed claims, and the contexts of requests.
//!
//! Read from Cedar's own resolved schema, so common types and nested records are already worked out.

use std::collections::BTreeMap;

use cedar_policy::{EntityUid, Schema};
use cedar_policy_core::ast;
use cedar_policy_core::validator::ValidatorEntityType;
use cedar_policy_core::validator::types::{Attributes, EntityKind, Type};

use crate::vocabulary;

/// Members by name: each one's type, and whether the schema wants it always there.
pub type DataTypes = BTreeMap<String, (DataType, bool)>;

/// The type of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataType {
    Text,
    Number,
    Boolean,
    /// `ipaddr`, `decimal`, `datetime` or `duration`, given as text.
    Extension(String),
    Set(Box<DataType>),
    /// Attribute → its type, and whether it must be there.
    Record(DataTypes),
    /// An entity of this type.
    Entity(String),
}

/// What an entity of one type holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntityData {
    pub attributes: DataTypes,
    /// The type of every tag, if there may be any.
    pub tags: Option<DataType>,
}

/// What entities of a type hold; nothing for a type that the schema does not have.
pub fn read_entity_data(schema: &Schema, entity_type: &str) -> EntityData {
    let name = entity_type.parse::<ast::EntityType>().ok();
    let Some(found) = name.and_then(|name| schema.as_ref().get_entity_type(&name)) else {
        return EntityData::default();
    };
    EntityData { attributes: members(found.attributes()), tags: found.tag_type().and_then(read) }
}

/// The typed claims that the principals' `claims` attribute declares; empty without one. No claim can be an entity,
/// so a claim declared as one is left out, and never filled.
pub fn read_claim_types(schema: &Schema) -> DataTypes {
    let claims = vocabulary::EXTERNAL_SUBJECT
        .parse::<ast::EntityType>()
        .ok()
        .and_then(|name| schema.as_ref().get_entity_type(&name))
        .and_then(|entity_type: &ValidatorEntityType| entity_type.attr("claims"));
    match claims.map(|attribute| attribute.attr_type.as_ref()) {
        Some(Type::Record { attrs, .. }) => without_entities(members(attrs)),
        _ => DataTypes::new(),
    }
}

/// What the context of an action's requests holds.
pub(super) fn read_context_types(schema: &Schema, action: &EntityUid) -> DataTypes {
    match schema.as_ref().context_type(action.as_ref()) {
        Some(Type::Record { attrs, .. }) => members(attrs),
        _ => DataTypes::new(),
    }
}

fn members(attributes: &Attributes) -> DataTypes {
    let member = |attribute: &Type, required| Some((read(attribute)?, required));
    let all = attributes.iter();
    all.filter_map(|(name, one)| Some((name.to_string(), member(&one.attr_type, one.is_required)?))).collect()
}

fn read(kind: &Type) -> Option<DataType> {
    match kind {
        Type::String => Some(DataType::Text),
        Type::Long => Some(DataType::Number),
        Type::Bool(_) => Some(DataType::Boolean),
        Type::ExtensionType { name } => Some(DataType::Extension(name.to_string())),
        Type::Set { element_type: Some(element) } => Some(DataType::Set(Box::new(read(element)?))),
        Type::Record { attrs, .. } => Some(DataType::Record(members(attrs))),
        Type::Entity(EntityKind::Entity(kinds)) => Some(DataType::Entity(kinds.get_single_entity()?.to_string())),
        // A schema declares none of these.
        Type::Set { element_type: None } | Type::Never | Type::Entity(EntityKind::AnyEntity) => None,
    }
}

fn without_entities(types: DataTypes) -> DataTypes {
    let kept = |(name, (kind, required))| Some((name, (without_entity(kind)?, required)));
    types.into_iter().filter_map(kept).collect()
}

fn without_entity(kind: DataType) -> Option<DataType> {
    match kind {
        DataType::Entity(_) => None,
        DataType::Set(element) => Some(DataType::Set(Box::new(without_entity(*element)?))),
        DataType::Record(types) => Some(DataType::Record(without_entities(types))),
        other => Some(other),
    }
}

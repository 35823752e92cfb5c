//! What the schema says of data that comes from outside: the typed claims, and the contexts of requests.
//!
//! Read from Cedar's own resolved schema, so common types and nested records are already worked out.

use std::collections::BTreeMap;

use cedar_policy::{EntityUid, Schema};
use cedar_policy_core::ast;
use cedar_policy_core::validator::ValidatorEntityType;
use cedar_policy_core::validator::types::{Attributes, Type};

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
    Entity,
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
        Type::Entity(_) => Some(DataType::Entity),
        // A schema declares neither.
        Type::Set { element_type: None } | Type::Never => None,
    }
}

fn without_entities(types: DataTypes) -> DataTypes {
    let kept = |(name, (kind, required))| Some((name, (without_entity(kind)?, required)));
    types.into_iter().filter_map(kept).collect()
}

fn without_entity(kind: DataType) -> Option<DataType> {
    match kind {
        DataType::Entity => None,
        DataType::Set(element) => Some(DataType::Set(Box::new(without_entity(*element)?))),
        DataType::Record(types) => Some(DataType::Record(without_entities(types))),
        other => Some(other),
    }
}

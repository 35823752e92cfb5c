//! The typed claims: what the schema's `Claims` type says each of them is.
//!
//! Read from Cedar's own resolved schema, so common types and nested records are already worked out.

use std::collections::BTreeMap;

use cedar_policy::Schema;
use cedar_policy_core::ast;
use cedar_policy_core::validator::ValidatorEntityType;
use cedar_policy_core::validator::types::{Attributes, Type};

use crate::vocabulary;

/// Typed claims by name: each one's type, and whether the schema wants it always there.
pub type ClaimTypes = BTreeMap<String, (ClaimType, bool)>;

/// The type of one claim. No claim can be an entity, so a claim declared as one is never filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimType {
    Text,
    Number,
    Boolean,
    /// `ipaddr`, `decimal`, `datetime` or `duration`, given as text.
    Extension(String),
    Set(Box<ClaimType>),
    /// Attribute → its type, and whether it must be there.
    Record(ClaimTypes),
}

/// The typed claims that the principals' `claims` attribute declares; empty without one.
pub fn read_claim_types(schema: &Schema) -> ClaimTypes {
    let claims = vocabulary::EXTERNAL_SUBJECT
        .parse::<ast::EntityType>()
        .ok()
        .and_then(|name| schema.as_ref().get_entity_type(&name))
        .and_then(|entity_type: &ValidatorEntityType| entity_type.attr("claims"));
    match claims.map(|attribute| attribute.attr_type.as_ref()) {
        Some(Type::Record { attrs, .. }) => record(attrs),
        _ => ClaimTypes::new(),
    }
}

fn record(attributes: &Attributes) -> ClaimTypes {
    attributes
        .iter()
        .filter_map(|(name, attribute)| Some((name.to_string(), (read(&attribute.attr_type)?, attribute.is_required))))
        .collect()
}

fn read(kind: &Type) -> Option<ClaimType> {
    match kind {
        Type::String => Some(ClaimType::Text),
        Type::Long => Some(ClaimType::Number),
        Type::Bool(_) => Some(ClaimType::Boolean),
        Type::ExtensionType { name } => Some(ClaimType::Extension(name.to_string())),
        Type::Set { element_type: Some(element) } => Some(ClaimType::Set(Box::new(read(element)?))),
        Type::Record { attrs, .. } => Some(ClaimType::Record(record(attrs))),
        Type::Set { element_type: None } | Type::Never | Type::Entity(_) => None,
    }
}

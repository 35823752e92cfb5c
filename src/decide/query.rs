//! What is asked: an action, a resource and a context, and why a question is refused.

use cedar_policy::{EntityUid, RequestValidationError};
use serde::Deserialize;
use serde_json::Value;

use super::fit::drop_members;
use crate::model::EntityRef;
use crate::schema::{ActionFacts, read_entity_data};
use crate::snapshot::{SliceError, Snapshot};
use crate::tree::one_line;
use crate::vocabulary;

/// One question about one principal.
#[derive(Clone, Debug)]
pub struct AccessQuery {
    pub action: ActionName,
    pub resource: ResourceQuery,
    /// Cedar's JSON for a context: an object, or nothing.
    pub context: Option<Value>,
    /// Also say of each candidate policy why it did not match.
    pub explain: bool,
}

/// What becomes of context members and attributes that the schema does not declare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// The question is refused, and they are named.
    #[default]
    Refuse,
    /// They are left out.
    Drop,
}

/// Takes what the schema does not declare out of a question, and says what that was.
///
/// # Errors
/// When the action or the type of the resource is unknown.
pub fn drop_unknown(snapshot: &Snapshot, query: &mut AccessQuery) -> Result<Vec<String>, QueryError> {
    let mut dropped = Vec::new();
    let action = find_action(snapshot, &query.action)?;
    if let Some(Value::Object(members)) = &mut query.context {
        drop_members(members, &action.context, "context", &mut dropped);
    }
    if !query.resource.attributes.is_empty() {
        known_uid(snapshot, &query.resource.entity)?;
        let types = read_entity_data(&snapshot.schema.schema, &query.resource.entity.entity_type).attributes;
        drop_members(&mut query.resource.attributes, &types, "resource.attributes", &mut dropped);
    }
    Ok(dropped)
}

/// An action by name, or as `Action::"name"` or `Action::name`, with a namespace if the schema has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionName(pub String);

/// The thing a request is about. Attributes and parents add to, and win over, what the directory knows.
#[derive(Clone, Debug)]
pub struct ResourceQuery {
    pub entity: EntityRef,
    pub attributes: serde_json::Map<String, Value>,
    pub parents: Vec<EntityRef>,
}

impl ResourceQuery {
    /// A resource as the directory knows it.
    pub fn named(entity: EntityRef) -> Self {
        Self { entity, attributes: serde_json::Map::new(), parents: Vec::new() }
    }

    /// What the request says of the resource, as a text that says the same only of the same.
    pub(super) fn description(&self) -> Result<Option<Box<str>>, serde_json::Error> {
        if self.attributes.is_empty() && self.parents.is_empty() {
            return Ok(None);
        }
        serde_json::to_string(&(&self.attributes, &self.parents)).map(|text| Some(text.into_boxed_str()))
    }
}

/// Why a question cannot be asked: the caller's to fix.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("`{0}` is not an action of the schema")]
    UnknownAction(String),
    #[error("`{0}` is not an entity type of the schema")]
    UnknownResourceType(String),
    #[error("action `{action}` does not apply to a `{resource_type}`")]
    ActionDoesNotApply { action: String, resource_type: String },
    #[error("the principal's type `{0}` is not an entity type of the schema")]
    UnknownPrincipalType(String),
    #[error("the resource does not fit the schema: {0}")]
    Resource(String),
    #[error("the context does not fit the schema: {0}")]
    Context(String),
    #[error("the request does not fit the schema: {0}")]
    Request(#[source] Box<RequestValidationError>),
    #[error("the request's entities do not fit together: {0}")]
    Entities(#[source] SliceError),
}

impl QueryError {
    /// Names the kind of refusal, for problems and metrics.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::UnknownAction(_) => "unknown-action",
            Self::UnknownResourceType(_) => "unknown-resource-type",
            Self::UnknownPrincipalType(_) => "unknown-principal-type",
            Self::ActionDoesNotApply { .. } | Self::Request(_) => "request-invalid",
            Self::Resource(_) | Self::Entities(_) => "resource-invalid",
            Self::Context(_) => "context-invalid",
        }
    }
}

impl From<RequestValidationError> for QueryError {
    fn from(error: RequestValidationError) -> Self {
        match error {
            RequestValidationError::InvalidContext(error) => Self::Context(one_line(&error)),
            other => Self::Request(Box::new(other)),
        }
    }
}

/// The action that a name means.
pub(super) fn find_action<'a>(snapshot: &'a Snapshot, name: &ActionName) -> Result<&'a ActionFacts, QueryError> {
    let actions = &snapshot.schema.actions;
    let by_uid = || actions.get(&vocabulary::uid(&vocabulary::read_entity(&name.0)?).ok()?);
    actions.named(&name.0).or_else(by_uid).ok_or_else(|| QueryError::UnknownAction(name.0.clone()))
}

/// Whether the schema knows the principal's type: whether such a one may ask is for the answer to say.
pub(super) fn check_principal(snapshot: &Snapshot, principal: &EntityUid) -> Result<(), QueryError> {
    match snapshot.schema.types.locate(principal) {
        Some(_) => Ok(()),
        None => Err(QueryError::UnknownPrincipalType(principal.type_name().to_string())),
    }
}

/// A uid of a type that the schema has.
pub(super) fn known_uid(snapshot: &Snapshot, entity: &EntityRef) -> Result<EntityUid, QueryError> {
    let found = snapshot.schema.types.uid_of(entity);
    found.ok_or_else(|| QueryError::UnknownResourceType(entity.entity_type.clone()))
}

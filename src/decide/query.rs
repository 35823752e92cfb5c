//! What is asked: an action, a resource and a context, and why a question is refused.

use cedar_policy::{EntityUid, RequestValidationError};
use serde_json::Value;

use crate::model::EntityRef;
use crate::schema::ActionFacts;
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

/// An action by name, or as `Action::"name"`, with a namespace if the schema has one.
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
    #[error("a `{principal_type}` cannot ask for `{action}`")]
    PrincipalDoesNotApply { action: String, principal_type: String },
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
            Self::ActionDoesNotApply { .. } | Self::PrincipalDoesNotApply { .. } | Self::Request(_) => {
                "request-invalid"
            }
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
    let by_uid = || actions.get(&vocabulary::read_uid(&name.0)?);
    actions.named(&name.0).or_else(by_uid).ok_or_else(|| QueryError::UnknownAction(name.0.clone()))
}

/// Whether anyone of the principal's type can ask for the action.
pub(super) fn check_principal(principal: &EntityUid, action: &ActionFacts) -> Result<(), QueryError> {
    if action.applies_to_principal(principal.type_name()) {
        return Ok(());
    }
    Err(QueryError::PrincipalDoesNotApply {
        action: action.uid.id().unescaped().to_owned(),
        principal_type: principal.type_name().to_string(),
    })
}

/// A uid of a type that the schema has.
pub(super) fn known_uid(snapshot: &Snapshot, entity: &EntityRef) -> Result<EntityUid, QueryError> {
    let found = snapshot.schema.types.uid_of(entity);
    found.ok_or_else(|| QueryError::UnknownResourceType(entity.entity_type.clone()))
}

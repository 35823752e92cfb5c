//! The request's context: Cedar's JSON, read by the types that the schema gives the action.

use cedar_policy::{Context, EntityUid};
use serde_json::Value;

use super::query::QueryError;
use crate::snapshot::{Snapshot, named_in};
use crate::tree::one_line;

/// Reads a context; none given is an empty one.
pub(super) fn read_context(
    snapshot: &Snapshot,
    given: Option<&Value>,
    action: &EntityUid,
) -> Result<Context, QueryError> {
    let Some(given) = given.filter(|given| !given.is_null()) else { return Ok(Context::empty()) };
    if !given.is_object() {
        return Err(QueryError::Context("it must be an object".to_owned()));
    }
    Context::from_json_value(given.clone(), Some((&snapshot.schema.schema, action)))
        .map_err(|error| QueryError::Context(one_line(&error)))
}

/// The entities that a context names.
pub(super) fn entities_of(context: &Context) -> Vec<EntityUid> {
    context.clone().into_iter().flat_map(|(_, value)| named_in(value.as_ref()).collect::<Vec<_>>()).collect()
}

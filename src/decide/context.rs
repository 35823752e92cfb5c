//! The request's context: Cedar's JSON, read by the types that the schema gives the action.
//!
//! What most contexts are made of is read here, with nothing but the schema's types to go by; whatever else there is
//! (entities, Cedar's escapes) is fitted to the types first, which names the field that is wrong, and then left to
//! Cedar's own reader. A property below holds the two together.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{Context, EntityUid};
use cedar_policy_core::ast;
use serde_json::{Map, Value};

use super::fit::{Completeness, ESCAPE, fit_members};
use super::query::QueryError;
use crate::schema::{ActionFacts, DataType, DataTypes, extension_value};
use crate::snapshot::{Snapshot, named_in};
use crate::tree::one_line;

/// A context that was read.
pub(super) struct ReadContext {
    pub context: Context,
    /// Entities that it names.
    pub mentioned: Vec<EntityUid>,
    /// Whether it is known to fit the schema.
    pub is_checked: bool,
}

/// Reads a context; none given is an empty one.
pub(super) fn read_context(
    snapshot: &Snapshot,
    given: Option<&Value>,
    action: &ActionFacts,
) -> Result<ReadContext, QueryError> {
    let given = match given {
        None | Some(Value::Null) if action.takes_no_context => {
            return Ok(ReadContext { context: Context::empty(), mentioned: Vec::new(), is_checked: true });
        }
        None | Some(Value::Null) => &Map::new(),
        Some(Value::Object(given)) => given,
        Some(_) => return Err(QueryError::Context("it must be an object".to_owned())),
    };
    if let Some(members) = plain_members(given, &action.context) {
        let context = ast::Context::Value(Arc::new(members)).into();
        return Ok(ReadContext { context, mentioned: Vec::new(), is_checked: true });
    }
    let schema = Some((&snapshot.schema.schema, &action.uid));
    let fitted = fit_members(given, &action.context, "context", Completeness::Whole);
    let fitted = fitted.map_err(|misfit| QueryError::Context(misfit.to_string()))?;
    let context = Context::from_json_value(Value::Object(fitted), schema)
        .map_err(|error| QueryError::Context(one_line(&error)))?;
    Ok(ReadContext { mentioned: entities_of(&context), context, is_checked: false })
}

/// The entities that a context names.
fn entities_of(context: &Context) -> Vec<EntityUid> {
    context.clone().into_iter().flat_map(|(_, value)| named_in(value.as_ref()).collect::<Vec<_>>()).collect()
}

type Members = BTreeMap<smol_str::SmolStr, ast::Value>;

/// The members of a record, if all are plain, none is unknown and none is missing.
fn plain_members(given: &Map<String, Value>, types: &DataTypes) -> Option<Members> {
    let mut missing = types.values().filter(|(_, is_required)| *is_required).count();
    let mut members = Members::new();
    for (name, value) in given {
        let (kind, is_required) = types.get(name)?;
        if name.starts_with(ESCAPE) {
            return None;
        }
        if value.is_null() {
            continue;
        }
        missing -= usize::from(*is_required);
        members.insert(name.into(), plain(value, kind)?);
    }
    (missing == 0).then_some(members)
}

fn plain(given: &Value, kind: &DataType) -> Option<ast::Value> {
    match (kind, given) {
        (DataType::Text, Value::String(text)) => Some(text.as_str().into()),
        (DataType::Boolean, Value::Bool(value)) => Some((*value).into()),
        (DataType::Number, Value::Number(number)) => Some(number.as_i64()?.into()),
        (DataType::Extension(name), Value::String(text)) => extension_value(name, text),
        (DataType::Set(element), Value::Array(given)) => {
            let elements = given.iter().map(|given| plain(given, element));
            Some(ast::Value::set(elements.collect::<Option<Vec<_>>>()?, None))
        }
        (DataType::Record(types), Value::Object(given)) => {
            Some(ast::Value::record_arc(Arc::new(plain_members(given, types)?), None))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;

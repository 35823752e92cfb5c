//! `POST /tenants/{tenant}/batch`: many changes as one, all or none.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{dry, of_revision, still_named, told};
use super::asking::{Asked, Asking, Body, ChangeQuery, object};
use super::caller::administration;
use super::objects::read_fact;
use crate::admin::{AdminError, Request, Right};
use crate::directory::{Edit, EditError, FactKey, Kind, Operation, read_key};
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::model::TenantId;
use crate::strict_json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBatch {
    operations: Vec<RawOperation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum RawOperation {
    /// Must not be there yet.
    Create(Map<String, Value>),
    /// Whether it is there or not.
    Put(Map<String, Value>),
    Remove(RawKey),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    #[serde(rename = "type")]
    kind: Kind,
    id: String,
}

pub(in crate::http) async fn batch(
    State(state): State<AppState>,
    asking: Asking,
    Asked(query): Asked<ChangeQuery>,
    body: Body,
) -> Result<Response, Problem> {
    let administration = administration(&state)?;
    let unread = |error: serde_json::Error| Problem::Malformed(format!("the body cannot be read: {error}"));
    let raw: RawBatch = strict_json::from_value(Value::Object(object(body)?)).map_err(unread)?;
    if raw.operations.len() > MAX_OPERATIONS {
        return Err(Problem::TooLarge(format!("a batch holds at most {MAX_OPERATIONS} operations")));
    }
    let operations = raw.operations.into_iter().enumerate();
    let operations = operations.map(|(index, raw)| operation(raw).map_err(|problem| problem.in_operation(index)));
    let edit = Edit { operations: operations.collect::<Result<_, _>>()?, cascade: query.cascade };
    if edit.operations.is_empty() {
        // Nothing takes no right; what it is that nothing was done to is for those who may look.
        administration.look(&asking.tenant, &asking.who).await?;
    }
    let precondition = asking.if_match.map(|revision| (of_tenant(&asking.tenant), revision));
    let request =
        Request { tenant: &asking.tenant, edit: &edit, precondition, dry_run: query.dry_run, right: Right::Asked };
    let made = administration.make(&request, &asking.who, &asking.occasion).await;
    let made = made.map_err(|error| match refused_operation(&error, &edit) {
        Some(index) => Problem::from(error).in_operation(index),
        None => Problem::from(error),
    })?;
    if query.dry_run {
        return Ok(dry(&asking.tenant, &made));
    }
    let along: Vec<_> = made.planned.along().map(told).collect();
    let mut body = json!({"revision": made.revision, "changes": made.planned.changes.len(), "taken_along": along});
    if let Some(members) = body.as_object_mut().filter(|_| !made.still_named.is_empty()) {
        members.insert("still_named".to_owned(), still_named(&made));
    }
    Ok(of_revision(&body, made.revision))
}

/// The operation that the first of the refusals is about, where one of them is.
fn refused_operation(error: &AdminError, edit: &Edit) -> Option<usize> {
    let AdminError::Edit(EditError::Refused(refusals)) = error else { return None };
    let about = refusals.first()?.about();
    edit.operations.iter().position(|operation| operation.key() == *about)
}

fn operation(raw: RawOperation) -> Result<Operation, Problem> {
    Ok(match raw {
        RawOperation::Create(members) => Operation::Create(read_fact(kind(&members)?, members)?),
        RawOperation::Put(members) => Operation::Put(read_fact(kind(&members)?, members)?),
        RawOperation::Remove(RawKey { kind, id }) => {
            let key = read_key(kind, &id);
            Operation::Remove(key.ok_or_else(|| Problem::Malformed(format!("`{id}` is not an id")))?)
        }
    })
}

fn kind(members: &Map<String, Value>) -> Result<Kind, Problem> {
    let named = members.get("type").and_then(Value::as_str);
    let kind = named.and_then(Kind::named);
    kind.ok_or_else(|| Problem::Malformed("`type` must be a type of manifest".to_owned()))
}

/// A key that no fact has: its revision is the tenant's.
fn of_tenant(tenant: &TenantId) -> FactKey {
    FactKey::resource(&crate::vocabulary::tenant(tenant))
}

const MAX_OPERATIONS: usize = 20_000;

//! What is answered: a fact with its id and revision, a page of them, what a change came to.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::admin::{Made, StillNamed, compiled};
use crate::directory::{Change, Fact, FactKey, Kind, Recorded, document_of, shown_id};
use crate::http::problem::{self, Problem};
use crate::model::{Revision, TenantId};

/// A fact as its document, with `id`.
pub(super) fn shown(fact: &Fact) -> Map<String, Value> {
    let document = serde_json::to_value(document_of(fact)).unwrap_or_default();
    let mut members = document.as_object().cloned().unwrap_or_default();
    hide(&mut members);
    members.insert("id".to_owned(), shown_id(fact).into());
    members
}

/// The same, with the revision that made it what it is.
pub(super) fn recorded(recorded: &Recorded) -> Value {
    let mut members = shown(&recorded.fact);
    members.insert("revision".to_owned(), json!(recorded.since));
    Value::Object(members)
}

/// A body of one revision.
pub(super) fn of_revision(body: &Value, revision: Revision) -> Response {
    let mut response = Json(body).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// A page of what was found, one more than fits it where there is more; its `next` is the place of its last.
pub(super) fn page<T>(
    mut found: Vec<T>,
    size: usize,
    place: impl Fn(&T) -> Value,
    shown: impl Fn(&T) -> Value,
) -> Response {
    let more = found.len() > size;
    found.truncate(size);
    let next = found.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(place(last).to_string()));
    let items: Vec<Value> = found.iter().map(shown).collect();
    let mut body = Map::from_iter([("items".to_owned(), Value::from(items))]);
    body.extend(next.map(|next| ("next".to_owned(), Value::from(next))));
    Json(Value::Object(body)).into_response()
}

/// The place of a fact in a list.
pub(super) fn place_of(one: &Recorded) -> Value {
    json!(one.fact.key().id)
}

pub(super) fn read_cursor<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let place = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place.ok_or_else(|| Problem::Malformed("`after` must be the `next` of an earlier page".to_owned()))
}

/// How many to a page.
pub(super) fn page_size(limit: Option<usize>) -> Result<usize, Problem> {
    match limit {
        None => Ok(PAGE),
        Some(limit) if (1..=MAX_PAGE).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::Malformed(format!("`limit` must be from 1 to {MAX_PAGE}"))),
    }
}

/// What a change came to: the fact as it is now, or what was removed.
pub(super) fn changed(tenant: &TenantId, key: &FactKey, put: Option<&Fact>, made: &Made, dry_run: bool) -> Response {
    if dry_run {
        return dry(tenant, made);
    }
    let of_key = made.planned.changes.iter().find(|change| change.key == *key);
    let mut body = match (of_key, put) {
        (Some(Change { after: Some(fact), .. } | Change { before: Some(fact), .. }), _) => shown(fact),
        // It was so already.
        (_, Some(fact)) => shown(fact),
        _ => Map::from_iter([("id".to_owned(), key.id.clone().into())]),
    };
    body.insert("revision".to_owned(), json!(made.revision));
    let along: Vec<Value> = made.planned.along().map(told).collect();
    if !along.is_empty() {
        body.insert("taken_along".to_owned(), along.into());
    }
    if !made.still_named.is_empty() {
        body.insert("still_named".to_owned(), still_named(made));
    }
    of_revision(&Value::Object(body), made.revision)
}

/// What a change would come to.
pub(super) fn dry(tenant: &TenantId, made: &Made) -> Response {
    let changes: Vec<_> = made.planned.changes.iter().map(told).collect();
    let mut body = json!({
        "dry_run": true,
        "revision": made.revision,
        "changes": changes,
        "policies": compiled(tenant, &made.planned.changes),
    });
    if let Some(members) = body.as_object_mut().filter(|_| !made.still_named.is_empty()) {
        members.insert("still_named".to_owned(), still_named(made));
    }
    of_revision(&body, made.revision)
}

/// What was removed though something names it, which means whoever is called so next.
pub(super) fn still_named(made: &Made) -> Value {
    let one = |named: &StillNamed| json!({"type": named.key.kind, "id": named.key.id, "by": named.by});
    made.still_named.iter().map(one).collect()
}

/// A fact's change, with both ends.
pub(super) fn told(change: &Change) -> Value {
    let ends = [&change.before, &change.after];
    let fact = ends.into_iter().flatten().next();
    json!({
        "type": change.key.kind,
        "id": fact.map_or_else(|| change.key.id.clone(), shown_id),
        "before": change.before.as_ref().map(document),
        "after": change.after.as_ref().map(document),
    })
}

fn document(fact: &Fact) -> Map<String, Value> {
    let mut members = shown(fact);
    members.remove("id");
    members
}

/// What no answer has: by a token's hash one could tell whether a token is the one.
fn hide(members: &mut Map<String, Value>) {
    if members.get("type").and_then(Value::as_str) == Some(Kind::Token.name()) {
        members.remove("hash");
    }
}

/// The answer to something that is there now and was not.
pub(super) fn created(mut response: Response, address: &str) -> Response {
    problem::mark_created(&mut response);
    let headers: &mut HeaderMap = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(address) {
        headers.insert(header::LOCATION, location);
    }
    response
}

const PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

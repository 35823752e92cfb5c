//! `PATCH`: a part of what something is, merged into the rest as RFC 7396 says.
//!
//! What was read is written over and nothing else is: when someone else wrote between the two, it is read again.

use axum::response::Response;
use serde_json::{Map, Value};

use super::answer::shown;
use super::asking::{Asking, ChangeQuery, Place};
use super::caller::administration;
use super::objects::{find, read_fact, to_viewer, write_over};
use crate::directory::Kind;
use crate::http::problem::Problem;
use crate::http::state::AppState;

pub(super) async fn change(
    state: &AppState,
    asking: &Asking,
    place: &Place,
    query: ChangeQuery,
    patch: &Map<String, Value>,
    kind: Kind,
) -> Result<Response, Problem> {
    match until_unmoved(asking, || change_once(state, asking, place, query, patch.clone(), kind)).await {
        // Whether it is there, or what of it the patch does not fit.
        Err(problem @ (Problem::NoSuchObject(_) | Problem::Malformed(_))) => {
            Err(to_viewer(administration(state)?, asking, problem).await)
        }
        answered => answered,
    }
}

async fn change_once(
    state: &AppState,
    asking: &Asking,
    place: &Place,
    query: ChangeQuery,
    patch: Map<String, Value>,
    kind: Kind,
) -> Result<Response, Problem> {
    let administration = administration(state)?;
    let at = administration.head(&asking.tenant).await?;
    let found = find(administration, place, kind, at).await?;
    let mut document = Value::Object(shown(&found.fact));
    merge(&mut document, Value::Object(patch));
    let fact = read_fact(kind, document.as_object().cloned().unwrap_or_default())?;
    write_over(state, &asking.over(found.since), place, query, fact, kind).await
}

/// Reads and writes again for as long as someone else writes between the two: only who named a revision minds that.
pub(super) async fn until_unmoved<F: Future<Output = Result<Response, Problem>>>(
    asking: &Asking,
    attempt: impl Fn() -> F,
) -> Result<Response, Problem> {
    for _ in 0..MOST_ATTEMPTS {
        match attempt().await {
            Err(Problem::RevisionMismatch(_)) if asking.if_match.is_none() => {}
            answered => return answered,
        }
    }
    Err(Problem::Busy("others keep changing this: try again".to_owned()))
}

/// A member given as `null` is taken away, objects are merged.
fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(members), Value::Object(patch)) => {
            for (name, value) in patch {
                if value.is_null() {
                    members.remove(&name);
                } else {
                    merge(members.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        (target, Value::Object(patch)) => {
            *target = Value::Object(Map::new());
            merge(target, Value::Object(patch));
        }
        (target, patch) => *target = patch,
    }
}

/// Of those who all change one thing at once, one gets through each time.
const MOST_ATTEMPTS: usize = 8;

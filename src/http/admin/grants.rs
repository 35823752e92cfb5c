//! Grants from either side: who has access to a resource, and what a subject can reach.

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};

use super::asking::{Asked, Asking, Body, ChangeQuery, Place, object};
use super::caller::administration;
use super::objects::{ListQuery, list_facts, make_fact, read_fact};
use crate::directory::Kind;
use crate::http::problem::Problem;
use crate::http::state::AppState;

/// `GET` and `POST` of the grants on a resource.
pub(in crate::http) fn granted() -> MethodRouter<AppState> {
    of_side(Kind::Resource)
}

/// `GET` and `POST` of the grants to a subject of a kind.
pub(in crate::http) fn granting(kind: Kind) -> MethodRouter<AppState> {
    of_side(kind)
}

fn of_side(kind: Kind) -> MethodRouter<AppState> {
    let list = move |state: State<AppState>, asking: Asking, place: Place, query: Asked<ListQuery>| {
        list(state, asking, place, query, kind)
    };
    let add = move |state: State<AppState>, asking: Asking, place: Place, query: Asked<ChangeQuery>, body: Body| {
        add(state, asking, place, query, body, kind)
    };
    get(list).post(add)
}

async fn list(
    State(state): State<AppState>,
    asking: Asking,
    place: Place,
    Asked(query): Asked<ListQuery>,
    side: Kind,
) -> Result<Response, Problem> {
    let administration = administration(&state)?;
    let at = administration.look(&asking.tenant, &asking.who).await?;
    let key = place.key(side)?;
    list_facts(administration, &asking.tenant, Kind::Collaborator, &query, vec![key], at).await
}

/// The side that the address names need not be in the body.
async fn add(
    State(state): State<AppState>,
    asking: Asking,
    place: Place,
    Asked(query): Asked<ChangeQuery>,
    body: Body,
    side: Kind,
) -> Result<Response, Problem> {
    let id = place.id.clone().unwrap_or_default();
    let (member, value) = match side {
        Kind::Resource => ("resource", id),
        subject => ("subject", format!("{}:{id}", subject.name())),
    };
    let mut members = object(body)?;
    if members.get(member).is_some_and(|given| given.as_str() != Some(value.as_str())) {
        return Err(Problem::Malformed(format!("`{member}` is said by the address: leave it out")));
    }
    members.insert(member.to_owned(), value.into());
    make_fact(&state, &asking, query, read_fact(Kind::Collaborator, members)?).await
}

//! One member of a team: put in or taken out, without naming the others.

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, put};

use super::asking::{Asked, Asking, ChangeQuery, Place, no_such};
use super::caller::administration;
use super::objects::{edit, to_viewer};
use super::patch::until_unmoved;
use crate::directory::{Fact, FactKey, Kind, Operation};
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::model::Email;

/// `PUT` and `DELETE` of a member.
pub(in crate::http) fn member() -> MethodRouter<AppState> {
    put(|state: State<AppState>, asking: Asking, place: Place, query: Asked<ChangeQuery>| {
        change(state, asking, place, query, true)
    })
    .delete(|state: State<AppState>, asking: Asking, place: Place, query: Asked<ChangeQuery>| {
        change(state, asking, place, query, false)
    })
}

async fn change(
    State(state): State<AppState>,
    asking: Asking,
    place: Place,
    Asked(query): Asked<ChangeQuery>,
    is_in: bool,
) -> Result<Response, Problem> {
    let text = place.member.as_deref().unwrap_or_default();
    let email = Email::parse(text).map_err(|error| Problem::Malformed(error.to_string()))?;
    let key = place.key(Kind::Team)?;
    until_unmoved(&asking, || change_once(&state, &asking, query, &key, &email, is_in)).await
}

async fn change_once(
    state: &AppState,
    asking: &Asking,
    query: ChangeQuery,
    key: &FactKey,
    email: &Email,
    is_in: bool,
) -> Result<Response, Problem> {
    let (administration, tenant) = (administration(state)?, &asking.tenant);
    let at = administration.head(tenant).await?;
    let found = administration.directory.read(tenant, std::slice::from_ref(key), at).await?.remove(key);
    let Some((Fact::Team(mut team), since)) = found.map(|found| (found.fact, found.since)) else {
        return Err(to_viewer(administration, asking, no_such(Kind::Team, &key.id)).await);
    };
    if is_in {
        team.members.insert(email.clone());
    } else {
        team.members.remove(email);
    }
    // Written over the members that were read, and over no others.
    edit(state, &asking.over(since), query, vec![Operation::Replace(Fact::Team(team))], key).await
}

//! `POST …/identity-providers/{id}/refresh`: a provider's keys, fetched now.
//!
//! For whoever may change the provider: after an issuer withdrew a key, or after its fault was mended. It is this
//! server that fetches; others do so when the keys are due.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use serde_json::json;

use super::asking::{Asked, Asking, NoQuery, Place, no_such};
use super::caller::administration;
use super::objects::find;
use crate::directory::{Fact, Kind};
use crate::http::problem::Problem;
use crate::http::state::AppState;

pub(in crate::http) fn refresh() -> MethodRouter<AppState> {
    post(fetch)
}

async fn fetch(
    State(state): State<AppState>,
    asking: Asking,
    place: Place,
    _: Asked<NoQuery>,
) -> Result<Response, Problem> {
    let administration = administration(&state)?;
    let at = administration.tend_identities(&asking.tenant, &asking.who).await?;
    let found = find(administration, &place, Kind::IdentityProvider, at).await?;
    let Fact::IdentityProvider(provider) = found.fact else {
        return Err(no_such(Kind::IdentityProvider, place.id.as_deref().unwrap_or_default()));
    };
    let keys = state.ask.verifier.keys();
    let fetched = keys.refresh_now(&BTreeSet::from([provider.jwks_uri.clone()])).await;
    if let Some(failure) = fetched.into_values().find_map(Result::err) {
        let told = format!("the keys of provider `{}` were not fetched: {}", provider.name, failure.outside);
        return Err(if failure.at.is_some() { Problem::KeysNotFetched(told) } else { Problem::Busy(told) });
    }
    let mut status = keys.status(&provider.jwks_uri);
    if let Some(status) = &mut status {
        // Of an earlier fetch, in words that are for operators.
        (status.last_error, status.last_error_at) = (None, None);
    }
    Ok(Json(json!({"keys": status})).into_response())
}

//! The bound on questions under way: a request in, a place for it out, or a refusal.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;

use super::problem::Problem;
use super::state::AppState;

/// A place among the questions under way, held for as long as one is answered.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl FromRequestParts<AppState> for Place {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let permit = state.limits.in_flight.clone().try_acquire_owned();
        permit.map(|permit| Self { _permit: permit }).map_err(|_| Problem::TooMany)
    }
}

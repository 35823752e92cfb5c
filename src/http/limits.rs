//! The bound on changes under way: a request in, a place for it out, or a refusal. Questions have theirs in `ask`.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;

use super::problem::Problem;
use super::state::AppState;

/// A place among the requests under way, held for as long as one is answered.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl FromRequestParts<AppState> for Place {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let permit = state.ask.places.take().ok_or(Problem::TooMany)?;
        Ok(Self { _permit: permit })
    }
}

//! Bounds on what is under way, and the count of what was answered.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::problem::Problem;
use super::state::Limits;
use crate::telemetry::{HttpLabels, Metrics};

/// Takes a place for the request or refuses it, and ends it when it takes too long.
pub(super) async fn in_flight(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let Ok(_place) = limits.in_flight.clone().try_acquire_owned() else {
        return Problem::TooMany.into_response();
    };
    timeout(limits.timeout, next.run(request)).await.unwrap_or_else(|_| Problem::TimedOut.into_response())
}

/// Counts requests by route, not by address: what people type must not become a label.
pub(super) async fn count(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    metrics.http_requests.get_or_create(&HttpLabels { route, status: response.status().as_u16() }).inc();
    response
}

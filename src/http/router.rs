//! Every route on one screen.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;

use super::state::AppState;
use super::{authorize, health, limits, problem, request_id, status};

/// The whole surface. Layers run from the last to the first.
pub fn router(state: AppState) -> Router {
    let asking = Router::new()
        .route("/authorize", post(authorize::one))
        .route("/authorize/batch", post(authorize::batch))
        .route("/tenants/{tenant}/authorize", post(authorize::one))
        .route("/tenants/{tenant}/authorize/batch", post(authorize::batch))
        .layer(DefaultBodyLimit::max(state.limits.max_body_bytes))
        .layer(from_fn_with_state(state.clone(), limits::in_flight));
    let running = Router::new()
        .route("/live", get(health::live))
        .route("/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/status", get(status::status));
    asking
        .merge(running)
        .fallback(problem::no_such_route)
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(from_fn_with_state(state.clone(), limits::count))
        .layer(from_fn(problem::render))
        .layer(from_fn(request_id::carry))
        .with_state(state)
}

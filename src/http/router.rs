//! Every route on one screen.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use super::around::around;
use super::state::AppState;
use super::{authorize, health, problem, status};

/// The whole surface.
pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/authorize", post(authorize::one))
        .route("/authorize/batch", post(authorize::batch))
        .route("/tenants/{tenant}/authorize", post(authorize::one))
        .route("/tenants/{tenant}/authorize/batch", post(authorize::batch))
        .route("/live", get(health::live))
        .route("/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/status", get(status::status))
        .fallback(problem::no_such_route)
        .layer(from_fn_with_state(state.clone(), around))
        .with_state(state)
}

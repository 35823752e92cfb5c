//! Every route on one screen.

use axum::Router;
use axum::middleware::{from_extractor_with_state, from_fn_with_state};
use axum::routing::{get, post};

use crate::directory::Kind;

use super::admin::{
    all_tenants, batch, granted, granting, history, member, noun, one, one_tenant, public_keys, refresh, rotation,
    token, tokens,
};
use super::around::around;
use super::caller::MayObserve;
use super::state::AppState;
use super::{authorize, health, openapi, problem, status};

/// The whole surface; what it tells of the server itself, callers hear that may observe.
pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/authorize", post(authorize::one))
        .route("/authorize/batch", post(authorize::batch))
        .route("/tenants/{tenant}/authorize", post(authorize::one))
        .route("/tenants/{tenant}/authorize/batch", post(authorize::batch))
        .route("/tenants", all_tenants())
        .route("/tenants/{tenant}", one_tenant())
        .route("/tenants/{tenant}/identity-providers", noun(Kind::IdentityProvider))
        .route("/tenants/{tenant}/identity-providers/{id}", one(Kind::IdentityProvider))
        .route("/tenants/{tenant}/identity-providers/{id}/refresh", refresh())
        .route("/tenants/{tenant}/external-identities", noun(Kind::ExternalIdentity))
        .route("/tenants/{tenant}/external-identities/{id}", one(Kind::ExternalIdentity))
        .route("/tenants/{tenant}/external-identities/{id}/collaborators", granting(Kind::ExternalIdentity))
        .route("/tenants/{tenant}/users", noun(Kind::User))
        .route("/tenants/{tenant}/users/{id}", one(Kind::User))
        .route("/tenants/{tenant}/users/{id}/collaborators", granting(Kind::User))
        .route("/tenants/{tenant}/users/{id}/tokens", tokens(Kind::User))
        .route("/tenants/{tenant}/users/{id}/tokens/{member}", token())
        .route("/tenants/{tenant}/users/{id}/tokens/{member}/rotate", rotation())
        .route("/tenants/{tenant}/teams", noun(Kind::Team))
        .route("/tenants/{tenant}/teams/{id}", one(Kind::Team))
        .route("/tenants/{tenant}/teams/{id}/members/{member}", member())
        .route("/tenants/{tenant}/teams/{id}/collaborators", granting(Kind::Team))
        .route("/tenants/{tenant}/virtual-accounts", noun(Kind::VirtualAccount))
        .route("/tenants/{tenant}/virtual-accounts/{id}", one(Kind::VirtualAccount))
        .route("/tenants/{tenant}/virtual-accounts/{id}/collaborators", granting(Kind::VirtualAccount))
        .route("/tenants/{tenant}/virtual-accounts/{id}/tokens", tokens(Kind::VirtualAccount))
        .route("/tenants/{tenant}/virtual-accounts/{id}/tokens/{member}", token())
        .route("/tenants/{tenant}/virtual-accounts/{id}/tokens/{member}/rotate", rotation())
        .route("/tenants/{tenant}/roles", noun(Kind::Role))
        .route("/tenants/{tenant}/roles/{id}", one(Kind::Role))
        .route("/tenants/{tenant}/resources", noun(Kind::Resource))
        .route("/tenants/{tenant}/resources/{id}", one(Kind::Resource))
        .route("/tenants/{tenant}/resources/{id}/collaborators", granted())
        .route("/tenants/{tenant}/collaborators", noun(Kind::Collaborator))
        .route("/tenants/{tenant}/collaborators/{id}", one(Kind::Collaborator))
        .route("/tenants/{tenant}/.well-known/jwks.json", get(public_keys))
        .route("/tenants/{tenant}/batch", post(batch))
        .route("/tenants/{tenant}/history", get(history))
        .merge(for_everybody())
        .merge(for_operators().route_layer(from_extractor_with_state::<MayObserve, _>(state.clone())))
        .fallback(problem::no_such_route)
        .layer(from_fn_with_state(state.clone(), around))
        .with_state(state)
}

/// What the listener for operations has: whoever reaches it may look.
pub fn ops_router(state: AppState) -> Router {
    for_everybody()
        .merge(for_operators())
        .fallback(problem::no_such_route)
        .layer(from_fn_with_state(state.clone(), around))
        .with_state(state)
}

fn for_everybody() -> Router<AppState> {
    Router::new()
        .route("/live", get(health::live))
        .route("/ready", get(health::ready))
        .route("/openapi.json", get(openapi::openapi))
}

fn for_operators() -> Router<AppState> {
    Router::new().route("/metrics", get(health::metrics)).route("/status", get(status::status))
}

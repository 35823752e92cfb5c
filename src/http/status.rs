//! `GET /status`: what serves, since when, and what went wrong last.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::state::AppState;
use crate::authn::KeyRegistry;
use crate::snapshot::{Snapshot, TenantHandle, Tenants};

pub(super) async fn status(State(state): State<AppState>) -> Json<Value> {
    let keys = state.ask.verifier.keys();
    let version = env!("CARGO_PKG_VERSION");
    let mut told = json!({"version": version, "tree": *state.tenants.shared(), "tenants": all(&state.tenants, keys)});
    if let (Some(told), Some(candidate)) = (told.as_object_mut(), state.ask.shadow.candidate()) {
        let (tree, tenants, queued) = (candidate.shared(), all(candidate, keys), state.ask.shadow.queued());
        told.insert("candidate".into(), json!({"tree": *tree, "tenants": tenants, "queued": queued}));
    }
    Json(told)
}

fn all(tenants: &Tenants, keys: &KeyRegistry) -> Map<String, Value> {
    tenants.all().iter().map(|(tenant, handle)| (tenant.to_string(), tenant_status(handle, keys))).collect()
}

fn tenant_status(handle: &TenantHandle, keys: &KeyRegistry) -> Value {
    let mut status = handle.snapshot().as_ref().map_or_else(Map::new, |snapshot| snapshot_status(snapshot, keys));
    status.insert("last_reload".into(), json!(*handle.last_reload()));
    Value::Object(status)
}

fn snapshot_status(snapshot: &Arc<Snapshot>, keys: &KeyRegistry) -> Map<String, Value> {
    let providers: Vec<_> = snapshot
        .identity_providers
        .iter()
        .map(|provider| {
            json!({
                "name": provider.name,
                "issuer": provider.issuer,
                "audiences": provider.audiences,
                "keys": keys.status(&provider.jwks_uri),
            })
        })
        .collect();
    let status = json!({
        "generation": snapshot.generation,
        "revision": snapshot.revision,
        "loaded_at": snapshot.loaded_at,
        "identity_providers": providers,
        "warnings": snapshot.warnings,
    });
    let (kept, bytes) = snapshot.slices.size();
    let mut status = status.as_object().cloned().unwrap_or_default();
    status.extend(snapshot.sizes().map(|(kind, size)| (kind.to_owned(), size.into())));
    status.insert("slices".to_owned(), json!({"kept": kept, "bytes": bytes}));
    status
}

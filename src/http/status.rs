//! `GET /status`: what serves, since when, and what went wrong last.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::degraded::{reasons, serving};
use super::state::AppState;
use crate::authn::KeyRegistry;
use crate::directory::TenantProgress;
use crate::snapshot::{Snapshot, TenantHandle, Tenants};

pub(super) async fn status(State(state): State<AppState>) -> Json<Value> {
    let keys = state.ask.verifier.keys();
    let version = env!("CARGO_PKG_VERSION");
    let now = state.ask.clock.now();
    let reasons = reasons(&state.tenants, &state.progress, now);
    let mut tenants = all(&state.tenants, keys);
    for tenant in state.progress.tenants() {
        let known = state.progress.of(&tenant, serving(&state.tenants, &tenant), now);
        // Also of a tenant that has nothing else to tell yet: its first bundle may wait for space on a disk.
        let told = tenants.entry(tenant.to_string()).or_insert_with(|| json!({}));
        if let (Some(known), Some(told)) = (known, told.as_object_mut()) {
            told.extend(progress_status(&known));
        }
    }
    let mut told = json!({
        "version": version,
        "degraded": !reasons.is_empty(),
        "reasons": reasons,
        "directory": state.progress.directory(),
        "tree": *state.tenants.shared(),
        "tenants": tenants,
    });
    if let (Some(told), Some(candidate)) = (told.as_object_mut(), state.ask.shadow.candidate()) {
        let (tree, tenants, queued) = (candidate.shared(), all(candidate, keys), state.ask.shadow.queued());
        told.insert("candidate".into(), json!({"tree": *tree, "tenants": tenants, "queued": queued}));
    }
    Json(told)
}

/// How far a tenant's changes have come.
fn progress_status(known: &TenantProgress) -> Map<String, Value> {
    let mut status = Map::from_iter([("head".to_owned(), json!(known.head))]);
    status.extend(known.waiting_since.map(|since| ("waiting_since".to_owned(), json!(since))));
    status.extend(known.publish.as_ref().map(|publish| ("publish".to_owned(), json!(publish))));
    status
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

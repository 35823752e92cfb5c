//! `/live`, `/ready`, `/metrics`: for whatever runs and watches the server.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::degraded::{reasons, serving};
use super::problem::Problem;
use super::state::{AppState, Readiness};
use crate::ask::Ask;
use crate::model::TenantId;
use crate::snapshot::{TenantHandle, Tenants};
use crate::telemetry::{CacheLabels, OutcomeLabels};

pub(super) async fn live() -> Response {
    Json(json!({"live": true})).into_response()
}

/// Ready while every tenant has a snapshot, or a fault that is told, and the server is not stopping; `?strict`: and
/// nothing is degraded.
pub(super) async fn ready(
    State(tenants): State<Arc<Tenants>>,
    State(readiness): State<Readiness>,
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    if readiness.is_stopping() {
        return Err(Problem::NotReady("the server is stopping".to_owned()));
    }
    if !tenants.is_listed() {
        return Err(Problem::NotReady("the policies folder has not been read yet: see `/status`".to_owned()));
    }
    let all = tenants.all();
    // A tenant that cannot be loaded answers 503 by itself; the others are no reason to leave.
    let is_told = |handle: &TenantHandle| !readiness.needs_every_snapshot && handle.last_reload().at.is_some();
    let missing = all.iter().filter(|(_, handle)| handle.snapshot().is_none() && !is_told(handle));
    let mut missing: Vec<_> = missing.map(|(tenant, _)| format!("`{tenant}`")).collect();
    if is_strict(query.as_deref()) {
        let reasons = reasons(&tenants, &state.progress, state.ask.clock.now());
        if !reasons.is_empty() {
            return Err(Problem::NotReady(format!("{}: see `/status`", reasons.join("; "))));
        }
    }
    if missing.is_empty() {
        return Ok(Json(json!({"ready": true})).into_response());
    }
    if let Some(more) = missing.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        missing.truncate(MOST_NAMED);
        missing.push(format!("{more} more"));
    }
    Err(Problem::NotReady(format!("no snapshot for {}: see `/status`", missing.join(", "))))
}

/// So many tenants without a snapshot are named.
const MOST_NAMED: usize = 20;

/// `?strict`, `?strict=true`.
fn is_strict(query: Option<&str>) -> bool {
    let members = query.unwrap_or_default().split('&');
    members.into_iter().any(|member| matches!(member, "strict" | "strict=" | "strict=true" | "strict=1"))
}

pub(super) async fn metrics(State(state): State<AppState>) -> Result<Response, Problem> {
    refresh(&state.ask);
    let live = |tenant: &TenantId| serving(&state.tenants, tenant);
    state.metrics.progress.take(&state.progress, live, state.ask.clock.now());
    let text = state.metrics.render().map_err(|error| {
        tracing::error!(%error, "the metrics cannot be rendered");
        Problem::Internal
    })?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

/// Takes over what others count.
fn refresh(ask: &Ask) {
    let metrics = &ask.metrics;
    let counters = ask.audit.counters();
    for (outcome, counter) in [
        ("written", &counters.written),
        ("dropped", &counters.dropped),
        ("waited", &counters.waited),
        ("failed", &counters.failed),
    ] {
        let count = i64::try_from(counter.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        metrics.log_records.get_or_create(&OutcomeLabels { outcome }).set(count);
    }
    for (cache, lookups) in [("tokens", &ask.verifier.known().lookups), ("principals", &ask.principals.lookups)] {
        for (outcome, counter) in [("hit", &lookups.hits), ("miss", &lookups.misses)] {
            let count = i64::try_from(counter.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
            metrics.cache_lookups.get_or_create(&CacheLabels { cache, outcome }).set(count);
        }
    }
    metrics.log_queue.set(i64::try_from(ask.audit.queued()).unwrap_or(i64::MAX));
    let keys = ask.verifier.keys();
    metrics.key_fetches.set(i64::try_from(keys.fetches()).unwrap_or(i64::MAX));
    metrics.keys_fetched(keys.statuses().into_iter().filter_map(|status| Some((status.jwks_uri, status.fetched_at?))));
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

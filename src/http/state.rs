//! What handlers may ask for, as a whole or each part by itself.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::FromRef;

use crate::admin::Administration;
use crate::ask::Ask;
use crate::config::CallersConfig;
use crate::directory::Progress;
use crate::model::TenantId;
use crate::snapshot::Tenants;
use crate::telemetry::Metrics;

/// All that serves. Cheap to clone: axum does so several times a request.
#[derive(Clone)]
pub struct AppState(Arc<Served>);

pub struct Served {
    pub ask: Ask,
    /// None where only files say who may do what.
    pub admin: Option<Administration>,
    pub callers: Arc<CallersConfig>,
    pub tenants: Arc<Tenants>,
    pub default_tenant: DefaultTenant,
    pub limits: Limits,
    pub metrics: Metrics,
    /// How far changes of directories have come.
    pub progress: Progress,
    pub readiness: Readiness,
}

impl AppState {
    pub fn new(served: Served) -> Self {
        Self(Arc::new(served))
    }
}

impl Deref for AppState {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.0
    }
}

impl FromRef<AppState> for Arc<Tenants> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.tenants)
    }
}

impl FromRef<AppState> for Readiness {
    fn from_ref(state: &AppState) -> Self {
        state.readiness.clone()
    }
}

impl FromRef<AppState> for Progress {
    fn from_ref(state: &AppState) -> Self {
        state.progress.clone()
    }
}

/// The tenant that is meant when none is named.
#[derive(Clone, Debug, Default)]
pub struct DefaultTenant(pub Option<TenantId>);

#[derive(Clone, Debug)]
pub struct Limits {
    pub max_body_bytes: usize,
    pub max_batch_body_bytes: usize,
    pub max_batch: usize,
    pub max_questions_body_bytes: usize,
    pub timeout: Duration,
}

impl Limits {
    /// The largest body that a route takes.
    pub(super) fn body_bytes(&self, route: Option<&str>) -> usize {
        match route {
            Some(CHANGES) => self.max_batch_body_bytes,
            Some(route) if QUESTIONS.contains(&route) => self.max_questions_body_bytes,
            _ => self.max_body_bytes,
        }
    }
}

/// The route of changes of many things at once.
const CHANGES: &str = "/tenants/{tenant}/batch";
/// The routes of many questions at once.
const QUESTIONS: [&str; 2] = ["/authorize/batch", "/tenants/{tenant}/authorize/batch"];

/// Whether the server takes part: off before it stops, so that load balancers leave first.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    is_stopping: Arc<AtomicBool>,
    /// Whether a tenant with a fault that is told, and without a snapshot, keeps the server from being ready.
    pub(super) needs_every_snapshot: bool,
}

impl Readiness {
    pub fn requiring(needs_every_snapshot: bool) -> Self {
        Self { is_stopping: Arc::default(), needs_every_snapshot }
    }

    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
    }

    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }
}

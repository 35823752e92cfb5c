//! What handlers may ask for, each part by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::FromRef;
use tokio::sync::Semaphore;

use crate::ask::Ask;
use crate::config::CallersConfig;
use crate::model::TenantId;
use crate::snapshot::Tenants;
use crate::telemetry::Metrics;

#[derive(Clone, FromRef)]
pub struct AppState {
    pub ask: Ask,
    pub callers: Arc<CallersConfig>,
    pub tenants: Arc<Tenants>,
    pub default_tenant: DefaultTenant,
    pub limits: Limits,
    pub metrics: Metrics,
    pub readiness: Readiness,
}

/// The tenant that is meant when none is named.
#[derive(Clone, Debug, Default)]
pub struct DefaultTenant(pub Option<TenantId>);

#[derive(Clone, Debug)]
pub struct Limits {
    pub max_body_bytes: usize,
    pub max_batch: usize,
    pub in_flight: Arc<Semaphore>,
    pub timeout: Duration,
}

/// Whether the server takes part: off before it stops, so that load balancers leave first.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_stopping(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

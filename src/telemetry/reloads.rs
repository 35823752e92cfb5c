//! What reloads of a tree came to, by tenant: the live tree's, and those of a candidate.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::tenant_labels::OTHER;
use super::{SizeLabels, TenantLabels, TenantNames};
use crate::snapshot::Snapshot;

/// The numbers of one tree's reloads.
#[derive(Clone, Debug)]
pub struct ReloadMetrics {
    tenant_names: TenantNames,
    /// Those without series of their own whose last load failed.
    others_failing: Arc<Mutex<BTreeSet<String>>>,
    seconds: Family<TenantLabels, Gauge<f64, AtomicU64>>,
    files: Family<SizeLabels, Gauge>,
    reloads: Family<ReloadLabels, Counter>,
    ok: Family<TenantLabels, Gauge>,
    last: Family<TenantLabels, Gauge<f64, AtomicU64>>,
    size: Family<SizeLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    tenant: String,
    outcome: ReloadResult,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum ReloadResult {
    #[expect(non_camel_case_types, reason = "the label's value is the variant's name")]
    ok,
    #[expect(non_camel_case_types, reason = "the label's value is the variant's name")]
    failed,
}

impl ReloadMetrics {
    pub(super) fn register(registry: &mut Registry, tenant_names: &TenantNames) -> Self {
        let metrics = Self {
            tenant_names: tenant_names.clone(),
            others_failing: Arc::default(),
            seconds: Family::default(),
            files: Family::default(),
            reloads: Family::default(),
            ok: Family::default(),
            last: Family::default(),
            size: Family::default(),
        };
        registry.register("last_reload_duration_seconds", "The tenant's last reload took", metrics.seconds.clone());
        registry.register("last_reload_files", "Files read, and shared with before", metrics.files.clone());
        registry.register("reloads", "Attempts to load a tenant", metrics.reloads.clone());
        registry.register("last_reload_ok", "1 when the tenant's last load succeeded", metrics.ok.clone());
        let help = "When the tenant's serving snapshot was loaded";
        registry.register("last_successful_reload_timestamp_seconds", help, metrics.last.clone());
        registry.register("snapshot_size", "What the serving snapshot holds", metrics.size.clone());
        metrics
    }

    /// Notes a new snapshot and what it took.
    pub fn loaded(&self, snapshot: &Snapshot, now: DateTime<Utc>) {
        // Sizes and times of several tenants have no sum that says anything.
        let Some(tenant) = self.tenant_names.own(snapshot.tenant.as_str()) else { return };
        let (tenant, built) = (tenant.as_str(), &snapshot.built);
        for (kind, size) in snapshot.sizes() {
            let labels = SizeLabels { tenant: tenant.to_owned(), kind };
            self.size.get_or_create(&labels).set(i64::try_from(size).unwrap_or(i64::MAX));
        }
        let labels = TenantLabels { tenant: tenant.to_owned() };
        self.seconds.get_or_create(&labels).set(built.took.as_secs_f64());
        for (kind, count) in [("read", built.files_read), ("shared", built.files_shared)] {
            let labels = SizeLabels { tenant: tenant.to_owned(), kind };
            self.files.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch fit a float exactly")]
        self.last.get_or_create(&labels).set(now.timestamp() as f64);
    }

    /// Counts an attempt.
    pub fn attempted(&self, tenant: &str, outcome: ReloadResult) {
        self.reloads.get_or_create(&ReloadLabels { tenant: self.tenant_names.label(tenant), outcome }).inc();
    }

    /// Notes whether the last one succeeded; tenants without series of their own are well when all of them are.
    pub fn is_ok(&self, tenant: &str, ok: bool) {
        let Some(tenant) = self.tenant_names.own(tenant) else {
            let mut failing = self.others_failing.lock().unwrap_or_else(PoisonError::into_inner);
            if ok {
                failing.remove(tenant)
            } else {
                failing.insert(tenant.to_owned())
            };
            let labels = TenantLabels { tenant: OTHER.to_owned() };
            self.ok.get_or_create(&labels).set(i64::from(failing.is_empty()));
            return;
        };
        self.ok.get_or_create(&TenantLabels { tenant }).set(i64::from(ok));
    }
}

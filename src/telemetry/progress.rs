//! How far changes of directories have come, by tenant.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::TenantLabels;
use crate::directory::Progress;
use crate::model::{Revision, TenantId};

/// The numbers of what waits to be live.
#[derive(Clone, Debug)]
pub struct ProgressMetrics {
    lag: Family<TenantLabels, Gauge<f64, AtomicU64>>,
    head: Family<TenantLabels, Gauge>,
    failures: Family<TenantLabels, Counter>,
    rewound: Counter,
    readable: Gauge,
}

impl ProgressMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            lag: Family::default(),
            head: Family::default(),
            failures: Family::default(),
            rewound: Counter::default(),
            readable: Gauge::default(),
        };
        let help = "How long the oldest change that is not live has waited; 0 when none waits";
        registry.register("revision_lag_seconds", help, metrics.lag.clone());
        registry.register("directory_head", "The directory's last revision", metrics.head.clone());
        let help = "Revisions that could not be written to disk, attempts counted";
        registry.register("publish_failures", help, metrics.failures.clone());
        let help = "Bundles that were of another history than the directory's, and compiled anew";
        registry.register("directory_rewound", help, metrics.rewound.clone());
        registry.register("directory_ok", "1 while the directory can be read", metrics.readable.clone());
        metrics
    }

    /// Takes over what is known now; `live` is what serves a tenant.
    pub fn take(&self, progress: &Progress, live: impl Fn(&TenantId) -> Option<Revision>, now: DateTime<Utc>) {
        self.rewound.inner().store(progress.rewound(), Ordering::Relaxed);
        self.readable.set(i64::from(progress.directory().ok));
        let tenants = progress.tenants();
        // Those that are gone are told of no more.
        self.lag.clear();
        self.head.clear();
        for tenant in tenants {
            let Some(known) = progress.of(&tenant, live(&tenant), now) else { continue };
            let labels = TenantLabels { tenant: tenant.to_string() };
            let waited = known.waiting_since.map_or(0, |since| (now - since).num_milliseconds().max(0));
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a wait fit a float exactly")]
            self.lag.get_or_create(&labels).set(waited as f64 / 1_000.0);
            self.head.get_or_create(&labels).set(i64::try_from(known.head.0).unwrap_or(i64::MAX));
            self.failures.get_or_create(&labels).inner().store(known.publish_failures, Ordering::Relaxed);
        }
    }
}

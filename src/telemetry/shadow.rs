//! What a candidate made of the live tree's decisions.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::TenantNames;

/// The numbers of the comparison.
#[derive(Clone, Debug)]
pub struct ShadowMetrics {
    tenant_names: TenantNames,
    decisions: Family<ComparedLabels, Counter>,
    dropped: Family<DroppedLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ComparedLabels {
    tenant: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DroppedLabels {
    tenant: String,
    why: &'static str,
}

impl ShadowMetrics {
    pub(super) fn register(registry: &mut Registry, tenant_names: &TenantNames) -> Self {
        let tenant_names = tenant_names.clone();
        let metrics = Self { tenant_names, decisions: Family::default(), dropped: Family::default() };
        let help = "Decisions that the candidate made as well, by what became of them";
        registry.register("shadow_decisions", help, metrics.decisions.clone());
        registry.register("shadow_dropped", "Decisions that were not compared", metrics.dropped.clone());
        metrics
    }

    pub fn compared(&self, tenant: &str, outcome: &'static str) {
        self.decisions.get_or_create(&ComparedLabels { tenant: self.tenant_names.label(tenant), outcome }).inc();
    }

    pub fn dropped(&self, tenant: &str, why: &'static str) {
        self.dropped.get_or_create(&DroppedLabels { tenant: self.tenant_names.label(tenant), why }).inc();
    }
}

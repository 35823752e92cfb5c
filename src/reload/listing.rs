//! Which tenants there are: new ones are loaded, those whose folders are gone and stay gone are dropped.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Reloader;
use super::queue::{Item, Urgency, Waiting};
use super::workers::Next;
use crate::model::{Faults, TenantId};
use crate::snapshot::ReloadOutcome;
use crate::tree::{Listing, list_tenants};

impl Reloader {
    /// Lists the tenants.
    pub(super) fn list(&self) -> Next {
        let Listing { tenants, mut strays, faults, warnings } = list_tenants(&self.layout.dirs);
        strays.extend(faults);
        let mut known = self.loads.known();
        (known.strays, known.unread) = (strays, warnings);
        drop(known);
        self.note_shared();
        // A folder of tenants that is away for a moment takes none with it.
        let Some(mut listed) = tenants else { return Next::Done };
        self.layout.leave_out_ended(&mut listed);
        let serving: BTreeSet<_> = self.tenants.all().keys().cloned().collect();
        let away = self.away(&serving, &listed);
        let kept: BTreeSet<_> =
            listed.iter().chain(serving.iter().filter(|tenant| away.contains(*tenant))).cloned().collect();
        self.tenants.retain(kept.iter().cloned());
        let mut known = self.loads.known();
        known.seen.retain(|tenant, _| kept.contains(tenant));
        known.good.retain(|tenant, _| kept.contains(tenant));
        let faults = known.shared.faults.clone().filter(|_| known.shared.good.is_none());
        drop(known);
        for tenant in listed.difference(&serving) {
            self.add_new(tenant, faults.as_ref());
        }
        if away.is_empty() { Next::Done } else { Next::Again(self.debounce.max(A_MOMENT), Waiting::default()) }
    }

    /// Tenants that serve and whose folders are away, but not for long enough to be gone.
    fn away(&self, serving: &BTreeSet<TenantId>, listed: &BTreeSet<TenantId>) -> BTreeSet<TenantId> {
        let now = Instant::now();
        let long = self.debounce.max(A_MOMENT);
        let mut known = self.loads.known();
        known.missing.retain(|tenant, _| serving.contains(tenant) && !listed.contains(tenant));
        let missing = serving.difference(listed);
        missing.filter(|tenant| *known.missing.entry((*tenant).clone()).or_insert(now) + long > now).cloned().collect()
    }

    fn add_new(&self, tenant: &TenantId, faults_of_all: Option<&Faults>) {
        match (faults_of_all, self.tenants.get(tenant.as_str())) {
            (Some(faults), Some(handle)) => {
                self.fail(tenant, &handle, faults.clone());
            }
            _ => {
                let is_first = !*self.loads.first.borrow();
                let urgency = if is_first { Urgency::Ordinary } else { Urgency::Changed };
                self.loads.add(Item::Tenant(tenant.clone()), urgency);
            }
        }
    }

    /// Faults of what all tenants share, and folders that are no tenant: to be seen though no tenant has them.
    pub(super) fn note_shared(&self) {
        let known = self.loads.known();
        let faults = known.shared.faults.iter().chain([&known.strays]);
        let mut errors: Vec<_> = faults.flat_map(|faults| faults.0.clone()).collect();
        let warnings: Vec<_> = known.shared.warnings.iter().chain(&known.unread).cloned().collect();
        drop(known);
        errors.sort();
        errors.dedup();
        let before = self.tenants.shared();
        for fault in errors.iter().filter(|fault| !before.errors.contains(fault)) {
            tracing::error!(%fault, "{} has a fault", self.purpose.tree());
        }
        for warning in warnings.iter().filter(|warning| !before.warnings.contains(warning)) {
            tracing::warn!(%warning, "worth a look");
        }
        self.tenants.note_shared(ReloadOutcome {
            ok: errors.is_empty(),
            at: Some(self.clock.now()),
            errors,
            warnings,
            ..ReloadOutcome::default()
        });
    }
}

/// The least time for which a folder must be away to be gone.
const A_MOMENT: Duration = Duration::from_millis(50);

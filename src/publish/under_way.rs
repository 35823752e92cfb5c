//! Which bundles are just being written: who reads one meanwhile finds half of it, and that is nobody's fault.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::TenantId;

/// The publishing of all tenants, shared by those who write bundles and those who read them.
#[derive(Clone, Debug, Default)]
pub struct UnderWay(Arc<Mutex<BTreeMap<TenantId, Publishing>>>);

/// How far the publishing of a tenant is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Publishing {
    pub is_under_way: bool,
    /// How often it began.
    begun: u64,
    /// Someone who read it found it torn.
    is_suspect: bool,
}

impl UnderWay {
    /// How far a tenant's is. Two that are equal and not under way: nothing was written between them.
    pub fn of(&self, tenant: &TenantId) -> Publishing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).copied().unwrap_or_default()
    }

    /// Notes that a reader found a bundle torn that nobody was writing.
    pub fn suspect(&self, tenant: &TenantId) {
        self.change(tenant, |publishing| publishing.is_suspect = true);
    }

    /// The tenants whose bundles a reader found torn.
    pub(super) fn suspects(&self) -> BTreeSet<TenantId> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(_, publishing)| publishing.is_suspect).map(|(tenant, _)| tenant.clone()).collect()
    }

    /// Whether one was found torn since this was asked last.
    pub(super) fn take_suspect(&self, tenant: &TenantId) -> bool {
        let mut was = false;
        self.change(tenant, |publishing| was = std::mem::take(&mut publishing.is_suspect));
        was
    }

    /// Begins; ends when what is returned goes.
    pub(super) fn begin(&self, tenant: &TenantId) -> Writing {
        self.change(tenant, |publishing| {
            *publishing = Publishing { is_under_way: true, begun: publishing.begun + 1, is_suspect: false };
        });
        Writing { under_way: self.clone(), tenant: tenant.clone() }
    }

    fn change(&self, tenant: &TenantId, change: impl FnOnce(&mut Publishing)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(tenant.clone()).or_default());
    }
}

/// A bundle that is being written.
pub(super) struct Writing {
    under_way: UnderWay,
    tenant: TenantId,
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.under_way.change(&self.tenant, |publishing| publishing.is_under_way = false);
    }
}

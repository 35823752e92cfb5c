//! How far tenants are, as far as this process has heard: kept so that it can be told without a read.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::directory::store::{StoreError, TenantHead};
use crate::model::{Revision, TenantId};

#[derive(Debug, Default)]
pub(super) struct Heads(Mutex<HashMap<TenantId, Revision>>);

impl Heads {
    pub(super) fn get(&self, tenant: &TenantId) -> Option<Revision> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).copied()
    }

    /// Hears what a write or a read came to. Heads only ever rise, also of a tenant that is made again.
    pub(super) fn hear(&self, tenant: &TenantId, answer: Result<Revision, StoreError>) -> Result<Revision, StoreError> {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &answer {
            Ok(head) => {
                let known = heads.entry(tenant.clone()).or_default();
                *known = (*known).max(*head);
            }
            Err(StoreError::NoSuchTenant(_)) => {
                heads.remove(tenant);
            }
            Err(_) => {}
        }
        drop(heads);
        answer
    }

    /// Hears of all tenants that there are.
    pub(super) fn hear_all(&self, all: &[TenantHead]) {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for TenantHead { tenant, head, .. } in all {
            if let Some(known) = heads.get_mut(tenant) {
                *known = (*known).max(*head);
            } else {
                heads.insert(tenant.clone(), *head);
            }
        }
    }
}

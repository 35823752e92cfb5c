//! Which tenants have series of their own: the first so many that are counted, in that order. All others share one
//! name, so that tenants cannot make the metrics grow without end.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

/// Gives each tenant the name that its numbers go by.
#[derive(Clone, Debug)]
pub struct TenantNames {
    most: usize,
    own: Arc<RwLock<BTreeSet<String>>>,
}

impl TenantNames {
    pub(super) fn within(most: usize) -> Self {
        Self { most, own: Arc::default() }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// The label of a tenant's series.
    pub fn label(&self, tenant: &str) -> String {
        self.own(tenant).unwrap_or_else(|| OTHER.to_owned())
    }

    /// The label, if the tenant has series of its own: what cannot be added up is kept of no others.
    pub fn own(&self, tenant: &str) -> Option<String> {
        {
            let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
            if own.contains(tenant) {
                return Some(tenant.to_owned());
            }
            if own.len() >= self.most {
                return None;
            }
        }
        let mut own = self.own.write().unwrap_or_else(PoisonError::into_inner);
        if own.len() >= self.most && !own.contains(tenant) {
            return None;
        }
        own.insert(tenant.to_owned());
        Some(tenant.to_owned())
    }
}

/// What tenants without series of their own are counted as.
pub(super) const OTHER: &str = "other";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_beyond_the_bound_share_a_name_and_the_first_keep_theirs() {
        let names = TenantNames::within(2);
        let labels = |tenants: [&str; 4]| tenants.map(|tenant| names.label(tenant));
        assert_eq!(labels(["b", "a", "c", "b"]), ["b", "a", "other", "b"]);
        assert_eq!((names.own("a"), names.own("d")), (Some("a".into()), None));
        assert_eq!(TenantNames::within(0).label("a"), "other");
    }
}

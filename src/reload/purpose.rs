//! What the snapshots of a tree are for: to serve, or to be compared with those that do.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::authn::KeyRegistry;
use crate::snapshot::{Snapshot, Tenants};

/// What becomes of what is loaded.
#[derive(Clone)]
pub enum Purpose {
    /// It serves: its bundles are published, and its providers' keys fetched.
    Serve(Arc<KeyRegistry>),
    /// It is a candidate: nothing of it leaves this process, and nobody's token is verified by it.
    Compare,
}

impl Purpose {
    pub(super) fn publishes(&self) -> bool {
        matches!(self, Self::Serve(_))
    }

    /// Keys for a snapshot's providers, before it serves.
    pub(super) fn add_keys(&self, snapshot: &Snapshot) {
        if let Self::Serve(keys) = self {
            keys.add(snapshot.identity_providers.iter().map(|provider| provider.jwks_uri.as_str()));
        }
    }

    /// Keys are fetched for exactly the providers of the serving snapshots.
    pub(super) fn configure_keys(&self, tenants: &Tenants) {
        let Self::Serve(keys) = self else { return };
        let all = tenants.all();
        let snapshots: Vec<_> = all.values().filter_map(|handle| handle.snapshot()).collect();
        let providers = snapshots.iter().flat_map(|snapshot| snapshot.identity_providers.iter());
        let uris: BTreeSet<_> = providers.map(|provider| provider.jwks_uri.clone()).collect();
        keys.configure(&uris);
    }

    pub(super) fn tree(&self) -> &'static str {
        match self {
            Self::Serve(_) => "the tree",
            Self::Compare => "the candidate",
        }
    }

    pub(super) fn of_new_snapshot(&self) -> &'static str {
        match self {
            Self::Serve(_) => "a new snapshot serves",
            Self::Compare => "decisions are compared with a new snapshot of the candidate",
        }
    }

    /// What goes on when a load failed.
    pub(super) fn meanwhile(&self) -> &'static str {
        match self {
            Self::Serve(_) => "the last good snapshot goes on serving",
            Self::Compare => "decisions are compared with its last good snapshot, if it ever had one",
        }
    }
}

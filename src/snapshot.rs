//! A snapshot: everything that decides a tenant's requests, immutable, validated, at one generation.
//!
//! In: the schema, the platform's and the tenant's files, the bundle. Out: a `Snapshot`, or every fault; one bad
//! file and there is none. `handle` holds the one that serves, `watch` tells when to build the next.

mod assume;
mod build;
mod entities;
mod handle;
mod policies;
mod slice;
mod watch;

pub use assume::AssumePolicies;
pub use build::{Parts, build, syntax_faults};
pub use entities::{EntityStore, named_in, place_in_tenant, reach};
pub use handle::{ReloadOutcome, TenantHandle, Tenants};
pub use policies::{LoadedPolicies, PolicySource, exact};
pub use slice::slice;
pub use watch::{Cause, WatchError, WatchSettings, Watcher};

use std::sync::Arc;

use cedar_policy::{EntityUid, PolicyId};
use chrono::{DateTime, Utc};

use crate::compile::ProviderRecord;
use crate::model::{Fault, Generation, IdentityProvider, ProviderName, Revision, TenantId};
use crate::schema::LoadedSchema;

/// One tenant at one generation.
#[derive(Debug)]
pub struct Snapshot {
    pub tenant: TenantId,
    pub generation: Generation,
    pub revision: Revision,
    pub loaded_at: DateTime<Utc>,
    pub schema: Arc<LoadedSchema>,
    pub policies: LoadedPolicies,
    pub entities: EntityStore,
    /// What tokens are verified against.
    pub identity_providers: Vec<IdentityProvider>,
    /// The same providers with their mappings, in the same order.
    pub providers: Vec<ProviderRecord>,
    /// Worth an author's look, though nothing is wrong.
    pub warnings: Vec<Fault>,
}

impl Snapshot {
    /// A provider with its mappings.
    pub fn provider(&self, name: &ProviderName) -> Option<&ProviderRecord> {
        self.providers.iter().find(|record| record.provider.name == *name)
    }

    /// Where a policy stands; every policy of the set has a place.
    pub fn source(&self, id: &PolicyId) -> Option<&PolicySource> {
        self.policies.sources.get(id)
    }

    /// The tenant's own entity.
    pub fn tenant_uid(&self) -> Option<EntityUid> {
        crate::vocabulary::uid(&crate::vocabulary::tenant(&self.tenant)).ok()
    }
}

#[cfg(test)]
mod tests;

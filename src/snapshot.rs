//! A snapshot: everything that decides a tenant's requests, immutable, validated, at one generation.
//!
//! In: the schema, the platform's and the tenant's files, the bundle, and the snapshot before, of which all that did
//! not change is shared. Out: a `Snapshot`, or every fault; one bad file and there is none. `index` and `policies`
//! find what a request is decided by, `slice` cuts it out, `handle` holds the snapshot that serves, `watch` tells when
//! to build the next.

mod assume;
mod build;
mod cache;
mod entities;
mod exported;
mod handle;
mod hashed;
mod index;
mod load;
mod origin;
mod places;
mod policies;
mod sign_in;
mod slice;
mod told;
mod watch;

pub use assume::{Candidates, takes_part_in_assuming};
pub use build::{Parts, build, syntax_faults};
pub use cache::{PrincipalKey, SliceCache, SliceKey};
pub use entities::{
    EntityStore, Lineage, Located, Supplied, mentioned_by, named_in, place_in_tenant, reach, scope_entity,
};
pub use exported::{entities_text, links_text, policies_text};
pub use handle::{ReloadOutcome, TenantHandle, Tenants};
pub use index::ActionSet;
pub use origin::Origin;
pub use places::Places;
pub use policies::{
    Depth, LinkRef, Policies, PolicyNumber, PolicySource, WrittenPolicy, attribute_names, exact, parse_policies,
    read_policies, unlinked_templates,
};
pub use sign_in::{LastUse, OwnToken, SignIns};
pub use slice::{Asked, Slice, SliceError};
pub use told::{DeterminingPolicy, ToldPolicy, effect};
pub use watch::{Moved, WatchError, WatchSettings, Watcher};

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::{EntityUid, PolicyId};
use chrono::{DateTime, Utc};

use crate::bundle::Stamps;
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
    pub policies: Policies,
    pub entities: EntityStore,
    /// What tokens are verified against.
    pub identity_providers: Arc<[IdentityProvider]>,
    /// The same providers with their mappings, in the same order.
    pub providers: Vec<ProviderRecord>,
    pub sign_ins: SignIns,
    /// Worth an author's look, though nothing is wrong.
    pub warnings: Vec<Fault>,
    /// What building it took.
    pub built: Built,
    /// The files of its bundle as they were read.
    pub bundle_stamps: Arc<Stamps>,
    pub slices: SliceCache,
    /// Snapshots of this process that have it make the same principals of the same tokens.
    pub identity_serial: u64,
    /// How answers tell where a policy stands.
    pub places: Places,
    tenant_uid: EntityUid,
    /// External identity → its provider's place and its own.
    identities: HashMap<EntityUid, (usize, usize)>,
}

/// What of a snapshot was read anew, and what it shares with the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Built {
    pub files_read: usize,
    pub files_shared: usize,
    /// From the first look at the tree to the snapshot.
    pub took: Duration,
}

impl Snapshot {
    /// A provider with its mappings.
    pub fn provider(&self, name: &ProviderName) -> Option<&ProviderRecord> {
        self.providers.iter().find(|record| record.provider.name == *name)
    }

    /// Where a policy or a template stands.
    pub fn source(&self, id: &PolicyId) -> Option<PolicySource> {
        let template = || self.policies.written.template(id).map(|written| written.source.clone());
        let source = self.policies.find(id).and_then(|number| self.policies.source(number)).or_else(template);
        source.map(|source| self.policies.told_source(id, source))
    }

    /// The same as answers tell it, `file:line`.
    pub fn told_source(&self, source: &PolicySource) -> String {
        format!("{}:{}", self.places.shown(&source.file), source.line)
    }

    /// How much of everything there is.
    pub fn sizes(&self) -> [(&'static str, usize); 9] {
        let (written, links) = (&self.policies.written, &self.policies.links);
        [
            ("policies", written.len()),
            ("templates", written.templates().count()),
            ("links", links.len()),
            ("link_bytes", links.bytes()),
            ("link_files", links.shards().len()),
            ("entities", self.entities.len()),
            ("entity_bytes", self.entities.bytes()),
            ("index_keys", written.index.keys()),
            // Those that name no entity in their scope: requests of their types look at all of them.
            ("unscoped_policies", written.index.unscoped()),
        ]
    }

    /// Whether its directory was read from a bundle on disk, and not compiled from manifests beside it.
    pub fn is_of_kept_bundle(&self) -> bool {
        !self.bundle_stamps.is_empty()
    }

    /// The tenant's own entity.
    pub fn tenant_uid(&self) -> &EntityUid {
        &self.tenant_uid
    }

    /// The place of an external identity among its provider's.
    pub fn identity_place(&self, identity: &EntityUid) -> Option<(usize, usize)> {
        self.identities.get(identity).copied()
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

//! The tree: every file that people write, read into memory and sorted by kind.
//!
//! In: the schema and the policies folder. Out: a `Tree`, one immutable reading of both, in which each file
//! keeps the name its author knows it by. Nothing is parsed here; everything is bounded.

mod below;
mod fingerprint;
mod kinds;
mod open;
mod parts;
mod read;
mod shown;
mod source;
mod stamp;

pub use fingerprint::{Stamps, TenantLook, shared_stamps, stamps_in};
pub use open::read_regular;
pub use parts::{Listing, list_tenants, read_shared, read_tenant};
pub use read::{
    MANIFESTS, TreeDirs, has_files_of_people, has_policies, read_cases, read_invariants, read_manifests, read_tree,
};
pub use shown::shown;
pub use source::{SourceFile, first_label, one_line};
pub use stamp::FileStamp;

use std::collections::BTreeMap;

use crate::model::{Fault, Faults, TenantId};

/// One reading of all that people wrote.
#[derive(Debug, Default)]
pub struct Tree {
    pub schema: SchemaFolder,
    pub platform: PolicyFolder,
    /// A tenant whose folder could not be read has its faults here, and the others go on. `None` when the folder of
    /// all tenants cannot be read: then nobody knows which there are.
    pub tenants: Option<BTreeMap<TenantId, Result<PolicyFolder, Faults>>>,
    /// What is wrong with the shared part of the tree: it stops every tenant.
    pub faults: Faults,
    /// Folders that cannot be a tenant.
    pub strays: Faults,
    /// What of the shared part, and beside the tenants' folders, is not read.
    pub warnings: Vec<Fault>,
}

/// `schema/`: the schema itself and the default roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaFolder {
    pub schemas: Vec<SourceFile>,
    pub roles: Vec<SourceFile>,
}

/// `policies/<tenant>/` or `policies/platform/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyFolder {
    pub policies: Vec<SourceFile>,
    pub entities: Vec<SourceFile>,
    /// Links of templates in `policies`.
    pub links: Vec<SourceFile>,
    pub manifests: Vec<SourceFile>,
    /// Whether the folder has a `manifests/` at all: without one, the bundle on disk is the directory.
    pub has_manifests: bool,
    /// What stands there and is not read.
    pub warnings: Vec<Fault>,
}

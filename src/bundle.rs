//! The bundle: what a tenant's directory compiles to, as files. The only module that knows their names and forms.
//!
//! In: a `Compiled`. Out: files, each written whole or not at all, and `bundle.json` with their digests last; and
//! back: files whose digests hold, or why not.

mod last_good;
mod read;
mod remove;
mod render;
pub mod shard;
mod stored;
mod write;

pub use last_good::{LAST_GOOD_FILE, WrittenFiles, keep_last_good, read_last_good};
pub use read::{
    BundleError, LinkLine, count_items, link_lines, parse_deactivated, parse_providers, parse_tokens, read_bundle,
    recorded_index, recorded_revision,
};
pub use remove::remove;
#[cfg(test)]
pub(crate) use render::render_split;
pub use render::{cedar_file, items_file, render};
pub use shard::Sharding;
pub use stored::{Shard, Stamps, StoredBundle};
pub use write::{BundleWriter, PublishError, publish};

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::digest::sha256_hex;
use crate::model::{Chain, Revision};

/// A tenant's folder for what only cedargate writes.
pub const FOLDER: &str = "compiled";

pub const INDEX_FILE: &str = "bundle.json";
pub const ROLES_FILE: &str = "roles.cedar";
pub const EXTERNAL_IDENTITIES_FILE: &str = "external-identities.cedar";
/// Split into shards as it grows: see `shard`.
pub const COLLABORATORS_FILE: &str = "collaborators.json";
/// Split likewise, by itself.
pub const ENTITIES_FILE: &str = "entities.json";
pub const PROVIDERS_FILE: &str = "providers.json";
/// Tokens of our own, by their hashes.
pub const TOKENS_FILE: &str = "tokens.json";
/// Users who are switched off.
pub const DEACTIVATED_FILE: &str = "deactivated.json";

/// A complete bundle: file name → text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    pub revision: Revision,
    /// Whether hand-written policies stood beside it: without them it must not serve.
    pub hand_written: bool,
    pub files: BTreeMap<String, String>,
}

/// `bundle.json`: what the other files must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    pub revision: Revision,
    /// SHA-256 over the names and digests below.
    pub generation: String,
    /// Whether hand-written policies stood beside the bundle when it was compiled.
    #[serde(default)]
    pub hand_written: bool,
    /// Of a bundle that a database was compiled to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<OfDatabase>,
    /// The same as it was written before there were chains: of which history it is, nobody knows.
    #[serde(default, rename = "inputs", skip_serializing_if = "Option::is_none")]
    before_chains: Option<String>,
    /// File name → SHA-256 of its bytes, hexadecimal.
    pub files: BTreeMap<String, String>,
}

/// The database that a bundle was compiled from: it serves for as long as that has the tenant and the revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfDatabase {
    /// Which history the revision is of.
    pub chain: Chain,
    /// The digest of what else went in.
    pub inputs: String,
}

impl Bundle {
    /// What this bundle's `bundle.json` says.
    pub fn index(&self) -> Index {
        let files: BTreeMap<_, _> =
            self.files.par_iter().map(|(name, text)| (name.clone(), sha256_hex(text.as_bytes()))).collect();
        Index::of(self.revision, self.hand_written, None, files)
    }
}

impl Index {
    /// Of files with these digests.
    pub fn of(
        revision: Revision,
        hand_written: bool,
        database: Option<OfDatabase>,
        files: BTreeMap<String, String>,
    ) -> Self {
        Self { revision, generation: generation(&files), hand_written, database, before_chains: None, files }
    }

    /// Whether it names the files that it was written with.
    fn is_whole(&self) -> bool {
        self.generation == generation(&self.files)
    }

    /// Whether a database was compiled to it.
    pub fn is_of_database(&self) -> bool {
        self.database.is_some() || self.before_chains.is_some()
    }
}

/// What files with these digests are together.
fn generation(files: &BTreeMap<String, String>) -> String {
    let joined: String = files.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
    sha256_hex(joined.as_bytes())
}

#[cfg(test)]
mod tests;

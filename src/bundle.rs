//! The bundle: what a tenant's directory compiles to, as files. The only module that knows their names and forms.
//!
//! In: a `Compiled`. Out: files, each written whole or not at all, and `bundle.json` with their digests last; and
//! back: files whose digests hold, or why not.

mod last_good;
mod read;
mod render;
pub mod shard;
mod stored;
mod write;

pub use last_good::{LAST_GOOD_FILE, WrittenFiles, keep_last_good, read_last_good};
pub use read::{
    BundleError, LinkLine, count_items, link_lines, parse_deactivated, parse_providers, parse_tokens, read_bundle,
    recorded_revision,
};
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
use crate::model::Revision;

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
    /// Of a bundle that a database was compiled to: the digest of what else went in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
    /// File name → SHA-256 of its bytes, hexadecimal.
    pub files: BTreeMap<String, String>,
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
    pub fn of(revision: Revision, hand_written: bool, inputs: Option<String>, files: BTreeMap<String, String>) -> Self {
        let joined: String = files.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
        Self { revision, generation: sha256_hex(joined.as_bytes()), hand_written, inputs, files }
    }
}

#[cfg(test)]
mod tests;

//! What was read and validated before, by content: thousands of tenants have the same default roles, and Cedar takes a
//! quarter of a second to validate these.
//!
//! INVARIANT: a key holds all that its value depends on (the schema by its digest, the text by its own), so that what
//! is found here is what would be read anew. Bounded; what does not fit is read anew.

use std::sync::{Arc, LazyLock};

use cedar_policy::PolicyId;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::file::PolicyFile;
use crate::model::{Faults, Generation};
use crate::schema::{LoadedSchema, TypeNumber};
use crate::snapshot::Origin;
use crate::tree::SourceFile;

/// A file's content as it was read, under the name that it had then.
type Content = Arc<(PolicyFile, Faults)>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct FileKey {
    schema: Generation,
    /// Policies without an id are called by it.
    relative: String,
    digest: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct KindKey {
    schema: Generation,
    file_digest: Arc<str>,
    template: PolicyId,
    principal: TypeNumber,
    resource: TypeNumber,
}

#[derive(Clone, Copy)]
struct ByPolicies;

impl Weighter<FileKey, Content> for ByPolicies {
    fn weight(&self, _: &FileKey, content: &Content) -> u64 {
        let (file, faults) = &**content;
        1 + (file.policies.len() + file.templates.len() + faults.0.len()) as u64
    }
}

static FILES: LazyLock<Cache<FileKey, Content, ByPolicies>> =
    LazyLock::new(|| Cache::with_weighter(MOST_FILES, MOST_POLICIES, ByPolicies));
static KINDS: LazyLock<Cache<KindKey, ()>> = LazyLock::new(|| Cache::new(MOST_KINDS));

/// The content of a file, read when no file with the same content was; two that want it at once wait for one reading.
pub(super) fn known_file(
    schema: &LoadedSchema,
    file: &SourceFile,
    origin: &Origin,
    read: impl FnOnce() -> (PolicyFile, Faults),
) -> Content {
    if file.text.len() > MOST_BYTES {
        return Arc::new(read());
    }
    let key = FileKey { schema: schema.digest, relative: file.relative.clone(), digest: origin.digest.clone() };
    let content = FILES.get_or_insert_with(&key, || Ok::<_, std::convert::Infallible>(Arc::new(read())));
    let Ok(content) = content;
    content
}

/// What Cedar says of a kind of link. Kept is only that there is nothing to say: what there is names a link.
pub(super) fn known_kind(
    schema: &LoadedSchema,
    file_digest: &Arc<str>,
    (template, principal, resource): (&PolicyId, TypeNumber, TypeNumber),
    validate: impl FnOnce() -> Result<Vec<String>, Vec<String>>,
) -> Result<Vec<String>, Vec<String>> {
    let file_digest = Arc::clone(file_digest);
    let key = KindKey { schema: schema.digest, file_digest, template: template.clone(), principal, resource };
    if KINDS.get(&key).is_some() {
        return Ok(Vec::new());
    }
    let verdict = validate();
    if verdict.as_ref().is_ok_and(Vec::is_empty) {
        KINDS.insert(key, ());
    }
    verdict
}

/// A larger file is some tenant's own.
const MOST_BYTES: usize = 256 * 1024;
const MOST_FILES: usize = 4_096;
/// Of all files that are kept, some kilobytes each.
const MOST_POLICIES: u64 = 8_192;
const MOST_KINDS: usize = 65_536;

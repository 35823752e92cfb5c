//! Files of a bundle in, a `Bundle` whose digests hold out; and its JSON files' items, each with its line.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;

use super::{
    Bundle, COLLABORATORS_FILE, DEACTIVATED_FILE, ENTITIES_FILE, EXTERNAL_IDENTITIES_FILE, INDEX_FILE, Index,
    PROVIDERS_FILE, ROLES_FILE, Sharding, StoredBundle, TOKENS_FILE,
};
use crate::compile::{ProviderRecord, TokenRecord};
use crate::digest::sha256_hex;
use crate::model::{Email, Revision};
use crate::tree::read_regular;

/// Why a bundle on disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("`{file}` cannot be read")]
    Io {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("`{file}` is not what cedargate writes")]
    Malformed {
        file: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("`{file}` is not the file that `bundle.json` names: its digest differs")]
    Digest { file: String },
    #[error("`bundle.json` names `{file}`, which is not a file of a bundle")]
    UnknownFile { file: String },
    /// A part without a file is an empty one: nobody would miss it.
    #[error("`bundle.json` does not name the files that it was written with: publish or copy the bundle again")]
    Generation,
    #[error("`bundle.json` does not name all shards of `{part}`, or those of two ways to split it")]
    Shards { part: String },
}

/// Reads a bundle whole, or `None` where there is none.
///
/// # Errors
/// When `bundle.json` names files that are missing or other than it says: a half-written bundle is never used.
pub fn read_bundle(dir: &Path) -> Result<Option<Bundle>, BundleError> {
    let Some(index) = read_index(dir)? else { return Ok(None) };
    let read = |(name, digest): (&String, &String)| Ok((name.clone(), read_checked(dir, name, digest)?));
    let files = index.files.par_iter().map(read).collect::<Result<BTreeMap<_, _>, BundleError>>()?;
    Ok(Some(Bundle { revision: index.revision, hand_written: index.hand_written, files }))
}

/// Reads `bundle.json`.
pub(super) fn read_index(dir: &Path) -> Result<Option<Index>, BundleError> {
    let text = match read_regular(&dir.join(INDEX_FILE)) {
        Ok(text) => text,
        // INVARIANT: `bundle.json` is written last; files without it are half of a bundle, not none.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !holds_any_file(dir) => return Ok(None),
        Err(source) => return Err(BundleError::Io { file: INDEX_FILE.to_owned(), source }),
    };
    let index: Index =
        serde_json::from_str(&text).map_err(|source| BundleError::Malformed { file: INDEX_FILE.to_owned(), source })?;
    match index.files.keys().find(|name| name.contains(['/', '\\']) || name.starts_with('.')) {
        Some(name) => Err(BundleError::UnknownFile { file: name.clone() }),
        None if !index.is_whole() => Err(BundleError::Generation),
        None => Ok(Some(index)),
    }
}

/// Reads a file that must have this digest.
pub(super) fn read_checked(dir: &Path, name: &str, digest: &str) -> Result<String, BundleError> {
    let text = read_regular(&dir.join(name)).map_err(|source| BundleError::Io { file: name.to_owned(), source })?;
    if sha256_hex(text.as_bytes()) != digest {
        return Err(BundleError::Digest { file: name.to_owned() });
    }
    Ok(text)
}

/// The revision that `bundle.json` names, though its files may be torn: numbers are never given twice.
pub fn recorded_revision(dir: &Path) -> Option<Revision> {
    recorded_index(dir).map(|index| index.revision)
}

/// What `bundle.json` says, though the files that it names may be torn.
pub fn recorded_index(dir: &Path) -> Option<Index> {
    let text = read_regular(&dir.join(INDEX_FILE)).ok()?;
    serde_json::from_str(&text).ok()
}

fn holds_any_file(dir: &Path) -> bool {
    let is_part = |name: &str| {
        [ROLES_FILE, EXTERNAL_IDENTITIES_FILE, PROVIDERS_FILE, TOKENS_FILE, DEACTIVATED_FILE].contains(&name)
            || [COLLABORATORS_FILE, ENTITIES_FILE].iter().any(|part| Sharding::read(part, name).is_some())
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| is_part(&entry.file_name().to_string_lossy()))
}

/// A template link as its line has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkLine<'a> {
    #[serde(borrow)]
    pub template_id: Cow<'a, str>,
    #[serde(borrow)]
    pub link_id: Cow<'a, str>,
    #[serde(borrow)]
    pub args: LinkLineArgs<'a>,
}

/// Cedar uids as text; a template may have one slot or both.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkLineArgs<'a> {
    #[serde(borrow, rename = "?principal", default)]
    pub principal: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "?resource", default)]
    pub resource: Option<Cow<'a, str>>,
}

/// The template links of one file, each with its line.
pub fn link_lines<'a>(
    file: &'a str,
    text: &'a str,
) -> impl Iterator<Item = Result<(usize, LinkLine<'a>), BundleError>> + 'a {
    items(file, text)
}

/// The identity providers of a bundle.
///
/// # Errors
/// When the file is not in the form that `render` writes.
pub fn parse_providers(bundle: &StoredBundle) -> Result<Vec<ProviderRecord>, BundleError> {
    let text = bundle.text(PROVIDERS_FILE)?.unwrap_or_default();
    items(PROVIDERS_FILE, &text).map(|item| item.map(|(_, record)| record)).collect()
}

/// The tokens of our own.
///
/// # Errors
/// As `parse_providers`.
pub fn parse_tokens(bundle: &StoredBundle) -> Result<Vec<TokenRecord>, BundleError> {
    let text = bundle.text(TOKENS_FILE)?.unwrap_or_default();
    items(TOKENS_FILE, &text).map(|item| item.map(|(_, record)| record)).collect()
}

/// The users who are switched off.
///
/// # Errors
/// As `parse_providers`.
pub fn parse_deactivated(bundle: &StoredBundle) -> Result<BTreeSet<Email>, BundleError> {
    let text = bundle.text(DEACTIVATED_FILE)?.unwrap_or_default();
    items(DEACTIVATED_FILE, &text).map(|item| item.map(|(_, email)| email)).collect()
}

/// How many items a file has that has one a line.
pub fn count_items(text: &str) -> usize {
    item_lines(text).count()
}

/// The items of a file that has one a line.
fn items<'a, T: Deserialize<'a>>(
    file: &'a str,
    text: &'a str,
) -> impl Iterator<Item = Result<(usize, T), BundleError>> + 'a {
    item_lines(text).map(move |(number, line)| {
        let item = serde_json::from_str(line.trim().trim_end_matches(','))
            .map_err(|source| BundleError::Malformed { file: file.to_owned(), source })?;
        Ok((number + 1, item))
    })
}

fn item_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter(|(_, line)| !matches!(line.trim(), "[" | "]" | "[]" | ""))
}

//! Files of a bundle in, a `Bundle` whose digests hold out; and its JSON files' items, each with its line.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::{
    Bundle, COLLABORATORS_FILE, ENTITIES_FILE, EXTERNAL_IDENTITIES_FILE, INDEX_FILE, Index, PROVIDERS_FILE, ROLES_FILE,
    sha256_hex,
};
use crate::compile::{Link, ProviderRecord};

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
}

/// Reads a bundle, or `None` where there is none.
///
/// # Errors
/// When `bundle.json` names files that are missing or other than it says: a half-written bundle is never used.
pub fn read_bundle(dir: &Path) -> Result<Option<Bundle>, BundleError> {
    let index_path = dir.join(INDEX_FILE);
    let text = match fs::read_to_string(&index_path) {
        Ok(text) => text,
        // INVARIANT: `bundle.json` is written last; files without it are half of a bundle, not none.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !holds_any_file(dir) => return Ok(None),
        Err(source) => return Err(BundleError::Io { file: INDEX_FILE.to_owned(), source }),
    };
    let index: Index =
        serde_json::from_str(&text).map_err(|source| BundleError::Malformed { file: INDEX_FILE.to_owned(), source })?;
    let mut files = BTreeMap::new();
    for (name, digest) in index.files {
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(BundleError::UnknownFile { file: name });
        }
        let text =
            fs::read_to_string(dir.join(&name)).map_err(|source| BundleError::Io { file: name.clone(), source })?;
        if sha256_hex(text.as_bytes()) != digest {
            return Err(BundleError::Digest { file: name });
        }
        files.insert(name, text);
    }
    Ok(Some(Bundle { revision: index.revision, files }))
}

fn holds_any_file(dir: &Path) -> bool {
    [ROLES_FILE, EXTERNAL_IDENTITIES_FILE, COLLABORATORS_FILE, ENTITIES_FILE, PROVIDERS_FILE]
        .iter()
        .any(|name| dir.join(name).exists())
}

/// The template links of a bundle, each with its line.
///
/// # Errors
/// When the file is not in the form that `render` writes.
pub fn parse_links(bundle: &Bundle) -> Result<Vec<(usize, Link)>, BundleError> {
    items(bundle, COLLABORATORS_FILE)
}

/// The identity providers of a bundle.
///
/// # Errors
/// When the file is not in the form that `render` writes.
pub fn parse_providers(bundle: &Bundle) -> Result<Vec<ProviderRecord>, BundleError> {
    Ok(items(bundle, PROVIDERS_FILE)?.into_iter().map(|(_, record)| record).collect())
}

fn items<T: DeserializeOwned>(bundle: &Bundle, file: &str) -> Result<Vec<(usize, T)>, BundleError> {
    let text = bundle.files.get(file).map(String::as_str).unwrap_or_default();
    text.lines()
        .enumerate()
        .filter(|(_, line)| !matches!(line.trim(), "[" | "]" | "[]" | ""))
        .map(|(number, line)| {
            let item = serde_json::from_str(line.trim().trim_end_matches(','))
                .map_err(|source| BundleError::Malformed { file: file.to_owned(), source })?;
            Ok((number + 1, item))
        })
        .collect()
}

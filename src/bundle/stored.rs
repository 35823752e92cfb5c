//! A bundle whose files are looked at when they are wanted: `bundle.json` in, each file's text out, its digest held.
//!
//! What did not change since the last reading is not read again: `bundle.json` names its digest, and the file
//! system says whether the file is the one that was read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::read::{read_checked, read_index};
use super::{Bundle, BundleError, Index, Sharding};
use crate::tree::FileStamp;

/// A bundle on disk, or one that was just compiled.
#[derive(Clone, Debug)]
pub struct StoredBundle {
    pub index: Index,
    /// Of every file; none of one that never was on disk.
    pub stamps: Arc<Stamps>,
    files: Files,
}

/// File name → what the file system says of it.
pub type Stamps = BTreeMap<String, FileStamp>;

#[derive(Clone, Debug)]
enum Files {
    InMemory(Bundle),
    OnDisk(PathBuf),
}

/// One of the files that a part of a bundle is split into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    pub number: usize,
    pub file: String,
    /// SHA-256, hexadecimal.
    pub digest: String,
    /// `None` for one that never was on disk.
    pub stamp: Option<FileStamp>,
}

impl StoredBundle {
    pub fn in_memory(bundle: Bundle) -> Self {
        Self { index: bundle.index(), stamps: Arc::default(), files: Files::InMemory(bundle) }
    }

    /// Opens the bundle in a folder, or `None` where there is none.
    ///
    /// # Errors
    /// When there is half of one.
    pub fn open(dir: &Path) -> Result<Option<Self>, BundleError> {
        let Some(index) = read_index(dir)? else { return Ok(None) };
        let stamps = index.files.keys().map(|file| Ok((file.clone(), stamp(dir, file)?))).collect::<Result<_, _>>()?;
        Ok(Some(Self { index, stamps: Arc::new(stamps), files: Files::OnDisk(dir.to_owned()) }))
    }

    /// The whole bundle, where it was just compiled.
    pub fn into_compiled(self) -> Option<Bundle> {
        match self.files {
            Files::InMemory(bundle) => Some(bundle),
            Files::OnDisk(_) => None,
        }
    }

    /// The text of a file, or `None` where the bundle has no such file.
    ///
    /// # Errors
    /// When the file cannot be read, or is not the one that `bundle.json` names.
    pub fn text(&self, name: &str) -> Result<Option<Cow<'_, str>>, BundleError> {
        match &self.files {
            Files::InMemory(bundle) => Ok(bundle.files.get(name).map(|text| Cow::Borrowed(text.as_str()))),
            Files::OnDisk(dir) => match self.index.files.get(name) {
                Some(digest) => read_checked(dir, name, digest).map(|text| Some(Cow::Owned(text))),
                None => Ok(None),
            },
        }
    }

    /// The files that a part is split into, in order.
    ///
    /// # Errors
    /// When they are not all the shards of one sharding.
    pub fn shards(&self, part: &str) -> Result<(Sharding, Vec<Shard>), BundleError> {
        let torn = || BundleError::Shards { part: part.to_owned() };
        let mut found: Vec<(Sharding, Shard)> = Vec::new();
        for (file, digest) in &self.index.files {
            let Some((sharding, number)) = Sharding::read(part, file) else { continue };
            let stamp = self.stamps.get(file).copied();
            found.push((sharding, Shard { number, file: file.clone(), digest: digest.clone(), stamp }));
        }
        let Some(sharding) = found.first().map(|(sharding, _)| *sharding) else {
            return Ok((Sharding::default(), Vec::new()));
        };
        if found.len() != sharding.count() || found.iter().any(|(other, _)| *other != sharding) {
            return Err(torn());
        }
        let mut shards: Vec<_> = found.into_iter().map(|(_, shard)| shard).collect();
        shards.sort_by_key(|shard| shard.number);
        Ok((sharding, shards))
    }
}

fn stamp(dir: &Path, name: &str) -> Result<FileStamp, BundleError> {
    let metadata = fs::metadata(dir.join(name)).map_err(|source| BundleError::Io { file: name.to_owned(), source })?;
    Ok(FileStamp::of(&metadata))
}

//! Which file something was read from, and which contents it had: a file that is the same is not read again.

use crate::bundle::Shard;
use crate::digest::sha256_hex;
use crate::tree::{FileStamp, SourceFile};

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// As people know it: `policies/acme/night.cedar`.
    pub file: String,
    /// SHA-256, hexadecimal.
    pub digest: String,
    /// What the file system said of it; nothing for one that was in memory already.
    pub stamp: Option<FileStamp>,
}

impl Origin {
    pub fn of_file(file: &SourceFile) -> Self {
        Self { file: file.name.clone(), digest: sha256_hex(file.text.as_bytes()), stamp: None }
    }

    pub fn of_shard(folder: &str, shard: &Shard) -> Self {
        Self { file: format!("{folder}/{}", shard.file), digest: shard.digest.clone(), stamp: shard.stamp }
    }
}

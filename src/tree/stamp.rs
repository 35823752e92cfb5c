//! What the file system says of a file: another one, or a changed one, has another stamp.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Size, inode and time of change: unlike the time of modification, nobody can set that one back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    length: u64,
    inode: u64,
    changed: (i64, i64),
}

impl FileStamp {
    pub fn of(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), inode: metadata.ino(), changed: (metadata.ctime(), metadata.ctime_nsec()) }
    }
}

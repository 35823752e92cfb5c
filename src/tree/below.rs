//! What stands below a folder: every regular file by its name there, and whatever cannot be read as one.
//!
//! In: a folder. Out: files, and what is none. A symbolic link counts as what it leads to while that is inside the
//! folder, as in a mounted ConfigMap (`x.cedar -> ..data/x.cedar`); a link that leads out is a fault. The folder itself
//! may be a link: whoever runs the server made that one. Names that start with a dot are passed over.
//!
//! A hard link cannot be told from the file that it is a second name of.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::FileStamp;
use super::shown::shown;
use crate::model::{Fault, Faults};

/// A folder whose files are read, and which nothing in it leads out of.
#[derive(Debug)]
pub(super) struct Root {
    /// As people call it.
    pub dir: PathBuf,
    /// Without any links.
    pub real: PathBuf,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Below {
    /// By the name below the folder that was looked through, with `/` between the parts.
    pub files: BTreeMap<String, FoundFile>,
    /// What is no file, or too deep to be looked at.
    pub unread: Vec<Fault>,
    pub faults: Faults,
}

/// A regular file, or a link to one inside the root.
#[derive(Debug)]
pub(super) struct FoundFile {
    /// As people call it.
    pub path: PathBuf,
    /// Below the root, without any links.
    pub real: PathBuf,
}

impl Root {
    /// # Errors
    /// When there is no such folder.
    pub(super) fn of(dir: &Path) -> io::Result<Self> {
        Ok(Self { dir: dir.to_owned(), real: fs::canonicalize(dir)? })
    }

    /// Everything in the folder, but not in some folders of it.
    pub(super) fn look(&self, others: &[&str]) -> Below {
        self.look_in("", others)
    }

    /// What the file system says of a file that was found, if it is still there.
    pub(super) fn stamp(&self, found: &FoundFile) -> Option<FileStamp> {
        fs::symlink_metadata(self.real.join(&found.real)).ok().map(|metadata| FileStamp::of(&metadata))
    }

    /// Everything in a folder of it; nothing where there is no such folder.
    pub(super) fn look_in(&self, folder: &str, others: &[&str]) -> Below {
        let mut look = Look { root: self, others, below: Below::default(), entries: 0, above: Vec::new() };
        if folder.is_empty() {
            look.folder(&self.dir, &self.real, "", 0);
        } else {
            let (path, real) = (self.dir.join(folder), self.real.join(folder));
            match fs::symlink_metadata(&real) {
                Ok(found) => look.entry(&path, &real, "", 0, found.file_type()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => look.cannot_read(&path, &error),
            }
        }
        look.below
    }
}

struct Look<'a> {
    root: &'a Root,
    others: &'a [&'a str],
    below: Below,
    entries: usize,
    /// The folders that lead to the one that is looked through, without links.
    above: Vec<PathBuf>,
}

impl Look<'_> {
    fn folder(&mut self, path: &Path, real: &Path, relative: &str, depth: usize) {
        let entries = match fs::read_dir(real) {
            Ok(entries) => entries,
            Err(error) => return self.cannot_read(path, &error),
        };
        self.above.push(real.to_owned());
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.cannot_read(path, &error);
                    continue;
                }
            };
            let name = entry.file_name();
            if is_hidden(&name) || depth == 0 && self.others.iter().any(|other| name == *other) {
                continue;
            }
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                if self.entries == MAX_ENTRIES + 1 {
                    let message = format!("holds more than {MAX_ENTRIES} files");
                    self.below.faults.push(Fault::of_file(shown(&self.root.dir), message));
                }
                break;
            }
            let Some(text) = name.to_str() else {
                let message = "has a name that is not UTF-8 text: give it another";
                self.below.faults.push(Fault::of_file(shown(&path.join(&name)), message));
                continue;
            };
            let relative = if relative.is_empty() { text.to_owned() } else { format!("{relative}/{text}") };
            match entry.file_type() {
                Ok(kind) => self.entry(&path.join(&name), &real.join(&name), &relative, depth + 1, kind),
                Err(error) => self.cannot_read(&path.join(&name), &error),
            }
        }
        self.above.pop();
    }

    fn entry(&mut self, path: &Path, real: &Path, relative: &str, depth: usize, kind: FileType) {
        if !kind.is_symlink() {
            return self.thing(path, real, relative, depth, kind);
        }
        let target = match fs::canonicalize(real) {
            Ok(target) => target,
            Err(error) => return self.cannot_read(path, &error),
        };
        if !target.starts_with(&self.root.real) {
            // Nothing is said of the target: the link may be a question about a file that its author cannot see.
            let folder = shown(&self.root.dir);
            let message = format!("is a link that leads out of `{folder}`: links are followed only inside it");
            self.below.faults.push(Fault::of_file(shown(path), message));
            return;
        }
        match fs::symlink_metadata(&target) {
            Ok(found) => self.thing(path, &target, relative, depth, found.file_type()),
            Err(error) => self.cannot_read(path, &error),
        }
    }

    fn thing(&mut self, path: &Path, real: &Path, relative: &str, depth: usize, kind: FileType) {
        if kind.is_dir() {
            if depth >= MAX_DEPTH {
                self.leave(path, &format!("is not read: folders are nested more than {MAX_DEPTH} deep"));
            } else if self.above.iter().any(|above| above == real) {
                self.below.faults.push(Fault::of_file(shown(path), "is a link back to a folder that it stands in"));
            } else {
                self.folder(path, real, relative, depth);
            }
        } else if kind.is_file() {
            let below = real.strip_prefix(&self.root.real).unwrap_or(real).to_owned();
            self.below.files.insert(relative.to_owned(), FoundFile { path: path.to_owned(), real: below });
        } else {
            self.leave(path, &format!("is not read: it is {}, not a file", name_of(kind)));
        }
    }

    fn leave(&mut self, path: &Path, why: &str) {
        self.below.unread.push(Fault::of_file(shown(path), why));
    }

    fn cannot_read(&mut self, path: &Path, error: &io::Error) {
        self.below.faults.push(Fault::of_file(shown(path), format!("cannot be read: {error}")));
    }
}

fn name_of(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// The most files and folders that one folder may hold.
const MAX_ENTRIES: usize = 100_000;
/// The deepest nesting of folders.
const MAX_DEPTH: usize = 16;

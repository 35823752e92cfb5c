//! The hand-written files that a tenant last loaded with, kept beside its bundle: a change of the directory goes live
//! beside them while the files of today have faults, after a restart as well.
//!
//! In and out: file names and texts. What cannot be read back whole is as good as none.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::PublishError;
use super::write::{failed, write_if_changed};
use crate::digest::Digester;
use crate::tree::SourceFile;

/// Policies, entities and links that people wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenFiles {
    /// The platform's policies, which stood beside the tenant's own.
    pub platform: Vec<SourceFile>,
    pub policies: Vec<SourceFile>,
    pub entities: Vec<SourceFile>,
    pub links: Vec<SourceFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// SHA-256 over all names and texts.
    digest: String,
    platform: Vec<KeptFile>,
    policies: Vec<KeptFile>,
    entities: Vec<KeptFile>,
    links: Vec<KeptFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptFile {
    name: String,
    relative: String,
    text: String,
}

impl WrittenFiles {
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// How many bytes the texts have.
    pub fn bytes(&self) -> usize {
        self.all().map(|file| file.text.len()).sum()
    }

    fn all(&self) -> impl Iterator<Item = &SourceFile> {
        self.platform.iter().chain(&self.policies).chain(&self.entities).chain(&self.links)
    }

    fn digest(&self) -> String {
        let mut digester = Digester::default();
        for (kind, files) in [
            ("platform", &self.platform),
            ("policies", &self.policies),
            ("entities", &self.entities),
            ("links", &self.links),
        ] {
            for file in files {
                [kind, &file.name, &file.relative, &file.text].into_iter().for_each(|part| digester.add(part));
            }
        }
        digester.finish().to_string()
    }
}

/// Keeps the files beside a bundle; without files, nothing is kept.
///
/// # Errors
/// When they cannot be written.
pub fn keep_last_good(dir: &Path, files: &WrittenFiles) -> Result<(), PublishError> {
    let path = dir.join(LAST_GOOD_FILE);
    if files.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(&path)(error)),
            _ => Ok(()),
        };
    }
    let kept = |file: &SourceFile| KeptFile {
        name: file.name.clone(),
        relative: file.relative.clone(),
        text: file.text.clone(),
    };
    let all = Kept {
        digest: files.digest(),
        platform: files.platform.iter().map(kept).collect(),
        policies: files.policies.iter().map(kept).collect(),
        entities: files.entities.iter().map(kept).collect(),
        links: files.links.iter().map(kept).collect(),
    };
    let text = serde_json::to_string(&all).map_err(PublishError::Index)?;
    write_if_changed(dir, &path, &text).map_err(failed(&path)).map(|_| ())
}

/// The files that were kept, if they are whole.
pub fn read_last_good(dir: &Path) -> Option<WrittenFiles> {
    let text = fs::read_to_string(dir.join(LAST_GOOD_FILE)).ok()?;
    let kept: Kept = serde_json::from_str(&text).ok()?;
    let file = |KeptFile { name, relative, text }| SourceFile { name, relative, text };
    let files = WrittenFiles {
        platform: kept.platform.into_iter().map(file).collect(),
        policies: kept.policies.into_iter().map(file).collect(),
        entities: kept.entities.into_iter().map(file).collect(),
        links: kept.links.into_iter().map(file).collect(),
    };
    (files.digest() == kept.digest).then_some(files)
}

pub const LAST_GOOD_FILE: &str = "last-good.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_back_and_what_was_touched_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file =
            |name: &str| SourceFile { name: format!("policies/{name}"), relative: name.to_owned(), text: "x".into() };
        let files = WrittenFiles {
            platform: vec![file("p.cedar")],
            policies: vec![file("a.cedar")],
            entities: vec![file("b.entities.json")],
            links: vec![file("c.links.json")],
        };
        keep_last_good(dir.path(), &files).unwrap();
        assert_eq!(read_last_good(dir.path()).unwrap(), files);
        let path = dir.path().join(LAST_GOOD_FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"x\"", "\"y\"")).unwrap();
        assert_eq!(read_last_good(dir.path()), None);
        fs::write(&path, text.get(..text.len() / 2).unwrap()).unwrap();
        assert_eq!(read_last_good(dir.path()), None);
        keep_last_good(dir.path(), &WrittenFiles::default()).unwrap();
        assert!(!path.exists());
    }
}

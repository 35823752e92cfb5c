//! One grant more in a bundle on disk, as a node sees it that another one publishes to: one shard and `bundle.json`.

use std::fs;
use std::path::Path;

use cedargate::bundle::{self, Index, Sharding};
use cedargate::compile::{Link, LinkArgs, collaborator_id};
use cedargate::digest::sha256_hex;
use cedargate::model::{EntityRef, Revision, entity_hash, pair_hash};

use crate::error::BarError;

/// A role on a resource for somebody.
#[derive(Clone, Debug)]
pub struct Grant {
    pub subject: EntityRef,
    pub role: &'static str,
    pub resource: EntityRef,
}

impl Grant {
    /// Adds it, and says at which revision it is effective.
    pub fn publish(&self, folder: &Path) -> Result<Revision, BarError> {
        let mut index: Index = serde_json::from_str(&read(folder, bundle::INDEX_FILE)?)?;
        let shards = index.files.keys().filter_map(|file| Sharding::read(bundle::COLLABORATORS_FILE, file));
        let sharding = shards.map(|(sharding, _)| sharding).next().unwrap_or_default();
        let shard = sharding.shard_of(pair_hash(entity_hash(&self.subject), entity_hash(&self.resource)));
        let file = sharding.file(bundle::COLLABORATORS_FILE, shard);
        let text = with_line(&read(folder, &file)?, &serde_json::to_string(&self.link())?);
        replace(folder, &file, &text)?;
        index.files.insert(file, sha256_hex(text.as_bytes()));
        index.revision = index.revision.next();
        replace(folder, bundle::INDEX_FILE, &serde_json::to_string_pretty(&index)?)?;
        Ok(index.revision)
    }

    fn link(&self) -> Link {
        let Self { subject, role, resource } = self;
        Link {
            template_id: format!("role/{}/{role}", resource.entity_type),
            link_id: collaborator_id(resource, role, subject),
            args: LinkArgs { principal: subject.clone(), resource: resource.clone() },
        }
    }
}

/// A shard with one line more, sorted as all are.
fn with_line(shard: &str, line: &str) -> String {
    let items = shard.lines().filter(|line| line.starts_with('{')).map(|line| line.trim_end_matches(','));
    let mut items: Vec<&str> = items.chain([line]).collect();
    items.sort_unstable();
    items.dedup();
    format!("[\n{}\n]\n", items.join(",\n"))
}

fn read(folder: &Path, file: &str) -> Result<String, BarError> {
    let path = folder.join(file);
    fs::read_to_string(&path).map_err(BarError::file(path))
}

fn replace(folder: &Path, file: &str, text: &str) -> Result<(), BarError> {
    let (beside, path) = (folder.join(".writing-bars"), folder.join(file));
    let written = fs::write(&beside, text).and_then(|()| fs::rename(beside, &path));
    written.map_err(BarError::file(path))
}

//! One grant more in a bundle on disk, as a node sees it that another one publishes to: one shard and `bundle.json`.

use std::fs;
use std::path::Path;

use super::BenchError;
use crate::bundle::{self, Index, Sharding};
use crate::compile::{Link, LinkArgs, collaborator_id};
use crate::digest::sha256_hex;
use crate::model::{EntityRef, entity_hash, pair_hash};

/// Adds a grant of a role on a resource to a subject, and says at which revision it is effective.
///
/// # Errors
/// When the bundle is not there, or cannot be written.
pub fn add_grant(folder: &Path, resource: &EntityRef, role: &str, subject: &EntityRef) -> Result<u64, BenchError> {
    let path = folder.join(bundle::INDEX_FILE);
    let mut index: Index = serde_json::from_str(&fs::read_to_string(&path)?)?;
    let shards = index.files.keys().filter_map(|file| Sharding::read(bundle::COLLABORATORS_FILE, file));
    let sharding = shards.map(|(sharding, _)| sharding).next().unwrap_or_default();
    let shard = sharding.shard_of(pair_hash(entity_hash(subject), entity_hash(resource)));
    let file = sharding.file(bundle::COLLABORATORS_FILE, shard);
    let link = Link {
        template_id: format!("role/{}/{role}", resource.entity_type),
        link_id: collaborator_id(resource, role, subject),
        args: LinkArgs { principal: subject.clone(), resource: resource.clone() },
    };
    let text = fs::read_to_string(folder.join(&file))?;
    let mut lines: Vec<&str> = text.lines().filter(|line| line.starts_with('{')).collect();
    lines.iter_mut().for_each(|line| *line = line.trim_end_matches(','));
    let added = serde_json::to_string(&link)?;
    lines.push(&added);
    lines.sort_unstable();
    lines.dedup();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    replace(folder, &file, &text)?;
    index.files.insert(file, sha256_hex(text.as_bytes()));
    index.revision = index.revision.next();
    replace(folder, bundle::INDEX_FILE, &serde_json::to_string_pretty(&index)?)?;
    Ok(index.revision.0)
}

fn replace(folder: &Path, file: &str, text: &str) -> std::io::Result<()> {
    let beside = folder.join(".writing-bench");
    fs::write(&beside, text)?;
    fs::rename(beside, folder.join(file))
}

//! A `Compiled` in, the bundle's files out. Equal input gives equal bytes.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::{
    Bundle, COLLABORATORS_FILE, DEACTIVATED_FILE, ENTITIES_FILE, EXTERNAL_IDENTITIES_FILE, PROVIDERS_FILE, ROLES_FILE,
    Sharding, TOKENS_FILE,
};
use crate::compile::{Compiled, Link};
use crate::model::Revision;
use crate::model::{entity_hash, pair_hash};

/// Renders every file of a bundle.
///
/// # Errors
/// When a value cannot be written as JSON, which would be a fault of ours.
pub fn render(compiled: &Compiled, revision: Revision) -> Result<Bundle, serde_json::Error> {
    let (links, entities) = (compiled.links.len(), compiled.entities.len());
    render_split(compiled, revision, Sharding::for_items(links), Sharding::for_items(entities))
}

/// Renders every file of a bundle, split like this.
pub(crate) fn render_split(
    compiled: &Compiled,
    revision: Revision,
    links: Sharding,
    entities: Sharding,
) -> Result<Bundle, serde_json::Error> {
    let mut files = BTreeMap::from([
        (ROLES_FILE.to_owned(), cedar_file(&compiled.roles)),
        (EXTERNAL_IDENTITIES_FILE.to_owned(), cedar_file(&compiled.external_identities)),
        (PROVIDERS_FILE.to_owned(), items_file(compiled.providers.iter())?),
        (TOKENS_FILE.to_owned(), items_file(compiled.tokens.iter())?),
        (DEACTIVATED_FILE.to_owned(), items_file(compiled.deactivated.iter())?),
    ]);
    let pair = |link: &Link| pair_hash(entity_hash(&link.args.principal), entity_hash(&link.args.resource));
    files.extend(sharded(COLLABORATORS_FILE, links, &compiled.links, pair, |link| link)?);
    files.extend(sharded(ENTITIES_FILE, entities, &compiled.entities, |(uid, _)| entity_hash(uid), |(_, json)| json)?);
    Ok(Bundle { revision, hand_written: false, files })
}

/// Items over as many files as they need; their order is kept in each.
fn sharded<T: Sync, S: Serialize>(
    part: &str,
    sharding: Sharding,
    items: &[T],
    hash: impl Fn(&T) -> u64 + Sync,
    written: impl Fn(&T) -> &S + Sync,
) -> Result<Vec<(String, String)>, serde_json::Error> {
    let mut shards: Vec<Vec<&T>> = vec![Vec::new(); sharding.count()];
    let numbers: Vec<usize> = items.par_iter().map(|item| sharding.shard_of(hash(item))).collect();
    for (item, number) in items.iter().zip(numbers) {
        if let Some(shard) = shards.get_mut(number) {
            shard.push(item);
        }
    }
    let named = shards.par_iter().enumerate().map(|(number, items)| {
        let text = items_file(items.iter().map(|item| written(item)))?;
        Ok((sharding.file(part, number), text))
    });
    named.collect()
}

/// A file of Cedar policies.
pub fn cedar_file(policies: &[String]) -> String {
    format!("{HEADER}{}", policies.iter().map(|text| format!("\n{text}")).collect::<String>())
}

/// A JSON array with an item a line, so that a line number finds an item and a diff shows one.
///
/// # Errors
/// When an item cannot be written as JSON, which would be a fault of ours.
pub fn items_file<'a, T: Serialize + 'a>(items: impl Iterator<Item = &'a T>) -> Result<String, serde_json::Error> {
    let lines = items.map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(if lines.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", lines.join(",\n")) })
}

const HEADER: &str = "// Written by cedargate from the tenant's directory. Changes here are lost.\n";

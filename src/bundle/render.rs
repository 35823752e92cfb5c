//! A `Compiled` in, the bundle's files out. Equal input gives equal bytes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Bundle, COLLABORATORS_FILE, ENTITIES_FILE, EXTERNAL_IDENTITIES_FILE, PROVIDERS_FILE, ROLES_FILE};
use crate::compile::Compiled;
use crate::model::Revision;

/// Renders every file of a bundle.
///
/// # Errors
/// When a value cannot be written as JSON, which would be a fault of ours.
pub fn render(compiled: &Compiled, revision: Revision) -> Result<Bundle, serde_json::Error> {
    let cedar = |policies: &[String]| {
        format!("{HEADER}{}", policies.iter().map(|text| format!("\n{text}")).collect::<String>())
    };
    let files = BTreeMap::from([
        (ROLES_FILE.to_owned(), cedar(&compiled.roles)),
        (EXTERNAL_IDENTITIES_FILE.to_owned(), cedar(&compiled.external_identities)),
        (COLLABORATORS_FILE.to_owned(), one_a_line(&compiled.links)?),
        (ENTITIES_FILE.to_owned(), one_a_line(&compiled.entities)?),
        (PROVIDERS_FILE.to_owned(), one_a_line(&compiled.providers)?),
    ]);
    Ok(Bundle { revision, hand_written: false, files })
}

/// A JSON array with an item a line, so that a line number finds an item and a diff shows one.
fn one_a_line<T: Serialize>(items: &[T]) -> Result<String, serde_json::Error> {
    let lines = items.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(if lines.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", lines.join(",\n")) })
}

const HEADER: &str = "// Written by cedargate from the tenant's directory. Changes here are lost.\n";

//! All parts of a tenant in, a validated `Snapshot` out, or every fault.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use cedar_policy::{ValidationMode, Validator};
use chrono::{DateTime, Utc};
use miette::Diagnostic;

use super::{EntityStore, LoadedPolicies, Snapshot};
use crate::bundle::{self, Bundle, BundleError};
use crate::model::{Fault, Faults, Generation, TenantId};
use crate::schema::{Identity, LoadedSchema};
use crate::tree::{PolicyFolder, SchemaFolder, SourceFile};
use crate::vocabulary;

/// What a snapshot is built from.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    pub tenant: &'a TenantId,
    pub schema: &'a Arc<LoadedSchema>,
    pub schema_files: &'a SchemaFolder,
    pub platform: &'a PolicyFolder,
    pub folder: &'a PolicyFolder,
    pub bundle: Option<&'a Bundle>,
    /// How the bundle's files are called in answers and faults: `policies/acme/compiled`.
    pub bundle_folder: &'a str,
}

impl Parts<'_> {
    /// The digest of everything the snapshot would be built from.
    pub fn generation(&self) -> Generation {
        let mut context = Context::new(&SHA256);
        let mut add = |kind: &str, name: &str, text: &str| {
            for part in [kind, name, text] {
                context.update(&(part.len() as u64).to_be_bytes());
                context.update(part.as_bytes());
            }
        };
        add("identity", if self.schema.identity == Identity::Included { "included" } else { "left out" }, "");
        for (kind, files) in [
            ("schema", &self.schema_files.schemas),
            ("platform", &self.platform.policies),
            ("policy", &self.folder.policies),
            ("entities", &self.folder.entities),
        ] {
            files.iter().for_each(|file| add(kind, &file.relative, &file.text));
        }
        for (name, text) in self.bundle.iter().flat_map(|bundle| &bundle.files) {
            add("bundle", name, text);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Generation(digest)
    }
}

/// Builds a snapshot.
///
/// # Errors
/// Every fault of every part; nothing half-built is ever returned.
pub fn build(parts: Parts<'_>, now: DateTime<Utc>) -> Result<Snapshot, Faults> {
    let mut faults = Faults::default();
    let policies = load_policies(parts, &mut faults);
    let entities = load_entities(parts, &mut faults);
    let providers = parts.bundle.map(bundle::parse_providers).transpose();
    let providers = providers.unwrap_or_else(|error| {
        faults.push(bundle_fault(parts, &error));
        None
    });
    // What is well-formed is validated also beside what is not: one fault hides no other.
    let warnings = validate(parts, &policies).unwrap_or_else(|found| {
        faults.extend(found);
        Vec::new()
    });
    faults.or(())?;
    let providers = providers.unwrap_or_default();
    Ok(Snapshot {
        tenant: parts.tenant.clone(),
        generation: parts.generation(),
        revision: parts.bundle.map(|bundle| bundle.revision).unwrap_or_default(),
        loaded_at: now,
        schema: Arc::clone(parts.schema),
        policies,
        entities,
        identity_providers: providers.iter().map(|record| record.provider.clone()).collect(),
        providers,
        warnings,
    })
}

/// The faults of texts that cannot be read, whatever the schema says: for when there is no schema.
pub fn syntax_faults<'a>(files: impl IntoIterator<Item = &'a SourceFile>) -> Faults {
    let mut faults = Faults::default();
    let mut policies = LoadedPolicies::default();
    files.into_iter().for_each(|file| policies.add_file(file, &mut faults));
    faults
}

fn load_policies(parts: Parts<'_>, faults: &mut Faults) -> LoadedPolicies {
    let mut policies = LoadedPolicies::default();
    for file in parts.platform.policies.iter().chain(&parts.folder.policies) {
        policies.add_file(file, faults);
    }
    for name in [bundle::ROLES_FILE, bundle::EXTERNAL_IDENTITIES_FILE] {
        if let Some(file) = bundle_file(parts, name) {
            policies.add_file(&file, faults);
        }
    }
    policies.sort_out_assuming(faults);
    match parts.bundle.map(bundle::parse_links).transpose() {
        Ok(links) => {
            let links = links.unwrap_or_default();
            let file = format!("{}/{}", parts.bundle_folder, bundle::COLLABORATORS_FILE);
            links.iter().for_each(|(line, link)| policies.add_link(&file, *line, link, faults));
        }
        Err(error) => faults.push(bundle_fault(parts, &error)),
    }
    policies
}

fn load_entities(parts: Parts<'_>, faults: &mut Faults) -> EntityStore {
    let mut entities = EntityStore::default();
    let tenant = match vocabulary::uid(&vocabulary::tenant(parts.tenant)) {
        Ok(tenant) => tenant,
        Err(error) => {
            faults.push(Fault::of_file(parts.bundle_folder, error.to_string()));
            return entities;
        }
    };
    entities.add_actions(parts.schema, faults);
    let compiled = bundle_file(parts, bundle::ENTITIES_FILE);
    for file in compiled.iter().chain(&parts.folder.entities) {
        entities.add_file(file, &tenant, parts.schema, faults);
    }
    entities.check_hierarchy(faults);
    entities
}

fn bundle_file(parts: Parts<'_>, name: &str) -> Option<SourceFile> {
    let text = parts.bundle?.files.get(name)?.clone();
    Some(SourceFile {
        name: format!("{}/{name}", parts.bundle_folder),
        relative: format!("{}/{name}", bundle::FOLDER),
        text,
    })
}

fn bundle_fault(parts: Parts<'_>, error: &BundleError) -> Fault {
    Fault::of_file(parts.bundle_folder, error.to_string())
}

/// Strict validation of every policy, template and link against the schema.
fn validate(parts: Parts<'_>, policies: &LoadedPolicies) -> Result<Vec<Fault>, Faults> {
    let result = Validator::new(parts.schema.schema.clone()).validate(&policies.set, ValidationMode::Strict);
    let mut faults = Faults::default();
    for error in result.validation_errors() {
        faults.push(placed(parts, policies, error.policy_id(), error));
    }
    let warnings = result.validation_warnings().map(|warning| placed(parts, policies, warning.policy_id(), warning));
    let mut warnings: Vec<_> = warnings.collect();
    warnings.sort();
    warnings.dedup();
    faults.or(warnings)
}

fn placed(
    parts: Parts<'_>,
    policies: &LoadedPolicies,
    id: &cedar_policy::PolicyId,
    diagnostic: &dyn Diagnostic,
) -> Fault {
    let message = crate::tree::one_line(diagnostic);
    let Some(source) = policies.sources.get(id) else { return Fault::of_file(parts.bundle_folder, message) };
    let written = parts.platform.policies.iter().chain(&parts.folder.policies).find(|file| file.name == source.file);
    match (written, crate::tree::first_label(diagnostic)) {
        (Some(file), Some(offset)) => file.fault_at(offset, message),
        _ => Fault { file: source.file.clone(), line: source.line, column: 1, message },
    }
}

//! Made-up tenants of any size: the size and a seed in, a tree on disk out, as `serve` reads it.
//!
//! The schema, the default roles, the platform's policies and the guard rails are the sample's; the directory is made
//! up and goes through the same compiler and the same bundle as anybody's. Equal seeds give equal trees.

mod directory;
mod resources;
mod spec;

pub use directory::{AUDIENCE, PROVIDER, Trusted, directory, outsider_claims, request_context, user_claims};
pub use spec::{Spec, SpecError};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::bundle::{self, PublishError};
use crate::compile::compile;
use crate::demo::{SAMPLE_TENANT, sample_files};
use crate::manifest::{DefaultRoles, read_default_roles};
use crate::model::{DirectoryState, Faults, NameError, Revision, TenantId};
use crate::schema::{Identity, load_schema};
use crate::tree::SourceFile;

/// The tenant that is made.
pub const GENERATED_TENANT: &str = "bench";

/// Why a tenant could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("`{path}` cannot be written", path = .path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` is not empty", path = .path.display())]
    NotEmpty { path: PathBuf },
    #[error("the sample has a fault")]
    Sample(#[from] Faults),
    #[error("a made-up name is not one")]
    Name(#[from] NameError),
    #[error("the bundle cannot be put into words")]
    Render(#[from] serde_json::Error),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// Writes `schema/` and `policies/` with one made-up tenant below a folder, which must be empty or not there.
///
/// # Errors
/// When it cannot be written.
pub fn write_tree(dir: &Path, spec: &Spec, trusted: &Trusted) -> Result<(), GenerateError> {
    fs::create_dir_all(dir).map_err(failed(dir))?;
    if fs::read_dir(dir).map_err(failed(dir))?.next().is_some() {
        return Err(GenerateError::NotEmpty { path: dir.to_owned() });
    }
    write_directory(dir, &directory(spec, trusted, sample_roles()?)?)
}

/// The same with a directory that was made already, into a folder that is there.
///
/// # Errors
/// As [`write_tree`].
pub fn write_directory(dir: &Path, state: &DirectoryState) -> Result<(), GenerateError> {
    let tenant = TenantId::parse(GENERATED_TENANT)?;
    let folder = dir.join("policies").join(GENERATED_TENANT);
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    for (place, text) in shared_files() {
        let path = dir.join(place);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        fs::write(&path, text).map_err(failed(&path))?;
    }
    let mut bundle = bundle::render(&compile(&tenant, state), Revision(1))?;
    // The guard rails stand beside it, and without them it must not serve.
    bundle.hand_written = true;
    bundle::publish(&folder.join(bundle::FOLDER), &bundle)?;
    Ok(())
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> GenerateError {
    let path = path.to_owned();
    move |source| GenerateError::Io { path, source }
}

/// The sample's default roles.
///
/// # Errors
/// When the sample that the binary carries has a fault.
pub fn sample_roles() -> Result<DefaultRoles, Faults> {
    let ending = |end: &str| {
        let found = sample_files().filter(|(name, _)| name.starts_with("schema/") && name.ends_with(end));
        let file = |(name, text): (&str, &str)| SourceFile {
            name: name.to_owned(),
            relative: name.to_owned(),
            text: text.to_owned(),
        };
        found.map(file).collect::<Vec<_>>()
    };
    let schema = load_schema(&ending(".cedarschema"), Identity::Included)?;
    read_default_roles(&ending(".roles.yaml"), &schema)
}

/// What of the sample any tenant can have, and where it goes.
fn shared_files() -> impl Iterator<Item = (String, &'static str)> {
    let own = format!("policies/{SAMPLE_TENANT}/guardrails/");
    sample_files().filter_map(move |(name, text)| {
        if let Some(guardrail) = name.strip_prefix(&own) {
            return Some((format!("policies/{GENERATED_TENANT}/guardrails/{guardrail}"), text));
        }
        let is_shared = name.starts_with("schema/") || name.starts_with("policies/platform/");
        is_shared.then(|| (name.to_owned(), text))
    })
}

#[cfg(test)]
mod tests;

//! The sample tree, carried in the binary, and how the demo writes it out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::DemoIssuers;

/// The tenant that the sample is about.
pub const SAMPLE_TENANT: &str = "acme";

/// Why the sample could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    #[error("`{path}` cannot be written", path = .path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{dir}` holds files that are not the demo's: give `--dir` an empty folder", dir = .dir.display())]
    NotOurs { dir: PathBuf },
}

/// Writes the sample below a folder, trusting the demo's issuers instead of the real ones. A folder that holds an
/// earlier demo keeps its edits: only the identity providers are written anew.
///
/// # Errors
/// When the folder holds something else, or cannot be written.
pub fn write_sample(dir: &Path, issuers: &DemoIssuers) -> Result<(), SampleError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SampleError::Io { path, source }
    };
    fs::create_dir_all(dir).map_err(failed(dir))?;
    let is_empty = fs::read_dir(dir).map_err(failed(dir))?.next().is_none();
    if !is_empty && !dir.join(PROVIDERS).is_file() {
        return Err(SampleError::NotOurs { dir: dir.to_owned() });
    }
    for (name, text) in SAMPLE {
        let path = dir.join(name);
        let text = match name {
            PROVIDERS => with_demo_issuers(text, issuers),
            _ if !is_empty => continue,
            _ => text.to_owned(),
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        fs::write(&path, text).map_err(failed(&path))?;
    }
    Ok(())
}

/// Every file of the sample: its place below the sample's root, and its text.
pub fn sample_files() -> impl Iterator<Item = (&'static str, &'static str)> {
    SAMPLE.iter().copied()
}

fn with_demo_issuers(manifest: &str, issuers: &DemoIssuers) -> String {
    REAL_ISSUERS.iter().fold(manifest.to_owned(), |text, (provider, keys, issuer)| match issuers.get(provider) {
        // The keys' address begins with the issuer's: it goes first.
        Some(demo) => text.replace(keys, &demo.jwks_uri()).replace(issuer, &demo.issuer),
        None => text,
    })
}

/// Provider, where its keys are, its issuer: as the sample's manifest has them.
const REAL_ISSUERS: [(&str, &str, &str); 2] = [
    ("okta", "https://acme.okta.com/oauth2/v1/keys", "https://acme.okta.com"),
    (
        "github",
        "https://token.actions.githubusercontent.com/.well-known/jwks",
        "https://token.actions.githubusercontent.com",
    ),
];
const PROVIDERS: &str = "policies/acme/manifests/identity-providers.yaml";

macro_rules! sample_file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../", $path)))
    };
}

const SAMPLE: [(&str, &str); 31] = [
    sample_file!("policies/acme/cases/administration.yaml"),
    sample_file!("policies/acme/cases/models.yaml"),
    sample_file!("policies/acme/cases/outsiders.yaml"),
    sample_file!("policies/acme/cases/tools.yaml"),
    sample_file!("policies/acme/grants/owners.cedar"),
    sample_file!("policies/acme/grants/releases.cedar"),
    sample_file!("policies/acme/grants/research.cedar"),
    sample_file!("policies/acme/guardrails/agents.cedar"),
    sample_file!("policies/acme/guardrails/budgets.cedar"),
    sample_file!("policies/acme/guardrails/hours.cedar"),
    sample_file!("policies/acme/guardrails/sign-in.cedar"),
    sample_file!("policies/acme/guardrails/tools.cedar"),
    sample_file!("policies/acme/invariants/models.cedar"),
    sample_file!("policies/acme/invariants/pipelines.cedar"),
    sample_file!("policies/acme/invariants/sign-in.cedar"),
    sample_file!("policies/acme/invariants/tools.cedar"),
    sample_file!("policies/acme/manifests/external-identities.yaml"),
    sample_file!("policies/acme/manifests/identity-providers.yaml"),
    sample_file!("policies/acme/manifests/people.yaml"),
    sample_file!("policies/acme/manifests/resources.yaml"),
    sample_file!("policies/acme/manifests/roles.yaml"),
    sample_file!("policies/acme/manifests/tenant.yaml"),
    sample_file!("policies/platform/invariants/outsiders.cedar"),
    sample_file!("policies/platform/networks.cedar"),
    sample_file!("policies/platform/outsiders.cedar"),
    sample_file!("policies/platform/sessions.cedar"),
    sample_file!("schema/cases.schema.json"),
    sample_file!("schema/config.schema.json"),
    sample_file!("schema/gateway.cedarschema"),
    sample_file!("schema/gateway.roles.yaml"),
    sample_file!("schema/manifests.schema.json"),
];

#[cfg(test)]
mod tests {
    use walkdir::WalkDir;

    use super::*;

    #[test]
    fn the_binary_carries_every_file_of_the_sample() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut on_disk: Vec<_> = ["schema", "policies"]
            .iter()
            .flat_map(|folder| WalkDir::new(root.join(folder)))
            .map(|entry| entry.unwrap().into_path())
            .filter(|path| path.is_file() && !path.components().any(|part| part.as_os_str() == crate::bundle::FOLDER))
            .map(|path| path.strip_prefix(root).unwrap().to_string_lossy().into_owned())
            .collect();
        on_disk.sort();
        let carried: Vec<_> = SAMPLE.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(carried, on_disk);
    }
}

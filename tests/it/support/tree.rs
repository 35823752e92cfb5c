//! A tree of one's own: schema and policies in a temporary folder.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::TestIssuer;

pub struct TestTree {
    dir: TempDir,
}

impl TestTree {
    /// The product's sample schema and default roles, the sample platform policies, and no tenant.
    pub fn new() -> Self {
        let tree = Self { dir: TempDir::new().unwrap() };
        copy(&repository().join("schema"), &tree.path().join("schema"));
        fs::create_dir_all(tree.path().join("policies")).unwrap();
        tree
    }

    /// The whole sample: tenant `acme`, trusting these issuers as `okta` and `github`.
    pub fn sample(okta: &TestIssuer, github: &TestIssuer) -> Self {
        let tree = Self::new();
        copy(&repository().join("policies"), &tree.path().join("policies"));
        tree.edit("policies/acme/manifests/identity-providers.yaml", |text| {
            text.replace("https://acme.okta.com/oauth2/v1/keys", &okta.jwks_uri())
                .replace("https://acme.okta.com", &okta.issuer)
                .replace("https://token.actions.githubusercontent.com/.well-known/jwks", &github.jwks_uri())
                .replace("https://token.actions.githubusercontent.com", &github.issuer)
        });
        tree
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn policies(&self) -> PathBuf {
        self.path().join("policies")
    }

    /// Writes a file, by its path below the tree; folders are made.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub fn edit(&self, name: &str, change: impl FnOnce(String) -> String) {
        self.write(name, &change(self.read(name)));
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap();
    }
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies a folder, but not what cedargate compiled in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_name() == "compiled" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

//! A tenant in memory, for tests: texts in, a snapshot out, through the same stages as a tree on disk.

use std::sync::{Arc, LazyLock};

use chrono::DateTime;
use serde_json::Value;

use crate::authn::{Claims, KeyRegistry, KeySettings, TokenSettings, VerifiedToken, Verifier};
use crate::bundle::{self, Bundle, StoredBundle};
use crate::clock::ManualClock;
use crate::compile::compile;
use crate::manifest::{Checked, DefaultRoles, check_manifests, read_default_roles};
use crate::model::{Faults, ProviderName, Revision, TenantId};
use crate::schema::{Identity, LoadedSchema, load_schema};
use crate::snapshot::{Parts, Snapshot, build};
use crate::tree::{PolicyFolder, SourceFile};

/// Tenant `acme`.
#[derive(Clone, Debug)]
pub struct TestTenant {
    pub schema: Arc<LoadedSchema>,
    default_roles: DefaultRoles,
    platform: PolicyFolder,
    folder: PolicyFolder,
    bundle: Option<Bundle>,
}

impl TestTenant {
    /// Over a schema, which the identity part joins.
    pub fn over(schema: &str) -> Self {
        Self::of_schema(schema, Identity::Included)
    }

    /// Over a schema and nothing else.
    pub fn plain(schema: &str) -> Self {
        Self::of_schema(schema, Identity::LeftOut)
    }

    fn of_schema(schema: &str, identity: Identity) -> Self {
        Self::of_schema_file("test.cedarschema", schema, identity)
    }

    /// Over a schema in either of Cedar's forms, as its file's name says.
    pub fn of_schema_file(name: &str, schema: &str, identity: Identity) -> Self {
        let schemas = vec![file("schema", name, schema)];
        Self {
            schema: Arc::new(load_schema(&schemas, identity).unwrap()),
            default_roles: DefaultRoles::new(),
            platform: PolicyFolder::default(),
            folder: PolicyFolder::default(),
            bundle: None,
        }
    }

    pub fn default_roles(mut self, text: &str) -> Self {
        self.default_roles = read_default_roles(&[file("schema", "test.roles.yaml", text)], &self.schema).unwrap();
        self
    }

    pub fn platform_policy(mut self, name: &str, text: &str) -> Self {
        self.platform.policies.push(file("policies/platform", name, text));
        self
    }

    pub fn policy(mut self, name: &str, text: &str) -> Self {
        self.folder.policies.push(file(FOLDER, name, text));
        self
    }

    pub fn entities(mut self, name: &str, text: &str) -> Self {
        self.folder.entities.push(file(FOLDER, name, text));
        self
    }

    pub fn links(mut self, name: &str, text: &str) -> Self {
        self.folder.links.push(file(FOLDER, name, text));
        self
    }

    pub fn manifest(mut self, name: &str, text: &str) -> Self {
        self.folder.manifests.push(file(FOLDER, name, text));
        self
    }

    /// A bundle as it stands, instead of what the manifests compile to.
    pub fn bundle(mut self, bundle: Bundle) -> Self {
        self.bundle = Some(bundle);
        self
    }

    pub fn check(&self) -> Result<Checked, Faults> {
        check_manifests(&acme(), &self.folder.manifests, &self.schema, &self.default_roles)
    }

    pub fn compiled(&self) -> Result<Bundle, Faults> {
        Ok(bundle::render(&compile(&acme(), &self.check()?.state), Revision(1)).unwrap())
    }

    pub fn snapshot(&self) -> Result<Snapshot, Faults> {
        self.snapshot_after(None)
    }

    /// The snapshot that follows another.
    pub fn snapshot_after(&self, before: Option<&Snapshot>) -> Result<Snapshot, Faults> {
        let bundle = match &self.bundle {
            Some(bundle) => Some(bundle.clone()),
            None if self.folder.manifests.is_empty() => None,
            None => Some(self.compiled()?),
        };
        let bundle = bundle.map(StoredBundle::in_memory);
        let parts = Parts {
            tenant: &acme(),
            schema: &self.schema,
            platform: &self.platform,
            folder: &self.folder,
            bundle: bundle.as_ref(),
            bundle_folder: "policies/acme/compiled",
        };
        build(parts, before, DateTime::UNIX_EPOCH)
    }

    /// The faults, each as people read it.
    pub fn faults(&self) -> Vec<String> {
        self.snapshot().err().unwrap_or_default().0.iter().map(ToString::to_string).collect()
    }
}

pub fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

/// Claims as a verified token of one of the snapshot's providers.
pub fn verified(snapshot: &Snapshot, provider: &str, claims: Value) -> VerifiedToken {
    let Value::Object(claims) = claims else { panic!("claims are an object") };
    let name = ProviderName::parse(provider).unwrap();
    let provider = &snapshot.provider(&name).unwrap().provider;
    VERIFIER.trust(Claims::from_map(claims).unwrap(), provider).unwrap()
}

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let clock = Arc::new(ManualClock::at(0));
    let keys = KeyRegistry::new(KeySettings::default(), Arc::clone(&clock) as _);
    Verifier::new(TokenSettings::default(), Arc::new(keys), clock)
});

fn file(folder: &str, name: &str, text: &str) -> SourceFile {
    SourceFile { name: format!("{folder}/{name}"), relative: name.to_owned(), text: text.to_owned() }
}

const FOLDER: &str = "policies/acme";

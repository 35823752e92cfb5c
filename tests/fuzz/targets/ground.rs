//! What the targets stand on: the sample's schema, platform policies and tenant `acme`, read once and kept in memory.
//!
//! Nothing is fetched, and nothing is written but below a temporary folder. Time stands still.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use cedargate::assemble::{Assembled, Layout, Outcome, Shared, assemble_shared, assemble_tenant};
use cedargate::clock::ManualClock;
use cedargate::model::{Faults, TenantId};
use cedargate::schema::Identity;
use cedargate::snapshot::Snapshot;
use cedargate::tree::{PolicyFolder, SourceFile, Tree, TreeDirs, read_tree};
use chrono::DateTime;
use serde_json::Value;
use tempfile::TempDir;

/// The sample, read.
pub struct Ground {
    pub tree: Tree,
    pub shared: Shared,
    pub layout: Layout,
    /// Where bundles are looked for; there are none.
    _dir: TempDir,
}

impl Ground {
    fn read() -> Self {
        let dir = TempDir::new().unwrap();
        let (policies, schema) = (repository().join("policies"), repository().join("schema"));
        let mut layout = Layout::of(TreeDirs { policies, schema });
        layout.bundle_dir = Some(dir.path().to_owned());
        let tree = read_tree(&layout.dirs);
        let shared = assemble_shared(&tree, Identity::Included).unwrap();
        Self { tree, shared, layout, _dir: dir }
    }

    /// The folder of the sample's tenant.
    pub fn acme(&self) -> &PolicyFolder {
        self.tree.tenants.as_ref().unwrap()[&acme()].as_ref().unwrap()
    }

    /// Assembles tenant `acme` of this folder, as a reload does.
    pub fn assemble(&self, folder: &PolicyFolder, serving: Option<&Snapshot>) -> Result<Assembled, Faults> {
        assemble(&self.layout, &self.tree.platform, folder, serving)
    }
}

/// Assembles tenant `acme`.
pub fn assemble(
    layout: &Layout,
    platform: &PolicyFolder,
    folder: &PolicyFolder,
    serving: Option<&Snapshot>,
) -> Result<Assembled, Faults> {
    let now = DateTime::from_timestamp(NOW, 0).unwrap();
    match assemble_tenant(layout, platform, &GROUND.shared, &acme(), folder, serving, now)? {
        Outcome::Ready(assembled) => Ok(*assembled),
        Outcome::Unchanged => panic!("a folder that nothing served before is said to be unchanged"),
    }
}

pub static GROUND: LazyLock<Ground> = LazyLock::new(Ground::read);

/// The sample's tenant, as it serves.
pub static ACME: LazyLock<Snapshot> = LazyLock::new(|| GROUND.assemble(GROUND.acme(), None).unwrap().snapshot);

pub fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

/// A file of tenant `acme`.
pub fn file(relative: &str, text: impl Into<String>) -> SourceFile {
    SourceFile { name: format!("policies/acme/{relative}"), relative: relative.to_owned(), text: text.into() }
}

pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(NOW))
}

/// Runs a case on a thread with as little stack as a careless caller gives, and holds it to its time.
pub fn on_small_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let started = Instant::now();
    let done = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn_scoped(scope, work).unwrap();
        thread.join()
    });
    let done = done.unwrap_or_else(|cause| std::panic::resume_unwind(cause));
    assert!(started.elapsed() < DEADLINE, "a case took {:?}", started.elapsed());
    done
}

/// The same with every list in order: Cedar's sets have none.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<_> = items.iter().map(sorted).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect(),
        other => other.clone(),
    }
}

/// The project's own folder: of the tests' package, or of the fuzzers' below it.
pub fn repository() -> PathBuf {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.find(|dir| dir.join("policies/acme").is_dir()).unwrap().to_owned()
}

/// 2026-01-09T10:00:00Z
pub const NOW: i64 = 1_767_952_800;
/// Far more than any case takes, for machines that have others to serve.
const DEADLINE: Duration = Duration::from_secs(20);

//! The database as a server finds it: opened, with an admin key and what is needed to begin on an empty folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::admin::{AdminKeys, FirstKey};
use crate::assemble::{DatabaseBundles, Layout, Provenance};
use crate::authn::KeyError;
use crate::bundle;
use crate::clock::SharedClock;
use crate::config::{CallerKeys, DirectoryConfig, Permission};
use crate::demo::sample_files;
use crate::directory::{Directory, Progress, Secrets, SqliteDirectory, Standing, StoreError};
use crate::model::{TenantId, with_causes};
use crate::snapshot::Tenants;

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the directory's database `{path}` cannot be opened: name another with `database.path`, or set `directory = \"files\"`", path = .path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: StoreError,
    },
    #[error("the directory's database `{path}` is there and cannot be opened: make it readable and writable for this user, or put a backup in its place; `directory = \"files\"` serves what was compiled from it last and takes no changes", path = .path.display())]
    Ours {
        path: PathBuf,
        #[source]
        source: StoreError,
    },
    #[error("the directory's database `{path}` is missing, and its `{wal}` is still there: put both back, or remove that file to begin with an empty database", path = .path.display(), wal = .wal.display())]
    Lost { path: PathBuf, wal: PathBuf },
    #[error("the admin keys cannot be read or kept")]
    Keys(#[source] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("`{path}` cannot be written", path = .path.display())]
    FirstFiles {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// An open database.
pub(super) struct Opened {
    pub directory: Arc<SqliteDirectory>,
    pub keys: Arc<AdminKeys>,
    needs_first_key: bool,
}

impl Opened {
    /// The first admin key, where there is none: made when nothing can keep the server from showing it.
    pub async fn first_key(&mut self, clock: &SharedClock) -> Result<Option<FirstKey>, OpenError> {
        if !self.needs_first_key {
            return Ok(None);
        }
        let (key, made) = AdminKeys::generate(FIRST_KEY)?;
        self.directory.add_admin_key(&made, clock.now()).await.map_err(OpenError::Keys)?;
        self.keys = Arc::new(AdminKeys::of(vec![made]));
        self.needs_first_key = false;
        Ok(Some(key))
    }
}

/// Opens what the configuration asks for; what it does not ask for in so many words may be missing, but not lost.
pub(super) async fn open(
    config: &DirectoryConfig,
    layout: &Layout,
    callers: &CallerKeys,
    progress: &Progress,
) -> Result<Option<Opened>, OpenError> {
    let DirectoryConfig::Sqlite { path, is_needed, max_waiting_writes, .. } = config else {
        progress.note_directory(Standing { kind: "files", ok: true, error: None });
        return Ok(None);
    };
    let mut standing = Standing { kind: "sqlite", ok: true, error: None };
    let opened = match open_at((path, *max_waiting_writes), layout, callers).await {
        Ok(opened) => Some(opened),
        Err(error) if *is_needed || !matches!(error, OpenError::Open { .. } | OpenError::FirstFiles { .. }) => {
            return Err(error);
        }
        Err(error) => {
            let error = with_causes(&error);
            tracing::warn!(error, "there is no directory: only files say who may do what");
            (standing.ok, standing.error) = (false, Some(error));
            None
        }
    };
    progress.note_directory(standing);
    Ok(opened)
}

/// Which bundles of databases serve beside what was opened; `tenants` are told of those that end.
pub(super) fn provenance(config: &DirectoryConfig, opened: Option<&Opened>, tenants: &Arc<Tenants>) -> Provenance {
    match (config, opened) {
        (DirectoryConfig::Files, _) => Provenance::Copied,
        (DirectoryConfig::Sqlite { path, accepts_copied, .. }, Some(opened)) => {
            let tenants = Arc::clone(tenants);
            let stop = move |tenant: &TenantId| tenants.forget(tenant);
            let bundles = DatabaseBundles::new(opened.directory.clone(), path.clone(), *accepts_copied, stop);
            Provenance::Database(Arc::new(bundles))
        }
        (DirectoryConfig::Sqlite { accepts_copied: true, .. }, None) => Provenance::Copied,
        (DirectoryConfig::Sqlite { path, .. }, None) => Provenance::Missing { database: path.clone() },
    }
}

/// Whether there is a file in its place that may hold what someone knows: not one that was just made.
fn is_there(path: &Path, layout: &Layout) -> bool {
    let has_bundles = || {
        let folders = layout.bundle_dir.as_ref().unwrap_or(&layout.dirs.policies);
        let tenants = fs::read_dir(folders).into_iter().flatten().flatten();
        let mut tenants = tenants.filter_map(|entry| TenantId::parse(&entry.file_name().to_string_lossy()).ok());
        tenants.any(|tenant| {
            bundle::recorded_index(&layout.bundle_folder(&tenant)).is_some_and(|index| index.is_of_database())
        })
    };
    let is_beside = |end| beside(path, end).exists();
    match fs::metadata(path) {
        Ok(found) => !found.is_file() || found.len() > 0 || is_beside("-wal") || is_beside("-shm") || has_bundles(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// A file that SQLite keeps beside a database.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

async fn open_at(
    (path, max_waiting_writes): (&Path, usize),
    layout: &Layout,
    callers: &CallerKeys,
) -> Result<Opened, OpenError> {
    write_first_files(layout)?;
    let wal = beside(path, "-wal");
    if !path.exists() && fs::metadata(&wal).is_ok_and(|wal| wal.len() > 0) {
        // SQLite would begin anew and take it away, with all changes in it.
        return Err(OpenError::Lost { path: path.to_owned(), wal });
    }
    let is_ours = is_there(path, layout);
    let failed = |source| {
        let path = path.to_owned();
        if is_ours { OpenError::Ours { path, source } } else { OpenError::Open { path, source } }
    };
    let directory = SqliteDirectory::open_with(path, max_waiting_writes).await.map_err(failed)?;
    // Opening alone looks at little of the file.
    directory.tenants().await.map_err(failed)?;
    let kept = directory.admin_keys().await.map_err(OpenError::Keys)?;
    let needs_first_key = kept.is_empty() && !callers.any_may(Permission::Administer);
    Ok(Opened { directory: Arc::new(directory), keys: Arc::new(AdminKeys::of(kept)), needs_first_key })
}

/// On an empty folder: a place for policies, and the schema that ships, to begin with and to change.
fn write_first_files(layout: &Layout) -> Result<(), OpenError> {
    let (policies, schema) = (&layout.dirs.policies, &layout.dirs.schema);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::FirstFiles { path, source }
    };
    if !policies.exists() && !schema.exists() {
        fs::create_dir_all(schema).map_err(failed(schema))?;
        for (name, text) in sample_files() {
            let Some(name) = name.strip_prefix("schema/") else { continue };
            let path = schema.join(name);
            fs::write(&path, text).map_err(failed(&path))?;
        }
        tracing::info!(schema = %schema.display(), "the schema that ships is there now, to begin with");
        fs::create_dir_all(policies).map_err(failed(policies))?;
    }
    Ok(())
}

/// The name of the key that the first start makes.
const FIRST_KEY: &str = "first";

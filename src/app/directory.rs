//! The database as a server finds it: opened, with an admin key and what is needed to begin on an empty folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::admin::{AdminKeys, FirstKey};
use crate::assemble::Layout;
use crate::authn::KeyError;
use crate::clock::SharedClock;
use crate::config::{CallerKeys, DirectoryConfig, Permission};
use crate::demo::sample_files;
use crate::directory::{Secrets, SqliteDirectory, StoreError};
use crate::model::with_causes;

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the directory's database `{path}` cannot be opened: name another with `database.path`, or set `directory = \"files\"`", path = .path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: StoreError,
    },
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

/// Opens what the configuration asks for; what it does not ask for in so many words may be missing.
pub(super) async fn open(
    config: &DirectoryConfig,
    layout: &Layout,
    callers: &CallerKeys,
) -> Result<Option<Opened>, OpenError> {
    let DirectoryConfig::Sqlite { path, is_needed } = config else { return Ok(None) };
    match open_at(path, layout, callers).await {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if *is_needed => Err(error),
        Err(error) => {
            tracing::warn!(error = %with_causes(&error), "there is no directory: only files say who may do what");
            Ok(None)
        }
    }
}

async fn open_at(path: &Path, layout: &Layout, callers: &CallerKeys) -> Result<Opened, OpenError> {
    write_first_files(layout)?;
    let directory = SqliteDirectory::open(path).await;
    let directory = directory.map_err(|source| OpenError::Open { path: path.to_owned(), source })?;
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

//! A directory as the command line finds it: the database of the configuration, and the schema beside it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Common;
use super::report::Trouble;
use crate::assemble::{assemble_shared, check_directory};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, DirectoryConfig};
use crate::directory::{Author, Change, Directory, Rules, SqliteDirectory, StoreError, shown_id};
use crate::manifest::Checked;
use crate::model::{Fault, Faults, Revision, TenantId, did_you_mean, with_causes};
use crate::tree::{Tree, read_manifests, read_tree};

/// What verbs about a tenant's directory take.
#[derive(Debug, Args)]
pub(super) struct OfTenant {
    #[command(flatten)]
    pub common: Common,
    /// The tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: String,
    /// The database [default: as configured, else `cedargate.db` beside the policies folder]
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
}

/// An open directory, one of its tenants, and what edits of it are judged by.
pub(super) struct Database {
    pub directory: SqliteDirectory,
    pub tenant: TenantId,
    pub rules: Rules,
    shared: crate::assemble::Shared,
    pub tree: Tree,
}

/// Opens the database of the configuration, or another. Needs a runtime.
pub(super) async fn open_database(
    common: &Common,
    database: Option<&PathBuf>,
) -> Result<(SqliteDirectory, Config), Trouble> {
    let config = configured(common, database.cloned())?;
    let path = path_of(&config)?;
    let directory = SqliteDirectory::open(path).await.map_err(failed)?;
    Ok((directory, config))
}

impl OfTenant {
    /// Opens the database. Needs a runtime.
    pub(super) async fn open(&self) -> Result<Database, Trouble> {
        let (directory, config) = open_database(&self.common, self.database.as_ref()).await?;
        let of_tenant = |message: String| Faults::from(Fault::of_file("--tenant", message));
        let tenant = TenantId::parse(&self.tenant).map_err(|error| of_tenant(error.to_string()))?;
        let tree = read_tree(&config.layout.dirs);
        let shared = assemble_shared(&tree, config.layout.identity)?;
        Ok(Database { directory, tenant, rules: shared.rules(), shared, tree })
    }
}

/// The configuration with this database.
fn configured(common: &Common, database: Option<PathBuf>) -> Result<Config, Faults> {
    let mut raw = common.raw_config()?;
    if database.is_some() {
        raw.database.path = database;
    }
    Config::try_from(raw)
}

fn path_of(config: &Config) -> Result<&Path, Faults> {
    match &config.directory {
        DirectoryConfig::Sqlite { path, .. } => Ok(path),
        DirectoryConfig::Files => {
            let message = "says `files`: there is no database to speak of";
            Err(Fault::of_file("directory", message).into())
        }
    }
}

/// Where the database is, as configured or named.
pub(super) fn database_path(common: &Common, database: Option<PathBuf>) -> Result<PathBuf, Faults> {
    Ok(path_of(&configured(common, database)?)?.to_owned())
}

impl Database {
    /// What the manifests of a folder say.
    pub(super) fn read(&self, folder: &Path) -> Result<Checked, Faults> {
        let folder = read_manifests(folder)?;
        check_directory(&self.shared, &self.tenant, &folder)
    }

    /// That there is no such tenant, and which may be meant.
    pub(super) async fn no_such_tenant(&self) -> Result<String, Trouble> {
        let heads = self.directory.tenants().await.map_err(failed)?;
        let known: Vec<_> = heads.iter().map(|head| head.tenant.as_str()).collect();
        let meant = did_you_mean(self.tenant.as_str(), known);
        Ok(format!("there is no tenant `{}`{meant}: `--create` makes it", self.tenant))
    }

    /// The tenant's last revision.
    pub(super) async fn head(&self) -> Result<Option<Revision>, Trouble> {
        match self.directory.head(&self.tenant).await {
            Ok(head) => Ok(Some(head)),
            Err(StoreError::NoSuchTenant(_)) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

/// Who changes things from here.
pub(super) fn author(reason: Option<&String>) -> Author {
    let reason = reason.cloned();
    Author { actor: "cli".to_owned(), at: SystemClock.now(), reason, request_id: None }
}

pub(super) fn failed(error: impl std::error::Error) -> Trouble {
    Trouble::Failed(with_causes(&error))
}

/// A change as a line: `+ team ml`, `~ resource Model::gpt-4o`, `- …`.
pub(super) fn line(change: &Change) -> String {
    let sign = match (&change.before, &change.after) {
        (None, _) => '+',
        (_, None) => '-',
        _ => '~',
    };
    let fact = change.after.as_ref().or(change.before.as_ref());
    let what = match fact {
        Some(crate::directory::Fact::Collaborator(grant)) => {
            let subject = crate::directory::shown_subject(&grant.subject);
            format!("{subject} is {} of {}", grant.role, crate::directory::resource_id(&grant.resource))
        }
        Some(fact) => shown_id(fact),
        None => change.key.id.clone(),
    };
    format!("{sign} {} {what}", change.key.kind.name())
}

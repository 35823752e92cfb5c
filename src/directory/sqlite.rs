//! The directory in an SQLite database: one file beside the tree, nothing to set up.
//!
//! Facts are kept with the revisions between which they held, so that any revision can be read and the history costs
//! nothing more. One writer; a write is acknowledged when the disk has it (WAL, `synchronous = FULL`). Readers never
//! wait for it. Batches go in as one JSON parameter each: a statement a batch, not a statement a fact.

mod chain;
mod listed;
mod read;
mod row;
mod secrets;
mod write;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::ops::RangeInclusive;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Row, SqlSafeStr};

use super::fact::{FactKey, Kind};
use super::store::{
    Answer, Author, Change, Changes, Directory, Entry, History, Listing, Part, Recorded, StoreError, TenantHead, Trace,
};
use crate::model::{Revision, TenantId};
use listed::Listed;

/// A directory in a file.
#[derive(Clone, Debug)]
pub struct SqliteDirectory {
    writer: SqlitePool,
    readers: SqlitePool,
    listed: Listed,
}

impl SqliteDirectory {
    /// Opens a database, makes it where there is none, and brings it up to date.
    ///
    /// # Errors
    /// When the file cannot be made or is not one of ours.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_PATIENCE)
            .disable_statement_logging();
        // A file stays in the mode that one connection brings it into.
        make_for_us_alone(path)?;
        let making = options.clone().create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        let writer = when_free(|| SqlitePoolOptions::new().max_connections(1).connect_with(making.clone())).await?;
        // Nobody else who opens it makes the tables meanwhile.
        let mut upgrade = writer.begin_with("BEGIN IMMEDIATE").await?;
        let upgraded = migrator().run_direct(None, &mut *upgrade, false).await;
        upgraded.map_err(|error| StoreError::Database(Box::new(error)))?;
        upgrade.commit().await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(options.clone()).await?;
        Ok(Self { writer, readers, listed: Listed::new(options) })
    }

    /// Ends all connections: what was written is in the file itself from then on.
    pub async fn close(&self) {
        self.listed.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A tenant's number in the tables.
    async fn number(&self, tenant: &TenantId) -> Result<i64, StoreError> {
        let found = sqlx::query("SELECT number FROM tenants WHERE name = ?1 AND ended IS NULL")
            .bind(tenant.as_str())
            .fetch_optional(&self.readers)
            .await?;
        let row = found.ok_or_else(|| StoreError::NoSuchTenant(tenant.clone()))?;
        Ok(row.try_get(0)?)
    }
}

impl Directory for SqliteDirectory {
    fn tenants(&self) -> Answer<'_, Vec<TenantHead>> {
        Box::pin(self.listed.read())
    }

    fn create_tenant<'a>(&'a self, tenant: &'a TenantId, above: Revision, author: &'a Author) -> Answer<'a, Revision> {
        Box::pin(write::create_tenant(&self.writer, tenant, above, author))
    }

    fn delete_tenant<'a>(&'a self, tenant: &'a TenantId, author: &'a Author) -> Answer<'a, Revision> {
        Box::pin(write::delete_tenant(&self.writer, tenant, author))
    }

    fn apply<'a>(
        &'a self,
        tenant: &'a TenantId,
        changes: &'a Changes,
        expected: Revision,
        author: &'a Author,
    ) -> Answer<'a, Revision> {
        Box::pin(write::apply(&self.writer, tenant, changes, expected, author))
    }

    fn head<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Revision> {
        Box::pin(read::head(&self.readers, tenant))
    }

    fn trace<'a>(&'a self, tenant: &'a TenantId, at: Revision) -> Answer<'a, Trace> {
        Box::pin(chain::trace(&self.readers, tenant, at))
    }

    fn read<'a>(
        &'a self,
        tenant: &'a TenantId,
        keys: &'a [FactKey],
        at: Revision,
    ) -> Answer<'a, BTreeMap<FactKey, Recorded>> {
        Box::pin(async move { read::facts(&self.readers, self.number(tenant).await?, keys, at).await })
    }

    fn list<'a>(&'a self, tenant: &'a TenantId, listing: &'a Listing, at: Revision) -> Answer<'a, Vec<Recorded>> {
        Box::pin(async move { read::list(&self.readers, self.number(tenant).await?, listing, at).await })
    }

    fn mentioning<'a>(
        &'a self,
        tenant: &'a TenantId,
        keys: &'a [FactKey],
        kind: Option<Kind>,
        limit: usize,
        at: Revision,
    ) -> Answer<'a, Vec<Recorded>> {
        Box::pin(
            async move { read::mentioning(&self.readers, self.number(tenant).await?, keys, kind, limit, at).await },
        )
    }

    fn hashed<'a>(
        &'a self,
        tenant: &'a TenantId,
        part: Part,
        hashes: RangeInclusive<u64>,
        at: Revision,
    ) -> Answer<'a, Vec<super::Fact>> {
        Box::pin(async move { read::hashed(&self.readers, self.number(tenant).await?, part, hashes, at).await })
    }

    fn count<'a>(&'a self, tenant: &'a TenantId, part: Part, at: Revision) -> Answer<'a, usize> {
        Box::pin(async move { read::count(&self.readers, self.number(tenant).await?, part, at).await })
    }

    fn changed_since<'a>(&'a self, tenant: &'a TenantId, since: Revision, at: Revision) -> Answer<'a, Vec<Change>> {
        Box::pin(async move { read::changed_since(&self.readers, self.number(tenant).await?, since, at).await })
    }

    fn history<'a>(&'a self, tenant: &'a TenantId, history: &'a History) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move { read::history(&self.readers, self.number(tenant).await?, history).await })
    }
}

/// Nobody else on the machine reads it: it has keys that sign.
fn make_for_us_alone(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(|_| ()).map_err(|error| StoreError::Database(Box::new(error)))
}

/// Tries until nobody else is bringing the file into its mode, which SQLite does not wait for by itself.
async fn when_free<T, F: Future<Output = sqlx::Result<T>>>(attempt: impl Fn() -> F) -> sqlx::Result<T> {
    let patience = tokio::time::Instant::now() + BUSY_PATIENCE;
    loop {
        match attempt().await {
            Err(sqlx::Error::Database(error))
                if error.code().as_deref() == Some(SQLITE_BUSY) && tokio::time::Instant::now() < patience =>
            {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            answer => return answer,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

/// Every form that the tables ever had, in order. A file that stands here never changes again.
fn migrator() -> Migrator {
    let files = [
        ("directory", include_str!("sqlite/0001_directory.sql")),
        ("chains and lives", include_str!("sqlite/0002_chains_and_lives.sql")),
    ];
    let migration = |(version, (name, text)): (i64, (&'static str, &'static str))| {
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations((1..).zip(files).map(migration).collect())
}

/// How long a write waits for one of another process.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// <https://sqlite.org/rescode.html#busy>
const SQLITE_BUSY: &str = "5";
const READERS: u32 = 4;

//! The directory in an SQLite database: one file beside the tree, nothing to set up.
//!
//! Facts are kept with the revisions between which they held, so that any revision can be read and the history costs
//! nothing more. One writer with a queue before it; a write is acknowledged when the disk has it (WAL, `synchronous =
//! FULL`). Readers never wait for it. Batches go in as one JSON parameter each: a statement a batch, not a statement a fact.

mod chain;
mod copies;
mod heads;
mod read;
mod refused;
mod row;
mod secrets;
mod tenant_list;
mod write;
mod writer;

pub use copies::{Copied, CopyError, begin_epoch, copy_database, settle_unused};

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::ops::RangeInclusive;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqlSafeStr};

use self::heads::Heads;
use self::row::{keys_parameter, staged};
use self::tenant_list::TenantList;
use self::write::Staged;
use self::writer::Writer;
use super::fact::{FactKey, Kind};
use super::order::{Turn, WriteOrder};
use super::store::{
    Answer, Author, Change, Changes, Directory, Entry, History, Listing, Part, Recorded, StoreError, TenantHead, Trace,
};
use crate::model::{Revision, TenantId};

/// A directory in a file.
#[derive(Clone, Debug)]
pub struct SqliteDirectory {
    writer: Writer,
    readers: SqlitePool,
    order: Arc<WriteOrder>,
    heads: Arc<Heads>,
    list: TenantList,
}

impl SqliteDirectory {
    /// Opens a database, makes it where there is none, and brings it up to date.
    ///
    /// # Errors
    /// When the file cannot be made or is not one of ours.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, MOST_WAITING).await
    }

    /// The same, where so many changes of a tenant, and of all together, may wait for the writer.
    ///
    /// # Errors
    /// As `open`.
    pub async fn open_with(path: &Path, most_waiting: usize) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_PATIENCE)
            .disable_statement_logging();
        make_for_us_alone(path)?;
        // A file stays in the mode that one connection brings it into.
        let making = options.clone().create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        let mut connection = when_free(|| making.connect()).await?;
        // Nobody else who opens it makes the tables meanwhile.
        let mut upgrade = connection.begin_with("BEGIN IMMEDIATE").await?;
        let upgraded = migrator().run_direct(None, &mut *upgrade, false).await;
        upgraded.map_err(|error| StoreError::Database(Box::new(error)))?;
        upgrade.commit().await?;
        // A file answers or it does not: asking before every read whether it would is a read more.
        let readers = SqlitePoolOptions::new().max_connections(READERS).test_before_acquire(false);
        let readers = readers.connect_with(options.clone()).await?;
        // What a write stages needs no disk of its own.
        let options = options.pragma("temp_store", "MEMORY");
        let list = TenantList::new(options.clone());
        let writer = Writer::start(options, most_waiting).await?;
        connection.close().await?;
        Ok(Self { writer, readers, order: Arc::new(WriteOrder::within(most_waiting)), heads: Arc::default(), list })
    }

    /// Ends all connections: what was written is in the file itself from then on.
    pub async fn close(&self) {
        self.list.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn write(
        &self,
        tenant: &TenantId,
        staged: Staged,
        expected: Revision,
        author: &Author,
    ) -> Result<Revision, StoreError> {
        let given = Arc::new((tenant.clone(), staged, author.clone()));
        let made = self.writer.make(move |write| {
            let given = Arc::clone(&given);
            Box::pin(async move { write::apply(write, &given.0, &given.1, expected, &given.2).await })
        });
        self.heads.hear(tenant, made.await)
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
    fn tenants(&self) -> Answer<'_, Arc<[TenantHead]>> {
        Box::pin(async {
            let listed = self.list.read().await?;
            if listed.is_new {
                self.heads.hear_all(&listed.heads);
            }
            Ok(listed.heads)
        })
    }

    fn turn<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Turn> {
        Box::pin(self.order.turn(tenant))
    }

    fn create_tenant<'a>(&'a self, tenant: &'a TenantId, above: Revision, author: &'a Author) -> Answer<'a, Revision> {
        let given = Arc::new((tenant.clone(), author.clone()));
        Box::pin(self.writer.make(move |write| {
            let given = Arc::clone(&given);
            Box::pin(async move { write::create_tenant(write, &given.0, above, &given.1).await })
        }))
    }

    fn delete_tenant<'a>(&'a self, tenant: &'a TenantId, author: &'a Author) -> Answer<'a, Revision> {
        let given = Arc::new((tenant.clone(), author.clone()));
        Box::pin(self.writer.make(move |write| {
            let given = Arc::clone(&given);
            Box::pin(async move { write::delete_tenant(write, &given.0, &given.1).await })
        }))
    }

    fn apply<'a>(
        &'a self,
        tenant: &'a TenantId,
        changes: &'a Changes,
        expected: Revision,
        author: &'a Author,
    ) -> Answer<'a, Revision> {
        Box::pin(async move {
            let staged = staged(changes)?;
            self.write(tenant, staged, expected, author).await
        })
    }

    fn apply_of_manifests<'a>(
        &'a self,
        tenant: &'a TenantId,
        changes: &'a Changes,
        said: &'a BTreeSet<FactKey>,
        expected: Revision,
        author: &'a Author,
    ) -> Answer<'a, Revision> {
        Box::pin(async move {
            let staged = Staged { of_manifests: Some(keys_parameter(said)), ..staged(changes)? };
            self.write(tenant, staged, expected, author).await
        })
    }

    fn of_manifests<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, BTreeSet<FactKey>> {
        Box::pin(async move { read::of_manifests(&self.readers, self.number(tenant).await?).await })
    }

    fn head<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Revision> {
        Box::pin(async move { self.heads.hear(tenant, read::head(&self.readers, tenant).await) })
    }

    fn known_head(&self, tenant: &TenantId) -> Option<Revision> {
        self.heads.get(tenant)
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

/// Every form that the tables ever had, in order. A file that stands here never changes again.
fn migrator() -> Migrator {
    let files = [
        ("directory", include_str!("sqlite/0001_directory.sql")),
        ("chains and lives", include_str!("sqlite/0002_chains_and_lives.sql")),
        ("manifests and meta", include_str!("sqlite/0003_manifests_and_meta.sql")),
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
/// Changes that may wait, where the configuration does not say.
pub const MOST_WAITING: usize = 1000;

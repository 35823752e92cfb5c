//! All tenants with their heads, read again only when someone wrote: whoever follows a database asks several times a
//! second, and most of the time nothing has changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};
use tokio::sync::Mutex;

use super::read;
use crate::directory::store::{StoreError, TenantHead};

/// The last answer, and a connection of its own: the number by which SQLite tells that others wrote is a connection's.
#[derive(Clone, Debug)]
pub(super) struct TenantList {
    options: SqliteConnectOptions,
    known: Arc<Mutex<Option<Known>>>,
    is_closed: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Known {
    connection: SqliteConnection,
    version: i64,
    heads: Arc<[TenantHead]>,
}

/// An answer, and whether the database was read for it.
pub(super) struct Listed {
    pub heads: Arc<[TenantHead]>,
    pub is_new: bool,
}

impl TenantList {
    pub fn new(options: SqliteConnectOptions) -> Self {
        Self { options, known: Arc::default(), is_closed: Arc::default() }
    }

    /// All tenants that there are, sorted.
    pub async fn read(&self) -> Result<Listed, StoreError> {
        let mut place = self.known.lock().await;
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(sqlx::Error::PoolClosed.into());
        }
        // One that failed, or that nobody waited for to the end, is not used again.
        let (mut connection, known) = match place.take() {
            Some(Known { connection, version, heads }) => (connection, Some((version, heads))),
            None => (self.options.connect().await?, None),
        };
        // Before the reading: what is written between the two is read, and read again.
        let version: i64 = sqlx::query("PRAGMA data_version").fetch_one(&mut connection).await?.try_get(0)?;
        let (heads, is_new) = match known.filter(|(known, _)| *known == version) {
            Some((_, heads)) => (heads, false),
            None => (read::tenants(&mut connection).await?.into(), true),
        };
        *place = Some(Known { connection, version, heads: Arc::clone(&heads) });
        Ok(Listed { heads, is_new })
    }

    pub async fn close(&self) {
        let mut known = self.known.lock().await;
        self.is_closed.store(true, Ordering::SeqCst);
        if let Some(known) = known.take() {
            // What cannot be closed is dropped.
            let _ = known.connection.close().await;
        }
    }
}

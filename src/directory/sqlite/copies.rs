//! Whole databases as files: a copy of one that may be in use, and a copy made ready to be used in its place.
//!
//! In: a database's file and an empty one. Out: the whole of it in the other file, at one moment, checked. A copy that
//! takes the place of a database begins another epoch: what was compiled of the one is nothing to the other.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};

use super::{BUSY_PATIENCE, SqliteDirectory};
use crate::directory::store::{Directory, StoreError, TenantHead};

/// What a copy holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    pub tenants: Arc<[TenantHead]>,
    /// Revisions that there ever were, of tenants that are no more as well.
    pub revisions: u64,
    pub epoch: String,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("it is no database of cedargate")]
    NotOurs,
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// Also one that is just being changed, for longer than others wait.
    #[error("a server has it open: stop that first")]
    InUse,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for CopyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Copies a database, which others may be using, into an empty file.
///
/// # Errors
/// When it is not one of ours or is damaged, or the copy cannot be written.
pub async fn copy_database(from: &Path, to: &Path) -> Result<Copied, CopyError> {
    let mut connection = open(from).await?;
    check_ours(&mut connection).await?;
    // One read of one moment: whoever writes meanwhile neither waits nor is in it.
    let into = to.to_string_lossy().into_owned();
    sqlx::query("VACUUM INTO ?1").bind(into).execute(&mut connection).await?;
    connection.close().await?;
    let mut copy = open(to).await?;
    check_ours(&mut copy).await?;
    check_whole(&mut copy).await?;
    copy.close().await?;
    let copy = SqliteDirectory::open(to).await?;
    let copied = copy.copied().await;
    copy.close().await;
    settle_unused(to).await?;
    copied
}

/// Lets a copy begin an epoch of its own.
///
/// # Errors
/// When it cannot be written.
pub async fn begin_epoch(copy: &Path) -> Result<Copied, CopyError> {
    let directory = SqliteDirectory::open(copy).await?;
    let begun = directory.writer.make(|write| {
        Box::pin(async move {
            for begin in [
                "UPDATE meta SET value = lower(hex(randomblob(16))) WHERE key = 'epoch'",
                // No bundle was compiled of these: each is compiled anew.
                "UPDATE revisions SET chain = randomblob(32)
                 WHERE (tenant, revision) IN (SELECT number, head FROM tenants)",
            ] {
                sqlx::query(begin).execute(&mut *write).await?;
            }
            Ok(())
        })
    });
    begun.await?;
    let copied = directory.copied().await;
    directory.close().await;
    settle_unused(copy).await?;
    copied
}

/// Brings all of a database that is to be replaced into its one file. A damaged one is let be.
///
/// # Errors
/// `InUse`.
pub async fn settle_unused(database: &Path) -> Result<(), CopyError> {
    let options = SqliteConnectOptions::new().filename(database).busy_timeout(A_MOMENT).disable_statement_logging();
    let Ok(mut connection) = options.connect().await else { return Ok(()) };
    // Only one that has it alone may: others show by that it does not.
    let settled = sqlx::query("PRAGMA journal_mode = DELETE").execute(&mut connection).await;
    let _ = connection.close().await;
    match settled {
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| IN_USE.contains(&&*code)) => {
            Err(CopyError::InUse)
        }
        _ => Ok(()),
    }
}

async fn open(file: &Path) -> Result<SqliteConnection, CopyError> {
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(BUSY_PATIENCE).disable_statement_logging();
    Ok(options.connect().await?)
}

async fn check_ours(connection: &mut SqliteConnection) -> Result<(), CopyError> {
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN
                  ('_sqlx_migrations', 'tenants', 'revisions', 'objects', 'facts', 'changes', 'admin_keys')";
    let found = sqlx::query(tables).fetch_one(connection).await;
    match found.and_then(|row| row.try_get::<i64, _>(0)) {
        Ok(7) => Ok(()),
        Ok(_) => Err(CopyError::NotOurs),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NOT_A_DATABASE) => Err(CopyError::NotOurs),
        Err(error) => Err(error.into()),
    }
}

async fn check_whole(connection: &mut SqliteConnection) -> Result<(), CopyError> {
    let found: String = sqlx::query("PRAGMA integrity_check(1)").fetch_one(&mut *connection).await?.try_get(0)?;
    if found != "ok" {
        return Err(CopyError::Damaged(found.replace('\n', " ")));
    }
    match sqlx::query("PRAGMA foreign_key_check").fetch_optional(connection).await? {
        None => Ok(()),
        Some(row) => {
            Err(CopyError::Damaged(format!("table `{}` speaks of what is not there", row.try_get::<String, _>(0)?)))
        }
    }
}

impl SqliteDirectory {
    /// Another whenever a copy was put in the place of this database.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn epoch(&self) -> Result<String, StoreError> {
        let row = sqlx::query("SELECT value FROM meta WHERE key = 'epoch'").fetch_one(&self.readers).await?;
        Ok(row.try_get(0)?)
    }

    async fn copied(&self) -> Result<Copied, CopyError> {
        let row = sqlx::query("SELECT count(*) FROM revisions").fetch_one(&self.readers).await?;
        let revisions = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default();
        Ok(Copied { tenants: self.tenants().await?, revisions, epoch: self.epoch().await? })
    }
}

/// For a reader that is just done.
const A_MOMENT: Duration = Duration::from_millis(200);
/// <https://sqlite.org/rescode.html#notadb>
const NOT_A_DATABASE: &str = "26";
/// <https://sqlite.org/rescode.html#busy>, <https://sqlite.org/rescode.html#locked>
const IN_USE: [&str; 2] = ["5", "6"];

#[cfg(test)]
mod tests;

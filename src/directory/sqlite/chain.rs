//! Chains in the tables: the one that a write is about to make, and those that there are.

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};

use super::row::number;
use crate::directory::chain::{Step, link};
use crate::directory::store::{Author, StoreError, Trace};
use crate::model::{Chain, Revision, TenantId};

/// The chain at a revision that is about to be the next.
pub(super) async fn next(
    write: &mut SqliteConnection,
    tenant: i64,
    revision: Revision,
    step: Step,
    author: &Author,
) -> Result<Chain, StoreError> {
    let row = sqlx::query(
        "SELECT tenants.name, revisions.chain FROM tenants
         LEFT JOIN revisions ON revisions.tenant = tenants.number AND revisions.revision = tenants.head
         WHERE tenants.number = ?1",
    )
    .bind(tenant)
    .fetch_one(write)
    .await?;
    let name = TenantId::parse(row.try_get("name")?).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let before: Option<&[u8]> = row.try_get("chain")?;
    link(before, &name, revision, step, author)
}

pub(super) async fn trace(readers: &SqlitePool, tenant: &TenantId, at: Revision) -> Result<Trace, StoreError> {
    let found = sqlx::query(
        "SELECT tenants.ended, revisions.chain FROM tenants
         LEFT JOIN revisions ON revisions.tenant = tenants.number AND revisions.revision = ?2
             AND revisions.revision >= tenants.born
         WHERE tenants.name = ?1",
    )
    .bind(tenant.as_str())
    .bind(number(at))
    .fetch_optional(readers)
    .await?;
    let Some(row) = found else { return Ok(Trace::Unknown) };
    if row.try_get::<Option<i64>, _>("ended")?.is_some() {
        return Ok(Trace::Ended);
    }
    let chain: Option<&[u8]> = row.try_get("chain")?;
    Ok(Trace::Live(chain.map(read).transpose()?))
}

/// The chain in a column.
pub(super) fn chain(row: &SqliteRow, column: &str) -> Result<Chain, StoreError> {
    read(row.try_get(column)?)
}

fn read(bytes: &[u8]) -> Result<Chain, StoreError> {
    let chain = bytes.try_into().map_err(|_| StoreError::Damaged("a chain of another length".to_owned()))?;
    Ok(Chain(chain))
}

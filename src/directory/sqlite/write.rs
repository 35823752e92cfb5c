//! Writes: each made whole or not at all, in a transaction that no other write comes into.

use chrono::SecondsFormat;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::chain;
use super::row::{number, revision};
use crate::directory::chain::Step;
use crate::directory::store::{Author, StoreError};
use crate::model::{Revision, TenantId};

/// A tenant as a write finds it.
struct Found {
    tenant: i64,
    head: Revision,
    is_ended: bool,
}

/// Changes as the tables take them.
pub(super) struct Staged {
    /// `[[kind, id, shard, value], …]`
    pub rows: String,
    /// `[[kind, id, kind, id], …]`
    pub mentions: String,
    /// What the revision is in the chain.
    pub step: Step,
    /// Of manifests, all that they say: `[[kind, id], …]`
    pub of_manifests: Option<String>,
}

pub(super) async fn create_tenant(
    write: &mut SqliteConnection,
    tenant: &TenantId,
    above: Revision,
    author: &Author,
) -> Result<Revision, StoreError> {
    let found = find(write, tenant).await?;
    let first = found.as_ref().map_or(Revision(0), |found| found.head).max(above).next();
    let tenant = match found {
        Some(found) if !found.is_ended => return Err(StoreError::TenantExists(tenant.clone())),
        Some(found) => found.tenant,
        None => {
            let insert = sqlx::query("INSERT INTO tenants (name, head) VALUES (?1, 0) RETURNING number");
            insert.bind(tenant.as_str()).fetch_one(&mut *write).await?.try_get(0)?
        }
    };
    note_revision(write, tenant, first, Step::Made, author).await?;
    let begin = sqlx::query("UPDATE tenants SET ended = NULL, born = ?2 WHERE number = ?1");
    begin.bind(tenant).bind(number(first)).execute(&mut *write).await?;
    forget_secrets(write, tenant).await?;
    Ok(first)
}

pub(super) async fn delete_tenant(
    write: &mut SqliteConnection,
    tenant: &TenantId,
    author: &Author,
) -> Result<Revision, StoreError> {
    let Found { tenant, head, .. } = find_live(write, tenant).await?;
    let last = head.next();
    note_revision(write, tenant, last, Step::Ended, author).await?;
    forget_secrets(write, tenant).await?;
    for statement in [
        "INSERT INTO changes (tenant, revision, object)
         SELECT ?1, ?2, objects.number FROM objects JOIN facts ON facts.object = objects.number
         WHERE objects.tenant = ?1 AND facts.until IS NULL",
        "UPDATE facts SET until = ?2
         WHERE until IS NULL AND object IN (SELECT number FROM objects WHERE tenant = ?1)",
        "DELETE FROM manifest_facts WHERE tenant = ?1 AND ?2 = ?2",
        "UPDATE tenants SET ended = ?2 WHERE number = ?1",
    ] {
        sqlx::query(statement).bind(tenant).bind(number(last)).execute(&mut *write).await?;
    }
    Ok(last)
}

pub(super) async fn apply(
    write: &mut SqliteConnection,
    tenant: &TenantId,
    Staged { rows, mentions, step, of_manifests }: &Staged,
    expected: Revision,
    author: &Author,
) -> Result<Revision, StoreError> {
    let Found { tenant, head, .. } = find_live(write, tenant).await?;
    if head != expected {
        return Err(StoreError::Moved { expected, found: head });
    }
    if let Some(said) = of_manifests {
        remember(write, tenant, said).await?;
    }
    stage(write, tenant, rows).await?;
    let staged = sqlx::query("SELECT count(*) FROM temp.staged").fetch_one(&mut *write).await?;
    if staged.try_get::<i64, _>(0)? == 0 {
        return Ok(head);
    }
    let next = head.next();
    note_revision(write, tenant, next, *step, author).await?;
    for statement in [
        "INSERT INTO changes (tenant, revision, object) SELECT ?1, ?2, object FROM temp.staged",
        "UPDATE facts SET until = ?2
         WHERE ?1 = ?1 AND until IS NULL AND object IN (SELECT object FROM temp.staged)",
        "INSERT INTO facts (object, since, value)
         SELECT object, ?2, value FROM temp.staged WHERE ?1 = ?1 AND value IS NOT NULL",
    ] {
        sqlx::query(statement).bind(tenant).bind(number(next)).execute(&mut *write).await?;
    }
    mention(write, tenant, mentions).await?;
    Ok(next)
}

/// Makes a new connection ready for writes.
pub(super) async fn prepare(write: &mut SqliteConnection) -> Result<(), StoreError> {
    let staged =
        "CREATE TEMP TABLE IF NOT EXISTS staged (kind TEXT, id TEXT, shard INTEGER, value TEXT, object INTEGER)";
    sqlx::query(staged).execute(write).await?;
    Ok(())
}

/// Puts the changes beside the tables, without those that change nothing.
async fn stage(write: &mut SqliteConnection, tenant: i64, rows: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM temp.staged").execute(&mut *write).await?;
    sqlx::query(
        "INSERT INTO temp.staged (kind, id, shard, value)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1)",
    )
    .bind(rows)
    .execute(&mut *write)
    .await?;
    for statement in [
        "INSERT INTO objects (tenant, kind, id, shard) SELECT ?1, kind, id, shard FROM temp.staged WHERE true
         ON CONFLICT (tenant, kind, id) DO UPDATE SET shard = excluded.shard
         WHERE objects.shard IS NULL AND excluded.shard IS NOT NULL",
        "UPDATE temp.staged SET object =
         (SELECT number FROM objects WHERE tenant = ?1 AND objects.kind = staged.kind AND objects.id = staged.id)",
        "DELETE FROM temp.staged WHERE ?1 = ?1 AND value IS
         (SELECT facts.value FROM facts WHERE facts.object = staged.object AND facts.until IS NULL)",
    ] {
        sqlx::query(statement).bind(tenant).execute(&mut *write).await?;
    }
    Ok(())
}

/// Keeps what manifests say, to know later what they do not say any more.
async fn remember(write: &mut SqliteConnection, tenant: i64, said: &str) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM manifest_facts WHERE tenant = ?1 AND ?2 = ?2",
        "INSERT INTO manifest_facts (tenant, kind, id) SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2)
         WHERE true ON CONFLICT DO NOTHING",
    ] {
        sqlx::query(statement).bind(tenant).bind(said).execute(&mut *write).await?;
    }
    Ok(())
}

/// Notes what the changed facts speak of, things that are not there included.
async fn mention(write: &mut SqliteConnection, tenant: i64, mentions: &str) -> Result<(), StoreError> {
    if mentions == NOTHING {
        return Ok(());
    }
    for statement in [
        "INSERT INTO objects (tenant, kind, id) SELECT DISTINCT ?1, value ->> 2, value ->> 3 FROM json_each(?2)
         WHERE true ON CONFLICT DO NOTHING",
        "INSERT INTO mentions (mentioned, object)
         SELECT mentioned.number, object.number FROM json_each(?2) AS pair
         CROSS JOIN objects AS object ON object.tenant = ?1 AND object.kind = pair.value ->> 0
             AND object.id = pair.value ->> 1
         CROSS JOIN objects AS mentioned ON mentioned.tenant = ?1 AND mentioned.kind = pair.value ->> 2
             AND mentioned.id = pair.value ->> 3
         WHERE true ON CONFLICT DO NOTHING",
    ] {
        sqlx::query(statement).bind(tenant).bind(mentions).execute(&mut *write).await?;
    }
    Ok(())
}

async fn find(write: &mut SqliteConnection, tenant: &TenantId) -> Result<Option<Found>, StoreError> {
    let select = sqlx::query("SELECT number, head, ended FROM tenants WHERE name = ?1");
    let Some(row) = select.bind(tenant.as_str()).fetch_optional(write).await? else { return Ok(None) };
    let is_ended = row.try_get::<Option<i64>, _>("ended")?.is_some();
    Ok(Some(Found { tenant: row.try_get("number")?, head: revision(&row, "head")?, is_ended }))
}

async fn find_live(write: &mut SqliteConnection, tenant: &TenantId) -> Result<Found, StoreError> {
    let found = find(write, tenant).await?.filter(|found| !found.is_ended);
    found.ok_or_else(|| StoreError::NoSuchTenant(tenant.clone()))
}

/// What signed for a life of a tenant signs for no other.
async fn forget_secrets(write: &mut SqliteConnection, tenant: i64) -> Result<(), StoreError> {
    for statement in ["DELETE FROM signing_keys WHERE tenant = ?1", "DELETE FROM token_uses WHERE tenant = ?1"] {
        sqlx::query(statement).bind(tenant).execute(&mut *write).await?;
    }
    Ok(())
}

async fn note_revision(
    write: &mut SqliteConnection,
    tenant: i64,
    revision: Revision,
    step: Step,
    author: &Author,
) -> Result<(), StoreError> {
    let chain = chain::next(write, tenant, revision, step, author).await?;
    sqlx::query(
        "INSERT INTO revisions (tenant, revision, at, actor, reason, request_id, chain)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(tenant)
    .bind(number(revision))
    .bind(author.at.to_rfc3339_opts(SecondsFormat::Micros, true))
    .bind(&author.actor)
    .bind(&author.reason)
    .bind(&author.request_id)
    .bind(chain.0.as_slice())
    .execute(&mut *write)
    .await?;
    let head = sqlx::query("UPDATE tenants SET head = ?2 WHERE number = ?1");
    head.bind(tenant).bind(number(revision)).execute(write).await?;
    Ok(())
}

/// No mentions at all.
const NOTHING: &str = "[]";

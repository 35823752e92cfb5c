//! Reads, each of one revision: what held then, whatever has been written since.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};

use super::chain::chain;
use super::row::{fact, key, keys_parameter, number, optional_fact, revision, shard};
use crate::directory::fact::{Fact, FactKey, Kind};
use crate::directory::store::{Author, Change, Entry, History, Listing, Lives, Part, Recorded, StoreError, TenantHead};
use crate::model::{Revision, TenantId};

pub(super) async fn tenants(reader: &mut SqliteConnection) -> Result<Vec<TenantHead>, StoreError> {
    let rows = sqlx::query(
        "SELECT tenants.name, tenants.head, revisions.chain FROM tenants
         LEFT JOIN revisions ON revisions.tenant = tenants.number AND revisions.revision = tenants.head
         WHERE tenants.ended IS NULL ORDER BY tenants.name",
    )
    .fetch_all(reader)
    .await?;
    let tenant = |row: &SqliteRow| {
        let tenant = TenantId::parse(row.try_get("name")?).map_err(|error| StoreError::Damaged(error.to_string()))?;
        Ok(TenantHead { tenant, head: revision(row, "head")?, chain: chain(row, "chain")? })
    };
    rows.iter().map(tenant).collect()
}

pub(super) async fn head(readers: &SqlitePool, tenant: &TenantId) -> Result<Revision, StoreError> {
    let select = sqlx::query("SELECT head FROM tenants WHERE name = ?1 AND ended IS NULL");
    let row = select.bind(tenant.as_str()).fetch_optional(readers).await?;
    revision(&row.ok_or_else(|| StoreError::NoSuchTenant(tenant.clone()))?, "head")
}

pub(super) async fn facts(
    readers: &SqlitePool,
    tenant: i64,
    keys: &[FactKey],
    at: Revision,
) -> Result<BTreeMap<FactKey, Recorded>, StoreError> {
    let rows = sqlx::query(
        "SELECT objects.kind, objects.id, facts.value, facts.since FROM json_each(?2) AS wanted
         CROSS JOIN objects ON objects.tenant = ?1 AND objects.kind = wanted.value ->> 0
             AND objects.id = wanted.value ->> 1
         CROSS JOIN facts ON facts.object = objects.number AND facts.since <= ?3
             AND (facts.until IS NULL OR facts.until > ?3)",
    )
    .bind(tenant)
    .bind(keys_parameter(keys))
    .bind(number(at))
    .fetch_all(readers)
    .await?;
    rows.iter().map(|row| Ok((key(row)?, recorded(row)?))).collect()
}

pub(super) async fn list(
    readers: &SqlitePool,
    tenant: i64,
    listing: &Listing,
    at: Revision,
) -> Result<Vec<Recorded>, StoreError> {
    if listing.mentioning.is_empty() {
        let rows = list_page(readers, tenant, listing, listing.after.as_deref(), listing.limit, at).await?;
        return rows.iter().map(recorded).collect();
    }
    let mut found = Vec::new();
    let mut after = listing.after.clone();
    while found.len() < listing.limit {
        let rows = list_page(readers, tenant, listing, after.as_deref(), PAGE, at).await?;
        for row in &rows {
            let one = recorded(row)?;
            // It mentioned all of them once, and perhaps not at the same time.
            let mentions = one.fact.mentions();
            if listing.mentioning.iter().all(|key| mentions.contains(key)) {
                found.push(one);
            }
        }
        if rows.len() < PAGE {
            break;
        }
        after = rows.last().map(|row| row.try_get("id")).transpose()?;
    }
    found.truncate(listing.limit);
    Ok(found)
}

async fn list_page(
    readers: &SqlitePool,
    tenant: i64,
    listing: &Listing,
    after: Option<&str>,
    limit: usize,
    at: Revision,
) -> Result<Vec<SqliteRow>, StoreError> {
    let sql = if listing.mentioning.is_empty() {
        "SELECT objects.id, facts.value, facts.since FROM objects
         CROSS JOIN facts ON facts.object = objects.number AND facts.since <= ?3
             AND (facts.until IS NULL OR facts.until > ?3)
         WHERE objects.tenant = ?1 AND objects.kind = ?2 AND objects.id > ?4 AND ?6 = '[]'
         ORDER BY objects.id LIMIT ?5"
    } else {
        "WITH wanted AS (
             SELECT objects.number FROM json_each(?6) AS key
             CROSS JOIN objects ON objects.tenant = ?1 AND objects.kind = key.value ->> 0
                 AND objects.id = key.value ->> 1)
         SELECT objects.id, facts.value, facts.since
         FROM (SELECT object FROM mentions WHERE mentioned IN (SELECT number FROM wanted)
               GROUP BY object HAVING count(*) = json_array_length(?6)) AS found
         CROSS JOIN objects ON objects.number = found.object AND objects.kind = ?2 AND objects.id > ?4
         CROSS JOIN facts ON facts.object = objects.number AND facts.since <= ?3
             AND (facts.until IS NULL OR facts.until > ?3)
         ORDER BY objects.id LIMIT ?5"
    };
    // The keys are counted, so each stands there once.
    let mentioning: BTreeSet<_> = listing.mentioning.iter().collect();
    let rows = sqlx::query(sql)
        .bind(tenant)
        .bind(listing.kind.name())
        .bind(number(at))
        .bind(after.unwrap_or_default())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(keys_parameter(mentioning))
        .fetch_all(readers)
        .await?;
    Ok(rows)
}

pub(super) async fn mentioning(
    readers: &SqlitePool,
    tenant: i64,
    keys: &[FactKey],
    kind: Option<Kind>,
    limit: usize,
    at: Revision,
) -> Result<Vec<Recorded>, StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT mentions.object, facts.value, facts.since FROM json_each(?2) AS wanted
         CROSS JOIN objects ON objects.tenant = ?1 AND objects.kind = wanted.value ->> 0
             AND objects.id = wanted.value ->> 1
         CROSS JOIN mentions ON mentions.mentioned = objects.number
         CROSS JOIN objects AS found ON found.number = mentions.object AND (?4 IS NULL OR found.kind = ?4)
         CROSS JOIN facts ON facts.object = mentions.object AND facts.since <= ?3
             AND (facts.until IS NULL OR facts.until > ?3)",
    )
    .bind(tenant)
    .bind(keys_parameter(keys))
    .bind(number(at))
    .bind(kind.map(Kind::name))
    .fetch_all(readers)
    .await?;
    let keys: HashSet<&FactKey> = keys.iter().collect();
    let mut found = Vec::new();
    for row in &rows {
        if found.len() == limit {
            break;
        }
        let one = recorded(row)?;
        // A team that someone left mentioned them once, and does not now.
        if one.fact.mentions().iter().any(|mentioned| keys.contains(mentioned)) {
            found.push(one);
        }
    }
    Ok(found)
}

pub(super) async fn hashed(
    readers: &SqlitePool,
    tenant: i64,
    part: Part,
    hashes: RangeInclusive<u64>,
    at: Revision,
) -> Result<Vec<Fact>, StoreError> {
    let rows = sqlx::query(
        "SELECT facts.value FROM json_each(?2) AS kind
         CROSS JOIN objects ON objects.tenant = ?1 AND objects.kind = kind.value AND objects.shard BETWEEN ?3 AND ?4
         CROSS JOIN facts ON facts.object = objects.number AND facts.since <= ?5
             AND (facts.until IS NULL OR facts.until > ?5)",
    )
    .bind(tenant)
    .bind(kinds_parameter(part))
    .bind(shard(*hashes.start()))
    .bind(shard(*hashes.end()))
    .bind(number(at))
    .fetch_all(readers)
    .await?;
    let mut facts = rows.iter().map(|row| fact(row, "value")).collect::<Result<Vec<_>, _>>()?;
    // The table has the upper 63 bits, which two hashes may share.
    facts.retain(|fact| fact.shard_hash().is_some_and(|hash| hashes.contains(&hash)));
    Ok(facts)
}

pub(super) async fn count(readers: &SqlitePool, tenant: i64, part: Part, at: Revision) -> Result<usize, StoreError> {
    let row = sqlx::query(
        "SELECT count(*) FROM json_each(?2) AS kind
         CROSS JOIN objects ON objects.tenant = ?1 AND objects.kind = kind.value
         CROSS JOIN facts ON facts.object = objects.number AND facts.since <= ?3
             AND (facts.until IS NULL OR facts.until > ?3)",
    )
    .bind(tenant)
    .bind(kinds_parameter(part))
    .bind(number(at))
    .fetch_one(readers)
    .await?;
    Ok(usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default())
}

pub(super) async fn changed_since(
    readers: &SqlitePool,
    tenant: i64,
    since: Revision,
    at: Revision,
) -> Result<Vec<Change>, StoreError> {
    let rows = sqlx::query(
        "SELECT objects.kind, objects.id, earlier.value AS before, later.value AS after
         FROM (SELECT DISTINCT object FROM changes WHERE tenant = ?1 AND revision > ?2 AND revision <= ?3) AS changed
         CROSS JOIN objects ON objects.number = changed.object
         LEFT JOIN facts AS earlier ON earlier.object = objects.number AND earlier.since <= ?2
             AND (earlier.until IS NULL OR earlier.until > ?2)
         LEFT JOIN facts AS later ON later.object = objects.number AND later.since <= ?3
             AND (later.until IS NULL OR later.until > ?3)",
    )
    .bind(tenant)
    .bind(number(since))
    .bind(number(at))
    .fetch_all(readers)
    .await?;
    let mut changes = rows.iter().map(change).collect::<Result<Vec<_>, _>>()?;
    changes.retain(|change| change.before != change.after);
    changes.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(changes)
}

pub(super) async fn history(readers: &SqlitePool, tenant: i64, history: &History) -> Result<Vec<Entry>, StoreError> {
    let mut found = Vec::new();
    let mut place = history.before.clone();
    while found.len() < history.limit {
        let rows = history_page(readers, tenant, history, place.as_ref()).await?;
        for row in &rows {
            let entry = entry(row)?;
            place = Some((entry.revision, entry.change.key.clone()));
            if history.about.iter().all(|about| entry.change.concerns(about)) {
                found.push(entry);
            }
        }
        if rows.len() < PAGE {
            break;
        }
    }
    found.truncate(history.limit);
    Ok(found)
}

async fn history_page(
    readers: &SqlitePool,
    tenant: i64,
    history: &History,
    before: Option<&(Revision, FactKey)>,
) -> Result<Vec<SqliteRow>, StoreError> {
    let rows = sqlx::query(
        "WITH about AS (
             SELECT objects.number FROM json_each(?4) AS key
             CROSS JOIN objects ON objects.tenant = ?1 AND objects.kind = key.value ->> 0
                 AND objects.id = key.value ->> 1),
         concerned AS (
             SELECT number FROM about UNION SELECT object FROM mentions WHERE mentioned IN (SELECT number FROM about))
         SELECT changes.revision, objects.kind, objects.id, earlier.value AS before, later.value AS after,
             revisions.at, revisions.actor, revisions.reason, revisions.request_id
         FROM changes
         JOIN revisions ON revisions.tenant = ?1 AND revisions.revision = changes.revision
         JOIN objects ON objects.number = changes.object
         LEFT JOIN facts AS earlier ON earlier.object = changes.object AND earlier.until = changes.revision
         LEFT JOIN facts AS later ON later.object = changes.object AND later.since = changes.revision
         WHERE changes.tenant = ?1
             AND (?9 OR changes.revision >= (SELECT born FROM tenants WHERE number = ?1))
             AND (?2 IS NULL OR objects.kind = ?2) AND (?3 IS NULL OR revisions.actor = ?3)
             AND (?4 = '[]' OR changes.object IN (SELECT number FROM concerned))
             AND (?5 IS NULL OR changes.revision < ?5
                 OR changes.revision = ?5 AND (objects.kind, objects.id) > (?6, ?7))
         ORDER BY changes.revision DESC, objects.kind, objects.id LIMIT ?8",
    )
    .bind(tenant)
    .bind(history.kind.map(Kind::name))
    .bind(history.actor.as_deref())
    .bind(keys_parameter(&history.about))
    .bind(before.map(|(revision, _)| number(*revision)))
    .bind(before.map(|(_, key)| key.kind.name()))
    .bind(before.map(|(_, key)| key.id.as_str()))
    .bind(i64::try_from(PAGE).unwrap_or(i64::MAX))
    .bind(history.lives == Lives::All)
    .fetch_all(readers)
    .await?;
    Ok(rows)
}

pub(super) async fn of_manifests(readers: &SqlitePool, tenant: i64) -> Result<BTreeSet<FactKey>, StoreError> {
    let select = sqlx::query("SELECT kind, id FROM manifest_facts WHERE tenant = ?1");
    select.bind(tenant).fetch_all(readers).await?.iter().map(key).collect()
}

fn recorded(row: &SqliteRow) -> Result<Recorded, StoreError> {
    Ok(Recorded { fact: fact(row, "value")?, since: revision(row, "since")? })
}

fn change(row: &SqliteRow) -> Result<Change, StoreError> {
    Ok(Change { key: key(row)?, before: optional_fact(row, "before")?, after: optional_fact(row, "after")? })
}

fn entry(row: &SqliteRow) -> Result<Entry, StoreError> {
    let at: &str = row.try_get("at")?;
    let at = DateTime::parse_from_rfc3339(at).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let author = Author {
        actor: row.try_get("actor")?,
        at: at.with_timezone(&Utc),
        reason: row.try_get("reason")?,
        request_id: row.try_get("request_id")?,
    };
    Ok(Entry { revision: revision(row, "revision")?, author, change: change(row)? })
}

fn kinds_parameter(part: Part) -> String {
    let kinds: Vec<_> = Kind::ALL.into_iter().filter(|kind| part.holds(*kind)).map(Kind::name).collect();
    serde_json::Value::from(kinds).to_string()
}

/// How much is read at once where not all of it may be wanted.
const PAGE: usize = 256;

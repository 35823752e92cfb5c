//! Rows as facts and back: the only place that knows how a fact is written in the tables.

use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::write::Staged;
use crate::directory::chain::Step;
use crate::directory::document::{Document, document_of};
use crate::directory::fact::{Fact, FactKey, Kind};
use crate::directory::store::{Changes, StoreError};
use crate::model::Revision;

/// A fact as its column has it: the document, whose `type` is the object's kind.
pub(super) fn value_of(fact: &Fact) -> Result<String, StoreError> {
    serde_json::to_string(&document_of(fact)).map_err(|error| StoreError::Damaged(error.to_string()))
}

pub(super) fn fact_of(value: &str) -> Result<Fact, StoreError> {
    let document: Document = serde_json::from_str(value).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Fact::try_from(document).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// The fact in a column, where there is one.
pub(super) fn optional_fact(row: &SqliteRow, column: &str) -> Result<Option<Fact>, StoreError> {
    let value: Option<&str> = row.try_get(column)?;
    value.map(fact_of).transpose()
}

pub(super) fn fact(row: &SqliteRow, column: &str) -> Result<Fact, StoreError> {
    fact_of(row.try_get(column)?)
}

pub(super) fn key(row: &SqliteRow) -> Result<FactKey, StoreError> {
    let kind: &str = row.try_get("kind")?;
    let found = Kind::named(kind).ok_or_else(|| StoreError::Damaged(format!("`{kind}` is not a kind of fact")))?;
    Ok(FactKey::new(found, row.try_get::<String, _>("id")?))
}

pub(super) fn revision(row: &SqliteRow, column: &str) -> Result<Revision, StoreError> {
    Ok(Revision(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default()))
}

/// A revision as SQLite counts.
pub(super) fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

/// The upper 63 bits of a hash: in the same order, and never negative.
pub(super) fn shard(hash: u64) -> i64 {
    i64::try_from(hash >> 1).unwrap_or(i64::MAX)
}

/// Keys as one parameter: `[[kind, id], …]`.
pub(super) fn keys_parameter<'a>(keys: impl IntoIterator<Item = &'a FactKey>) -> String {
    Value::from_iter(keys.into_iter().map(|key| json!([key.kind.name(), key.id]))).to_string()
}

/// Changes as one parameter, and what they mention as another.
pub(super) fn staged(changes: &Changes) -> Result<Staged, StoreError> {
    let (mut rows, mut mentions) = (Vec::new(), Vec::new());
    for (key, fact) in changes {
        let value = fact.as_ref().map(value_of).transpose()?;
        let hash = fact.as_ref().and_then(Fact::shard_hash).map(shard);
        rows.push(json!([key.kind.name(), key.id, hash, value]));
        for mentioned in fact.iter().flat_map(Fact::mentions) {
            mentions.push(json!([key.kind.name(), key.id, mentioned.kind.name(), mentioned.id]));
        }
    }
    let (rows, mentions) = (Value::from(rows).to_string(), Value::from(mentions).to_string());
    Ok(Staged { rows, mentions, step: Step::of(changes)?, of_manifests: None })
}

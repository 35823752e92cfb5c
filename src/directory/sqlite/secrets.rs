//! What a server keeps for itself: hashes of admin keys, and keys that sign.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Row, Sqlite};

use super::SqliteDirectory;
use crate::directory::store::{Answer, KeptAdminKey, KeptSigningKey, Secrets, StoreError};
use crate::model::{TenantId, TokenId};

impl Secrets for SqliteDirectory {
    fn admin_keys(&self) -> Answer<'_, Vec<KeptAdminKey>> {
        Box::pin(async move {
            let rows = sqlx::query("SELECT name, hash FROM admin_keys ORDER BY name").fetch_all(&self.readers).await?;
            rows.iter().map(|row| Ok(KeptAdminKey { name: row.try_get("name")?, hash: row.try_get("hash")? })).collect()
        })
    }

    fn add_admin_key<'a>(&'a self, key: &'a KeptAdminKey, at: DateTime<Utc>) -> Answer<'a, ()> {
        Box::pin(async move {
            let key = key.clone();
            let made = self.writer.make(move |write| {
                let insert = sqlx::query("INSERT INTO admin_keys (name, hash, created_at) VALUES (?1, ?2, ?3)");
                done(insert.bind(key.name.clone()).bind(key.hash.clone()).bind(text(at)), write)
            });
            made.await
        })
    }

    fn remove_admin_key<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            let name = name.to_owned();
            let made = self.writer.make(move |write| {
                let name = name.clone();
                Box::pin(async move {
                    let delete = sqlx::query("DELETE FROM admin_keys WHERE name = ?1").bind(name);
                    Ok(delete.execute(write).await?.rows_affected() > 0)
                })
            });
            made.await
        })
    }

    fn signing_keys<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<KeptSigningKey>> {
        Box::pin(async move {
            let select = "SELECT key_id, private, created_at FROM signing_keys WHERE tenant = ?1 ORDER BY created_at";
            let rows = sqlx::query(select).bind(self.number(tenant).await?).fetch_all(&self.readers).await?;
            rows.iter().map(signing_key).collect()
        })
    }

    fn add_signing_key<'a>(&'a self, tenant: &'a TenantId, key: &'a KeptSigningKey) -> Answer<'a, ()> {
        Box::pin(async move {
            let (number, key) = (self.number(tenant).await?, key.clone());
            let made = self.writer.make(move |write| {
                let KeptSigningKey { key_id, private, created_at } = key.clone();
                let insert = "INSERT INTO signing_keys (tenant, key_id, private, created_at) VALUES (?1, ?2, ?3, ?4)";
                done(sqlx::query(insert).bind(number).bind(key_id).bind(private).bind(text(created_at)), write)
            });
            made.await
        })
    }

    fn uses<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, BTreeMap<TokenId, i64>> {
        Box::pin(async move {
            let select = sqlx::query("SELECT token, last_used FROM token_uses WHERE tenant = ?1");
            let rows = select.bind(self.number(tenant).await?).fetch_all(&self.readers).await?;
            let read = |row: &SqliteRow| {
                let id =
                    TokenId::parse(row.try_get("token")?).map_err(|error| StoreError::Damaged(error.to_string()))?;
                Ok((id, row.try_get("last_used")?))
            };
            rows.iter().map(read).collect()
        })
    }

    fn keep_uses<'a>(&'a self, tenant: &'a TenantId, uses: &'a BTreeMap<TokenId, i64>) -> Answer<'a, ()> {
        Box::pin(async move {
            let pairs: Vec<_> = uses.iter().map(|(token, at)| serde_json::json!([token, at])).collect();
            let (number, pairs) = (self.number(tenant).await?, serde_json::Value::from(pairs).to_string());
            let made = self.writer.make(move |write| {
                let keep = sqlx::query(
                    "INSERT INTO token_uses (tenant, token, last_used)
                     SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE true
                     ON CONFLICT (tenant, token) DO UPDATE SET last_used = max(last_used, excluded.last_used)",
                );
                done(keep.bind(number).bind(pairs.clone()), write)
            });
            made.await
        })
    }
}

/// A write of one statement, whose parameters are its own.
fn done<'c>(statement: Query<'static, Sqlite, SqliteArguments>, write: &'c mut SqliteConnection) -> Answer<'c, ()> {
    Box::pin(async move {
        statement.execute(write).await?;
        Ok(())
    })
}

fn signing_key(row: &SqliteRow) -> Result<KeptSigningKey, StoreError> {
    let at = DateTime::parse_from_rfc3339(row.try_get("created_at")?);
    let created_at = at.map_err(|error| StoreError::Damaged(error.to_string()))?.with_timezone(&Utc);
    Ok(KeptSigningKey { key_id: row.try_get("key_id")?, private: row.try_get("private")?, created_at })
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

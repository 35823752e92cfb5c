//! What a server keeps for itself: hashes of admin keys, and keys that sign.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

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
            let insert = sqlx::query("INSERT INTO admin_keys (name, hash, created_at) VALUES (?1, ?2, ?3)");
            insert.bind(&key.name).bind(&key.hash).bind(text(at)).execute(&self.writer).await?;
            Ok(())
        })
    }

    fn remove_admin_key<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            let delete = sqlx::query("DELETE FROM admin_keys WHERE name = ?1");
            Ok(delete.bind(name).execute(&self.writer).await?.rows_affected() > 0)
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
            sqlx::query("INSERT INTO signing_keys (tenant, key_id, private, created_at) VALUES (?1, ?2, ?3, ?4)")
                .bind(self.number(tenant).await?)
                .bind(&key.key_id)
                .bind(&key.private)
                .bind(text(key.created_at))
                .execute(&self.writer)
                .await?;
            Ok(())
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
            sqlx::query(
                "INSERT INTO token_uses (tenant, token, last_used)
                 SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE true
                 ON CONFLICT (tenant, token) DO UPDATE SET last_used = max(last_used, excluded.last_used)",
            )
            .bind(self.number(tenant).await?)
            .bind(serde_json::Value::from(pairs).to_string())
            .execute(&self.writer)
            .await?;
            Ok(())
        })
    }
}

fn signing_key(row: &SqliteRow) -> Result<KeptSigningKey, StoreError> {
    let at = DateTime::parse_from_rfc3339(row.try_get("created_at")?);
    let created_at = at.map_err(|error| StoreError::Damaged(error.to_string()))?.with_timezone(&Utc);
    Ok(KeptSigningKey { key_id: row.try_get("key_id")?, private: row.try_get("private")?, created_at })
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

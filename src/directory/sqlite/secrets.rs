//! What a server keeps for itself: hashes of admin keys, and keys that sign.

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::SqliteDirectory;
use crate::directory::store::{Answer, KeptAdminKey, KeptSigningKey, Secrets, StoreError};
use crate::model::TenantId;

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
}

fn signing_key(row: &SqliteRow) -> Result<KeptSigningKey, StoreError> {
    let at = DateTime::parse_from_rfc3339(row.try_get("created_at")?);
    let created_at = at.map_err(|error| StoreError::Damaged(error.to_string()))?.with_timezone(&Utc);
    Ok(KeptSigningKey { key_id: row.try_get("key_id")?, private: row.try_get("private")?, created_at })
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

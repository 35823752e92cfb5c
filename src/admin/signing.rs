//! Tokens of our own as signed JWTs, for those who verify them by themselves: keys of a tenant, made when there is
//! none or it is old, and listed for as long as a token that they signed may be good.

use chrono::Duration;
use serde_json::{Value, json};
use ulid::Ulid;

use super::{AdminError, Administration, TokenError};
use crate::authn::mint::{SigningKey, jwks, own_issuer};
use crate::directory::{KeptSigningKey, StoreError};
use crate::model::{TenantId, Token, TokenOwner};

impl Administration {
    /// The tenant's public keys, as a JWK set.
    ///
    /// # Errors
    /// When the directory does not answer.
    pub async fn public_keys(&self, tenant: &TenantId) -> Result<Value, AdminError> {
        let oldest = self.clock.now() - Duration::seconds(ROTATE_SECONDS + MAX_JWT_SECONDS);
        let kept = self.secrets.signing_keys(tenant).await?;
        let keys = kept.iter().filter(|key| key.created_at > oldest).map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(jwks(keys.iter()))
    }

    /// Signs a token for whoever its audience is.
    pub(super) async fn sign(&self, tenant: &TenantId, token: &Token, audience: &str) -> Result<String, TokenError> {
        let key = self.signing_key(tenant).await?;
        let subject = match &token.owner {
            TokenOwner::User(email) => email.as_str(),
            TokenOwner::VirtualAccount(name) => name.as_str(),
        };
        let claims = json!({
            "iss": self.issuer(tenant), "sub": subject, "aud": audience, "jti": token.id,
            "iat": token.created_at, "nbf": token.created_at, "exp": token.expires_at,
        });
        key.sign(&claims).map_err(TokenError::Sign)
    }

    /// What our tokens name as their issuer.
    fn issuer(&self, tenant: &TenantId) -> String {
        own_issuer(self.issuer.as_deref(), tenant)
    }

    /// The newest key, or a new one where there is none or it is old.
    async fn signing_key(&self, tenant: &TenantId) -> Result<SigningKey, TokenError> {
        let now = self.clock.now();
        let kept = self.secrets.signing_keys(tenant).await.map_err(AdminError::from)?;
        let newest = kept.iter().max_by_key(|key| key.created_at);
        if let Some(newest) = newest.filter(|key| now - key.created_at < Duration::seconds(ROTATE_SECONDS)) {
            return Ok(read(newest).map_err(AdminError::from)?);
        }
        let key_id = Ulid::generate().to_string().to_ascii_lowercase();
        let (key, private) = SigningKey::generate_kept(&key_id).map_err(TokenError::Sign)?;
        let kept = KeptSigningKey { key_id, private, created_at: now };
        self.secrets.add_signing_key(tenant, &kept).await.map_err(AdminError::from)?;
        Ok(key)
    }
}

fn read(kept: &KeptSigningKey) -> Result<SigningKey, StoreError> {
    SigningKey::of_kept(&kept.key_id, &kept.private)
        .map_err(|_| StoreError::Damaged(format!("signing key `{}`", kept.key_id)))
}

/// How long a key signs.
const ROTATE_SECONDS: i64 = 30 * 24 * 60 * 60;
/// The longest that a signed token is good: nobody who verifies it by themselves sees that it was revoked.
pub const MAX_JWT_SECONDS: i64 = 30 * 24 * 60 * 60;

//! A token that passed every check of one provider.

use super::{VerifyError, address, checks};
use crate::authn::claims::{Claims, NumericDate};
use crate::model::{IdentityProvider, ProviderName, SigningAlgorithm};

/// What a verified token proves.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedToken {
    pub provider: ProviderName,
    pub unique_id: String,
    /// As the token gives it, trimmed.
    pub email: Option<String>,
    /// The same, where the provider's rule says that it is the subject's.
    pub trusted_email: Option<String>,
    pub claims: Claims,
    /// The `kid` of the key that verified it.
    pub key_id: Option<String>,
    /// Absent when no signature was checked.
    pub algorithm: Option<SigningAlgorithm>,
    /// Seconds since the epoch.
    pub expires_at: Option<i64>,
    /// When it is too old for its provider, if ever; seconds since the epoch.
    pub too_old_at: Option<i64>,
}

impl VerifiedToken {
    /// Claims that someone else vouches for, as if a token had proved them.
    ///
    /// # Errors
    /// When the claims have no unique id for the provider.
    pub fn of_trusted(claims: Claims, provider: &IdentityProvider) -> Result<Self, VerifyError> {
        let unique_id = checks::unique_id(&claims, provider)?;
        let expires_at = claims.as_map().get("exp").and_then(NumericDate::read).map(NumericDate::seconds);
        Ok(Self { expires_at, ..Self::of(claims, provider, unique_id) })
    }

    /// What the claims say to a provider whose token they are.
    pub(super) fn of(claims: Claims, provider: &IdentityProvider, unique_id: String) -> Self {
        let email = checks::email(&claims, provider);
        let trusted = email.as_deref().and_then(|email| address::trusted(email, &claims, provider));
        Self {
            provider: provider.name.clone(),
            unique_id,
            trusted_email: trusted.map(str::to_owned),
            email,
            claims,
            key_id: None,
            algorithm: None,
            expires_at: None,
            too_old_at: None,
        }
    }
}

//! Which providers a token may belong to.
//!
//! In: the tenant's providers and the token's `iss`. Out: the candidates in the order of their names: those whose
//! issuer is the token's, else those without an issuer. Issuers compare as exact bytes, but for one trailing
//! slash where the configuration says so.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::verify::{VerifyError, shown};
use crate::model::IdentityProvider;

/// Whether `https://issuer` and `https://issuer/` are two issuers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrailingSlash {
    #[default]
    Exact,
    Ignore,
}

impl TrailingSlash {
    pub fn same_issuer(self, configured: &str, found: &str) -> bool {
        match self {
            Self::Exact => configured == found,
            Self::Ignore => without_slash(configured) == without_slash(found),
        }
    }
}

/// The providers that may have issued a token, sorted by name.
///
/// # Errors
/// When no provider may have.
pub fn candidates<'p>(
    providers: &'p [IdentityProvider],
    issuer: Option<&Value>,
    slash: TrailingSlash,
) -> Result<Vec<&'p IdentityProvider>, VerifyError> {
    let issuer = issuer.and_then(Value::as_str);
    let mut candidates: Vec<_> = providers.iter().filter(|provider| may_have_issued(provider, issuer, slash)).collect();
    // Whoever takes any issuer takes none that has a provider of its own: that one's rules are for its tokens.
    if candidates.iter().any(|provider| provider.issuer.is_some()) {
        candidates.retain(|provider| provider.issuer.is_some());
    }
    candidates.sort_by(|one, other| one.name.cmp(&other.name));
    match (candidates.is_empty(), issuer) {
        (false, _) => Ok(candidates),
        (true, None) if !providers.is_empty() => Err(VerifyError::IssuerMissing),
        (true, issuer) => Err(VerifyError::UnknownProvider { issuer: issuer.map(shown) }),
    }
}

fn may_have_issued(provider: &IdentityProvider, issuer: Option<&str>, slash: TrailingSlash) -> bool {
    match (&provider.issuer, issuer) {
        (None, _) => true,
        (Some(configured), Some(found)) => slash.same_issuer(configured, found),
        (Some(_), None) => false,
    }
}

fn without_slash(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

//! The checks of a token's claims once its signature is known to be good.
//!
//! In: claims, one provider's rules, the time. Out: what each check found, or the refusal. What a provider
//! configures is required: a token without `aud` never passes a provider with audiences.

use std::time::Duration;

use serde_json::Value;

use super::error::{UniqueIdProblem, VerifyError, shown};
use crate::authn::claims::{Claims, NumericDate};
use crate::authn::issuer::TrailingSlash;
use crate::model::IdentityProvider;

/// The longest unique id that is taken.
pub const MAX_UNIQUE_ID_BYTES: usize = 512;

/// Now, and how far clocks may differ.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    milliseconds: i64,
    leeway: i64,
}

impl Moment {
    pub fn new(milliseconds: i64, leeway: Duration) -> Self {
        Self { milliseconds, leeway: i64::try_from(leeway.as_millis()).unwrap_or(i64::MAX) }
    }

    /// Seconds until a moment, rounded down; below zero for one that is past.
    pub fn seconds_until(self, moment: NumericDate) -> i64 {
        moment.milliseconds().saturating_sub(self.milliseconds).div_euclid(1000)
    }

    /// Whether an `exp` is passed by more than the leeway.
    pub fn is_after(self, expiry: NumericDate) -> bool {
        self.milliseconds >= expiry.milliseconds().saturating_add(self.leeway)
    }

    /// Whether an `nbf` is ahead by more than the leeway.
    pub fn is_before(self, start: NumericDate) -> bool {
        self.milliseconds < start.milliseconds().saturating_sub(self.leeway)
    }
}

/// `exp`, required and not passed by more than the leeway.
pub fn expiry(claims: &Claims, now: Moment) -> Result<NumericDate, VerifyError> {
    let value = claims.as_map().get("exp").ok_or(VerifyError::ExpiryMissing)?;
    let expiry = NumericDate::read(value).ok_or(VerifyError::NotADate { claim: "exp" })?;
    if now.is_after(expiry) {
        let seconds_ago = now.milliseconds.saturating_sub(expiry.milliseconds()).div_euclid(1000);
        return Err(VerifyError::Expired { expired_at: expiry.seconds(), seconds_ago });
    }
    Ok(expiry)
}

/// `nbf`, if there is one, not ahead by more than the leeway.
pub fn not_before(claims: &Claims, now: Moment) -> Result<Option<NumericDate>, VerifyError> {
    let Some(value) = claims.as_map().get("nbf") else { return Ok(None) };
    let start = NumericDate::read(value).ok_or(VerifyError::NotADate { claim: "nbf" })?;
    if now.is_before(start) {
        return Err(VerifyError::NotYetValid { not_before: start.seconds(), seconds: now.seconds_until(start) });
    }
    Ok(Some(start))
}

/// `iss`, required when the provider has an issuer. Candidates were chosen by it; this is what relies on nothing.
pub fn issuer(claims: &Claims, provider: &IdentityProvider, slash: TrailingSlash) -> Result<(), VerifyError> {
    let Some(expected) = &provider.issuer else { return Ok(()) };
    let found = claims.as_map().get("iss").and_then(Value::as_str);
    if found.is_some_and(|found| slash.same_issuer(expected, found)) {
        return Ok(());
    }
    Err(VerifyError::Issuer { provider: provider.name.clone(), expected: expected.clone() })
}

/// `aud`, a string or an array of strings, required when the provider has audiences. Where the provider names other
/// claims, the first of them that is there counts, and no other.
pub fn audience(claims: &Claims, provider: &IdentityProvider) -> Result<(), VerifyError> {
    if provider.audiences.is_empty() {
        return Ok(());
    }
    let names = &provider.tokens.audience_claims;
    let first = names.iter().find_map(|claim| claims.get(claim).filter(|value| !value.is_null()));
    let given = if names.is_empty() { claims.as_map().get("aud") } else { first };
    let found = match given {
        Some(Value::String(one)) => Some(vec![one.as_str()]),
        Some(Value::Array(many)) => many.iter().map(Value::as_str).collect(),
        _ => None,
    }
    .unwrap_or_default();
    if found.iter().any(|found| provider.audiences.iter().any(|audience| audience == found)) {
        return Ok(());
    }
    Err(VerifyError::Audience {
        provider: provider.name.clone(),
        expected: provider.audiences.clone(),
        found: found.into_iter().take(8).map(shown).collect(),
    })
}

/// The first of the provider's unique id claims that is there: a string that is not empty, or a whole number as its
/// decimal text.
pub fn unique_id(claims: &Claims, provider: &IdentityProvider) -> Result<String, VerifyError> {
    let names = &provider.claims.unique_id;
    let found = names.iter().find_map(|claim| Some((claim, claims.get(claim).filter(|value| !value.is_null())?)));
    let claim = found.map_or_else(|| names.join("` or `"), |(claim, _)| claim.clone());
    let id = match found.map(|(_, value)| value) {
        None => Err(UniqueIdProblem::Missing),
        Some(Value::String(id)) if id.trim().is_empty() => Err(UniqueIdProblem::Empty),
        Some(Value::String(id)) if id.len() > MAX_UNIQUE_ID_BYTES => Err(UniqueIdProblem::TooLong),
        Some(Value::String(id)) => Ok(id.clone()),
        Some(Value::Number(number)) if !number.is_f64() => Ok(number.to_string()),
        Some(_) => Err(UniqueIdProblem::Type),
    };
    id.map_err(|problem| VerifyError::UniqueId { provider: provider.name.clone(), claim, problem })
}

/// The provider's email claim, if it is a string with something in it. Never a reason to refuse.
pub fn email(claims: &Claims, provider: &IdentityProvider) -> Option<String> {
    let email = claims.get(&provider.claims.email)?.as_str()?.trim();
    (!email.is_empty()).then(|| email.to_owned())
}

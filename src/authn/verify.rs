//! A token in, a [`VerifiedToken`] out, or why it is not one.
//!
//! Checked in this order: shape and bounds, algorithm, candidate providers, and for each candidate its allowed
//! algorithms, key, signature, times, issuer, audience and unique id. `verify` does no I/O; only
//! `verify_refreshing` waits, for one coalesced fetch of the keys that a token seems to lack.

mod address;
mod bearer;
pub(super) mod checks;
mod error;
mod refusal;
mod signature;
#[cfg(test)]
mod tests;
mod verified;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::algorithm;
use super::claims::{Claims, NumericDate};
use super::issuer::{self, TrailingSlash};
use super::keys::{KeyRegistry, Refresh};
use super::known::{KnownToken, KnownTokens, TokenDigest};
use super::token::UnverifiedToken;
use super::trace::{Check, Observer, Outcome, Recorder, Step};
use crate::clock::SharedClock;
use crate::model::{IdentityProvider, SigningAlgorithm};
use checks::Moment;
pub(super) use error::shown;
pub use error::{UniqueIdProblem, VerifyError};
use refusal::Refusal;
pub use verified::VerifiedToken;

/// What is asked of every token, whoever issued it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// How far an issuer's clock may differ from ours.
    pub leeway: Duration,
    /// The longest token that is read.
    pub max_bytes: usize,
    pub trailing_slash: TrailingSlash,
    /// How many bytes of verified tokens are remembered; 0 remembers none.
    pub remembered_bytes: usize,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            leeway: Duration::from_secs(30),
            max_bytes: 16 * 1024,
            trailing_slash: TrailingSlash::Exact,
            remembered_bytes: 32 * 1024 * 1024,
        }
    }
}

/// Verifies tokens against the keys at hand.
#[derive(Clone)]
pub struct Verifier {
    settings: TokenSettings,
    keys: Arc<KeyRegistry>,
    clock: SharedClock,
    known: Arc<KnownTokens>,
}

impl Verifier {
    pub fn new(settings: TokenSettings, keys: Arc<KeyRegistry>, clock: SharedClock) -> Self {
        Self { known: Arc::new(KnownTokens::within(settings.remembered_bytes)), settings, keys, clock }
    }

    /// The tokens that need not be verified again.
    pub fn known(&self) -> &KnownTokens {
        &self.known
    }

    pub fn keys(&self) -> &Arc<KeyRegistry> {
        &self.keys
    }

    /// Verifies with the keys at hand. No I/O.
    ///
    /// # Errors
    /// When no provider accepts the token; of several refusals the one where the token came furthest.
    pub fn verify(&self, token: &str, providers: &[IdentityProvider]) -> Result<VerifiedToken, VerifyError> {
        self.attempt(token, providers, &mut ()).map_err(|refusal| refusal.error)
    }

    /// Verifies; when a key seems to be missing, waits for one fetch that all such callers share, and verifies
    /// again.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub async fn verify_refreshing(
        &self,
        token: &str,
        providers: &[IdentityProvider],
    ) -> Result<VerifiedToken, VerifyError> {
        let mut refusal = match self.attempt(token, providers, &mut ()) {
            Ok(verified) => return Ok(verified),
            Err(refusal) => refusal,
        };
        let deadline = self.keys.deadline();
        // A fetch that was under way may have read the keys before they changed, so joining one is worth
        // a second round; our own fetch is not.
        for _ in 0..2 {
            let refresh = self.refetch(&refusal, deadline).await;
            if refresh == Refresh::Throttled {
                break;
            }
            refusal = match self.attempt(token, providers, &mut ()) {
                Ok(verified) => return Ok(verified),
                Err(refusal) => refusal,
            };
            if refresh != Refresh::Joined {
                break;
            }
        }
        Err(refusal.error)
    }

    /// Verifies as [`Self::verify_refreshing`] does, unless just this token is known to be good.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub async fn verify_known(
        &self,
        token: &str,
        digest: &TokenDigest,
        providers: &Arc<[IdentityProvider]>,
    ) -> Result<Arc<VerifiedToken>, VerifyError> {
        let known = self.known.get(digest).filter(|known| self.still_holds(known, providers));
        self.known.lookups.count(known.is_some());
        if let Some(known) = known {
            return Ok(Arc::clone(&known.verified));
        }
        let key_changes = self.keys.changes();
        let verified = Arc::new(self.verify_refreshing(token, providers).await?);
        // Keys that came meanwhile may not be those that verified it: the next time tells.
        if key_changes == self.keys.changes() {
            let date = |name| verified.claims.as_map().get(name).and_then(NumericDate::read);
            let Some(expires) = date("exp") else { return Ok(verified) };
            let too_old = verified.too_old_at.and_then(NumericDate::of_seconds);
            let expires = too_old.map_or(expires, |too_old| expires.min(too_old));
            let (starts, providers) = (date("nbf"), Arc::clone(providers));
            let token_bytes = token.len();
            let verified = Arc::clone(&verified);
            self.known.remember(*digest, KnownToken { verified, expires, starts, providers, key_changes, token_bytes });
        }
        Ok(verified)
    }

    /// Whether verifying the token again would say the same.
    fn still_holds(&self, known: &KnownToken, providers: &Arc<[IdentityProvider]>) -> bool {
        let same_providers = Arc::ptr_eq(&known.providers, providers) || known.providers == *providers;
        let provider = providers.iter().find(|provider| provider.name == known.verified.provider);
        let now = Moment::new(self.clock.now().timestamp_millis(), self.settings.leeway);
        same_providers
            && known.key_changes == self.keys.changes()
            && provider.is_some_and(|provider| self.keys.current(&provider.jwks_uri).is_some())
            && !now.is_after(known.expires)
            && !known.starts.is_some_and(|starts| now.is_before(starts))
    }

    /// Verifies as [`Self::verify_refreshing`] does, and tells every step.
    pub async fn explain(
        &self,
        token: &str,
        providers: &[IdentityProvider],
    ) -> (Vec<Step>, Result<VerifiedToken, VerifyError>) {
        let mut recorder = Recorder::default();
        let mut result = self.attempt(token, providers, &mut recorder);
        if let Err(refusal) = &result {
            match self.refetch(refusal, self.keys.deadline()).await {
                Refresh::Throttled => {}
                Refresh::Fetched | Refresh::Joined => {
                    recorder = Recorder::default();
                    let detail = format!("the keys were fetched again, since {}", refusal.error);
                    recorder.record(Check::Refetch, Outcome::Passed, detail);
                    result = self.attempt(token, providers, &mut recorder);
                }
            }
        }
        (recorder.finish(), result.map_err(|refusal| refusal.error))
    }

    /// Takes claims as verified, for questions asked with claims instead of a token: neither signature nor times,
    /// issuer or audience are looked at.
    ///
    /// # Errors
    /// When the claims have no unique id for the provider.
    pub fn trust(&self, claims: Claims, provider: &IdentityProvider) -> Result<VerifiedToken, VerifyError> {
        VerifiedToken::of_trusted(claims, provider)
    }

    /// What another tree makes of a token that verified: its provider of the same name may want another issuer or
    /// audience, and read other claims. No key is looked at, and no clock: signature and times are known to be good.
    ///
    /// # Errors
    /// When the provider does not take the token.
    pub fn taken_by(
        &self,
        verified: &VerifiedToken,
        provider: &IdentityProvider,
    ) -> Result<VerifiedToken, VerifyError> {
        checks::issuer(&verified.claims, provider, self.settings.trailing_slash)?;
        checks::audience(&verified.claims, provider)?;
        bearer::authorized_party(&verified.claims, provider)?;
        bearer::required_claims(&verified.claims, provider)?;
        let taken = self.trust(verified.claims.clone(), provider)?;
        Ok(VerifiedToken { key_id: verified.key_id.clone(), algorithm: verified.algorithm, ..taken })
    }

    fn attempt<O: Observer>(
        &self,
        token: &str,
        providers: &[IdentityProvider],
        observer: &mut O,
    ) -> Result<VerifiedToken, Box<Refusal>> {
        let token = UnverifiedToken::parse(token, self.settings.max_bytes).map_err(VerifyError::from);
        let token = observer.check(Check::Shape, token, |token| {
            format!("a signed token with {} claims", token.claims.as_map().len())
        })?;
        let signed_with = token.header.signing_algorithm().map_err(VerifyError::from);
        let signed_with = observer.check(Check::Algorithm, signed_with, |found| algorithm::name(*found).into())?;
        observer.check(Check::Bearer, bearer::bearer(&token), |()| match &token.header.token_type {
            Some(found) => format!("of type `{}`", shown(found)),
            None => "no `typ`".into(),
        })?;
        let issuer = token.claims.as_map().get("iss");
        let candidates = issuer::candidates(providers, issuer, self.settings.trailing_slash);
        let candidates = observer.check(Check::Provider, candidates, |found| names(found))?;

        let mut refusal: Option<Box<Refusal>> = None;
        for provider in candidates {
            observer.candidate(&provider.name);
            match self.check_candidate(&token, signed_with, provider, observer) {
                Ok(found) => {
                    let Found { unique_id, key_id, expires_at, too_old_at } = found;
                    let verified = VerifiedToken::of(token.claims, provider, unique_id);
                    let algorithm = Some(signed_with);
                    return Ok(VerifiedToken {
                        key_id,
                        algorithm,
                        expires_at: Some(expires_at),
                        too_old_at,
                        ..verified
                    });
                }
                Err(error) => refusal = Some(Refusal::furthest(refusal, error, provider)),
            }
        }
        let mut refusal: Box<Refusal> = refusal.unwrap_or_else(|| VerifyError::UnknownProvider { issuer: None }.into());
        refusal.key_id = token.header.key_id;
        Err(refusal)
    }

    fn check_candidate<O: Observer>(
        &self,
        token: &UnverifiedToken<'_>,
        signed_with: SigningAlgorithm,
        provider: &IdentityProvider,
        observer: &mut O,
    ) -> Result<Found, VerifyError> {
        let claims = &token.claims;
        let key_id = self.check_signature(token, signed_with, provider, observer)?;

        let now = Moment::new(self.clock.now().timestamp_millis(), self.settings.leeway);
        let expiry = observer
            .check(Check::Expiry, checks::expiry(claims, now), |expiry| format!("expires at {}", expiry.seconds()))?;
        observer.check(Check::NotBefore, checks::not_before(claims, now), |start| match start {
            Some(start) => format!("valid since {}", start.seconds()),
            None => "no `nbf`".into(),
        })?;
        let issuer = checks::issuer(claims, provider, self.settings.trailing_slash);
        match &provider.issuer {
            Some(expected) => observer.check(Check::Issuer, issuer, |()| format!("`{expected}`"))?,
            None => observer.skip(Check::Issuer, "the provider has no issuer: any is taken"),
        }
        let audience = checks::audience(claims, provider);
        if provider.audiences.is_empty() {
            observer.skip(Check::Audience, "the provider has no audience: tokens meant for others are taken");
        } else {
            observer.check(Check::Audience, audience, |()| format!("one of `{}`", provider.audiences.join("`, `")))?;
        }
        let too_old_at = check_rules(token, expiry, now, provider, observer)?;
        let unique_id = observer.check(Check::UniqueId, checks::unique_id(claims, provider), |id| {
            format!("`{}` is `{}`", provider.claims.unique_id.join("` or `"), shown(id))
        })?;
        observer.check(Check::Email, Ok(checks::email(claims, provider)), |email| match email {
            Some(email) => {
                let counts = match address::trusted(email, claims, provider) {
                    Some(_) => "it counts",
                    None => "it does not count, by the provider's rule",
                };
                format!("`{}` is `{}`: {counts}", provider.claims.email, shown(email))
            }
            None => format!("no `{}`", provider.claims.email),
        })?;
        Ok(Found { unique_id, key_id, expires_at: expiry.seconds(), too_old_at })
    }

    /// The `kid` of the key that verifies the token, if that key has one.
    fn check_signature<O: Observer>(
        &self,
        token: &UnverifiedToken<'_>,
        signed_with: SigningAlgorithm,
        provider: &IdentityProvider,
        observer: &mut O,
    ) -> Result<Option<String>, VerifyError> {
        observer.check(Check::AllowedAlgorithm, signature::allowed(signed_with, provider), |()| {
            if provider.algorithms.is_empty() {
                "every asymmetric algorithm".into()
            } else {
                provider.algorithms.iter().map(|one| algorithm::name(*one)).collect::<Vec<_>>().join(", ")
            }
        })?;

        let wanted = token.header.key_id.as_deref();
        let fetched = self.keys.current(&provider.jwks_uri);
        let keys = fetched.as_ref().map(|fetched| &fetched.keys);
        let candidates = match keys {
            Some(keys) => signature::candidates(keys, wanted, signed_with, provider),
            None if self.keys.is_misconfigured(&provider.jwks_uri) => {
                Err(VerifyError::KeysMisconfigured { provider: provider.name.clone() })
            }
            None => Err(VerifyError::KeysUnavailable { provider: provider.name.clone() }),
        };
        let candidates = observer.check(Check::Key, candidates, |keys| match wanted {
            Some(key_id) => format!("`{}`", shown(key_id)),
            None => format!("the token names none: {} to try", keys.len()),
        })?;
        let signer = signature::signer(&candidates, token, signed_with, provider);
        let key = observer.check(Check::Signature, signer, |key| match key.id() {
            Some(key_id) => format!("by key `{}`", shown(key_id)),
            None => "by a key without `kid`".into(),
        })?;
        Ok(key.id().map(str::to_owned))
    }

    async fn refetch(&self, refusal: &Refusal, deadline: Instant) -> Refresh {
        if refusal.lacking.is_empty() || refusal.error.progress() > error::Progress::KeysUnavailable {
            return Refresh::Throttled;
        }
        self.keys.refresh_for_unknown_key(&refusal.lacking, refusal.key_id.as_deref(), deadline).await
    }
}

/// What the provider asks of its tokens besides; when the token is too old, if ever.
fn check_rules<O: Observer>(
    token: &UnverifiedToken<'_>,
    expiry: NumericDate,
    now: Moment,
    provider: &IdentityProvider,
    observer: &mut O,
) -> Result<Option<i64>, VerifyError> {
    let (claims, rules) = (&token.claims, &provider.tokens);
    observer.check(Check::Kind, bearer::kind(&token.header, claims, provider), |()| "one that is taken".into())?;
    let party = bearer::authorized_party(claims, provider);
    if rules.authorized_parties.is_empty() {
        observer.skip(Check::AuthorizedParty, "the provider has no authorized parties: any client's tokens are taken");
    } else {
        observer.check(Check::AuthorizedParty, party, |()| "one of the provider's clients".into())?;
    }
    let age = bearer::age(claims, expiry, now, provider);
    let too_old_at = if rules.max_age.is_none() && rules.max_lifetime.is_none() {
        observer.skip(Check::Age, "the provider limits neither lifetime nor age");
        age?
    } else {
        observer.check(Check::Age, age, |_| "within the provider's limits".into())?
    };
    let required = bearer::required_claims(claims, provider);
    if rules.required_claims.is_empty() {
        observer.skip(Check::RequiredClaims, "the provider requires no other claims");
    } else {
        observer.check(Check::RequiredClaims, required, |()| "all that the provider requires".into())?;
    }
    Ok(too_old_at)
}

/// What the checks of one provider found.
struct Found {
    unique_id: String,
    key_id: Option<String>,
    expires_at: i64,
    too_old_at: Option<i64>,
}

fn names(providers: &[&IdentityProvider]) -> String {
    providers.iter().map(|provider| format!("`{}`", provider.name)).collect::<Vec<_>>().join(", ")
}

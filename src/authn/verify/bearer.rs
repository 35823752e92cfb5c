//! Tokens told apart by what they are for (RFC 8725 §3.11): many things that an issuer signs are no bearer tokens.
//!
//! In: a token's header and claims, one provider's rules. Out: nothing, or why it is not taken. Some tokens are taken
//! from nobody, whatever a provider lists: those that end a session, tell an event, prove a key or authenticate a client,
//! those that are bound to a key that nobody checks, and those by which somebody acts for another.

use serde_json::Value;

use super::checks::Moment;
use super::error::{VerifyError, shown};
use crate::authn::claims::{Claims, NumericDate};
use crate::authn::token::{Header, UnverifiedToken};
use crate::model::{IdentityProvider, TokenKind};

/// Whether a token may be a bearer token at all. Its signature is not known to be good: this only ever refuses.
pub fn bearer(token: &UnverifiedToken<'_>) -> Result<(), VerifyError> {
    if let Some(what) = never(&token.header, &token.claims) {
        return Err(VerifyError::NotABearerToken { what });
    }
    let has = |claim: &str| token.claims.as_map().get(claim).is_some_and(|value| !value.is_null());
    match (has("cnf"), has("act")) {
        (true, _) => Err(VerifyError::Bound),
        (_, true) => Err(VerifyError::Delegated),
        _ => Ok(()),
    }
}

fn never(header: &Header, claims: &Claims) -> Option<&'static str> {
    let by_type = header.token_type.as_deref().and_then(|found| NEVER.iter().find(|(name, _)| *name == found));
    let by_claim = NEVER_WITH.iter().find(|(claim, _)| claims.as_map().contains_key(*claim));
    let is_proof = ["htm", "htu"].iter().all(|claim| claims.as_map().contains_key(*claim));
    by_type.or(by_claim).map(|(_, what)| *what).or(is_proof.then_some(PROOF))
}

const PROOF: &str = "proof of possession";
const LOGOUT: &str = "logout token";

/// Types that are taken from nobody.
const NEVER: [(&str, &str); 12] = [
    // OpenID Connect Back-Channel Logout 1.0 §2.4.
    ("logout+jwt", LOGOUT),
    // RFC 8417 §2.3.
    ("secevent+jwt", "security event token"),
    // RFC 9449 §4.2.
    ("dpop+jwt", PROOF),
    ("openid4vci-proof+jwt", PROOF),
    ("kb+jwt", PROOF),
    ("statuslist+jwt", "token status list"),
    ("oauth-id-jag+jwt", "identity assertion grant"),
    ("entity-statement+jwt", "entity statement"),
    ("client-authentication+jwt", "client authentication"),
    // RFC 9701 §5.
    ("token-introspection+jwt", "introspection response"),
    // RFC 9101 §10.8.
    ("oauth-authz-req+jwt", "authorization request"),
    ("oauth.authz.req+jwt", "authorization request"),
];

/// Claims that only such tokens have, also where the type is left out.
const NEVER_WITH: [(&str, &str); 3] = [
    ("events", "logout or security event token"),
    ("token_introspection", "introspection response"),
    ("status_list", "token status list"),
];

/// Whether the provider takes tokens of this type and kind.
pub fn kind(header: &Header, claims: &Claims, provider: &IdentityProvider) -> Result<(), VerifyError> {
    let found = header.token_type.as_deref().unwrap_or(PLAIN);
    let is_listed = match provider.tokens.types.as_slice() {
        [] => DEFAULT_TYPES.contains(&found),
        types => types.iter().any(|one| one == found),
    };
    if !is_listed {
        let expected = match provider.tokens.types.as_slice() {
            [] => DEFAULT_TYPES.map(str::to_owned).to_vec(),
            types => types.to_vec(),
        };
        return Err(VerifyError::TokenType { provider: provider.name.clone(), expected, found: shown(found) });
    }
    let has = |claim: &&&str| claims.as_map().get(**claim).is_some_and(|value| !value.is_null());
    let wrong = match provider.tokens.kind {
        TokenKind::Any => None,
        TokenKind::Id if found == ACCESS => Some(("ID tokens", format!("is of type `{ACCESS}`"))),
        TokenKind::Id => {
            let is_id = OF_ID_TOKENS.iter().chain(&["auth_time"]).any(|claim| has(&claim));
            (!is_id).then(|| ("ID tokens", "has none of `nonce`, `at_hash`, `c_hash`, `auth_time`".to_owned()))
        }
        TokenKind::Access => {
            let mark = OF_ID_TOKENS.iter().find(has);
            mark.map(|claim| ("access tokens", format!("has `{claim}`, as ID tokens do")))
        }
    };
    let Some((expected, found)) = wrong else { return Ok(()) };
    Err(VerifyError::Kind { provider: provider.name.clone(), expected, found })
}

/// What a token without `typ` counts as.
const PLAIN: &str = "jwt";
/// RFC 9068 §2.1.
const ACCESS: &str = "at+jwt";
const DEFAULT_TYPES: [&str; 2] = [PLAIN, ACCESS];
/// OpenID Connect Core 1.0 §2, §3.3.2.11.
const OF_ID_TOKENS: [&str; 3] = ["nonce", "at_hash", "c_hash"];

/// Whether the client that the token was issued to is one of the provider's.
pub fn authorized_party(claims: &Claims, provider: &IdentityProvider) -> Result<(), VerifyError> {
    let parties = &provider.tokens.authorized_parties;
    if parties.is_empty() {
        return Ok(());
    }
    let found = CLIENTS.iter().find_map(|claim| claims.as_map().get(*claim)).filter(|value| !value.is_null());
    let found = found.and_then(Value::as_str);
    if found.is_some_and(|found| parties.iter().any(|party| party == found)) {
        return Ok(());
    }
    Err(VerifyError::AuthorizedParty { provider: provider.name.clone(), found: found.map(shown) })
}

/// OpenID Connect; RFC 9068; Entra ID's first version; Okta. The first that is there counts.
const CLIENTS: [&str; 4] = ["azp", "client_id", "appid", "cid"];

/// Whether the token is neither good for too long nor issued too long ago; when it becomes too old, if ever.
pub fn age(
    claims: &Claims,
    expiry: NumericDate,
    now: Moment,
    provider: &IdentityProvider,
) -> Result<Option<i64>, VerifyError> {
    let rules = &provider.tokens;
    if rules.max_lifetime.is_none() && rules.max_age.is_none() {
        return Ok(None);
    }
    let name = || provider.name.clone();
    let issued = claims.as_map().get("iat").filter(|value| !value.is_null());
    let issued = issued.ok_or_else(|| VerifyError::IssuedAtMissing { provider: name() })?;
    let issued = NumericDate::read(issued).ok_or(VerifyError::NotADate { claim: "iat" })?;
    if now.is_before(issued) {
        // A token from the future could be as old as it likes.
        return Err(VerifyError::NotYetValid { not_before: issued.seconds(), seconds: now.seconds_until(issued) });
    }
    if let Some(limit) = rules.max_lifetime {
        let seconds = expiry.seconds().saturating_sub(issued.seconds());
        if seconds > i64::from(limit) {
            return Err(VerifyError::Lifetime { provider: name(), seconds, limit });
        }
    }
    let Some(limit) = rules.max_age else { return Ok(None) };
    let too_old = issued.seconds().saturating_add(i64::from(limit));
    if NumericDate::of_seconds(too_old).is_none_or(|too_old| now.is_after(too_old)) {
        return Err(VerifyError::TooOld { provider: name(), seconds: -now.seconds_until(issued), limit });
    }
    Ok(Some(too_old))
}

/// Whether the token has what the provider requires of every one.
pub fn required_claims(claims: &Claims, provider: &IdentityProvider) -> Result<(), VerifyError> {
    let failed =
        provider.tokens.required_claims.iter().find(|(path, condition)| !condition.holds(claims.texts(path).as_ref()));
    let Some((claim, _)) = failed else { return Ok(()) };
    Err(VerifyError::RequiredClaim { provider: provider.name.clone(), claim: claim.clone() })
}

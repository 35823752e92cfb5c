//! Whether the address in a token is its subject's: anybody can write any address where nobody checks it.
//!
//! In: an address, the claims beside it, one provider's rule. Out: the address, if it counts.

use serde_json::Value;

use crate::authn::claims::Claims;
use crate::model::{EmailTrust, IdentityProvider};

/// The token's address, where the provider's rule says that it counts.
pub fn trusted<'e>(email: &'e str, claims: &Claims, provider: &IdentityProvider) -> Option<&'e str> {
    let rule = &provider.email;
    let is_verified = verified(claims, rule.verified_claim.as_deref());
    let in_domains = rule.domains.is_empty() || is_of(email, claims, provider);
    // Where anyone may have an account, a domain by itself proves nothing.
    let needs_proof = provider.is_open_to_anyone();
    let counts = match provider.email_trust() {
        EmailTrust::Verified => is_verified == Some(true),
        EmailTrust::AlwaysUnlessDenied => is_verified != Some(false),
        EmailTrust::Domains if needs_proof => is_verified == Some(true),
        EmailTrust::Domains => is_verified != Some(false),
        EmailTrust::Always => true,
        EmailTrust::Never => false,
    };
    (counts && in_domains).then_some(email)
}

/// What the token says of its address: the claim that the provider names, else `email_verified`, else Entra's
/// `xms_edov`. What is there and does not say yes says no.
pub fn verified(claims: &Claims, claim: Option<&str>) -> Option<bool> {
    let of = |name: &str, takes_one: bool| match claims.get(name)? {
        Value::Null => None,
        Value::Bool(verified) => Some(*verified),
        Value::String(text) => Some(text.eq_ignore_ascii_case("true") || (takes_one && text == "1")),
        Value::Number(number) => Some(takes_one && number.as_u64() == Some(1)),
        _ => Some(false),
    };
    match claim {
        Some(claim) => of(claim, true),
        // A denial counts wherever it stands.
        None => match (of("email_verified", false), of("xms_edov", true)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (None, None) => None,
            _ => Some(true),
        },
    }
}

/// Whether the address is of one of the rule's domains. Google says in `hd` whose account it is: a person may have an
/// address of a domain without being of it.
fn is_of(email: &str, claims: &Claims, provider: &IdentityProvider) -> bool {
    let Some((_, domain)) = email.rsplit_once('@') else { return false };
    let domain = domain.to_ascii_lowercase();
    if !provider.email.domains.contains(&domain) {
        return false;
    }
    let is_google = provider.issuer.as_deref().is_some_and(|issuer| GOOGLE.contains(&issuer));
    let hosted = claims.as_map().get("hd").and_then(Value::as_str);
    !is_google || hosted.is_some_and(|hosted| hosted.eq_ignore_ascii_case(&domain))
}

const GOOGLE: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

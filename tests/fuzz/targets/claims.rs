//! The claims of a token whose signature holds. They are refused, or they make one of the three kinds of principal, the
//! same each time: a user only when the token has that user's email, an account only by its mapping, and else the
//! token's own subject.

use std::sync::LazyLock;

use cedargate::authn::{Claims, VerifiedToken};
use cedargate::compile::ProviderRecord;
use cedargate::principal::{Principal, resolve};
use serde_json::Value;

use super::ground::{ACME, on_small_thread, sorted};

pub fn claims(bytes: &[u8]) {
    LazyLock::force(&ACME);
    on_small_thread(|| judge(bytes));
}

fn judge(bytes: &[u8]) {
    let Ok(claims) = Claims::parse(bytes) else { return };
    let plain: Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!(Value::Object(claims.as_map().clone()), plain, "claims are not what the JSON says");
    for provider in &ACME.providers {
        let Ok(token) = VerifiedToken::of_trusted(claims.clone(), &provider.provider) else { continue };
        let principal = resolve(&token, &ACME).unwrap();
        is_whom_the_token_names(&principal, &token, provider, &plain);
        let again = VerifiedToken::of_trusted(Claims::parse(bytes).unwrap(), &provider.provider).unwrap();
        is_same(&principal, &resolve(&again, &ACME).unwrap());
    }
}

fn is_whom_the_token_names(principal: &Principal, token: &VerifiedToken, provider: &ProviderRecord, plain: &Value) {
    let (kind, id) = (principal.uid.type_name().to_string(), principal.uid.id().unescaped());
    match kind.as_str() {
        "User" => {
            let email = plain["email"].as_str().unwrap().trim();
            assert!(email.eq_ignore_ascii_case(id), "`{email}` became user `{id}`");
            assert_ne!(plain["email_verified"], Value::Bool(false), "an email that is not verified made a user");
            assert!(ACME.entities.contains(&principal.uid), "a user whom the directory does not have");
        }
        "VirtualAccount" => {
            let mapped = provider.virtual_account_mappings.values().any(|account| account.as_str() == id);
            assert!(mapped, "account `{id}` is not one that the provider maps to");
            assert!(provider.provider.claims.virtual_account.is_some(), "no claim says an account");
        }
        "ExternalSubject" => {
            assert!(id.contains(&token.unique_id) && id.contains(token.provider.as_str()), "subject `{id}`");
        }
        other => panic!("a token stands for a `{other}`"),
    }
}

fn is_same(one: &Principal, other: &Principal) {
    let parts = |principal: &Principal| {
        let entity = principal.entity.as_ref().unwrap().entity().to_json_value().unwrap();
        let mut parents = entity["parents"].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>();
        parents.sort();
        let (attributes, tags) = (sorted(&entity["attrs"]), sorted(&entity["tags"]));
        let outcomes = (principal.external_identities.clone(), principal.dropped.clone());
        (principal.uid.clone(), attributes, tags, parents, outcomes)
    };
    assert_eq!(parts(one), parts(other), "equal claims, another principal");
}

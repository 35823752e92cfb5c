//! Claims of a provider's tokens: those that it names its own by, those that many issuers make, and any others.

use proptest::collection::{btree_map, vec};
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use serde_json::{Map, Value, json};

use crate::model::IdentityProvider;

/// The claims of any token that a provider could sign: with a unique id, and its issuer and audience.
pub fn any_claims(provider: &IdentityProvider) -> impl Strategy<Value = Map<String, Value>> + use<> {
    let own = &provider.claims;
    let mut base = Map::new();
    base.extend(provider.issuer.iter().map(|issuer| ("iss".to_owned(), json!(issuer))));
    base.extend(provider.audiences.first().map(|audience| {
        let claim = provider.tokens.audience_claims.first().map_or("aud", String::as_str);
        (claim.to_owned(), json!(audience))
    }));
    let mut names: Vec<String> = COMMON.iter().map(|name| (*name).to_owned()).collect();
    names.push(own.email.clone());
    names.extend(own.virtual_account.iter().chain(&own.teams).cloned());
    let name = prop_oneof![4 => proptest::sample::select(names), 1 => "[a-z_]{1,8}(/[a-z]{1,4})?"];
    let unique_id = (Just(own.unique_id.first().cloned().unwrap_or_default()), "[a-zA-Z0-9|:@.-]{1,12}");
    (unique_id, btree_map(name, value(), 0..8)).prop_map(move |((path, id), claims)| {
        let mut all = base.clone();
        for (name, value) in claims {
            put(&mut all, &name, value);
        }
        put(&mut all, &path, json!(id));
        all
    })
}

fn value() -> impl Strategy<Value = Value> {
    let text =
        || prop_oneof![3 => proptest::sample::select(&WORDS[..]).prop_map(str::to_owned), 1 => "[a-z0-9@./-]{0,12}"];
    prop_oneof![
        4 => text().prop_map(Value::from),
        3 => vec(text(), 0..4).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => text().prop_map(|text| json!({"roles": [text]})),
        1 => Just(Value::Null),
    ]
}

/// Puts a claim at a path of nested objects.
fn put(claims: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('/') {
        None => {
            claims.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = claims.entry(first.to_owned()).or_insert_with(|| json!({}));
            if !inner.is_object() {
                *inner = json!({});
            }
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// What issuers call the claims that policies ask about.
const COMMON: [&str; 14] = [
    "groups",
    "roles",
    "scope",
    "scp",
    "department",
    "realm_access/roles",
    "organization/unit",
    "amr",
    "acr",
    "auth_time",
    "email_verified",
    "repository",
    "ref",
    "environment",
];
const WORDS: [&str; 8] =
    ["admin", "engineering", "research", "partner", "production", "refs/heads/main", "pwd", "jane@acme.com"];

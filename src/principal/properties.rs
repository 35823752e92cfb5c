//! Claims are a stranger's: whatever they are, mapping them never panics, and none of them reaches another's tags.

use std::collections::BTreeMap;

use cedar_policy::Entities;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::tests::SNAPSHOT;
use super::{resolve, tags};
use crate::authn::Claims;
use crate::model::ProviderName;
use crate::snapshot::Supplied;

/// Names that try to meet: parts of each other's paths, escapes, and anything.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => prop::sample::select(vec!["a", "b", "a/b", "b/c", "a/b/c"]).prop_map(str::to_owned),
        6 => prop::sample::select(vec![
            "a", "b", "a/b", "a/b/c", "b/c", "c", "a~1b", "a~0b", "~", "~1", "/", "", "a/", "/a", "scope", "scp",
            "sub", "email", "groups", "client_id", "auth_time", "amr", "address", "price", "since", "place", "city",
        ])
        .prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-4i32..4).prop_map(|whole| Value::from(f64::from(whole))),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec!["a b", "x", "10.0.0.1", "1.5", "2026-01-09", "jane@acme.com", "ci-client"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(name(), inner, 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn claims() -> impl Strategy<Value = Map<String, Value>> {
    btree_map(name(), value(), 0..6).prop_map(|members| members.into_iter().collect())
}

fn alone(name: &str, value: &Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value.clone())])
}

/// Objects in objects, whose members are often called what a path through the others is.
fn nested() -> impl Strategy<Value = Value> {
    let short = || prop::sample::select(vec!["a", "b", "a/b", "b/c", "c", "~", "~1", "a~1b"]).prop_map(str::to_owned);
    let object = |members: BTreeMap<String, Value>| Value::Object(members.into_iter().collect());
    (0..9_i32)
        .prop_map(Value::from)
        .prop_recursive(3, 30, 5, move |inner| btree_map(short(), inner, 1..5).prop_map(object))
}

/// How many values an object holds at any depth that a tag is made of.
fn leaves(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Object(members) => members.values().map(leaves).sum(),
        _ => 1,
    }
}

/// Whether a tag's key is this claim's own name or a path that begins with it.
fn reaches(claim: &str, key: &str) -> bool {
    key.strip_prefix(claim).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_tag_is_exactly_what_its_own_claim_makes(claims in claims()) {
        let (all, _) = tags(&claims);
        for (key, values) in &all {
            // Of the claims that would make this tag alone, the one with the longest name does.
            let owner = claims
                .iter()
                .filter(|(name, value)| tags(&alone(name, value)).0.contains_key(key))
                .max_by_key(|(name, _)| name.len());
            let (name, value) = owner.expect("a tag that no claim makes");
            prop_assert!(reaches(name, key), "{name:?} made {key:?}");
            prop_assert_eq!(&tags(&alone(name, value)).0[key], values);
        }
        for (name, value) in &claims {
            for key in tags(&alone(name, value)).0.keys() {
                prop_assert!(all.contains_key(key), "{key:?} of {name:?} is lost");
            }
        }
    }

    #[test]
    fn another_claim_changes_no_tag_outside_its_own_path(claims in claims(), name in name(), value in value()) {
        let mut without = claims;
        without.remove(&name);
        let mut with = without.clone();
        with.insert(name.clone(), value);
        let (before, after) = (tags(&without).0, tags(&with).0);
        for key in before.keys().chain(after.keys()).filter(|key| !reaches(&name, key)) {
            prop_assert_eq!(before.get(key), after.get(key), "{:?} changed {:?}", name, key);
        }
    }

    #[test]
    fn no_two_members_of_a_claim_share_a_tag(own in nested()) {
        prop_assert_eq!(tags(&alone("own", &own)).0.len(), leaves(&own), "{}", own);
    }

    #[test]
    fn no_member_inside_a_claim_reaches_another_claims_tags(claims in claims(), member in name(), value in value()) {
        // A member of claim `own`, whatever it is called, is seen under `own/` only.
        let mut claims = claims;
        claims.retain(|name, _| !reaches("own", name));
        let mut with = claims.clone();
        with.insert("own".into(), Value::Object(alone(&member, &value)));
        let (before, mut after) = (tags(&claims).0, tags(&with).0);
        after.retain(|key, _| !key.starts_with("own/"));
        prop_assert_eq!(before, after);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_claims_make_a_principal_that_fits_the_schema(claims in claims(), hub in any::<bool>()) {
        let provider = ProviderName::parse(if hub { "hub" } else { "okta" }).unwrap();
        let mut token = crate::assemble::test_tenant::verified(&SNAPSHOT, provider.as_str(), serde_json::json!({"sub": "x"}));
        token.email = claims.get("email").and_then(Value::as_str).map(str::to_owned);
        token.claims = Claims::from_map(claims).unwrap();
        let principal = resolve(&token, &SNAPSHOT).unwrap();
        let fits = Entities::from_entities(principal.entity.iter().map(Supplied::entity), Some(&SNAPSHOT.schema.schema));
        prop_assert!(fits.is_ok(), "{}", fits.unwrap_err());
    }
}

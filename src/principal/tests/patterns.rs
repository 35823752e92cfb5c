//! Conditions on claims as Cedar evaluates them are what they say they are.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{Condition, Conditions, Pattern};

const PATHS: [&str; 3] = ["ref", "groups", "realm/roles"];

fn text() -> impl Strategy<Value = String> {
    "[ab*/\"]{0,4}"
}

fn condition() -> impl Strategy<Value = Condition> {
    let pattern = ("[ab*/\\\\\"]{1,4}", 0..4).prop_map(|(text, which)| match which {
        0 => Pattern::Prefix(text),
        1 => Pattern::Suffix(text),
        2 => Pattern::Glob(text),
        _ => Pattern::IgnoringCase(text),
    });
    let plain = "[ab/\"]{0,4}";
    let leaf = prop_oneof![
        2 => btree_set(plain, 1..3).prop_map(Condition::OneOf),
        3 => pattern.prop_map(Condition::Like),
        1 => any::<bool>().prop_map(Condition::Exists),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..3).prop_map(Condition::Any),
            vec(inner.clone(), 1..3).prop_map(Condition::All),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

fn token() -> impl Strategy<Value = Value> {
    let texts = || prop::option::of(btree_set(text(), 0..3));
    (texts(), texts(), texts()).prop_map(|(one, groups, roles)| {
        let mut claims = json!({"sub": "s"});
        for (name, texts) in [("ref", one), ("groups", groups)] {
            if let Some(texts) = texts {
                claims[name] = json!(texts);
            }
        }
        if let Some(roles) = roles {
            claims["realm"] = json!({"roles": roles});
        }
        claims
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn cedar_lets_a_subject_in_exactly_when_all_conditions_hold_of_its_claims(
        identities in vec(btree_map(prop::sample::select(&PATHS[..]), condition(), 1..3), 1..6),
        tokens in vec(token(), 8),
    ) {
        let mut text = "{type: identity-provider, name: okta, config: {jwks_uri: 'https://x/k', audience: a}}\n".to_owned();
        let identities: Vec<Conditions> = identities
            .into_iter()
            .map(|conditions| conditions.into_iter().map(|(path, condition)| (path.to_owned(), condition)).collect())
            .collect();
        for (number, conditions) in identities.iter().enumerate() {
            let document = json!({
                "type": "external-identity", "name": format!("e{number}"), "identity_provider": "okta", "claims": conditions,
            });
            text.push_str(&format!("---\n{document}\n"));
        }
        let snapshot = TestTenant::over(SCHEMA).default_roles(ROLES).manifest("m.yaml", &text).snapshot();
        let snapshot = snapshot.map_err(|faults| TestCaseError::fail(format!("{faults:#?} {text}")))?;
        for claims in tokens {
            let (tags, _) = crate::principal::tags(claims.as_object().unwrap());
            let holds = |conditions: &Conditions| {
                conditions.iter().all(|(path, condition)| condition.holds(tags.get(path)))
            };
            let expected: Vec<_> = identities
                .iter()
                .enumerate()
                .filter(|(_, conditions)| holds(conditions))
                .map(|(number, _)| format!("e{number}"))
                .collect();
            let found = resolve(&verified(&snapshot, "okta", claims.clone()), &snapshot).unwrap().external_identities;
            prop_assert_eq!(found, expected, "{} {}", claims, text);
        }
    }
}

//! What holds of which claims, and that our patterns are Cedar's.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn holds(condition: Value, claim: Option<&[&str]>) -> bool {
    let texts: Option<BTreeSet<String>> = claim.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect());
    Condition::read(&condition).unwrap().holds(texts.as_ref())
}

#[test]
fn a_pattern_holds_when_some_element_matches() {
    let tag = Some(["refs/heads/main", "refs/tags/v1.2"].as_slice());
    for (condition, expected) in [
        (json!("refs/tags/v1.2"), true),
        (json!(["x", "refs/heads/main"]), true),
        (json!({"prefix": "refs/tags/"}), true),
        (json!({"prefix": "tags/"}), false),
        (json!({"suffix": "/main"}), true),
        (json!({"glob": "refs/*/v*"}), true),
        (json!({"glob": "refs/tags/v"}), false),
        (json!({"ci": "REFS/HEADS/MAIN"}), true),
        (json!({"any": ["no", {"prefix": "refs/h"}]}), true),
        (json!({"all": [{"suffix": "main"}, {"prefix": "refs/tags"}]}), true),
        (json!({"all": [{"suffix": "main"}, "no"]}), false),
        (json!({"not": "refs/heads/main"}), false),
        (json!({"not": {"prefix": "x"}}), true),
        (json!({"exists": true}), true),
        (json!({"exists": false}), false),
    ] {
        assert_eq!(holds(condition.clone(), tag), expected, "{condition}");
    }
}

#[test]
fn an_absent_claim_satisfies_only_that_it_is_absent() {
    for condition in [json!("x"), json!({"glob": "*"}), json!({"not": "x"}), json!({"exists": true})] {
        assert!(!holds(condition.clone(), None), "{condition}");
    }
    assert!(holds(json!({"exists": false}), None));
    // There, but with nothing in it.
    assert!(holds(json!({"not": "x"}), Some(&[])));
    assert!(!holds(json!({"glob": "*"}), Some(&[])));
}

#[test]
fn what_is_no_condition_is_told_apart() {
    for value in [
        json!(null),
        json!([]),
        json!({}),
        json!([["x"]]),
        json!({"glob": 1}),
        json!({"glob": ""}),
        json!({"regex": "x"}),
        json!({"prefix": "a", "suffix": "b"}),
        json!({"any": []}),
        json!({"any": "x"}),
        json!({"exists": "yes"}),
        json!({"not": null}),
    ] {
        assert_eq!(Condition::read(&value), Err(ConditionError::Form), "{value}");
    }
    let deep = (0..MAX_DEPTH).fold(json!("x"), |inner, _| json!({"not": inner}));
    assert_eq!(Condition::read(&deep), Err(ConditionError::Depth));
}

#[test]
fn a_plain_star_is_seen_wherever_it_stands() {
    for (value, expected) in [
        (json!("acme/*"), Some("acme/*")),
        (json!({"any": ["a", {"not": ["b", "*"]}]}), Some("*")),
        (json!({"glob": "acme/*"}), None),
    ] {
        assert_eq!(Condition::read(&value).unwrap().plain_star(), expected, "{value}");
    }
}

/// Few letters, so that patterns and texts meet.
fn text() -> impl Strategy<Value = String> {
    "[ab/*\\\\é\"]{0,8}"
}

fn condition() -> impl Strategy<Value = Condition> {
    let pattern = ("[ab*\\\\/]{1,6}", 0..4).prop_map(|(text, which)| match which {
        0 => Pattern::Prefix(text),
        1 => Pattern::Suffix(text),
        2 => Pattern::Glob(text),
        _ => Pattern::IgnoringCase(text),
    });
    let leaf = prop_oneof![
        prop::collection::btree_set(text(), 1..3).prop_map(Condition::OneOf),
        pattern.prop_map(Condition::Like),
        any::<bool>().prop_map(Condition::Exists),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Condition::Any),
            prop::collection::vec(inner.clone(), 1..3).prop_map(Condition::All),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

/// A Cedar pattern for the same: the text's letters escaped, a star kept where it is open.
fn as_like(glob: &str) -> String {
    let mut like = String::new();
    let mut letters = glob.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.next_if_eq(&'*').is_some() => like.push_str("\\*"),
            '\\' => like.push_str("\\\\"),
            '"' => like.push_str("\\\""),
            other => like.push(other),
        }
    }
    like
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_glob_matches_what_cedars_like_matches(glob in text(), candidate in text()) {
        let quoted = serde_json::to_string(&candidate).unwrap();
        let expression = format!("{quoted} like \"{}\"", as_like(&glob));
        let someone: cedar_policy::EntityUid = "A::\"a\"".parse().unwrap();
        let context = cedar_policy::Context::empty();
        let cedar = cedar_policy::eval_expression(
            &cedar_policy::Request::new(someone.clone(), someone.clone(), someone, context, None).unwrap(),
            &cedar_policy::Entities::empty(),
            &expression.parse().unwrap(),
        );
        let cedar = matches!(cedar.unwrap(), cedar_policy::EvalResult::Bool(true));
        prop_assert_eq!(Pattern::Glob(glob.clone()).matches(&candidate), cedar, "{}", expression);
    }

    #[test]
    fn what_is_written_reads_back(condition in condition()) {
        prop_assert_eq!(Condition::read(&condition.written()).unwrap(), condition);
    }
}

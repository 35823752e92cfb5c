//! Claims to tags and typed claims; who a token is; which external identities count.

mod assuming;
mod patterns;

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use cedar_policy::{Entity, EntityUid};
use cedar_policy_core::ast;
use serde_json::{Map, Value, json};

use super::typed::typed_claims;
use super::{DroppedClaim, Principal, PrincipalError, Remembered, resolve, resolve_again, resolve_explained, tags};
use crate::assemble::test_tenant::{TestTenant, verified};
use crate::model::ProviderName;
use crate::schema::{DataType, DataTypes};
use crate::snapshot::Snapshot;

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("not an object: {value}") };
    members
}

/// Tags as JSON, and the names of what was dropped.
fn tagged(claims: Value) -> (Value, Vec<String>) {
    let (tags, dropped) = tags(&object(claims));
    (serde_json::to_value(tags).unwrap(), dropped.into_iter().map(|claim| claim.claim).collect())
}

#[test]
fn claims_become_tags_by_path() {
    for (claims, expected) in [
        (json!({"department": "research"}), json!({"department": ["research"]})),
        (json!({"groups": ["b", "a", "b"]}), json!({"groups": ["a", "b"]})),
        (
            json!({"realm_access": {"roles": ["partner", "viewer"]}}),
            json!({"realm_access/roles": ["partner", "viewer"]}),
        ),
        (json!({"a": {"b": {"c": {"d": 1}}}}), json!({"a/b/c/d": ["1"]})),
        (json!({"kubernetes.io": {"namespace": "x"}}), json!({"kubernetes.io/namespace": ["x"]})),
        (json!({"https://acme.com/unit": "x"}), json!({"https://acme.com/unit": ["x"]})),
        (json!({"n": 3, "minus": -3, "zero": 0}), json!({"n": ["3"], "minus": ["-3"], "zero": ["0"]})),
        (json!({"whole": 3.0, "half": 1.5, "small": -2.0}), json!({"whole": ["3"], "half": ["1.5"], "small": ["-2"]})),
        (
            json!({"large": u64::MAX, "least": i64::MIN}),
            json!({"large": ["18446744073709551615"], "least": ["-9223372036854775808"]}),
        ),
        (json!({"yes": true, "no": false}), json!({"yes": ["true"], "no": ["false"]})),
        (json!({"none": null, "inside": {"none": null}}), json!({})),
        (json!({"empty": []}), json!({"empty": []})),
        (json!({"nothing": {}, "inside": {"nothing": {}}}), json!({})),
        (json!({"mixed": ["a", 1, 2.0, true, null]}), json!({"mixed": ["1", "2", "a", "true"]})),
        (json!({"": "x", "a": {"": "y"}}), json!({"": ["x"], "a/": ["y"]})),
    ] {
        assert_eq!(tagged(claims.clone()), (expected, vec![]), "{claims}");
    }
}

#[test]
fn scopes_are_split_at_spaces_and_only_at_the_top() {
    for (claims, expected) in [
        (json!({"scope": "openid  profile "}), json!({"scope": ["openid", "profile"]})),
        (json!({"scp": "a b"}), json!({"scp": ["a", "b"]})),
        (json!({"scope": ""}), json!({"scope": []})),
        (json!({"scp": ["a b", "c"]}), json!({"scp": ["a b", "c"]})),
        (json!({"department": "a b"}), json!({"department": ["a b"]})),
        (json!({"token": {"scope": "a b"}}), json!({"token/scope": ["a b"]})),
    ] {
        assert_eq!(tagged(claims.clone()).0, expected, "{claims}");
    }
}

#[test]
fn the_literal_name_wins_over_a_path_whichever_stands_first() {
    let expected = json!({"realm_access/roles": ["literal"]});
    for text in [
        r#"{"realm_access": {"roles": "path"}, "realm_access/roles": "literal"}"#,
        r#"{"realm_access/roles": "literal", "realm_access": {"roles": "path"}}"#,
    ] {
        let claims: Value = serde_json::from_str(text).unwrap();
        assert_eq!(tagged(claims), (expected.clone(), vec!["realm_access/roles".to_owned()]));
    }
    let longer = tagged(json!({"a": {"b": {"c": "1"}}, "a/b": {"c": "2"}}));
    assert_eq!(longer, (json!({"a/b/c": ["2"]}), vec!["a/b/c".to_owned()]));
    // A literal claim that is absent, being null, takes nothing's place.
    assert_eq!(tagged(json!({"a": {"b": "1"}, "a/b": null})), (json!({"a/b": ["1"]}), vec![]));
}

#[test]
fn names_below_the_top_cannot_hold_a_separator() {
    for (claims, expected) in [
        (json!({"realm": {"access/roles": "x"}}), json!({"realm/access~1roles": ["x"]})),
        (
            json!({"a": {"b~c": "x", "b~1c": "y", "b/c": "z"}}),
            json!({"a/b~0c": ["x"], "a/b~01c": ["y"], "a/b~1c": ["z"]}),
        ),
        (json!({"a": {"b": {"c": "nested"}, "b/c": "flat"}}), json!({"a/b/c": ["nested"], "a/b~1c": ["flat"]})),
    ] {
        assert_eq!(tagged(claims.clone()), (expected, vec![]), "{claims}");
    }
}

#[test]
fn objects_in_lists_are_dropped_and_the_diagnosis_says_so() {
    let (tags, dropped) = tags(&object(json!({"x": ["a", {"b": 1}, ["c"]], "y": {"z": [{}]}})));
    assert_eq!(serde_json::to_value(tags).unwrap(), json!({"x": ["a"], "y/z": []}));
    let claims: Vec<_> = dropped.iter().map(|claim| claim.claim.as_str()).collect();
    assert_eq!(claims, ["x", "y/z"]);
    assert!(dropped.iter().all(|claim| claim.reason.contains("a list may hold only strings, numbers and booleans")));
}

fn optional(kind: DataType) -> (DataType, bool) {
    (kind, false)
}

fn types(claims: impl IntoIterator<Item = (&'static str, (DataType, bool))>) -> DataTypes {
    claims.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect()
}

/// The typed claims as Cedar's JSON, and what was dropped.
fn typed(claims: Value, types: &DataTypes) -> (Option<Value>, Vec<DroppedClaim>) {
    let (record, dropped) = typed_claims(&object(claims), types);
    let json = record.map(|record| {
        let uid: EntityUid = r#"User::"x""#.parse().unwrap();
        let claims = [("claims".into(), record.into())];
        let entity = ast::Entity::new_with_attr_partial_value(uid.into(), claims, HashSet::new(), HashSet::new(), []);
        Entity::from(entity).to_json_value().unwrap()["attrs"]["claims"].clone()
    });
    (json, dropped)
}

#[test]
fn a_claim_of_its_declared_type_is_kept_as_that_type() {
    let extension = |name: &str| DataType::Extension(name.to_owned());
    let extension_value = |name: &str, arg: &str| json!({"__extn": {"fn": name, "arg": arg}});
    let set = |kind| DataType::Set(Box::new(kind));
    for (kind, given, expected) in [
        (DataType::Text, json!("urn:mfa"), json!("urn:mfa")),
        (DataType::Number, json!(1_767_952_800), json!(1_767_952_800)),
        (DataType::Number, json!(1_767_952_800.0), json!(1_767_952_800)),
        (DataType::Number, json!(1_767_952_800.75), json!(1_767_952_800)),
        (DataType::Number, json!(-1.5), json!(-2)),
        (DataType::Boolean, json!(true), json!(true)),
        (set(DataType::Text), json!(["mfa", "pwd"]), json!(["mfa", "pwd"])),
        (set(DataType::Text), json!([]), json!([])),
        (set(set(DataType::Number)), json!([[1], [2.0]]), json!([[1], [2]])),
        (extension("ipaddr"), json!("10.0.0.1"), extension_value("ip", "10.0.0.1")),
        (extension("decimal"), json!("1.5"), extension_value("decimal", "1.5")),
        (extension("decimal"), json!(1.25), extension_value("decimal", "1.25")),
        (extension("decimal"), json!(3), extension_value("decimal", "3.0")),
        (extension("datetime"), json!("2026-01-09"), extension_value("datetime", "2026-01-09")),
        (extension("datetime"), json!(1_767_952_800), extension_value("datetime", "2026-01-09T10:00:00Z")),
        (extension("datetime"), json!(1_767_952_800.9), extension_value("datetime", "2026-01-09T10:00:00Z")),
        (extension("duration"), json!("2h30m"), extension_value("duration", "2h30m")),
    ] {
        let types = types([("x", optional(kind))]);
        assert_eq!(typed(json!({"x": given, "other": 1}), &types), (Some(json!({"x": expected})), vec![]), "{given}");
    }
}

#[test]
fn a_claim_of_another_type_is_dropped_and_the_diagnosis_says_so() {
    let extension = |name: &str| DataType::Extension(name.to_owned());
    let texts = DataType::Set(Box::new(DataType::Text));
    let record = DataType::Record(types([("city", (DataType::Text, true))]));
    for (kind, given, said) in [
        (DataType::Text, json!(1), "a string"),
        (DataType::Text, json!(["a"]), "a string"),
        (DataType::Number, json!("1767952800"), "a number"),
        (DataType::Number, json!(true), "a number"),
        (DataType::Number, json!(1e300), "a number"),
        (DataType::Number, json!(u64::MAX), "a number"),
        (DataType::Boolean, json!("true"), "a boolean"),
        (texts.clone(), json!("mfa"), "a list in which each is a string"),
        (texts, json!(["mfa", 1]), "a list in which each is a string"),
        (extension("ipaddr"), json!("10.0.0"), "a `ipaddr`"),
        (extension("ipaddr"), json!(10), "a `ipaddr`"),
        (extension("decimal"), json!("one"), "a `decimal`"),
        (extension("decimal"), json!("1.123456"), "a `decimal`"),
        (extension("datetime"), json!("yesterday"), "a `datetime`"),
        (extension("datetime"), json!(i64::MAX), "a `datetime`"),
        (extension("duration"), json!(60), "a `duration`"),
        (extension("duration"), json!("soon"), "a `duration`"),
        (extension("unheard-of"), json!("x"), "a `unheard-of`"),
        (record.clone(), json!("Oslo"), "an object with the declared members"),
        (record.clone(), json!({}), "an object with the declared members"),
        (record.clone(), json!({"city": null}), "an object with the declared members"),
        (record, json!({"city": 1}), "an object with the declared members"),
    ] {
        let types = types([("x", optional(kind)), ("y", optional(DataType::Text))]);
        let reason = format!("is not {said}, as the schema's `Claims` declares it");
        let dropped = vec![DroppedClaim { claim: "x".into(), reason }];
        assert_eq!(
            typed(json!({"x": given, "y": "kept"}), &types),
            (Some(json!({"y": "kept"})), dropped.clone()),
            "{given}"
        );
        assert_eq!(typed(json!({"x": given}), &types), (None, dropped), "{given}");
    }
}

#[test]
fn records_keep_their_declared_members_only() {
    let members = types([("city", (DataType::Text, true)), ("zip", optional(DataType::Number))]);
    let types = types([("address", optional(DataType::Record(members)))]);
    for (given, kept) in [
        (json!({"city": "Oslo", "zip": 150.0, "street": "x"}), json!({"city": "Oslo", "zip": 150})),
        (json!({"city": "Oslo", "zip": null}), json!({"city": "Oslo"})),
    ] {
        assert_eq!(typed(json!({"address": given}), &types), (Some(json!({"address": kept})), vec![]));
    }
    // A member that may be missing goes by itself when it does not fit.
    let (kept, dropped) = typed(json!({"address": {"city": "Oslo", "zip": "x"}}), &types);
    assert_eq!((kept, dropped.len()), (Some(json!({"address": {"city": "Oslo"}})), 1));
    assert_eq!(dropped[0].claim, "address/zip");
}

#[test]
fn a_missing_required_claim_takes_no_other_claim_with_it() {
    let types = types([("acr", (DataType::Text, true)), ("amr", optional(DataType::Text))]);
    for claims in [json!({"amr": "x"}), json!({"amr": "x", "acr": null})] {
        let (record, dropped) = typed(claims, &types);
        assert_eq!(record, Some(json!({"amr": "x"})));
        let reason = "the schema requires it, and the token does not have it".to_owned();
        assert_eq!(dropped, [DroppedClaim { claim: "acr".into(), reason }]);
    }
    assert_eq!(typed(json!({"amr": "x", "acr": 1}), &types).0, Some(json!({"amr": "x"})));
    assert_eq!(typed(json!({"acr": "1"}), &types), (Some(json!({"acr": "1"})), vec![]));
    assert_eq!(typed(json!({"acr": "1"}), &DataTypes::new()), (None, vec![]));
}

pub(super) const SCHEMA: &str = r"
type Claims = {
  auth_time?: Long, amr?: Set<String>, verified?: Bool, address?: ipaddr, price?: decimal, since?: datetime,
  place?: { city: String, zip?: Long },
};
entity Doc in [Tenant];
action read, write appliesTo { principal: [User, VirtualAccount, ExternalSubject], resource: Doc };
";

const DIRECTORY: &str = r#"
type: identity-provider
name: okta
config: {jwks_uri: "https://okta.example/keys", issuer: "https://okta.example", audience: a}
claims: {virtual_account: client_id, teams: groups}
users: either
---
type: identity-provider
name: hub
config: {jwks_uri: "https://hub.example/keys", issuer: "https://hub.example", audience: a}
external_identities: most-specific
---
{type: external-identity, name: everyone, identity_provider: okta}
---
{type: external-identity, name: research, identity_provider: okta, claims: {department: [research, lab]}}
---
type: external-identity
name: partners
identity_provider: okta
claims: {department: [research, lab], realm_access/roles: partner, level: 2, active: true}
---
{type: external-identity, name: tagged, identity_provider: okta, claims: {ref: {glob: "refs/tags/v*"}}}
---
{type: external-identity, name: hub-any, identity_provider: hub}
---
{type: external-identity, name: hub-acme, identity_provider: hub, claims: {owner: acme}}
---
{type: external-identity, name: hub-blue, identity_provider: hub, claims: {colour: blue}}
---
{type: external-identity, name: hub-chat, identity_provider: hub, claims: {owner: acme, repository: [chat, site]}}
---
{type: external-identity, name: hub-release, identity_provider: hub, claims: {owner: acme, environment: production}}
---
{type: user, email: jane@acme.com}
---
{type: user, email: idle@acme.com, active: false}
---
type: team
name: ml
members: [jane@acme.com, idle@acme.com]
identity_provider_mapping: [{identity_provider: okta, value: ml-engineers}]
---
{type: team, name: ops, identity_provider_mapping: [{identity_provider: okta, value: ml-engineers}, {identity_provider: okta, value: sre}]}
---
{type: virtual-account, name: ci, identity_provider_mapping: [{identity_provider: okta, value: ci-client}]}
---
{type: resource, resource: "Doc::plan", collaborators: [{subject: "team:ml", role: reader}]}
---
{type: tenant, collaborators: [{subject: "external-identity:everyone", role: admin}, {subject: "team:ml", role: admin}]}
"#;

const ROLES: &str = r#"
{type: role, name: reader, resource_type: Doc, actions: [read]}
---
{type: role, name: admin, resource_type: Tenant, actions: ["*"]}
"#;

pub(super) fn tenant() -> TestTenant {
    TestTenant::over(SCHEMA).default_roles(ROLES).manifest("manifests/all.yaml", DIRECTORY)
}

pub(super) static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| tenant().snapshot().unwrap());

fn who(provider: &str, claims: Value) -> Principal {
    resolve(&verified(&SNAPSHOT, provider, claims), &SNAPSHOT).unwrap()
}

fn identities(snapshot: &Snapshot, provider: &str, claims: Value) -> Vec<String> {
    resolve(&verified(snapshot, provider, claims), snapshot).unwrap().external_identities
}

fn parents(principal: &Principal) -> BTreeSet<String> {
    let entity = principal.entity.as_ref().unwrap().entity();
    entity.into_inner().2.iter().map(ToString::to_string).collect()
}

#[test]
fn every_external_identity_that_matches_counts() {
    for (claims, expected) in [
        (json!({"sub": "x"}), vec!["everyone"]),
        (json!({"sub": "x", "department": "sales"}), vec!["everyone"]),
        (json!({"sub": "x", "department": "lab"}), vec!["everyone", "research"]),
        (json!({"sub": "x", "department": ["sales", "research"]}), vec!["everyone", "research"]),
        (
            json!({"sub": "x", "department": "lab", "realm_access": {"roles": "partner"}, "level": 2}),
            vec!["everyone", "research"],
        ),
        (
            json!({"sub": "x", "department": "lab", "realm_access": {"roles": ["a", "partner"]}, "level": 2.0, "active": true}),
            vec!["everyone", "partners", "research"],
        ),
        (json!({"sub": "x", "department": "Research"}), vec!["everyone"]),
        (json!({"sub": "x", "department": {"name": "research"}}), vec!["everyone"]),
    ] {
        assert_eq!(identities(&SNAPSHOT, "okta", claims.clone()), expected, "{claims}");
    }
}

#[test]
fn the_most_specific_external_identities_count_and_ties_all_do() {
    for (claims, expected) in [
        (json!({"sub": "x"}), vec!["hub-any"]),
        (json!({"sub": "x", "owner": "mallory"}), vec!["hub-any"]),
        (json!({"sub": "x", "owner": "acme"}), vec!["hub-acme"]),
        (json!({"sub": "x", "owner": "acme", "colour": "blue"}), vec!["hub-acme", "hub-blue"]),
        (json!({"sub": "x", "owner": "acme", "colour": "blue", "repository": "site"}), vec!["hub-chat"]),
        (
            json!({"sub": "x", "owner": "acme", "repository": "chat", "environment": "production"}),
            vec!["hub-chat", "hub-release"],
        ),
    ] {
        assert_eq!(identities(&SNAPSHOT, "hub", claims.clone()), expected, "{claims}");
    }
}

#[test]
fn members_of_an_external_identity_have_it_among_their_parents() {
    let partner = who("okta", json!({"sub": "x", "department": "lab"}));
    let expected = [r#"ExternalIdentity::"everyone""#, r#"ExternalIdentity::"research""#, r#"Tenant::"acme""#];
    assert_eq!(parents(&partner), expected.map(str::to_owned).into());
}

#[test]
fn an_address_is_nobodys_in_the_token_of_a_provider_that_does_not_speak_addresses() {
    for claims in [
        json!({"sub": "x", "email": "jane@acme.com"}),
        json!({"sub": "x", "email": "jane@acme.com", "email_verified": true}),
        // Not even switched off: it is nobody.
        json!({"sub": "x", "email": "idle@acme.com", "email_verified": true}),
    ] {
        assert_eq!(who("hub", claims.clone()).uid.to_string(), r#"ExternalSubject::"hub|x""#, "{claims}");
    }
}

#[test]
fn a_pattern_is_matched_by_cedar_through_the_tags_that_are_derived_for_it() {
    let identities = |claims| who("okta", claims).external_identities;
    assert_eq!(identities(json!({"sub": "x", "ref": ["main", "refs/tags/v1"]})), ["everyone", "tagged"]);
    assert_eq!(identities(json!({"sub": "x", "ref": "refs/tags/1"})), ["everyone"]);
    // No claim can stand for a derived tag.
    for forged in ["cedargate:match/ref", "cedargate:match"] {
        let value =
            if forged.ends_with("ref") { json!("glob:refs/tags/v*") } else { json!({"ref": "glob:refs/tags/v*"}) };
        let principal = who("okta", json!({"sub": "x", forged: value}));
        assert_eq!(principal.external_identities, ["everyone"], "{forged}");
        assert!(principal.dropped.iter().any(|dropped| dropped.claim.starts_with("cedargate:match")), "{forged}");
    }
}

#[test]
fn who_was_written_down_is_matched_with_the_patterns_of_today() {
    let before = TestTenant::over(SCHEMA).default_roles(ROLES);
    let okta = "{type: identity-provider, name: okta, config: {jwks_uri: 'https://x/k', audience: a}}";
    let before = before.manifest("m.yaml", okta).snapshot().unwrap();
    let token = verified(&before, "okta", json!({"sub": "x", "ref": "refs/tags/v1"}));
    let written: Entity = resolve(&token, &before).unwrap().entity.unwrap().core().clone().into();
    for remembered in [Remembered::Person, Remembered::Claims] {
        let again = resolve_again(&written, &SNAPSHOT, remembered).unwrap();
        assert_eq!(again.external_identities, ["everyone", "tagged"], "{remembered:?}");
    }
}

#[test]
fn a_token_is_a_user_else_a_virtual_account_else_itself() {
    let user = r#"User::"jane@acme.com""#;
    for (claims, expected) in [
        (json!({"sub": "x", "email": "jane@acme.com"}), user),
        (json!({"sub": "x", "email": "Jane@ACME.com", "email_verified": true}), user),
        (json!({"sub": "x", "email": "jane@acme.com", "client_id": "ci-client"}), user),
        (json!({"sub": "x", "email": "jane@acme.com", "email_verified": false}), r#"ExternalSubject::"okta|x""#),
        (
            json!({"sub": "x", "email": "jane@acme.com", "email_verified": false, "client_id": "ci-client"}),
            r#"VirtualAccount::"ci""#,
        ),
        (json!({"sub": "x", "email": "nobody@acme.com", "client_id": "ci-client"}), r#"VirtualAccount::"ci""#),
        (json!({"sub": "x", "client_id": ["other", "ci-client"]}), r#"VirtualAccount::"ci""#),
        (json!({"sub": "x", "client_id": "other"}), r#"ExternalSubject::"okta|x""#),
        (json!({"sub": "x", "email": ["jane@acme.com"]}), r#"ExternalSubject::"okta|x""#),
    ] {
        assert_eq!(who("okta", claims.clone()).uid.to_string(), expected, "{claims}");
    }
    // Whoever is switched off is refused, and not let in by another door; an email that is not theirs says nothing.
    let off = |claims| resolve(&verified(&SNAPSHOT, "okta", claims), &SNAPSHOT).map(|principal| principal.uid);
    for claims in [
        json!({"sub": "x", "email": "idle@acme.com"}),
        json!({"sub": "x", "email": "IDLE@acme.com", "client_id": "ci-client"}),
    ] {
        assert!(matches!(off(claims), Err(PrincipalError::Deactivated)));
    }
    assert!(off(json!({"sub": "x", "email": "idle@acme.com", "email_verified": false})).is_ok());
    // A mapping is of one provider: another's claim of the same name says nothing.
    let other = who("hub", json!({"sub": "x", "client_id": "ci-client", "groups": "ml-engineers"}));
    assert_eq!(other.uid.to_string(), r#"ExternalSubject::"hub|x""#);
    assert!(!parents(&other).contains(r#"Team::"ml""#));
}

#[test]
fn a_user_keeps_the_directorys_teams_and_adds_what_the_token_proves() {
    let jane = who("okta", json!({"sub": "x", "email": "jane@acme.com", "groups": ["sre"], "department": "lab"}));
    assert_eq!(jane.external_identities, ["everyone", "research"]);
    let expected = [
        r#"ExternalIdentity::"everyone""#,
        r#"ExternalIdentity::"research""#,
        r#"Team::"ml""#,
        r#"Team::"ops""#,
        r#"Tenant::"acme""#,
    ];
    assert_eq!(parents(&jane), expected.map(str::to_owned).into());
}

#[test]
fn team_mappings_put_a_token_into_every_team_they_name() {
    for (groups, teams) in [
        (json!(["ml-engineers"]), vec!["ml", "ops"]),
        (json!("sre"), vec!["ops"]),
        (json!(["ml"]), vec![]),
        (json!({"ml-engineers": true}), vec![]),
    ] {
        let found = parents(&who("okta", json!({"sub": "x", "groups": groups})));
        let found: Vec<_> = found.iter().filter(|parent| parent.starts_with("Team")).cloned().collect();
        let expected: Vec<_> = teams.into_iter().map(|name| format!("Team::\"{name}\"")).collect();
        assert_eq!(found, expected, "{groups}");
    }
}

#[test]
fn virtual_accounts_are_never_in_external_identities() {
    let account = who("okta", json!({"sub": "x", "client_id": "ci-client", "department": "research", "groups": "sre"}));
    assert_eq!(account.uid.to_string(), r#"VirtualAccount::"ci""#);
    assert_eq!(account.external_identities, Vec::<String>::new());
    assert_eq!(parents(&account), [r#"Team::"ops""#, r#"Tenant::"acme""#].map(str::to_owned).into());
}

#[test]
fn two_providers_with_the_same_subject_never_meet() {
    let uids: BTreeSet<_> =
        ["okta", "hub"].map(|provider| who(provider, json!({"sub": "same"})).uid.to_string()).into();
    assert_eq!(uids, [r#"ExternalSubject::"hub|same""#, r#"ExternalSubject::"okta|same""#].map(str::to_owned).into());
    // A provider's name holds no `|`, so no subject can be written to look like another provider's.
    assert_eq!(who("hub", json!({"sub": "x|okta|y"})).uid.id().unescaped(), "hub|x|okta|y");
}

#[test]
fn what_the_token_says_stands_on_the_principal() {
    let claims =
        json!({"sub": "x", "email": "Pat@Partner.example", "department": "lab", "auth_time": 12.0, "amr": "pwd"});
    let partner = who("okta", claims);
    let entity = partner.entity.unwrap().entity().to_json_value().unwrap();
    assert_eq!(entity["attrs"]["email"], "pat@partner.example");
    assert_eq!(entity["attrs"]["subject"], "x");
    assert_eq!(entity["attrs"]["provider"]["__entity"], json!({"type": "IdentityProvider", "id": "okta"}));
    assert_eq!(entity["attrs"]["claims"], json!({"auth_time": 12}));
    assert_eq!(entity["tags"]["department"], json!(["lab"]));
    assert_eq!(entity["tags"]["auth_time"], json!(["12"]));
    assert_eq!(partner.dropped.iter().map(|claim| claim.claim.as_str()).collect::<Vec<_>>(), ["amr"]);
}

#[test]
fn a_provider_that_is_gone_is_an_error() {
    let mut token = verified(&SNAPSHOT, "okta", json!({"sub": "x"}));
    token.provider = ProviderName::parse("gone").unwrap();
    assert!(matches!(resolve(&token, &SNAPSHOT), Err(PrincipalError::ProviderGone(name)) if name == "gone"));
}

#[test]
fn the_explanation_names_the_first_condition_that_failed() {
    let explained = |provider, claims| {
        let outcomes = resolve_explained(&verified(&SNAPSHOT, provider, claims), &SNAPSHOT).unwrap().1;
        outcomes
            .into_iter()
            .map(|outcome| (outcome.name.clone(), outcome))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let okta = explained("okta", json!({"sub": "x", "department": "lab", "realm_access": {"roles": "viewer"}}));
    assert!(okta["everyone"].matched && okta["research"].matched && !okta["research"].outranked);
    assert!(!okta["partners"].matched);
    // Conditions are tried in the order of their names.
    assert_eq!(okta["partners"].failed.as_deref(), Some(r#"principal.hasTag("active")"#));
    let hub = explained("hub", json!({"sub": "x", "owner": "acme"}));
    assert!(hub["hub-any"].matched && hub["hub-any"].outranked && !hub["hub-acme"].outranked);
    assert_eq!(hub["hub-chat"].failed.as_deref(), Some(r#"principal.hasTag("repository")"#));
    let other = explained("hub", json!({"sub": "x", "owner": "mallory"}));
    assert_eq!(other["hub-acme"].failed.as_deref(), Some(r#"principal.getTag("owner").contains("acme")"#));
}

#[test]
fn a_grant_of_every_action_makes_no_one_a_member() {
    // The tenant's admins are `everyone` and team `ml`, over all that is in the tenant.
    let claims = json!({"sub": "x", "groups": "ml-engineers"});
    assert_eq!(identities(&SNAPSHOT, "okta", claims.clone()), ["everyone"]);
    assert_eq!(identities(&SNAPSHOT, "hub", claims.clone()), ["hub-any"]);
    let careless = tenant()
        .policy("any.cedar", "permit (principal, action, resource);")
        .policy("tenant.cedar", r#"permit (principal in Tenant::"acme", action, resource in Tenant::"acme");"#)
        .policy("list.cedar", r#"permit (principal, action in [Action::"assume", Action::"read"], resource);"#);
    assert_eq!(identities(&careless.snapshot().unwrap(), "okta", claims), ["everyone"]);
}

#[test]
fn a_hand_written_policy_about_assuming_lets_in() {
    let text = r#"permit (principal, action == Action::"assume", resource == ExternalIdentity::"partners")
                  when { principal.subject == "vip" };"#;
    let snapshot = tenant().policy("vip.cedar", text).snapshot().unwrap();
    assert_eq!(identities(&snapshot, "okta", json!({"sub": "vip"})), ["everyone", "partners"]);
    assert_eq!(identities(&snapshot, "okta", json!({"sub": "other"})), ["everyone"]);
}

/// False of 0, and of anything more an error of Cedar's arithmetic.
const OVERFLOWS: &str = "principal has claims.auth_time && principal.claims.auth_time + 9223372036854775807 < 0";

#[test]
fn a_hand_written_forbid_keeps_a_member_out_when_it_matches_and_when_it_errors() {
    let everyone = json!({"sub": "x"});
    let flagged = json!({"sub": "x", "department": "lab", "blocked": true, "auth_time": 1});
    let calm = json!({"sub": "x", "department": "lab", "auth_time": 0});
    for (resource, condition, left) in [
        (r#"resource == ExternalIdentity::"research""#, r#"principal.hasTag("blocked")"#, vec!["everyone"]),
        (r#"resource == ExternalIdentity::"research""#, OVERFLOWS, vec!["everyone"]),
        (r#"resource in Tenant::"acme""#, r#"principal.hasTag("blocked")"#, vec![]),
        ("resource", OVERFLOWS, vec![]),
    ] {
        for action in
            [r#"action == Action::"assume""#, r#"action in [Action::"assume"]"#, r#"action in Action::"assume""#]
        {
            let text = format!("forbid (principal, {action}, {resource}) when {{ {condition} }};");
            let snapshot = tenant().policy("forbid.cedar", &text).snapshot().unwrap();
            assert_eq!(identities(&snapshot, "okta", everyone.clone()), ["everyone"], "{text}");
            assert_eq!(identities(&snapshot, "okta", calm.clone()), ["everyone", "research"], "{text}");
            assert_eq!(identities(&snapshot, "okta", flagged.clone()), left, "{text}");
        }
    }
}

#[test]
fn a_permit_that_errors_lets_no_one_in_and_keeps_no_one_out() {
    let text = format!(
        r#"permit (principal, action == Action::"assume", resource == ExternalIdentity::"partners") when {{ {OVERFLOWS} }};"#
    );
    let snapshot = tenant().policy("permit.cedar", &text).snapshot().unwrap();
    assert_eq!(identities(&snapshot, "okta", json!({"sub": "x", "auth_time": 1})), ["everyone"]);
}

//! Who is in which external identity, found through the index, is what asking Cedar about each identity says.

use std::collections::BTreeSet;
use std::fmt::Write;

use cedar_policy::{Authorizer, Context, Decision, Effect, Entities, Policy, PolicyId, PolicySet, Request};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::*;
use crate::assemble::test_tenant::verified;

const IDENTITIES: usize = 6;

thread_local! {
    static TENANT: TestTenant = TestTenant::over("");
}

/// Claim → values that it must have one of.
type Conditions = std::collections::BTreeMap<&'static str, BTreeSet<&'static str>>;

const CLAIMS: [&str; 4] = ["unit", "groups", "realm/roles", "email"];
const VALUES: [&str; 4] = ["x", "y", "z", "jane@acme.com"];

fn conditions() -> impl Strategy<Value = Conditions> {
    btree_map(prop::sample::select(&CLAIMS[..]), btree_set(prop::sample::select(&VALUES[..]), 1..3), 0..3)
}

/// A hand-written policy, and whether it is asked when someone is to be let in: a permit about `assume` alone, a forbid
/// about it at all.
#[derive(Clone, Debug)]
struct Guard {
    text: String,
    takes_part: bool,
}

/// A scope's action and resource, and whether a permit of it takes part; forbids of all these do.
const SCOPES: [(&str, bool); 9] = [
    ("action == Action::\"assume\", resource == ExternalIdentity::\"e0\"", true),
    ("action == Action::\"assume\", resource == ExternalIdentity::\"e1\"", true),
    ("action == Action::\"assume\", resource == ExternalIdentity::\"other\"", true),
    ("action in [Action::\"assume\"], resource == ExternalIdentity::\"e2\"", true),
    ("action == Action::\"assume\", resource in ExternalIdentity::\"e3\"", true),
    ("action == Action::\"assume\", resource is ExternalIdentity in Tenant::\"acme\"", true),
    ("action in [Action::\"assume\"], resource", true),
    ("action, resource == ExternalIdentity::\"e1\"", false),
    ("action, resource is ExternalIdentity", false),
];

/// Parts of conditions: those that the index looks up by, those that are like them but are not, and some that fail.
const PARTS: [&str; 18] = [
    "principal.hasTag(\"unit\") && principal.getTag(\"unit\").contains(\"x\")",
    "principal.hasTag(\"unit\") && principal.getTag(\"unit\").containsAny([\"y\", \"z\"])",
    "principal.hasTag(\"groups\") && principal.getTag(\"groups\").contains(\"x\")",
    "principal.hasTag(\"groups\") && principal.getTag(\"groups\").containsAll([\"x\", \"y\"])",
    "principal.hasTag(\"groups\") && !principal.getTag(\"groups\").contains(\"x\")",
    "principal.hasTag(\"unit\") && [\"x\", \"y\"].containsAny(principal.getTag(\"unit\"))",
    "(principal.hasTag(\"unit\") && principal.getTag(\"unit\").contains(\"x\") || principal.hasTag(\"groups\"))",
    "!(principal.hasTag(\"unit\") && principal.getTag(\"unit\").contains(\"x\"))",
    "(if principal.hasTag(\"unit\") then principal.getTag(\"unit\").contains(\"y\") else true)",
    "principal.hasTag(\"unit\") && (principal.getTag(\"unit\").contains(\"x\") == false)",
    "principal has email && principal.email == \"jane@acme.com\"",
    "principal.subject == \"s1\"",
    "principal.provider == IdentityProvider::\"okta\"",
    "principal in Tenant::\"acme\"",
    "9223372036854775807 + 1 > 0",
    "principal.hasTag(\"unit\") && principal.getTag(\"unit\").contains(\"x\") && 9223372036854775807 * 2 > 0",
    "[\"x\"].contains(\"x\")",
    "principal == ExternalSubject::\"okta|s1\"",
];

fn a_guard() -> impl Strategy<Value = Guard> {
    let parts = vec((prop::sample::select(&PARTS[..]), prop::bool::weighted(0.2)), 0..3);
    (prop::bool::weighted(0.3), prop::sample::select(&SCOPES[..]), parts).prop_map(|(is_forbid, scope, parts)| {
        let effect = if is_forbid { "forbid" } else { "permit" };
        let mut text = format!("{effect} (principal is ExternalSubject, {})", scope.0);
        for (part, is_unless) in parts {
            let when = if is_unless { "unless" } else { "when" };
            write!(text, " {when} {{ {part} }}").unwrap();
        }
        Guard { text: text + ";", takes_part: is_forbid || scope.1 }
    })
}

fn a_token() -> impl Strategy<Value = Value> {
    let some = || btree_set(prop::sample::select(&VALUES[..]), 0..3);
    let claims = (prop::option::of(some()), prop::option::of(some()), prop::option::of(some()), any::<bool>(), 0..3_u8);
    claims.prop_map(|(unit, groups, roles, has_email, subject)| {
        let mut claims = json!({"sub": format!("s{subject}")});
        for (name, values) in [("unit", unit), ("groups", groups)] {
            if let Some(values) = values {
                claims[name] = json!(values);
            }
        }
        if let Some(roles) = roles {
            claims["realm"] = json!({"roles": roles});
        }
        if has_email {
            claims["email"] = "jane@acme.com".into();
        }
        claims
    })
}

fn manifest(identities: &[Conditions], is_most_specific: bool) -> String {
    let mode = if is_most_specific { "most-specific" } else { "all" };
    let mut text = String::new();
    for provider in ["okta", "zeta"] {
        let keys = format!("https://{provider}/k");
        let config = json!({"jwks_uri": keys, "issuer": format!("https://{provider}"), "audience": "a"});
        let document =
            json!({"type": "identity-provider", "name": provider, "config": config, "external_identities": mode});
        writeln!(text, "---\n{document}").unwrap();
    }
    for (number, conditions) in identities.iter().enumerate() {
        // One of another provider: never ours, though its conditions be.
        let provider = if number == 4 { "zeta" } else { "okta" };
        let mut document =
            json!({"type": "external-identity", "name": format!("e{number}"), "identity_provider": provider});
        if !conditions.is_empty() {
            document["claims"] = json!(conditions);
        }
        writeln!(text, "---\n{document}").unwrap();
    }
    text
}

/// Cedar's word on each identity of the provider, one by one, over every policy that takes part and every entity.
fn one_by_one(
    snapshot: &Snapshot,
    identities: &[Conditions],
    guards: &[Guard],
    is_most_specific: bool,
    claims: &Value,
) -> Vec<String> {
    let mut set = PolicySet::new();
    let asked = guards.iter().filter(|guard| guard.takes_part).map(|guard| guard.text.clone());
    let own = identities.iter().enumerate().map(|(number, conditions)| {
        let mut text = format!(
            "permit (principal, action == Action::\"assume\", resource == ExternalIdentity::\"e{number}\")
             when {{ principal.provider == IdentityProvider::\"{}\" }}",
            if number == 4 { "zeta" } else { "okta" }
        );
        for (claim, values) in conditions {
            write!(
                text,
                " when {{ principal.hasTag(\"{claim}\") && principal.getTag(\"{claim}\").containsAny({}) }}",
                json!(values)
            )
            .unwrap();
        }
        text + ";"
    });
    for (number, text) in asked.chain(own).enumerate() {
        set.add(Policy::parse(Some(PolicyId::new(format!("p{number}"))), text).unwrap()).unwrap();
    }
    let (tags, _) = tags(&object(claims.clone()));
    let entity = |kind: &str, id: &str| json!({"__entity": {"type": kind, "id": id}});
    let (subject, tenant) = (claims["sub"].as_str().unwrap(), json!({"type": "Tenant", "id": "acme"}));
    let mut attributes = json!({"provider": entity("IdentityProvider", "okta"), "subject": subject, "claims": {}});
    if let Some(email) = claims.get("email") {
        attributes["email"] = email.clone();
    }
    let uid = json!({"type": "ExternalSubject", "id": format!("okta|{subject}")});
    let subject = json!({"uid": uid, "attrs": attributes, "parents": [tenant], "tags": tags});
    let subject = Entity::from_json_value(subject, Some(&snapshot.schema.schema)).unwrap();
    let entities = Entities::from_entities(snapshot.entities.iter().chain([subject.clone()]), None).unwrap();
    let is_in = |number: &usize| {
        let identity: EntityUid = format!("ExternalIdentity::\"e{number}\"").parse().unwrap();
        let action = "Action::\"assume\"".parse().unwrap();
        let request = Request::new(subject.uid(), action, identity, Context::empty(), None).unwrap();
        let response = Authorizer::new().is_authorized(&request, &set, &entities);
        let forbid_failed = response.diagnostics().errors().any(|error| {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
            set.policy(error.policy_id()).unwrap().effect() == Effect::Forbid
        });
        response.decision() == Decision::Allow && !forbid_failed
    };
    let matching: Vec<usize> = (0..identities.len()).filter(|number| *number != 4).filter(is_in).collect();
    let most = matching.iter().map(|number| identities[*number].len()).max();
    let counts = |number: &&usize| !is_most_specific || Some(identities[**number].len()) == most;
    matching.iter().filter(counts).map(|number| format!("e{number}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_identities_found_by_claims_are_those_that_cedar_lets_the_subject_into(
        identities in vec(conditions(), 1..IDENTITIES), guards in vec(a_guard(), 0..5),
        is_most_specific in any::<bool>(), tokens in vec(a_token(), 6),
    ) {
        let policies: String = guards.iter().map(|guard| guard.text.clone() + "\n").collect();
        let tenant = TENANT.with(Clone::clone).manifest("m.yaml", &manifest(&identities, is_most_specific)).policy("p.cedar", &policies);
        let snapshot = tenant.snapshot().map_err(|faults| TestCaseError::fail(format!("{faults:#?}")))?;
        for claims in tokens {
            let expected = one_by_one(&snapshot, &identities, &guards, is_most_specific, &claims);
            let token = verified(&snapshot, "okta", claims.clone());
            let found = resolve(&token, &snapshot).unwrap().external_identities;
            prop_assert_eq!(&found, &expected, "{} {}", claims, policies);
            // An explanation says the same of each.
            let (_, outcomes) = resolve_explained(&token, &snapshot).unwrap();
            let counted: Vec<_> = outcomes.iter().filter(|one| one.matched && !one.outranked).map(|one| one.name.clone()).collect();
            prop_assert_eq!(&counted, &expected, "{} {}", claims, policies);
        }
    }
}

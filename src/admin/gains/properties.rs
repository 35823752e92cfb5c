//! Nobody gives what they do not hold, whatever people wrote: for random policies and changes, held to plain decisions
//! before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::assemble::test_tenant::{TestTenant, acme, verified};
use crate::bundle;
use crate::compile::compile;
use crate::decide::{AccessQuery, ActionName, Decider, Decision, ResourceQuery};
use crate::directory::{Fact, FactKey, Kind, MemoryDirectory, Rules, read_document, state_of};
use crate::model::Revision;
use crate::principal::{Principal, resolve};
use crate::snapshot::Snapshot;

const SCHEMA: &str = r#"
entity Folder in [Tenant];
entity Doc in [Folder, Tenant] = { owner?: Team, keeper?: User, open?: Bool };
action read appliesTo { principal: [User, VirtualAccount, ExternalSubject], resource: [Doc], context: { mfa?: Bool } };
action write appliesTo { principal: [User], resource: [Doc] };
"#;

static BASE: LazyLock<TestTenant> = LazyLock::new(|| TestTenant::over(SCHEMA));

fn document(kind: &str, members: Value) -> Fact {
    read_document(Kind::named(kind).unwrap(), members).unwrap()
}

fn team(name: &str, members: &[&str], mapped: bool) -> Fact {
    let mapping = if mapped { json!([{"identity_provider": "okta", "value": "g"}]) } else { json!([]) };
    document("team", json!({"name": name, "members": members, "identity_provider_mapping": mapping}))
}

fn doc(id: &str, parents: &[&str], attributes: Value) -> Fact {
    document("resource", json!({"resource": format!("Doc::{id}"), "parents": parents, "attributes": attributes}))
}

fn account(mapped: bool) -> Fact {
    let mapping = if mapped { json!([{"identity_provider": "okta", "value": "c"}]) } else { json!([]) };
    document("virtual-account", json!({"name": "bot", "identity_provider_mapping": mapping}))
}

fn partner(department: Value) -> Fact {
    document(
        "external-identity",
        json!({"name": "partner", "identity_provider": "okta", "claims": {"department": department}}),
    )
}

fn user(name: &str, active: bool) -> Fact {
    document("user", json!({"email": format!("{name}@x.io"), "active": active}))
}

fn facts() -> Vec<Fact> {
    let provider = json!({
        "name": "okta",
        "config": {"jwks_uri": "https://okta.example/keys", "issuer": "https://okta.example", "audience": "a"},
        "claims": {"teams": "groups", "virtual_account": "client_id"},
    });
    vec![
        document("identity-provider", provider),
        partner(json!(["x"])),
        user("zoe", true),
        user("jane", true),
        user("ida", false),
        team("ops", &[], false),
        team("red", &["jane@x.io", "ida@x.io"], false),
        account(false),
        document("resource", json!({"resource": "Folder::f"})),
        doc("a", &["Folder::f"], json!({"owner": {"type": "Team", "id": "red"}})),
        doc("b", &[], json!({"open": true})),
    ]
}

/// One change, by what it leaves; nothing for one that removes the fact of the key.
fn changes() -> impl Strategy<Value = Vec<(FactKey, Option<Fact>)>> {
    let put = |fact: Fact| vec![(fact.key(), Some(fact))];
    let removed = |kind: Kind, id: &str| vec![(FactKey::new(kind, id), None)];
    let owner = |team: &str| json!({"owner": {"type": "Team", "id": team}});
    let keeper = json!({"keeper": {"type": "User", "id": "jane@x.io"}});
    let token = document(
        "token",
        json!({"token_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "owner": "virtual-account:bot", "label": "", "hash": "00", "created_at": 0}),
    );
    let mut alone = put(team("red", &["ida@x.io"], false));
    alone.extend(removed(Kind::User, "jane@x.io"));
    let mut made = put(user("nia", true));
    made.extend(put(team("ops", &["nia@x.io"], false)));
    select(vec![
        put(team("ops", &["jane@x.io"], false)),
        put(team("ops", &["zoe@x.io"], false)),
        put(team("ops", &[], true)),
        put(team("red", &["ida@x.io"], false)),
        put(team("red", &["jane@x.io", "ida@x.io", "zoe@x.io"], false)),
        put(team("new", &["zoe@x.io"], false)),
        removed(Kind::Team, "red"),
        put(user("nia", true)),
        made,
        put(user("ida", true)),
        put(user("jane", false)),
        alone,
        put(account(true)),
        put(token),
        put(partner(json!(["x", "y"]))),
        put(partner(json!(["y"]))),
        removed(Kind::ExternalIdentity, "partner"),
        put(doc("a", &["Folder::f"], owner("ops"))),
        put(doc("a", &["Folder::f"], keeper.clone())),
        put(doc("a", &[], owner("red"))),
        put(doc("b", &[], json!({}))),
        put(doc("b", &["Folder::f"], json!({"open": true}))),
        put(doc("c", &["Folder::f"], json!({"open": true}))),
        put(doc("c", &[], owner("red"))),
        removed(Kind::Resource, "Doc::\"a\""),
        removed(Kind::Resource, "Doc::\"b\""),
    ])
}

fn policy() -> impl Strategy<Value = String> {
    let effect = select(vec!["permit", "permit", "permit", "forbid"]);
    let principal = select(vec![
        "principal",
        "principal",
        "principal == User::\"jane@x.io\"",
        "principal == User::\"zoe@x.io\"",
        "principal == User::\"nia@x.io\"",
        "principal in Team::\"ops\"",
        "principal in Team::\"red\"",
        "principal in Team::\"new\"",
        "principal is User",
        "principal is ExternalSubject",
        "principal is User in Team::\"ops\"",
        "principal == VirtualAccount::\"bot\"",
        "principal in ExternalIdentity::\"partner\"",
        "principal in Tenant::\"acme\"",
    ]);
    let action = select(vec!["action == Action::\"read\"", "action == Action::\"write\"", "action"]);
    let resource = select(vec!["resource", "resource is Doc", "resource == Doc::\"a\"", "resource in Folder::\"f\""]);
    let part = select(vec![
        "principal in Team::\"ops\"",
        "principal in [Team::\"ops\", Team::\"red\"]",
        "!(principal in Team::\"red\")",
        "principal == User::\"jane@x.io\"",
        "principal is User",
        "resource is Doc && resource has owner && principal in resource.owner",
        "resource is Doc && resource has keeper && resource.keeper == principal",
        "resource is Doc && resource has open && resource.open",
        "!(resource is Doc && resource has open)",
        "resource in Folder::\"f\"",
        "action == Action::\"read\" && context has mfa && context.mfa",
        "action == Action::\"write\"",
    ]);
    (effect, principal, action, resource, vec((any::<bool>(), part), 0..3)).prop_map(
        |(effect, principal, action, resource, parts)| {
            let clauses: String = parts
                .into_iter()
                .map(|(when, part)| format!(" {} {{ {part} }}", if when { "when" } else { "unless" }))
                .collect();
            format!("{effect} ({principal}, {action}, {resource}){clauses};\n")
        },
    )
}

fn snapshot(policies: &str, facts: &BTreeMap<FactKey, Fact>) -> Option<Snapshot> {
    let state = state_of(facts.values().cloned(), &BTreeMap::new());
    let bundle = bundle::render(&compile(&acme(), &state), Revision(1)).unwrap();
    BASE.clone().policy("a.cedar", policies).bundle(bundle).snapshot().ok()
}

/// Those whom a change may touch, as tokens.
fn tokens() -> Vec<Value> {
    let mut tokens = Vec::new();
    for email in ["jane@x.io", "zoe@x.io", "nia@x.io", "ida@x.io", "stranger@x.io"] {
        for more in [json!({}), json!({"groups": "g"}), json!({"client_id": "c"}), json!({"department": "y"})] {
            let mut token = json!({"iss": "https://okta.example", "sub": email, "email": email, "aud": "a"});
            token.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            tokens.push(token);
        }
    }
    tokens
}

fn principal(snapshot: &Snapshot, token: &Value) -> Option<Principal> {
    resolve(&verified(snapshot, "okta", token.clone()), snapshot).ok()
}

/// The requests that are allowed.
fn allowed(snapshot: &Snapshot, principal: &Principal) -> BTreeSet<(&'static str, &'static str, bool)> {
    let mut allowed = BTreeSet::new();
    for action in ["read", "write"] {
        for id in ["a", "b", "c", "z"] {
            for mfa in [false, true] {
                if mfa && action == "write" {
                    continue;
                }
                let query = AccessQuery {
                    action: ActionName(action.to_owned()),
                    resource: ResourceQuery::named(EntityRef::new("Doc", id)),
                    context: mfa.then(|| json!({"mfa": true})),
                    explain: false,
                };
                let decider = Decider { slice_bytes: 0, ..Decider::default() };
                let answer = decider.decide(snapshot, principal, &query);
                if answer.is_ok_and(|answer| answer.decision == Decision::Allow) {
                    allowed.insert((action, id, mfa));
                }
            }
        }
    }
    allowed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_touched_gains_what_the_caller_does_not_hold(policies in vec(policy(), 1..5), changed in changes()) {
        let text: String = policies.concat();
        let before: BTreeMap<_, _> = facts().into_iter().map(|fact| (fact.key(), fact)).collect();
        let mut after = before.clone();
        let mut made = Vec::new();
        for (key, fact) in changed {
            let was = before.get(&key).cloned();
            match &fact {
                Some(fact) => after.insert(key.clone(), fact.clone()),
                None => after.remove(&key),
            };
            made.push(Change { key, before: was, after: fact });
        }
        let Some(old) = snapshot(&text, &before) else { return Ok(()) };
        let new = snapshot(&text, &after).unwrap();
        let zoe = principal(&old, &json!({"iss": "https://okta.example", "sub": "z", "email": "zoe@x.io", "aud": "a"}));
        let zoe = zoe.unwrap();
        let directory = MemoryDirectory::of_files(acme(), before.values().cloned(), Revision(1));
        let rules = Rules { schema: Arc::clone(&BASE.schema), default_roles: Arc::default() };
        let authority =
            Authority { snapshot: &old, principal: &zoe, directory: &directory, rules: &rules, at: Revision(1) };
        if authority.holds(&vocabulary::tenant(&acme()), TENANT, &RoleActions::Every) {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        if runtime.block_on(lacks(&authority, &made)).unwrap().is_some() {
            return Ok(());
        }
        let held = allowed(&old, &zoe);
        let bot = |snapshot: &Snapshot| {
            Principal::named(snapshot.schema.types.uid_of(&EntityRef::new("VirtualAccount", "bot")).unwrap())
        };
        let mut touched: Vec<(String, BTreeSet<_>, BTreeSet<_>)> = Vec::new();
        for token in tokens() {
            let Some(now) = principal(&new, &token) else { continue };
            let then = principal(&old, &token).map(|then| allowed(&old, &then)).unwrap_or_default();
            touched.push((token.to_string(), then, allowed(&new, &now)));
        }
        if made.iter().any(|change| change.key.kind == Kind::Token) {
            touched.push(("bot".to_owned(), BTreeSet::new(), allowed(&new, &bot(&new))));
        }
        for (who, then, now) in touched {
            let gained: Vec<_> = now.difference(&then).filter(|request| !held.contains(*request)).collect();
            prop_assert!(gained.is_empty(), "{who} gains {gained:?}\n{text}\n{made:?}");
        }
    }
}

/// Whether zoe may make a change, under a policy.
fn may(policies: &str, changed: Vec<(FactKey, Option<Fact>)>) -> bool {
    let before: BTreeMap<_, _> = facts().into_iter().map(|fact| (fact.key(), fact)).collect();
    let made: Vec<Change> =
        changed.into_iter().map(|(key, after)| Change { before: before.get(&key).cloned(), key, after }).collect();
    let old = snapshot(policies, &before).unwrap();
    let zoe = principal(&old, &json!({"iss": "https://okta.example", "sub": "z", "email": "zoe@x.io", "aud": "a"}));
    let directory = MemoryDirectory::of_files(acme(), before.values().cloned(), Revision(1));
    let rules = Rules { schema: Arc::clone(&BASE.schema), default_roles: Arc::default() };
    let authority =
        Authority { snapshot: &old, principal: &zoe.unwrap(), directory: &directory, rules: &rules, at: Revision(1) };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(lacks(&authority, &made)).unwrap().is_none()
}

#[test]
fn a_change_that_no_policy_can_notice_takes_nothing_more() {
    let put = |fact: Fact| vec![(fact.key(), Some(fact))];
    let elsewhere = "permit (principal in Team::\"red\", action == Action::\"read\", resource);
                     permit (principal, action == Action::\"write\", resource is Doc)
                     when { resource has keeper && resource.keeper == principal };
                     forbid (principal is ExternalSubject, action == Action::\"read\", resource) unless { context has mfa };
                     permit (principal, action == Action::\"read\", resource is Doc) when { resource has open && resource.open };";
    for change in [
        put(team("ops", &["jane@x.io"], true)),
        put(team("new", &["zoe@x.io"], true)),
        put(user("nia", true)),
        put(user("jane", false)),
        put(partner(json!(["x", "y"]))),
    ] {
        assert!(may(elsewhere, change.clone()), "{change:?}");
    }
}

#[test]
fn what_the_caller_holds_as_well_may_be_given() {
    let put = |fact: Fact| vec![(fact.key(), Some(fact))];
    let join = || put(team("ops", &["jane@x.io"], false));
    let given = "permit (principal in Team::\"ops\", action == Action::\"read\", resource in Folder::\"f\");";
    assert!(!may(given, join()));
    let held = |policy: &str| may(&format!("{given}\n{policy}"), join());
    assert!(held("permit (principal == User::\"zoe@x.io\", action == Action::\"read\", resource);"));
    assert!(held("permit (principal == User::\"zoe@x.io\", action == Action::\"read\", resource in Folder::\"f\");"));
    assert!(!held("permit (principal == User::\"zoe@x.io\", action == Action::\"read\", resource == Doc::\"a\");"));
    // Leaving a team that lets people in gives nothing; leaving one that keeps them out does.
    let leave = || put(team("red", &["ida@x.io"], false));
    assert!(may("permit (principal in Team::\"red\", action == Action::\"read\", resource);", leave()));
    assert!(!may("forbid (principal in Team::\"red\", action == Action::\"read\", resource);", leave()));
}

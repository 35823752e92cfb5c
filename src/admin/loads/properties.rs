//! Whatever the door takes, the loader takes: for random facts, odd ones too, beside files that people wrote.

use std::sync::{Arc, LazyLock};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::assemble::test_tenant::{TestTenant, acme};
use crate::directory::{Edit, Editor, MemoryDirectory, Operation, read_document};
use crate::manifest::DefaultRoles;
use crate::model::DirectoryState;

const SCHEMA: &str = r#"
entity Node in [Node, Tenant] = { n?: Long, other?: Node, address?: ipaddr };
entity Strict in [Tenant] = { must: String };
entity Color enum ["red", "green"];
action read appliesTo { principal: [User, VirtualAccount, ExternalSubject], resource: [Node, Strict] };
action paint appliesTo { principal: [User], resource: [Color] };
"#;

static BASE: LazyLock<TestTenant> = LazyLock::new(|| {
    let hand = json!([
        {"uid": {"type": "Node", "id": "hand"}, "attrs": {}, "parents": [{"type": "Node", "id": "a"}]},
        {"uid": {"type": "Team", "id": "hand"}, "attrs": {}, "parents": []},
        {"uid": {"type": "User", "id": "hand@x.io"}, "attrs": {"email": "hand@x.io"}, "parents": []},
    ]);
    let clash = r#"@id("role/Node/clash") permit (principal, action == Action::"read", resource);
                   @id("external-identity/clash") permit (principal, action == Action::"read", resource);"#;
    TestTenant::over(SCHEMA).entities("hand.entities.json", &hand.to_string()).policy("clash.cedar", clash)
});

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(vec!["a", "b", "c", "hand", "clash", "red", "acme", "other"]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn uid() -> impl Strategy<Value = String> {
    let kind = select(vec!["Node", "Node", "Node", "Strict", "Color", "Tenant", "Team", "None"]);
    (kind, name()).prop_map(|(kind, name)| format!("{kind}::{name}"))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!(null)),
        Just(json!({"type": "Node", "id": "a"})),
        Just(json!({"__entity": {"type": "Team", "id": "a"}})),
        Just(json!({"__extn": {"fn": "ip", "arg": "10.0.0.1"}})),
        Just(json!({"fn": "ip", "arg": "nonsense"})),
        Just(json!([])),
    ]
}

fn document() -> impl Strategy<Value = (Kind, Value)> {
    let attribute = select(vec!["n", "other", "address", "must", "", "unknown"]).prop_map(str::to_owned);
    let resource = (uid(), btree_set(uid(), 0..3), btree_map(attribute, value(), 0..2)).prop_map(
        |(resource, parents, attributes)| {
            (Kind::Resource, json!({"resource": resource, "parents": parents, "attributes": attributes}))
        },
    );
    let claims = btree_map(
        prop_oneof![select(vec!["a", "a/b", "\"", "\\", "\n"]).prop_map(str::to_owned), any::<String>()],
        any::<String>(),
        0..3,
    );
    let identity = (name(), claims).prop_map(|(name, claims)| {
        (Kind::ExternalIdentity, json!({"name": name, "identity_provider": "okta", "claims": claims}))
    });
    let actions = vec(select(vec!["read", "paint", "assume", "manageMembers", "*", "none"]), 0..3);
    let kind = select(vec!["Node", "Strict", "Color", "Tenant", "Team", "None"]);
    let role = (name(), kind, actions).prop_map(|(name, kind, actions)| {
        (Kind::Role, json!({"name": name, "resource_type": kind, "actions": actions}))
    });
    let user = (name(), any::<bool>())
        .prop_map(|(name, active)| (Kind::User, json!({"email": format!("{name}@x.io"), "active": active})));
    let team = name().prop_map(|name| (Kind::Team, json!({"name": name})));
    let account = name().prop_map(|name| (Kind::VirtualAccount, json!({"name": name})));
    prop_oneof![6 => resource, 2 => identity, 2 => role, 1 => user, 1 => team, 1 => account]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_door_takes_the_loader_takes(edits in vec(vec(document(), 1..3), 1..6)) {
        let config = json!({"jwks_uri": "https://okta.example/keys", "audience": "a"});
        let provider = read_document(Kind::IdentityProvider, json!({"name": "okta", "config": config})).unwrap();
        let mut facts = BTreeMap::from([(provider.key(), provider)]);
        let rules = Rules { schema: Arc::clone(&BASE.schema), default_roles: Arc::new(DefaultRoles::new()) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let load = |facts: &BTreeMap<FactKey, Fact>| {
            let state: DirectoryState = state_of(facts.values().cloned(), &DefaultRoles::new());
            BASE.clone().bundle(bundle::render(&compile(&acme(), &state), Revision(1)).unwrap()).snapshot()
        };
        let mut snapshot = load(&facts).unwrap();
        for documents in edits {
            let put: Vec<_> =
                documents.into_iter().filter_map(|(kind, document)| read_document(kind, document).ok()).collect();
            let operations = put.iter().cloned().map(Operation::Put).collect();
            let tenant = acme();
            let directory = MemoryDirectory::of_files(tenant.clone(), facts.values().cloned(), Revision(1));
            let editor = Editor { directory: &directory, rules: &rules, tenant: &tenant };
            let plan = runtime.block_on(editor.plan(&Edit { operations, cascade: false }));
            let Ok(planned) = plan else { continue };
            let refused = refusals(&tenant, &planned, &rules, Some(&snapshot), "policies/acme/compiled");
            if !refused.is_empty() {
                continue;
            }
            facts.extend(put.iter().map(|fact| (fact.key(), fact.clone())));
            match load(&facts) {
                Ok(loaded) => snapshot = loaded,
                Err(faults) => prop_assert!(false, "{put:?}: {:?}", faults.0),
            }
        }
    }
}

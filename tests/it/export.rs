//! What `export` writes, plain Cedar reads, and answers as `cedargate authorize` does: decision and determining policies.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use cedar_policy::{Authorizer, Context, Entities, EntityUid, PolicyId, PolicySet, Request, Schema, SlotId};
use cedargate::assemble::{Layout, assemble_all};
use cedargate::authn::{Claims, KeyRegistry, KeySettings, TokenSettings, Verifier};
use cedargate::clock::ManualClock;
use cedargate::decide::{AccessQuery, ActionName, Decider, Decision, ResourceQuery};
use cedargate::model::{ProviderName, TenantId};
use cedargate::principal::{Principal, resolve};
use cedargate::snapshot::Snapshot;
use cedargate::tree::TreeDirs;
use cedargate::vocabulary::entity_ref;
use chrono::DateTime;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::sample::REQUESTS;
use crate::support::TestTree;
use crate::support::tree::{copy, repository};

/// Allowed or not, and the determining policies.
type Outcome = (bool, Vec<String>);

/// An exported tenant, as plain Cedar reads its four files.
struct Exported {
    schema: Schema,
    policies: PolicySet,
    entities: Entities,
    principal: Option<EntityUid>,
}

impl Exported {
    fn read(folder: &Path, principal: Option<EntityUid>) -> Self {
        let text = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
        let (schema, _) = Schema::from_cedarschema_str(&text("schema.cedarschema")).unwrap();
        let mut policies = PolicySet::new();
        let written: PolicySet = text("policies.cedar").parse().unwrap();
        for policy in written.policies() {
            let id = policy.annotation("id").expect("every exported policy has its id");
            policies.add(policy.new_id(PolicyId::new(id))).unwrap();
        }
        for template in written.templates() {
            let id = template.annotation("id").expect("every exported template has its id");
            policies.add_template(template.new_id(PolicyId::new(id))).unwrap();
        }
        let links: Vec<Value> = serde_json::from_str(&text("links.json")).unwrap();
        for link in links {
            let string = |name: &str| link[name].as_str().unwrap().to_owned();
            let slot = |name: &str| link["args"][name].as_str().unwrap().parse::<EntityUid>().unwrap();
            let values =
                HashMap::from([(SlotId::principal(), slot("?principal")), (SlotId::resource(), slot("?resource"))]);
            policies.link(PolicyId::new(string("template_id")), PolicyId::new(string("link_id")), values).unwrap();
        }
        // With the schema: what was exported is valid, as the official command line demands.
        let entities = Entities::from_json_str(&text("entities.json"), Some(&schema)).unwrap();
        Self { schema, policies, entities, principal }
    }

    fn answer(&self, principal: &EntityUid, action: &str, resource: &EntityUid, context: &Value) -> Outcome {
        let action: EntityUid = format!("Action::\"{action}\"").parse().unwrap();
        let context = Context::from_json_value(context.clone(), Some((&self.schema, &action))).unwrap();
        let request = Request::new(principal.clone(), action, resource.clone(), context, Some(&self.schema)).unwrap();
        let response = Authorizer::new().is_authorized(&request, &self.policies, &self.entities);
        let mut ids: Vec<_> = response.diagnostics().reason().map(|id| AsRef::<str>::as_ref(id).to_owned()).collect();
        ids.sort();
        (response.decision() == cedar_policy::Decision::Allow, ids)
    }
}

fn cedargate(tree: &TestTree, verb: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    command.arg(verb).arg("--policies").arg(tree.policies()).arg("--schema").arg(tree.path().join("schema"));
    command.args(["--json", "--tenant", "acme"]).args(arguments);
    command.output().unwrap()
}

/// `cedargate export`, with the principal of these claims among the entities.
fn export(tree: &TestTree, who: Option<(&str, &Value)>) -> Exported {
    let out = TempDir::new().unwrap();
    let claims = out.path().join("claims.json");
    let folder = out.path().join("tenant");
    let mut arguments = vec!["--out", folder.to_str().unwrap()];
    if let Some((provider, of)) = who {
        fs::write(&claims, of.to_string()).unwrap();
        arguments.extend(["--claims", claims.to_str().unwrap(), "--provider", provider]);
    }
    let output = cedargate(tree, "export", &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["files"], json!(["schema.cedarschema", "policies.cedar", "links.json", "entities.json"]));
    let principal = said["principal"].as_str().map(|uid| uid.parse().unwrap());
    assert_eq!(principal.is_some(), who.is_some());
    Exported::read(&folder, principal)
}

/// The server's own decider over the same tree, in this process.
struct Own {
    snapshot: Snapshot,
    verifier: Verifier,
}

impl Own {
    fn read(tree: &TestTree) -> Self {
        let dirs = TreeDirs { policies: tree.policies(), schema: tree.path().join("schema") };
        let layout = Layout::of(dirs);
        let (_, everything) = assemble_all(&layout, DateTime::UNIX_EPOCH);
        let assembled = everything.unwrap().tenants.remove(&TenantId::parse("acme").unwrap()).unwrap();
        let clock = Arc::new(ManualClock::at(0));
        let keys = Arc::new(KeyRegistry::new(KeySettings::default(), Arc::clone(&clock) as _));
        Self { snapshot: assembled.unwrap().snapshot, verifier: Verifier::new(TokenSettings::default(), keys, clock) }
    }

    fn principal(&self, provider: &str, claims: &Value) -> Principal {
        let claims = Claims::parse(claims.to_string().as_bytes()).unwrap();
        let provider = &self.snapshot.provider(&ProviderName::parse(provider).unwrap()).unwrap().provider;
        resolve(&self.verifier.trust(claims, provider).unwrap(), &self.snapshot).unwrap()
    }

    fn answer(&self, principal: &Principal, action: &str, resource: &EntityUid, context: &Value) -> Outcome {
        let query = AccessQuery {
            action: ActionName(action.into()),
            resource: ResourceQuery::named(entity_ref(resource)),
            context: Some(context.clone()),
            explain: false,
        };
        let answer = Decider::default().decide(&self.snapshot, principal, &query).unwrap();
        (answer.decision == Decision::Allow, answer.policies.into_iter().map(|policy| policy.id.clone()).collect())
    }
}

fn sample() -> TestTree {
    let tree = TestTree::new();
    copy(&repository().join("policies"), &tree.policies());
    tree
}

/// An example request of the sample: who, by provider and claims or by name, and what.
fn who(request: &Value) -> Option<(&str, &Value)> {
    request["provider"].as_str().map(|provider| (provider, &request["claims"]))
}

fn context(request: &Value) -> Value {
    request.get("context").cloned().unwrap_or_else(|| json!({}))
}

#[test]
fn plain_cedar_answers_the_exported_sample_as_its_authors_say() {
    let requests: Vec<Value> = serde_json::from_str(REQUESTS).unwrap();
    let tree = sample();
    let own = Own::read(&tree);
    // One export a principal; reading the sample takes a process about a second.
    let mut by_principal: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for request in &requests {
        by_principal.entry(format!("{:?}", who(request))).or_default().push(request);
    }
    let groups: Vec<_> = by_principal.into_values().collect();
    std::thread::scope(|scope| {
        for half in groups.chunks(groups.len().div_ceil(2)) {
            let (tree, own) = (&tree, &own);
            scope.spawn(move || {
                for group in half {
                    let exported = export(tree, who(group[0]));
                    group.iter().for_each(|request| answers_alike(&exported, own, request));
                }
            });
        }
    });
}

fn answers_alike(exported: &Exported, own: &Own, request: &Value) {
    let principal = match who(request) {
        Some((provider, claims)) => own.principal(provider, claims),
        None => Principal::named(request["principal"].as_str().unwrap().parse().unwrap()),
    };
    assert_eq!(principal.uid.to_string(), request["uid"].as_str().unwrap());
    assert!(exported.principal.as_ref().is_none_or(|uid| *uid == principal.uid), "{request}");
    let resource: EntityUid = request["resource"].as_str().unwrap().parse().unwrap();
    let action = request["action"].as_str().unwrap();
    let cedars = exported.answer(&principal.uid, action, &resource, &context(request));
    let expected: Vec<String> = serde_json::from_value(request["policies"].clone()).unwrap();
    assert_eq!(cedars, (request["decision"] == "allow", expected), "{request}");
    assert_eq!(own.answer(&principal, action, &resource, &context(request)), cedars, "{request}");
}

#[test]
fn authorize_prints_the_same_answer() {
    let requests: Vec<Value> = serde_json::from_str(REQUESTS).unwrap();
    let tree = sample();
    let folder = TempDir::new().unwrap();
    // Every eighth: each costs a process.
    for request in requests.iter().step_by(8) {
        let claims: PathBuf = folder.path().join("claims.json");
        let context = context(request).to_string();
        let mut arguments =
            vec!["--action", request["action"].as_str().unwrap(), "--resource", request["resource"].as_str().unwrap()];
        arguments.extend(["--context", &context]);
        match who(request) {
            Some((provider, of)) => {
                fs::write(&claims, of.to_string()).unwrap();
                arguments.extend(["--claims", claims.to_str().unwrap(), "--provider", provider]);
            }
            None => arguments.extend(["--principal", request["principal"].as_str().unwrap()]),
        }
        let output = cedargate(&tree, "authorize", &arguments);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["decision"], request["decision"], "{request}: {said}");
        assert_eq!(output.status.code(), Some(if request["decision"] == "allow" { 0 } else { 2 }));
        assert_eq!(said["principal"], request["uid"]);
        let ids: Vec<_> = said["policies"].as_array().unwrap().iter().map(|policy| policy["id"].clone()).collect();
        assert_eq!(Value::from(ids), request["policies"], "{request}");
    }
}

// Any directory.

const SCHEMA: &str = "
entity Node in [Node, Tenant] = { level?: Long, owner?: Team };
action look, touch appliesTo { principal: [User, VirtualAccount, ExternalSubject], resource: Node };
";

const ROLES: &str = "{type: role, name: viewer, resource_type: Node, actions: [look]}\n---\n{type: role, name: all, resource_type: Tenant, actions: ['*']}\n";

const POLICIES: &str = r#"
permit (principal, action == Action::"touch", resource) when { resource has owner && principal in resource.owner };

@id("levels \"quoted\" \\ /")
forbid (principal, action, resource) when { resource is Node && resource has level && resource.level > 2 };
// About nobody in particular, and without an id.
permit (principal is ExternalSubject, action, resource is Node) when { principal.hasTag("unit") && principal.getTag("unit").contains("r&d") };
"#;

const IDS: [&str; 6] = ["a", "b/c", "q\"uote \\ back", "new\nline\ttab\0nul", "🦀 e\u{301} %2F", "x::y"];
const SUBJECTS: [&str; 5] = ["team:t0", "team:t1", "user:u0@a", "virtual-account:ci", "external-identity:outside"];

#[derive(Clone, Debug)]
struct Directory {
    /// Parents (of smaller number), level, owner.
    nodes: Vec<(Vec<usize>, Option<i64>, Option<usize>)>,
    grants: Vec<(usize, usize)>,
    members: Vec<(usize, usize)>,
    tenant_wide: Option<usize>,
    u1_is_active: bool,
}

fn directory() -> impl Strategy<Value = Directory> {
    let nodes: Vec<_> = (0..IDS.len())
        .map(|index| {
            let parents = btree_set(0..index.max(1), 0..3)
                .prop_map(move |parents| parents.into_iter().filter(|parent| *parent < index).collect());
            (parents, prop::option::of(0..5_i64), prop::option::of(0..2_usize))
        })
        .collect();
    let grants = btree_set((0..IDS.len(), 0..SUBJECTS.len()), 0..8).prop_map(|grants| grants.into_iter().collect());
    let members = btree_set((0..2_usize, 0..2_usize), 0..4).prop_map(|members| members.into_iter().collect());
    (nodes, grants, members, prop::option::weighted(0.3, 0..SUBJECTS.len()), any::<bool>()).prop_map(
        |(nodes, grants, members, tenant_wide, u1_is_active)| Directory {
            nodes,
            grants,
            members,
            tenant_wide,
            u1_is_active,
        },
    )
}

impl Directory {
    fn tree(&self) -> TestTree {
        let mut documents = vec![
            json!({"type": "identity-provider", "name": "okta", "config": {"jwks_uri": "https://x/k", "audience": "a"},
                   "claims": {"teams": "groups", "virtual_account": "client"}}),
            json!({"type": "external-identity", "name": "outside", "identity_provider": "okta", "claims": {"kind": ["a\"b", "c\\d"]}}),
            json!({"type": "user", "email": "u0@a"}),
            json!({"type": "user", "email": "u1@a", "active": self.u1_is_active}),
            json!({"type": "virtual-account", "name": "ci", "identity_provider_mapping": [{"identity_provider": "okta", "value": "ci"}]}),
        ];
        for team in 0..2 {
            let members: Vec<_> =
                self.members.iter().filter(|(of, _)| *of == team).map(|(_, user)| format!("u{user}@a")).collect();
            let mapping = json!([{"identity_provider": "okta", "value": format!("t{team}")}]);
            documents.push(json!({"type": "team", "name": format!("t{team}"), "members": members, "identity_provider_mapping": mapping}));
        }
        for (index, (parents, level, owner)) in self.nodes.iter().enumerate() {
            let mut attributes = json!({});
            if let Some(level) = level {
                attributes["level"] = (*level).into();
            }
            if let Some(owner) = owner {
                attributes["owner"] = json!({"__entity": {"type": "Team", "id": format!("t{owner}")}});
            }
            let subjects = self.grants.iter().filter(|(to, _)| *to == index);
            let collaborators: Vec<_> =
                subjects.map(|(_, subject)| json!({"subject": SUBJECTS[*subject], "role": "viewer"})).collect();
            let parents: Vec<_> = parents.iter().map(|parent| format!("Node::{}", IDS[*parent])).collect();
            documents.push(json!({"type": "resource", "resource": format!("Node::{}", IDS[index]), "parents": parents,
                                  "attributes": attributes, "collaborators": collaborators}));
        }
        if let Some(subject) = self.tenant_wide {
            documents.push(json!({"type": "tenant", "collaborators": [{"subject": SUBJECTS[subject], "role": "all"}]}));
        }
        let tree = TestTree::new();
        for sample in ["schema/gateway.cedarschema", "schema/gateway.roles.yaml"] {
            tree.remove(sample);
        }
        tree.write("schema/s.cedarschema", SCHEMA);
        tree.write("schema/s.roles.yaml", ROLES);
        tree.write("policies/acme/p.cedar", POLICIES);
        tree.write(
            "policies/platform/p q/\"p\".cedar",
            "permit (principal in Team::\"t1\", action, resource is Node);",
        );
        let documents: Vec<_> = documents.iter().map(Value::to_string).collect();
        tree.write("policies/acme/manifests/m.yaml", &documents.join("\n---\n"));
        tree
    }
}

fn claims() -> impl Strategy<Value = Value> {
    (
        prop::sample::select(vec![json!("u0@a"), json!("u1@a"), json!("other@a"), Value::Null]),
        vec(prop::sample::select(vec!["t0", "t1", "t2"]), 0..3),
        prop::option::of(prop::sample::select(vec!["a\"b", "c\\d", "e"])),
        prop::option::weighted(0.3, Just("r&d")),
        prop::option::weighted(0.2, Just("ci")),
    )
        .prop_map(|(email, groups, kind, unit, client)| json!({"sub": "s|\"x\\\n", "email": email, "groups": groups, "kind": kind, "unit": unit, "client": client}))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn plain_cedar_answers_any_exported_directory_as_cedargate_does(directory in directory(), claims in claims()) {
        // Whoever is switched off is refused before Cedar is asked.
        prop_assume!(directory.u1_is_active || claims["email"] != "u1@a");
        let tree = directory.tree();
        let own = Own::read(&tree);
        let exported = export(&tree, Some(("okta", &claims)));
        let token = own.principal("okta", &claims);
        prop_assert_eq!(exported.principal.as_ref(), Some(&token.uid));
        let mut principals = vec![token];
        for named in ["User::\"u0@a\"", "User::\"u1@a\"", "User::\"nobody@a\"", "VirtualAccount::\"ci\""] {
            let uid: EntityUid = named.parse().unwrap();
            // The export knows the token's principal with its claims; by name it is another.
            if uid != principals[0].uid {
                principals.push(Principal::named(uid));
            }
        }
        for principal in &principals {
            for id in IDS {
                for action in ["look", "touch"] {
                    let resource = EntityUid::from_type_name_and_id("Node".parse().unwrap(), cedar_policy::EntityId::new(id));
                    let cedars = exported.answer(&principal.uid, action, &resource, &json!({}));
                    let ours = own.answer(principal, action, &resource, &json!({}));
                    prop_assert_eq!(&ours, &cedars, "{} {} {:?}", principal.uid, action, id);
                }
            }
        }
    }
}

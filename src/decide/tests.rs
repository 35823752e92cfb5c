//! The sliced answer is Cedar's answer over everything; errors fail closed; explanations name what failed.

mod soundness;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use cedar_policy::{Authorizer, Context, Entities, Entity, EntityUid, PolicyId, Request, RestrictedExpression};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{AccessQuery, ActionName, Answer, Decider, Decision, ForbidErrors, Reason, ResourceQuery, Work};
use crate::assemble::test_tenant::TestTenant;
use crate::model::EntityRef;
use crate::principal::Principal;
use crate::snapshot::{Snapshot, Supplied};

const SCHEMA: &str = "
entity Node in [Node, Tenant] = {
  level: Long, next?: Node, owner?: Team, keeper?: User, peers?: Set<Node>, inner?: { deep?: Node, name?: String },
} tags Node;
action all;
action look in [all] appliesTo {
  principal: [User, VirtualAccount, ExternalSubject], resource: Node, context: { about?: Node, n?: Long, list?: Set<Node> },
};
action touch appliesTo { principal: [User, ExternalSubject], resource: Node };
";

thread_local! {
    static TENANT: TestTenant = TestTenant::over(SCHEMA)
        .default_roles("{type: role, name: viewer, resource_type: Node, actions: [look]}\n---\n{type: role, name: all, resource_type: Tenant, actions: ['*']}");
}

fn tenant() -> TestTenant {
    TENANT.with(Clone::clone)
}

fn uid(text: &str) -> EntityUid {
    text.parse().unwrap()
}

fn node(index: usize) -> EntityUid {
    uid(&format!("Node::\"n{index}\""))
}

fn query(action: &str, resource: &EntityUid) -> AccessQuery {
    let resource = ResourceQuery::named(crate::vocabulary::entity_ref(resource));
    AccessQuery { action: ActionName(action.into()), resource, context: None, explain: false }
}

// What is in the tenant: nodes by number, some of which nothing declares.

const NODES: usize = 8;
const DECLARED: usize = 6;

/// Parents have smaller numbers, so diamonds are likely and circles are not.
#[derive(Clone, Debug)]
struct Node {
    level: i64,
    parents: Vec<usize>,
    next: Option<usize>,
    owner: Option<usize>,
    keeper: Option<usize>,
    peers: Option<Vec<usize>>,
    deep: Option<Option<usize>>,
    tags: BTreeMap<String, usize>,
}

fn a_node(index: usize) -> impl Strategy<Value = Node> {
    let any_node = 0..NODES;
    (
        prop_oneof![-2..5_i64, Just(i64::MAX)],
        btree_set(0..index.max(1), 0..3),
        prop::option::of(any_node.clone()),
        prop::option::weighted(0.3, 0..3_usize),
        prop::option::weighted(0.3, 0..3_usize),
        prop::option::weighted(0.4, vec(any_node.clone(), 0..3)),
        prop::option::weighted(0.4, prop::option::of(any_node.clone())),
        prop::collection::btree_map("[st]", any_node, 0..3),
    )
        .prop_map(move |(level, parents, next, owner, keeper, peers, deep, tags)| Node {
            level,
            parents: if index == 0 { Vec::new() } else { parents.into_iter().collect() },
            next,
            owner,
            keeper,
            peers,
            deep,
            tags,
        })
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    (0..DECLARED).map(a_node).collect::<Vec<_>>()
}

fn reference(kind: &str, id: String) -> Value {
    json!({"__entity": {"type": kind, "id": id}})
}

fn node_reference(index: usize) -> Value {
    reference("Node", format!("n{index}"))
}

impl Node {
    fn attributes(&self) -> Value {
        let mut attributes = json!({"level": self.level});
        if let Some(next) = self.next {
            attributes["next"] = node_reference(next);
        }
        if let Some(owner) = self.owner {
            attributes["owner"] = reference("Team", format!("t{owner}"));
        }
        if let Some(keeper) = self.keeper {
            attributes["keeper"] = reference("User", format!("u{keeper}@a"));
        }
        if let Some(peers) = &self.peers {
            attributes["peers"] = peers.iter().map(|peer| node_reference(*peer)).collect();
        }
        if let Some(deep) = self.deep {
            attributes["inner"] =
                deep.map_or_else(|| json!({"name": "x"}), |deep| json!({"deep": node_reference(deep)}));
        }
        attributes
    }

    fn parents(&self) -> Vec<Value> {
        self.parents.iter().map(|parent| json!({"type": "Node", "id": format!("n{parent}")})).collect()
    }
}

/// Odd nodes stand in hand-written entities, with tags; even ones in manifests, with grants.
fn files(nodes: &[Node], grants: &[(usize, usize)]) -> (String, String) {
    let mut manifest = "{type: identity-provider, name: okta, config: {jwks_uri: 'https://x/k', audience: a}}\n---\n\
         {type: external-identity, name: everyone, identity_provider: okta}\n---\n\
         {type: team, name: t0, members: [u0@a, u1@a]}\n---\n{type: team, name: t1, members: [u1@a]}\n---\n{type: team, name: t2}\n---\n\
         {type: virtual-account, name: v}\n---\n{type: tenant, collaborators: [{subject: 'user:u1@a', role: all}]}\n"
        .to_owned();
    let mut entities = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        if index % 2 == 1 {
            let tags: serde_json::Map<_, _> =
                node.tags.iter().map(|(tag, to)| (tag.clone(), node_reference(*to))).collect();
            let id = json!({"type": "Node", "id": format!("n{index}")});
            entities.push(json!({"uid": id, "attrs": node.attributes(), "parents": node.parents(), "tags": tags}));
            continue;
        }
        let parents: Vec<_> = node.parents.iter().map(|parent| format!("Node::n{parent}")).collect();
        let mut subjects: Vec<_> =
            grants.iter().filter(|(to, _)| *to == index).map(|(_, subject)| SUBJECTS[*subject]).collect();
        subjects.sort_unstable();
        subjects.dedup();
        let collaborators: Vec<_> =
            subjects.iter().map(|subject| json!({"subject": subject, "role": "viewer"})).collect();
        let document = json!({
            "type": "resource", "resource": format!("Node::n{index}"), "parents": parents, "attributes": node.attributes(),
            "collaborators": collaborators,
        });
        write!(manifest, "---\n{document}\n").unwrap();
    }
    (manifest, Value::from(entities).to_string())
}

const SUBJECTS: [&str; 4] = ["team:t0", "user:u0@a", "virtual-account:v", "external-identity:everyone"];

/// What hand-written policies do: reach through attributes, tags, literals and the context; and sometimes fail.
const CONDITIONS: [&str; 26] = [
    "true",
    "resource.level > K",
    "resource.level + 9223372036854775800 > K",
    "resource has next && resource.next.level > K",
    "resource has next && resource.next has next && resource.next.next has next && resource.next.next.next.level > K",
    "resource has next && resource.next has next && resource.next.next in Node::\"nK\"",
    "resource has next && resource in resource.next",
    "resource has owner && principal in resource.owner",
    "resource has keeper && resource.keeper in Team::\"tK\"",
    "resource has keeper && resource.keeper has email && resource.keeper.email == \"u1@a\"",
    "resource has peers && resource in resource.peers",
    "resource has peers && resource.peers.contains(Node::\"nK\")",
    "resource has inner.deep && resource.inner.deep has next && resource.inner.deep.next.level > K",
    "resource.hasTag(\"s\") && resource.getTag(\"s\").level > K",
    "resource.hasTag(\"s\") && resource.getTag(\"s\").hasTag(\"t\") && resource.getTag(\"s\").getTag(\"t\") in Node::\"nK\"",
    "principal.hasTag(\"unit\") && principal.getTag(\"unit\").contains(\"K\")",
    "principal has provider && principal.provider == IdentityProvider::\"okta\"",
    "User::\"u1@a\" in Team::\"tK\"",
    "Node::\"nK\" in Node::\"n0\"",
    "Node::\"nK\".level > 1",
    "Node::\"nK\" has next && Node::\"nK\".next.level > 1",
    "[Node::\"nK\", Node::\"n1\"].contains(resource)",
    "resource in [Node::\"nK\", Node::\"n1\"]",
    "if principal in Team::\"tK\" then resource.level > 3 else Node::\"nK\".level > 2",
    "resource in Tenant::\"acme\" && principal in Tenant::\"acme\"",
    "resource is Node in Node::\"nK\"",
];

const LOOKING: [&str; 4] = [
    "context has about && context.about.level > K",
    "context has about && context.about has next && context.about.next in Node::\"nK\"",
    "context has n && context.n + 9223372036854775807 > 0",
    "context has list && resource in context.list",
];

const PRINCIPALS: [&str; 7] = [
    "principal",
    "principal is User",
    "principal in Team::\"t0\"",
    "principal is User in Team::\"t1\"",
    "principal == User::\"u1@a\"",
    "principal in ExternalIdentity::\"everyone\"",
    "principal in Team::\"t2\"",
];

const RESOURCES: [&str; 5] = [
    "resource",
    "resource is Node",
    "resource in Node::\"nK\"",
    "resource == Node::\"nK\"",
    "resource is Node in Tenant::\"acme\"",
];

fn a_policy() -> impl Strategy<Value = String> {
    let condition = prop_oneof![
        4 => (prop::sample::select(&CONDITIONS[..]), prop::sample::select(vec!["action", "action == Action::\"look\"", "action == Action::\"touch\"", "action in [Action::\"look\", Action::\"touch\"]"])),
        1 => (prop::sample::select(&LOOKING[..]), prop::sample::select(vec!["action == Action::\"look\"", "action in Action::\"all\""])),
    ];
    let effect = prop_oneof![3 => Just("permit"), 1 => Just("forbid")];
    let when = prop_oneof![5 => Just("when"), 1 => Just("unless")];
    let scope = (prop::sample::select(&PRINCIPALS[..]), prop::sample::select(&RESOURCES[..]));
    (effect, scope, condition, when, 0..NODES, 0..NODES).prop_map(
        |(effect, (principal, resource), (condition, action), when, scoped, within)| {
            let (resource, condition) =
                (resource.replace('K', &scoped.to_string()), condition.replace('K', &within.to_string()));
            // Types that an action has no environment for are refused by the validator, so actions stay wide.
            format!("{effect} ({principal}, {action}, {resource}) {when} {{ resource is Node && ({condition}) }};\n")
        },
    )
}

/// Who asks: known or not, by name or by token.
#[derive(Clone, Debug)]
enum Asking {
    Named(&'static str),
    Token { uid: &'static str, unit: u8, teams: Vec<usize>, member: bool },
}

fn asking() -> impl Strategy<Value = Asking> {
    prop_oneof![
        prop::sample::select(vec![
            "User::\"u0@a\"",
            "User::\"u1@a\"",
            "User::\"stranger@a\"",
            "ExternalSubject::\"okta|x\"",
            "VirtualAccount::\"v\""
        ])
        .prop_map(Asking::Named),
        (
            prop::sample::select(vec!["User::\"u0@a\"", "ExternalSubject::\"okta|x\""]),
            0..8_u8,
            vec(0..3_usize, 0..2),
            any::<bool>()
        )
            .prop_map(|(uid, unit, teams, member)| Asking::Token { uid, unit, teams, member }),
    ]
}

impl Asking {
    fn principal(&self, snapshot: &Snapshot) -> Principal {
        let (who, unit, teams, member) = match self {
            Self::Named(who) => return Principal::named(uid(who)),
            Self::Token { uid, unit, teams, member } => (uid, unit, teams, member),
        };
        let mut parents = HashSet::from([snapshot.tenant_uid().clone()]);
        parents.extend(teams.iter().map(|team| uid(&format!("Team::\"t{team}\""))));
        if *member {
            parents.insert(uid("ExternalIdentity::\"everyone\""));
        }
        let mut attributes = std::collections::HashMap::from([(
            "provider".to_owned(),
            RestrictedExpression::new_entity_uid(uid("IdentityProvider::\"okta\"")),
        )]);
        if who.starts_with("ExternalSubject") {
            attributes.insert("subject".to_owned(), RestrictedExpression::new_string("x".into()));
        }
        let unit = RestrictedExpression::new_set([RestrictedExpression::new_string(unit.to_string())]);
        let entity = Entity::new_with_tags(uid(who), attributes, parents, [("unit".to_owned(), unit)]).unwrap();
        Principal { entity: Some(entity.into()), ..Principal::named(uid(who)) }
    }
}

#[derive(Clone, Debug)]
struct Asked {
    who: Asking,
    action: &'static str,
    resource: usize,
    /// A level and a parent that the request gives the resource; one that nothing declares needs them.
    described: Option<(i64, usize)>,
    about: Option<usize>,
    number: Option<i64>,
    list: Option<Vec<usize>>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let node = 0..NODES;
    let described = prop::option::weighted(0.3, (0..6_i64, 0..2_usize));
    let context =
        (prop::option::of(node.clone()), prop::option::of(0..2_i64), prop::option::of(vec(node.clone(), 0..3)));
    (asking(), prop::sample::select(vec!["look", "look", "touch"]), node, described, context).prop_map(
        |(who, action, resource, described, (about, number, list))| {
            // Below the first two there is no room for a parent: it might be a child.
            let described = described.filter(|_| resource >= 2);
            let described = if resource >= DECLARED { described.or(Some((1, 0))) } else { described };
            Asked { who, action, resource, described, about, number, list }
        },
    )
}

impl Asked {
    fn context(&self) -> Value {
        let mut context = json!({});
        if self.action == "look" {
            if let Some(about) = self.about {
                context["about"] = node_reference(about);
            }
            if let Some(number) = self.number {
                context["n"] = number.into();
            }
            if let Some(list) = &self.list {
                context["list"] = list.iter().map(|index| node_reference(*index)).collect();
            }
        }
        context
    }

    fn query(&self) -> AccessQuery {
        let mut query = query(self.action, &node(self.resource));
        query.context = Some(self.context());
        if let Some((level, parent)) = self.described {
            query.resource.attributes.insert("level".into(), level.into());
            query.resource.parents.push(EntityRef::new("Node", format!("n{parent}")));
        }
        query
    }

    /// The resource as the request leaves it.
    fn resource(&self, snapshot: &Snapshot) -> Option<Entity> {
        let (level, parent) = self.described?;
        let known = snapshot.entities.get(&node(self.resource));
        let (uid, mut attributes, mut parents) = known.clone().map_or_else(
            || (node(self.resource), std::collections::HashMap::new(), HashSet::from([snapshot.tenant_uid().clone()])),
            Entity::into_inner,
        );
        attributes.insert("level".into(), RestrictedExpression::new_long(level));
        parents.insert(node(parent));
        let tags = known
            .iter()
            .flat_map(|known| ["s", "t"].into_iter().filter_map(|tag| Some((tag, known.tag(tag)?.unwrap()))));
        let tags: Vec<_> = tags
            .map(|(tag, value)| {
                let cedar_policy::EvalResult::EntityUid(uid) = value else { panic!("tags are nodes") };
                (tag.to_owned(), RestrictedExpression::new_entity_uid(uid))
            })
            .collect();
        Some(Entity::new_with_tags(uid, attributes, parents, tags).unwrap())
    }
}

/// Decision, determining policies and failing ones.
type Outcome = (bool, Vec<String>, Vec<String>);

fn cedars_own(snapshot: &Snapshot, principal: &Principal, asked: &Asked) -> Outcome {
    let resource = asked.resource(snapshot);
    let supplied: Vec<_> = principal.entity.iter().map(Supplied::entity).chain(resource).collect();
    let known = snapshot.entities.iter().filter(|entity| supplied.iter().all(|own| own.uid() != entity.uid()));
    let all: Vec<_> = known.chain(supplied.iter().cloned()).collect();
    let entities = Entities::from_entities(all, None).unwrap();
    let action = uid(&format!("Action::\"{}\"", asked.action));
    let context = Context::from_json_value(asked.context(), Some((&snapshot.schema.schema, &action))).unwrap();
    let request =
        Request::new(principal.uid.clone(), action, node(asked.resource), context, Some(&snapshot.schema.schema))
            .unwrap();
    let response = Authorizer::new().is_authorized(&request, &snapshot.policies.whole_set(), &entities);
    cedars_outcome(&response)
}

fn cedars_outcome(response: &cedar_policy::Response) -> Outcome {
    let mut reasons: Vec<_> = response.diagnostics().reason().map(id_text).collect();
    let mut errors: Vec<_> = response
        .diagnostics()
        .errors()
        .map(|error| {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
            id_text(error.policy_id())
        })
        .collect();
    reasons.sort();
    errors.sort();
    (response.decision() == cedar_policy::Decision::Allow, reasons, errors)
}

fn id_text(id: &PolicyId) -> String {
    AsRef::<str>::as_ref(id).to_owned()
}

fn outcome(answer: &Answer) -> Outcome {
    let reasons = answer.policies.iter().map(|policy| policy.id.clone()).collect();
    let errors = answer.errors.iter().map(|error| error.id.clone()).collect();
    (answer.decision == Decision::Allow, reasons, errors)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_sliced_answer_is_cedars_answer(
        nodes in nodes(), grants in vec((0..DECLARED, 0..SUBJECTS.len()), 0..6),
        policies in vec(a_policy(), 0..10), requests in vec(asked(), 8),
    ) {
        let (manifest, entities) = files(&nodes, &grants);
        let tenant = tenant().policy("p.cedar", &policies.concat()).manifest("m.yaml", &manifest).entities("e.entities.json", &entities);
        let snapshot = tenant.snapshot().map_err(|faults| TestCaseError::fail(format!("{faults:#?}")))?;
        for asked in requests {
            let principal = asked.who.principal(&snapshot).to_be_kept();
            if asked.action == "touch" && principal.uid.type_name().to_string() == "VirtualAccount" {
                continue;
            }
            let expected = cedars_own(&snapshot, &principal, &asked);
            // Nothing kept, then cut and kept, then taken from what was kept: the same.
            let off = Decider { forbid_errors: ForbidErrors::Skip, slice_bytes: 0, ..Decider::default() };
            let plain = Answer { work: Work::default(), ..off.decide(&snapshot, &principal, &asked.query()).unwrap() };
            prop_assert_eq!(outcome(&plain), expected.clone(), "{:?}", asked);
            // Failing closed only ever takes an allow away, and only for a forbid that failed.
            let closed = Decider::default().decide(&snapshot, &principal, &asked.query()).unwrap();
            let closed = Answer { work: Work::default(), ..closed };
            let forbid_failed = closed.errors.iter().any(|error| error.effect == "forbid");
            if closed != plain {
                prop_assert!(forbid_failed && closed.decision == Decision::Deny && closed.reason == Reason::PolicyError);
                prop_assert!(closed.policies.is_empty() && closed.errors == plain.errors);
            }
            prop_assert!(!(forbid_failed && closed.decision == Decision::Allow));
            // Asking why changes no answer.
            let explained = Decider::default().decide(&snapshot, &principal, &AccessQuery { explain: true, ..asked.query() }).unwrap();
            prop_assert!(explained.work.is_kept);
            prop_assert_eq!(Answer { explanation: None, work: Work::default(), ..explained }, closed);
        }
    }
}

// One thing at a time.

const ENTITIES: &str = r#"[
  {"uid": {"type": "Node", "id": "n1"}, "attrs": {"level": 1, "next": {"__entity": {"type": "Node", "id": "n2"}}}, "parents": []},
  {"uid": {"type": "Node", "id": "n2"}, "attrs": {"level": 2}, "parents": [{"type": "Node", "id": "n1"}]},
  {"uid": {"type": "User", "id": "u"}, "attrs": {}, "parents": [{"type": "Team", "id": "t"}]}
]"#;

/// `action` alone is both of the schema's own: with `assume`, a resource is not always a node.
fn small(policies: &str) -> Snapshot {
    let policies = policies.replace(", action,", ", action in [Action::\"look\", Action::\"touch\"],");
    tenant().entities("e.entities.json", ENTITIES).policy("p.cedar", &policies).snapshot().unwrap()
}

fn decide(decider: Decider, snapshot: &Snapshot, action: &str, resource: &str) -> Answer {
    let query = AccessQuery { explain: true, ..query(action, &uid(resource)) };
    decider.decide(snapshot, &Principal::named(uid("User::\"u\"")), &query).unwrap()
}

fn near_misses(policies: &str) -> Vec<(String, String)> {
    let answer = decide(Decider::default(), &small(policies), "look", "Node::\"n1\"");
    let explanation = answer.explanation.unwrap();
    assert_eq!(explanation.near_misses_omitted, 0);
    explanation.near_misses.into_iter().map(|miss| (miss.id, miss.failed)).collect()
}

#[test]
fn the_first_part_that_failed_is_the_one_reported() {
    for (policy, failed) in [
        (
            "permit (principal, action, resource) when { resource.level > 0 && resource.level > 1 && resource.level > 2 };",
            "resource.level > 1",
        ),
        (
            "permit (principal, action, resource) when { resource.level > 0 } when { resource.level   >\n 5 } unless { true };",
            "resource.level > 5",
        ),
        ("permit (principal, action, resource) unless { resource.level == 1 };", "unless { resource.level == 1 }"),
        (
            "permit (principal, action, resource) when { resource.level > 3 || resource.level > 4 };",
            "resource.level > 3 || resource.level > 4",
        ),
        ("permit (principal, action, resource == Node::\"n2\") when { false };", "resource == Node::\"n2\""),
        ("permit (principal, action, resource in Node::\"n2\");", "resource in Node::\"n2\""),
        ("permit (principal in Team::\"x\", action, resource);", "principal in Team::\"x\""),
        ("permit (principal is ExternalSubject, action, resource);", "principal is ExternalSubject"),
        (
            "permit (principal is User in Team::\"x\", action, resource) when { false };",
            "principal is User in Team::\"x\"",
        ),
        ("forbid (principal, action, resource) when { resource.level > 7 };", "resource.level > 7"),
    ] {
        assert_eq!(near_misses(policy), [("p.cedar#0".to_owned(), failed.to_owned())], "{policy}");
    }
    let (_, failed) =
        near_misses("permit (principal, action, resource) when { resource.level + 9223372036854775807 > 0 };")
            .remove(0);
    assert!(
        failed.starts_with("resource.level + 9223372036854775807 > 0 (") && failed.contains("overflow"),
        "{failed}"
    );
}

#[test]
fn near_misses_are_of_the_same_action_and_the_nearest_comes_first() {
    let misses = near_misses(
        "@id(\"resource\") permit (principal, action, resource == Node::\"n2\");
         @id(\"principal\") permit (principal in Team::\"x\", action, resource);
         @id(\"condition-b\") permit (principal, action, resource) when { resource.level > 8 };
         @id(\"condition-a\") forbid (principal, action, resource) when { resource.level > 9 };
         @id(\"other-action\") permit (principal, action == Action::\"touch\", resource);
         @id(\"group\") permit (principal, action in Action::\"all\", resource) when { resource.level > 7 };
         @id(\"matches\") permit (principal, action, resource);",
    );
    let ids: Vec<_> = misses.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["condition-a", "condition-b", "group", "principal", "resource"]);
}

#[test]
fn a_slice_is_kept_for_just_what_it_was_cut_for() {
    let snapshot = small(
        "permit (principal, action == Action::\"touch\", resource == Node::\"n2\");
         permit (principal, action == Action::\"look\", resource == Node::\"n1\") when { context has about && context.about.level == 2 };
         permit (principal, action == Action::\"look\", resource in Node::\"n1\") when { resource.level == 9 };",
    );
    let look = |node: &str| query("look", &uid(node));
    let mut described = look("Node::\"n2\"");
    described.resource.attributes.insert("level".into(), 9.into());
    let about = |index| AccessQuery { context: Some(json!({"about": node_reference(index)})), ..look("Node::\"n1\"") };
    // Each but for one thing the question before, which was denied.
    for (query, expected) in [
        (look("Node::\"n2\""), Decision::Deny),
        (query("touch", &uid("Node::\"n2\"")), Decision::Allow),
        (look("Node::\"n2\""), Decision::Deny),
        (described, Decision::Allow),
        (look("Node::\"n1\""), Decision::Deny),
        (about(2), Decision::Allow),
        (about(7), Decision::Deny),
        (about(2), Decision::Allow),
    ] {
        let answer = Decider::default().decide(&snapshot, &Principal::named(uid("User::\"u\"")), &query).unwrap();
        assert_eq!(answer.decision, expected, "{query:?}");
    }
}

#[test]
fn an_explanation_is_bounded_and_says_what_it_leaves_out() {
    let many: String = (0..60)
        .map(|index| format!("permit (principal, action, resource) when {{ resource.level > {} }};\n", index + 10))
        .collect();
    let explanation = decide(Decider::default(), &small(&many), "look", "Node::\"n1\"").explanation.unwrap();
    assert_eq!((explanation.near_misses.len(), explanation.near_misses_omitted), (50, 10));
}

const FAILS: &str = "when { resource.level + 9223372036854775807 > 0 }";

#[test]
fn a_forbid_that_fails_denies_unless_the_configuration_says_plain_cedar() {
    let (closed, skip) = (Decider::default(), Decider { forbid_errors: ForbidErrors::Skip, ..Decider::default() });
    let permit = "@id(\"yes\") permit (principal, action, resource);\n";
    let forbid_fails = format!("@id(\"fails\") forbid (principal, action, resource) {FAILS};\n");
    let permit_fails = format!("@id(\"fails\") permit (principal, action, resource) {FAILS};\n");
    let forbid = "@id(\"no\") forbid (principal, action, resource);\n".to_owned();
    for (policies, decider, decision, reason, determining) in [
        (permit.to_owned() + &forbid_fails, closed, Decision::Deny, Reason::PolicyError, vec![]),
        (permit.to_owned() + &forbid_fails, skip, Decision::Allow, Reason::Permitted, vec!["yes"]),
        (forbid_fails.clone(), closed, Decision::Deny, Reason::PolicyError, vec![]),
        (forbid_fails.clone(), skip, Decision::Deny, Reason::NotPermitted, vec![]),
        (forbid_fails + &forbid + permit, closed, Decision::Deny, Reason::Forbidden, vec!["no"]),
        (permit.to_owned() + &permit_fails, closed, Decision::Allow, Reason::Permitted, vec!["yes"]),
        (permit_fails, closed, Decision::Deny, Reason::NotPermitted, vec![]),
    ] {
        let answer = decide(decider, &small(&policies), "look", "Node::\"n1\"");
        assert_eq!((answer.decision, answer.reason), (decision, reason), "{policies} {decider:?}");
        let ids: Vec<_> = answer.policies.iter().map(|policy| policy.id.as_str()).collect();
        assert_eq!(ids, determining, "{policies} {decider:?}");
        assert_eq!(answer.errors.len(), 1, "{policies}");
        assert_eq!(answer.errors[0].id, "fails");
        assert!(answer.errors[0].source.starts_with("policies/acme/p.cedar:"), "{}", answer.errors[0].source);
        assert!(answer.errors[0].message.contains("overflow"), "{}", answer.errors[0].message);
    }
}

#[test]
fn an_answer_names_policies_with_their_place_and_annotations() {
    let snapshot = small(
        "\n// first\n@id(\"b\")\n@reason(\"why\")\n@note\npermit (principal, action, resource);\n@id(\"a\") permit (principal, action, resource);",
    );
    let answer = decide(Decider::default(), &snapshot, "look", "Node::\"n1\"");
    let found: Vec<_> = answer.policies.iter().map(|policy| (policy.id.as_str(), policy.source.as_str())).collect();
    assert_eq!(found, [("a", "policies/acme/p.cedar:7"), ("b", "policies/acme/p.cedar:3")]);
    assert_eq!(
        answer.policies[1].annotations,
        [("note".to_owned(), String::new()), ("reason".to_owned(), "why".to_owned())].into()
    );
}

#[test]
fn ids_are_as_they_were_written() {
    let snapshot = small(
        "@id(\"a \\\"b\\\" \\\\ é\") permit (principal, action, resource);\n@id(\"c \\\"d\\\"\") permit (principal, action, resource) when { false };",
    );
    let answer = decide(Decider::default(), &snapshot, "look", "Node::\"n1\"");
    assert_eq!(answer.policies[0].id, "a \"b\" \\ é");
    assert_eq!(answer.explanation.unwrap().near_misses[0].id, "c \"d\"");
}

#[test]
fn questions_that_do_not_fit_the_schema_are_refused() {
    let snapshot = small("permit (principal, action, resource);");
    let user = Principal::named(uid("User::\"u\""));
    let ask = |principal: &Principal, query: &AccessQuery| {
        Decider::default().decide(&snapshot, principal, query).map_err(|error| (error.slug(), error.to_string()))
    };
    let n1 = uid("Node::\"n1\"");
    for (query, slug, said) in [
        (query("fly", &n1), "unknown-action", "`fly` is not an action"),
        (query("Action::\"fly\"", &n1), "unknown-action", "is not an action"),
        (query("User::\"look\"", &n1), "unknown-action", "is not an action"),
        (query("all", &n1), "request-invalid", "action `all` does not apply to a `Node`"),
        (query("look", &uid("Rock::\"x\"")), "unknown-resource-type", "`Rock` is not an entity type"),
        (query("look", &uid("Team::\"t\"")), "request-invalid", "action `look` does not apply to a `Team`"),
        (query("look", &uid("Node::\"unknown\"")), "resource-invalid", "the resource does not fit the schema"),
        (
            AccessQuery { context: Some(json!({"colour": 1})), ..query("look", &n1) },
            "context-invalid",
            "the context does not fit",
        ),
        (AccessQuery { context: Some(json!([])), ..query("look", &n1) }, "context-invalid", "it must be an object"),
        (
            AccessQuery { context: Some(json!({"n": "1"})), ..query("look", &n1) },
            "context-invalid",
            "the context does not fit",
        ),
    ] {
        let (found, message) = ask(&user, &query).unwrap_err();
        assert!(found == slug && message.contains(said), "{query:?}: {found}: {message}");
    }
    let account = Principal::named(uid("VirtualAccount::\"v\""));
    let denied = ask(&account, &query("touch", &n1)).unwrap();
    assert_eq!((denied.decision, denied.reason, denied.policies.len()), (Decision::Deny, Reason::NotPermitted, 0));
    let stranger = Principal::named(uid("Spaceship::\"x\""));
    assert_eq!(ask(&stranger, &query("touch", &n1)).unwrap_err().0, "unknown-principal-type");
    // What the schema does not know is told to anyone.
    for (query, slug) in [
        (query("fly", &n1), "unknown-action"),
        (query("touch", &uid("Rock::\"x\"")), "unknown-resource-type"),
        (AccessQuery { context: Some(json!({"colour": 1})), ..query("touch", &n1) }, "context-invalid"),
    ] {
        assert_eq!(ask(&account, &query).unwrap_err().0, slug);
    }
    assert!(ask(&user, &query("Action::\"look\"", &n1)).is_ok());
    assert!(ask(&user, &AccessQuery { context: Some(Value::Null), ..query("look", &n1) }).is_ok());
}

#[test]
fn what_a_request_says_of_its_resource_wins_and_stays_in_the_tenant() {
    let snapshot = small("permit (principal, action, resource in Node::\"n1\") when { resource.level == 9 };");
    let user = Principal::named(uid("User::\"u\""));
    let described = |level: Value, parents: &[&str]| {
        let mut query = query("look", &uid("Node::\"new\""));
        query.resource.attributes.insert("level".into(), level);
        query.resource.parents = parents.iter().map(|parent| crate::vocabulary::entity_ref(&uid(parent))).collect();
        Decider::default().decide(&snapshot, &user, &query).map(|answer| answer.decision).map_err(|error| error.slug())
    };
    assert_eq!(described(9.into(), &["Node::\"n2\""]), Ok(Decision::Allow));
    assert_eq!(described(8.into(), &["Node::\"n2\""]), Ok(Decision::Deny));
    assert_eq!(described(9.into(), &[]), Ok(Decision::Deny));
    assert_eq!(described("9".into(), &[]), Err("resource-invalid"));
    assert_eq!(described(9.into(), &["Tenant::\"other\""]), Err("resource-invalid"));
    assert_eq!(described(9.into(), &["Team::\"t\""]), Err("resource-invalid"));
    // n1 in n2, while n2 is in n1, makes no hierarchy.
    let mut circle = query("look", &uid("Node::\"n1\""));
    circle.resource.parents.push(EntityRef::new("Node", "n2"));
    assert_eq!(Decider::default().decide(&snapshot, &user, &circle).unwrap_err().slug(), "resource-invalid");
}

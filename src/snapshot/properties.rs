//! A snapshot that was built from the one before it is the one that would be built from nothing.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Snapshot;
use crate::ask::KnownPrincipals;
use crate::assemble::test_tenant::{TestTenant, acme, verified};
use crate::authn::digest_of;
use crate::bundle::{Sharding, render_split};
use crate::compile::compile;
use crate::decide::{AccessQuery, ActionName, Decider, ResourceQuery};
use crate::model::{EntityRef, Faults, Revision};
use crate::principal::Principal;

const SCHEMA: &str = "
entity Box in [Box, Tenant] = { size?: Long, next?: Box };
action look, move appliesTo { principal: [User, VirtualAccount, ExternalSubject], resource: Box };
";

const ROLES: &str = "{type: role, name: viewer, resource_type: Box, actions: [look]}";

thread_local! {
    static TENANT: TestTenant = TestTenant::over(SCHEMA).default_roles(ROLES);
}

const BOXES: usize = 6;
const USERS: usize = 4;

/// What a tenant is made of; changed one thing at a time.
#[derive(Clone, Debug, Default)]
struct State {
    /// (box, user or team, role)
    grants: BTreeSet<(usize, usize, bool)>,
    /// Box → its parent, which may close a circle.
    parents: [Option<usize>; BOXES],
    sizes: [Option<i64>; BOXES],
    /// Members of the team.
    members: BTreeSet<usize>,
    /// Of the role that is not a default one.
    mover_may_look: bool,
    /// Hand-written files, by number.
    policies: [Option<usize>; 3],
    platform: Option<usize>,
    /// Boxes of a hand-written file, which may be there twice.
    written: [BTreeSet<usize>; 2],
    /// How the bundle is split, in digits.
    split: (usize, usize),
    /// Whether those with a certain claim are partners.
    has_partners: bool,
    revision: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Grant(usize, usize, bool),
    Parent(usize, Option<usize>),
    Size(usize, Option<i64>),
    Member(usize),
    Role,
    Policy(usize, Option<usize>),
    Platform(Option<usize>),
    Written(usize, usize),
    Split(usize, usize),
    Partners,
    Nothing,
}

/// Good ones, some that do not validate, and one that does not parse.
const POLICIES: [&str; 10] = [
    "@id(\"a\") permit (principal in Team::\"t\", action == Action::\"look\", resource is Box);",
    "permit (principal == User::\"u1@a\", action, resource) when { resource is Box && resource has size && resource.size > 1 };",
    "@id(\"b\") forbid (principal, action == Action::\"move\", resource in Box::\"b2\");",
    "@id(\"a\") forbid (principal, action == Action::\"move\", resource == Box::\"b1\");",
    "permit (principal, action == Action::\"look\", resource) when { resource has next && resource.next in Box::\"b0\" };",
    "forbid (principal, action == Action::\"assume\", resource) when { principal.subject == \"2\" };",
    "@id(\"collaborator/Box/b1/viewer/User/u1@a\") permit (principal, action == Action::\"look\", resource is Box);",
    "@id(\"role/Box/viewer\") forbid (principal, action == Action::\"look\", resource is Box);",
    "permit (principal, action == Action::\"look\", resource) when { resource.colour == 1 };",
    "permit (principal, action, resource",
];

fn a_change() -> impl Strategy<Value = Change> {
    let policy = || prop::option::weighted(0.7, prop_oneof![6 => 0..6_usize, 1 => 6..POLICIES.len()]);
    prop_oneof![
        6 => (0..BOXES, 0..=USERS, any::<bool>()).prop_map(|(to, who, role)| Change::Grant(to, who, role)),
        3 => (0..BOXES, prop::option::of(0..BOXES)).prop_map(|(child, parent)| Change::Parent(child, parent)),
        2 => (0..BOXES, prop::option::of(0..4_i64)).prop_map(|(to, size)| Change::Size(to, size)),
        2 => (0..USERS).prop_map(Change::Member),
        1 => Just(Change::Role),
        3 => (0..3_usize, policy()).prop_map(|(file, text)| Change::Policy(file, text)),
        1 => policy().prop_map(Change::Platform),
        2 => (0..2_usize, 0..BOXES * 2).prop_map(|(file, number)| Change::Written(file, number)),
        2 => (0..4_usize, 0..4_usize).prop_map(|(links, entities)| Change::Split(links, entities)),
        1 => Just(Change::Partners),
        1 => Just(Change::Nothing),
    ]
}

fn toggle<T: Ord>(set: &mut BTreeSet<T>, value: T) {
    if !set.remove(&value) {
        set.insert(value);
    }
}

impl State {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Grant(to, who, role) => toggle(&mut self.grants, (*to, *who, *role)),
            Change::Parent(child, parent) => self.parents[*child] = *parent,
            Change::Size(to, size) => self.sizes[*to] = *size,
            Change::Member(user) => toggle(&mut self.members, *user),
            Change::Role => self.mover_may_look = !self.mover_may_look,
            Change::Policy(file, text) => self.policies[*file] = *text,
            Change::Platform(text) => self.platform = *text,
            Change::Written(file, number) => toggle(&mut self.written[*file], *number),
            Change::Split(links, entities) => self.split = (*links, *entities),
            Change::Partners => self.has_partners = !self.has_partners,
            Change::Nothing => {}
        }
        self.revision += 1;
    }

    fn manifest(&self) -> String {
        let mut text =
            "{type: identity-provider, name: okta, config: {jwks_uri: 'https://x/k', audience: a}}\n".to_owned();
        let mut add = |document: Value| text.push_str(&format!("---\n{document}\n"));
        let members: Vec<_> = self.members.iter().map(|user| format!("u{user}@a")).collect();
        add(json!({"type": "team", "name": "t", "members": members}));
        if self.has_partners {
            add(json!({
                "type": "external-identity", "name": "partners", "identity_provider": "okta",
                "claims": {"kind": ["partner"]},
            }));
        }
        (0..USERS).for_each(|user| add(json!({"type": "user", "email": format!("u{user}@a")})));
        let actions = if self.mover_may_look { vec!["look", "move"] } else { vec!["move"] };
        add(json!({"type": "role", "name": "mover", "resource_type": "Box", "actions": actions}));
        for number in 0..BOXES {
            let parents: Vec<_> = self.parents[number].iter().map(|parent| format!("Box::b{parent}")).collect();
            let attributes = self.sizes[number].map_or_else(|| json!({}), |size| json!({"size": size}));
            let grants = self.grants.iter().filter(|(to, ..)| *to == number);
            let collaborators: Vec<_> = grants
                .map(|(_, who, role)| {
                    let subject = if *who == USERS { "team:t".to_owned() } else { format!("user:u{who}@a") };
                    json!({"subject": subject, "role": if *role { "viewer" } else { "mover" }})
                })
                .collect();
            add(json!({
                "type": "resource", "resource": format!("Box::b{number}"), "parents": parents,
                "attributes": attributes, "collaborators": collaborators,
            }));
        }
        text
    }

    /// `None` when the manifests themselves are refused.
    fn tenant(&self) -> Option<TestTenant> {
        let mut tenant = TENANT.with(Clone::clone);
        let state = tenant.clone().manifest("m.yaml", &self.manifest()).check().ok()?.state;
        let sharding = |digits: usize| Sharding::for_items([0, 2_000, 20_000, 300_000][digits]);
        let (links, entities) = self.split;
        let revision = Revision(self.revision);
        let bundle = render_split(&compile(&acme(), &state), revision, sharding(links), sharding(entities)).unwrap();
        for (number, text) in self.policies.iter().enumerate() {
            if let Some(text) = text {
                tenant = tenant.policy(&format!("p{number}.cedar"), POLICIES[*text]);
            }
        }
        if let Some(text) = self.platform {
            tenant = tenant.platform_policy("all.cedar", POLICIES[text]);
        }
        for (number, boxes) in self.written.iter().enumerate() {
            // Above six they are new ones; below, the manifests have them too.
            let one =
                |index: &usize| json!({"uid": {"type": "Box", "id": format!("b{index}")}, "attrs": {}, "parents": []});
            let boxes: Vec<_> = boxes.iter().map(one).collect();
            tenant = tenant.entities(&format!("e{number}.entities.json"), &Value::from(boxes).to_string());
        }
        Some(tenant.bundle(bundle))
    }
}

/// All that can be seen of a snapshot.
fn seen(snapshot: &Snapshot) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut sources: Vec<_> = snapshot.policies.sources().map(|(id, source)| (id.to_string(), source)).collect();
    sources.sort_by(|left, right| left.0.cmp(&right.0));
    let mut entities: Vec<_> = snapshot
        .entities
        .iter()
        .map(|entity| {
            let mut json = entity.to_json_value().unwrap();
            // A set, in no order.
            json["parents"].as_array_mut().unwrap().sort_by_key(Value::to_string);
            json.to_string()
        })
        .collect();
    entities.sort();
    let mut policies: Vec<_> = snapshot.policies.whole_set().policies().map(ToString::to_string).collect();
    policies.sort();
    let places: Vec<_> = snapshot.entities.uids().map(|uid| snapshot.entities.place(&uid)).collect();
    let counts = (snapshot.policies.len(), snapshot.policies.links.len(), snapshot.entities.len(), places.len());
    let warnings: Vec<_> = snapshot.warnings.iter().map(ToString::to_string).collect();
    (snapshot.generation, snapshot.revision, counts, sources, entities, policies, warnings)
}

fn answers(snapshot: &Snapshot) -> Vec<String> {
    let mut answers = Vec::new();
    for user in 0..=USERS {
        let who = Principal::named(crate::vocabulary::uid(&EntityRef::new("User", format!("u{user}@a"))).unwrap());
        for (action, number) in
            ["look", "move"].into_iter().flat_map(|action| (0..BOXES + 2).map(move |number| (action, number)))
        {
            let resource = ResourceQuery::named(EntityRef::new("Box", format!("b{number}")));
            let query = AccessQuery { action: ActionName(action.into()), resource, context: None, explain: true };
            answers.push(serde_json::to_string(&Decider::default().decide(snapshot, &who, &query).unwrap()).unwrap());
        }
    }
    answers
}

/// Whom tokens stand for, as they are `known` or made anew.
fn principals(snapshot: &Snapshot, known: &KnownPrincipals) -> Vec<String> {
    let claims = |number: usize| {
        let kind = if number.is_multiple_of(2) { "partner" } else { "other" };
        json!({"sub": number.to_string(), "email": format!("u{number}@a"), "kind": kind, "exp": 4_000_000_000_i64})
    };
    let principal = |number| {
        let verified = verified(snapshot, "okta", claims(number));
        let token = number.to_string();
        let principal = known.get_or_resolve(snapshot, token.len(), digest_of(&token), &verified).unwrap();
        let entity = principal.entity.as_ref().unwrap();
        let mut ancestors: Vec<_> = entity.core().ancestors().map(ToString::to_string).collect();
        ancestors.sort();
        let json = entity.entity().to_json_value().unwrap();
        format!("{} {ancestors:?} {} {:?}", principal.uid, json["attrs"], principal.external_identities)
    };
    (0..=USERS).map(principal).collect()
}

fn told(faults: &Faults) -> Vec<String> {
    let mut told: Vec<_> = faults.0.iter().map(ToString::to_string).collect();
    told.sort();
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_snapshot_built_on_another_is_one_built_from_nothing(changes in vec(a_change(), 1..16)) {
        let mut state = State::default();
        let mut serving: Option<Snapshot> = None;
        let known = KnownPrincipals::within(1_000_000);
        for change in &changes {
            state.apply(change);
            let Some(tenant) = state.tenant() else { continue };
            match (tenant.snapshot_after(serving.as_ref()), tenant.snapshot()) {
                (Ok(next), Ok(fresh)) => {
                    prop_assert_eq!(seen(&next), seen(&fresh), "{:?}", change);
                    prop_assert_eq!(answers(&next), answers(&fresh), "{:?}", change);
                    let anew = KnownPrincipals::within(0);
                    prop_assert_eq!(principals(&next, &known), principals(&fresh, &anew), "{:?}", change);
                    serving = Some(next);
                }
                (Err(next), Err(fresh)) => prop_assert_eq!(told(&next), told(&fresh), "{:?}", change),
                (next, fresh) => {
                    let told = |one: Result<Snapshot, Faults>| one.err().map(|faults| told(&faults));
                    prop_assert!(false, "{:?}: after another {:?}, from nothing {:?}", change, told(next), told(fresh));
                }
            }
        }
    }
}

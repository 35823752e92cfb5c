//! Equal states compile to equal bytes; ids of any characters come back out of the files as they went in.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::{Compiled, compile, ids};
use crate::assemble::test_tenant::{TestTenant, acme, verified};
use crate::bundle::{publish, read_bundle, render};
use crate::model::{
    ClaimNames, Collaborator, Condition, DirectoryState, Email, EntityRef, ExternalIdentity, IdentityProvider,
    Resource, Revision, Role, RoleName, Subject, Team, TeamMapping, User, facts::RoleActions,
};
use crate::principal::resolve;

const SCHEMA: &str = "
entity Box in [Box, Tenant] = { label?: String, sizes?: Set<Long>, owner?: Team };
action look, move appliesTo { principal: [User, VirtualAccount, ExternalSubject], resource: Box };
";

thread_local! {
    static TENANT: TestTenant = TestTenant::over(SCHEMA)
        .default_roles("{type: role, name: viewer, resource_type: Box, actions: [look]}");
}

fn tenant() -> TestTenant {
    TENANT.with(Clone::clone)
}

fn compiled(text: &str) -> Compiled {
    compile(&acme(), &tenant().manifest("m.yaml", text).check().unwrap().state)
}

const DOCUMENTS: &str = r#"
{type: identity-provider, name: okta, config: {jwks_uri: "https://x/k", issuer: "https://x", audience: [b, a]}, claims: {teams: groups}}
---
{type: identity-provider, name: hub, config: {jwks_uri: "https://y/k", audience: a}, external_identities: most-specific}
---
{type: external-identity, name: everyone, identity_provider: okta}
---
{type: external-identity, name: partners, identity_provider: okta, claims: {unit: [b, a], "realm/roles": x}}
---
{type: user, email: jane@acme.com}
---
{type: user, email: idle@acme.com, active: false}
---
{type: team, name: ml, members: [jane@acme.com, lee@acme.com], managers: [lee@acme.com], identity_provider_mapping: [{identity_provider: okta, value: ml}]}
---
{type: team, name: ops, members: [jane@acme.com], identity_provider_mapping: [{identity_provider: okta, value: ml}, {identity_provider: hub, value: a}]}
---
{type: virtual-account, name: ci, identity_provider_mapping: [{identity_provider: okta, value: ci}]}
---
{type: role, name: mover, resource_type: Box, actions: [move, look]}
---
{type: role, name: boss, resource_type: Tenant, actions: ["*"]}
---
{type: resource, resource: "Box::a", attributes: {sizes: [3, 1, 2], label: "x", owner: {__entity: {type: Team, id: ml}}}, collaborators: [{subject: "team:ml", role: mover}, {subject: "user:jane@acme.com", role: viewer}]}
---
{type: resource, resource: "Box::b", parents: ["Box::a", "Box::c"], collaborators: [{subject: "external-identity:partners", role: viewer}]}
---
{type: resource, resource: "Box::c", parents: ["Box::a"], collaborators: [{subject: "virtual-account:ci", role: mover}]}
---
{type: tenant, collaborators: [{subject: "user:lee@acme.com", role: boss}]}
---
{type: tenant, collaborators: [{subject: "team:ops", role: boss}]}
"#;

/// The same documents in any order, over any of four files.
fn shuffled() -> impl Strategy<Value = Vec<(String, usize)>> {
    let documents: Vec<_> = DOCUMENTS.split("---\n").map(|text| text.trim().to_owned()).collect();
    let count = documents.len();
    (Just(documents).prop_shuffle(), vec(0..4_usize, count))
        .prop_map(|(texts, files)| texts.into_iter().zip(files).collect())
}

/// Members of JSON-like flow mappings and lists in another order say the same.
fn reordered(text: &str) -> String {
    text.replace("[jane@acme.com, lee@acme.com]", "[lee@acme.com, Jane@ACME.com]")
        .replace("unit: [b, a], \"realm/roles\": x", "realm/roles: [x], unit: [a, b, a]")
        .replace("actions: [move, look]", "actions: [look, move, look]")
        .replace("[\"Box::a\", \"Box::c\"]", "[\"Box::c\", \"Box::a\"]")
        .replace(
            "label: \"x\", owner: {__entity: {type: Team, id: ml}}",
            "owner: {__entity: {id: ml, type: Team}}, label: x",
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn equal_states_compile_to_equal_bytes(documents in shuffled(), otherwise in any::<bool>()) {
        let mut shuffled = tenant();
        for file in 0..4 {
            let texts: Vec<_> = documents.iter().filter(|(_, of)| *of == file).map(|(text, _)| text.as_str()).collect();
            let text = texts.join("\n---\n");
            let text = if otherwise { reordered(&text) } else { text };
            shuffled = shuffled.manifest(&format!("{file}.yaml"), &text);
        }
        let straight = tenant().manifest("all.yaml", DOCUMENTS);
        prop_assert_eq!(shuffled.check().unwrap().state, straight.check().unwrap().state);
        prop_assert_eq!(shuffled.compiled().unwrap(), straight.compiled().unwrap());
    }
}

/// Text up to so many bytes, of what tends to break quoting, paths and lines.
fn awkward(most: usize) -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\"", "\\", "::", "/", "%", "\n", "\r\n", "\t", "\0", "🦀", "e\u{301}", "\u{2028}", "\u{202e}", "\u{7f}", "'",
        "`", "*", "?", "{", "}", "[", "]", ",", " ", "%2F", "\\n", "\\u{41}", "@", "#", "|", "é", "É", "x", "\u{feff}",
        "//", "${x}",
    ]);
    let some = prop_oneof![4 => vec(pieces.prop_map(str::to_owned), 1..8).prop_map(|pieces| pieces.concat()), 1 => ".{1,30}", 1 => Just("長".repeat(85))];
    some.prop_map(move |text| {
        let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap();
        text.split_at(end).0.to_owned()
    })
    .prop_filter("an id is not empty", |text| !text.is_empty())
}

fn email() -> impl Strategy<Value = Email> {
    awkward(240).prop_filter_map("not an email", |text| Email::parse(&format!("{}@b", text.replace('@', ""))).ok())
}

/// A provider, an identity with one condition, a user in a mapped team, boxes inside each other, grants to each.
fn awkward_state(boxes: &[String], user: &Email, claim: &str, value: &str) -> DirectoryState {
    let mut state = DirectoryState::default();
    let (okta, partners, ml) = (
        "okta".to_owned().try_into().unwrap(),
        "partners".to_owned().try_into().unwrap(),
        "ml".to_owned().try_into().unwrap(),
    );
    let provider = IdentityProvider {
        audiences: vec![value.to_owned()],
        claims: ClaimNames { teams: Some(claim.to_owned()), ..ClaimNames::default() },
        ..IdentityProvider::of(okta, "https://x/k")
    };
    let identity = ExternalIdentity {
        name: partners,
        identity_provider: provider.name.clone(),
        claims: [(claim.to_owned(), Condition::is(value))].into(),
    };
    let mapping = TeamMapping { identity_provider: provider.name.clone(), value: value.to_owned() };
    let team = Team { name: ml, members: [user.clone()].into(), managers: [].into(), mappings: [mapping].into() };
    let viewer = RoleName::parse("viewer").unwrap();
    let role = Role {
        name: viewer.clone(),
        resource_type: "Box".into(),
        actions: RoleActions::These(["look".to_owned()].into()),
    };
    for (index, id) in boxes.iter().enumerate() {
        let entity = EntityRef::new("Box", id);
        let parents = boxes[..index].iter().map(|parent| EntityRef::new("Box", parent)).collect();
        let attributes = [("label".to_owned(), json!(value))].into();
        for subject in [
            Subject::User(user.clone()),
            Subject::Team(team.name.clone()),
            Subject::ExternalIdentity(identity.name.clone()),
        ] {
            state.collaborators.insert(Collaborator { resource: entity.clone(), role: viewer.clone(), subject });
        }
        state.resources.insert(entity.clone(), Resource { entity, parents, attributes });
    }
    state.users.insert(user.clone(), User { email: user.clone(), active: true });
    state.roles.insert(("Box".into(), viewer), role);
    state.teams.insert(team.name.clone(), team);
    state.external_identities.insert(identity.name.clone(), identity);
    state.identity_providers.insert(provider.name.clone(), provider);
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_id_comes_back_out_of_the_files_as_it_went_in(
        boxes in vec(awkward(255), 1..4), user in email(), claim in awkward(64), value in awkward(64),
    ) {
        let mut boxes = boxes;
        boxes.sort();
        boxes.dedup();
        let state = awkward_state(&boxes, &user, &claim, &value);
        let folder = tempfile::tempdir().unwrap();
        let written = render(&compile(&acme(), &state), Revision(7)).unwrap();
        publish(folder.path(), &written).unwrap();
        let read = read_bundle(folder.path()).unwrap().unwrap();
        prop_assert_eq!(&read, &written);
        let snapshot = tenant().bundle(read).snapshot().map_err(|faults| TestCaseError::fail(faults.to_string()))?;

        let uid = |kind: &str, id: &str| crate::vocabulary::uid(&EntityRef::new(kind, id)).unwrap();
        for id in &boxes {
            let entity = snapshot.entities.get(&uid("Box", id)).expect("the resource's entity");
            prop_assert_eq!(entity.uid(), uid("Box", id));
            prop_assert_eq!(entity.attr("label").unwrap().unwrap(), cedar_policy::EvalResult::String(value.clone()));
        }
        prop_assert!(snapshot.entities.get(&uid("User", user.as_str())).is_some());
        prop_assert_eq!(snapshot.policies.links.len(), boxes.len() * 3);
        for grant in &state.collaborators {
            let id = cedar_policy::PolicyId::new(ids::collaborator(grant));
            let values = snapshot.policies.get(&id).expect("the grant's link").template_links().unwrap();
            let subject = crate::vocabulary::subject(&grant.subject);
            prop_assert_eq!(&values[&cedar_policy::SlotId::resource()], &uid("Box", &grant.resource.id));
            prop_assert_eq!(&values[&cedar_policy::SlotId::principal()], &uid(&subject.entity_type, &subject.id));
        }
        // The condition and the mapping see exactly this claim and this value.
        let mapped = |value: &str| resolve(&verified(&snapshot, "okta", json!({"sub": "s", (claim.as_str()): [value]})), &snapshot).unwrap();
        if !["sub", "email"].contains(&claim.as_str()) {
            let partner = mapped(&value);
            prop_assert_eq!(&partner.external_identities, &["partners"]);
            prop_assert!(partner.entity.unwrap().entity().into_inner().2.contains(&uid("Team", "ml")));
            let other = format!("{value}x");
            prop_assert!(mapped(&other).external_identities.is_empty());
        }
    }

    #[test]
    fn two_grants_never_share_an_id(
        id in awkward(20), role in "[a-z]{1,3}", user in email(), other in (awkward(20), "[a-z]{1,3}", email()), twist in 0..6_usize,
    ) {
        // Another grant altogether, or one whose id is what the first one's might be written as.
        let twisted = [id.replace('/', "%2F"), id.replace('%', "%25"), id.replace('\n', "%0A"), format!("{id}/{role}"), format!("{id}%2F{role}")];
        let left = (id, role, user);
        let right = twisted.into_iter().nth(twist).map_or(other, |id| (id, left.1.clone(), left.2.clone()));
        let grant = |(id, role, user): &(String, String, Email)| Collaborator {
            resource: EntityRef::new("Box", id),
            role: RoleName::parse(role).unwrap(),
            subject: Subject::User(user.clone()),
        };
        let (left, right) = (grant(&left), grant(&right));
        prop_assert_eq!(left == right, ids::collaborator(&left) == ids::collaborator(&right));
        prop_assert!(!ids::collaborator(&left).chars().any(char::is_control));
    }
}

#[test]
fn an_external_identity_compiles_to_its_assume_policy() {
    let compiled = compiled(
        "{type: identity-provider, name: okta, config: {jwks_uri: 'https://x/k', audience: a}}\n---\n\
         {type: external-identity, name: partner-integration, identity_provider: okta,
          claims: {department: [research, engineering], realm_access/roles: partner}}\n---\n\
         {type: external-identity, name: everyone, identity_provider: okta}",
    );
    assert_eq!(
        compiled.external_identities,
        [
            r#"@id("external-identity/everyone")
permit (principal is ExternalSubject, action == Action::"assume", resource == ExternalIdentity::"everyone")
when { principal.provider == IdentityProvider::"okta" };
"#,
            r#"@id("external-identity/partner-integration")
permit (principal is ExternalSubject, action == Action::"assume", resource == ExternalIdentity::"partner-integration")
when { principal.provider == IdentityProvider::"okta"
       && principal.hasTag("department") && principal.getTag("department").containsAny(["engineering", "research"])
       && principal.hasTag("realm_access/roles") && principal.getTag("realm_access/roles").contains("partner") };
"#,
        ]
    );
}

#[test]
fn a_role_compiles_to_a_template_and_a_collaborator_to_its_link() {
    let compiled = compiled(
        "{type: team, name: ml}\n---\n{type: role, name: boss, resource_type: Tenant, actions: ['*']}\n---\n\
         {type: role, name: mover, resource_type: Box, actions: [move, look]}\n---\n\
         {type: resource, resource: 'Box::a/b', collaborators: [{subject: 'team:ml', role: viewer}]}",
    );
    assert_eq!(
        compiled.roles,
        [
            "@id(\"role/Box/mover\")\npermit (principal in ?principal, action in [Action::\"look\", Action::\"move\"], resource in ?resource);\n",
            "@id(\"role/Box/viewer\")\npermit (principal in ?principal, action in [Action::\"look\"], resource in ?resource);\n",
            "@id(\"role/Tenant/boss\")\npermit (principal in ?principal, action, resource in ?resource);\n",
        ]
    );
    assert_eq!(
        serde_json::to_string(&compiled.links).unwrap(),
        r#"[{"template_id":"role/Box/viewer","link_id":"collaborator/Box/a%2Fb/viewer/Team/ml","args":{"?principal":"Team::\"ml\"","?resource":"Box::\"a/b\""}}]"#
    );
}

#[test]
fn inactive_users_have_no_links_and_no_entity() {
    let text = |active: bool| {
        format!(
            "{{type: user, email: jane@acme.com, active: {active}}}\n---\n{{type: team, name: ml, members: [jane@acme.com]}}\n---\n\
             {{type: resource, resource: 'Box::a', collaborators: [{{subject: 'user:jane@acme.com', role: viewer}}, {{subject: 'team:ml', role: viewer}}]}}"
        )
    };
    let (active, inactive) = (compiled(&text(true)), compiled(&text(false)));
    let is_jane = |(uid, _): &&(EntityRef, serde_json::Value)| *uid == EntityRef::new("User", "jane@acme.com");
    assert_eq!(active.entities.iter().filter(is_jane).count(), 1);
    assert_eq!(active.links.len(), 2);
    assert_eq!(inactive.entities.iter().filter(is_jane).count(), 0);
    let left: Vec<_> = inactive.links.iter().map(|link| link.link_id.as_str()).collect();
    assert_eq!(left, ["collaborator/Box/a/viewer/Team/ml"]);
}

#[test]
fn managers_are_not_members_and_resources_are_in_their_tenant() {
    let compiled = compiled(
        "{type: team, name: ml, members: [jane@acme.com], managers: [lee@acme.com]}\n---\n\
         {type: resource, resource: 'Box::a', parents: ['Box::b']}",
    );
    let parents = |kind: &str, id: &str| {
        let uid = json!({"type": kind, "id": id});
        let entity = compiled.entities.iter().map(|(_, entity)| entity).find(|entity| entity["uid"] == uid).unwrap();
        entity["parents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|parent| parent["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(parents("User", "jane@acme.com"), ["ml", "acme"]);
    assert_eq!(parents("User", "lee@acme.com"), ["acme"]);
    assert_eq!(parents("Box", "a"), ["b", "acme"]);
    assert_eq!(parents("Team", "ml"), ["acme"]);
}

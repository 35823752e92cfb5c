//! Manifests as people get them wrong: every fault has its file, line and column.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::read_default_roles;
use crate::assemble::test_tenant::TestTenant;
use crate::model::{Email, EntityRef, RoleName, Subject, facts::RoleActions};
use crate::schema::{Identity, load_schema};
use crate::tree::SourceFile;

const SCHEMA: &str = "
entity Box in [Box, Tenant] = { label?: String, size?: Long, owner?: Team };
entity Shelf in [Tenant];
action look, move appliesTo { principal: [User, VirtualAccount, ExternalSubject], resource: Box };
action dust appliesTo { principal: [User, VirtualAccount, ExternalSubject], resource: Shelf };
";

const ROLES: &str = r#"
{type: role, name: viewer, resource_type: Box, actions: [look]}
---
{type: role, name: admin, resource_type: Tenant, actions: ["*"]}
"#;

thread_local! {
    static TENANT: TestTenant = TestTenant::over(SCHEMA).default_roles(ROLES);
}

fn tenant() -> TestTenant {
    TENANT.with(Clone::clone)
}

fn over(text: &str) -> TestTenant {
    tenant().manifest("m.yaml", text)
}

/// `line:column: message` of each fault.
fn faults(text: &str) -> Vec<String> {
    let Err(faults) = over(text).check() else { return Vec::new() };
    assert!(faults.0.iter().all(|fault| fault.file == "policies/acme/m.yaml"));
    faults.0.iter().map(|fault| format!("{}:{}: {}", fault.line, fault.column, fault.message)).collect()
}

/// Exactly these faults, each at its place and saying at least this.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found = faults(text);
    let as_expected = found.len() == expected.len()
        && found.iter().zip(expected).all(|(fault, part)| {
            let (place, said) = part.split_once(": ").unwrap();
            fault.strip_prefix(place).is_some_and(|rest| rest.starts_with(": ") && rest.contains(said))
        });
    assert!(as_expected, "of\n{text}\nexpected {expected:#?}\nfound {found:#?}");
}

const OKTA: &str = "{type: identity-provider, name: okta, config: {jwks_uri: 'https://x/k', audience: a}}\n---\n";

#[test]
fn unknown_keys_are_faults_at_every_level() {
    check(
        "type: user\nemail: jane@acme.com\ncolour: red\n",
        &["3:1: unknown field `colour`, expected one of type, name"],
    );
    check(
        "type: identity-provider\nname: okta\nconfig: {jwks_uri: 'https://x/k', kid: 1}",
        &["3:40: unknown field `kid`"],
    );
    check(
        "type: identity-provider\nname: okta\nconfig: {jwks_uri: 'https://x/k', audience: a}\nclaims: {uid: sub, email: 3}",
        &["4:15: unknown field `uid`, expected one of `unique_id`"],
    );
    check(
        "type: team\nname: ml\nidentity_provider_mapping: [{identity_provider: okta, value: a, extra: 1}]",
        &["3:65: unknown field `extra`"],
    );
    check(
        "type: tenant\ncollaborators:\n  - {subject: 'team:ml', role: admin, until: 2027}",
        &["3:39: unknown field `until`"],
    );
}

#[test]
fn types_of_manifests_are_known_ones() {
    check(
        "type: gadget\nname: x",
        &["1:7: `gadget` is not a type of manifest: use one of `identity-provider`, `external-identity`"],
    );
    check("type: Team\nname: x", &["1:7: `Team` is not a type of manifest"]);
    check("name: x", &["1:1: missing field `type`"]);
    check("type: user\nemail: a@b\n---\n# a note\nname: x", &["5:1: missing field `type`"]);
}

#[test]
fn members_of_another_type_are_faults() {
    check(
        "type: user\nemail: jane@acme.com\nmembers: [a@b]",
        &["3:10: `members` does not belong in a manifest of type `user`"],
    );
    check(
        "type: team\nname: ml\nemail: a@b\nactions: [look]",
        &["3:8: `email` does not belong", "4:10: `actions` does not belong"],
    );
    check("type: tenant\nname: acme", &["2:7: `name` does not belong in a manifest of type `tenant`"]);
    check("type: resource\nresource: Box::b\nrole: viewer", &["3:1: unknown field `role`"]);
    check(
        "type: role\nname: r\nresource_type: Box\nactions: [look]\nclaims: {a: b}",
        &["5:9: `claims` does not belong in a manifest of type `role`"],
    );
}

#[test]
fn members_that_are_needed_are_missed() {
    check("type: user", &["1:7: a user needs `email`"]);
    check("type: team", &["1:7: `team` needs `name`"]);
    check("type: virtual-account", &["1:7: `virtual-account` needs `name`"]);
    check("type: identity-provider\nname: okta", &["2:7: an identity provider needs `config` with a `jwks_uri`"]);
    check("type: identity-provider\nname: okta\nconfig: {issuer: x}", &["3:9: missing field `jwks_uri`"]);
    check("type: external-identity\nname: e\nclaims: {a: 1}", &["2:7: an external identity needs `identity_provider`"]);
    check("type: role\nname: r", &["1:7: a role needs `name`, `resource_type` and `actions`"]);
    check("type: resource", &["1:7: a resource needs `resource: Type::id`"]);
    check("type: tenant\ncollaborators: [{subject: 'user:a@b'}]", &["2:18: missing field `role`"]);
}

#[test]
fn values_of_the_wrong_kind_are_faults() {
    check("type: user\nemail: nonsense", &["2:8: `nonsense` is not an email address"]);
    check("type: user\nemail: [a, b]", &["2:8: `email` must be an address"]);
    check("type: team\nname: a/b", &["2:7: `a/b` is not a team name: use letters, digits and hyphens"]);
    check("type: team\nname: x\nmembers: [a@b, nobody]", &["3:16: `nobody` is not an email address"]);
    check(
        "type: identity-provider\nname: okta\nconfig: {jwks_uri: 'ftp://x/k', issuer: '', audience: []}",
        &[
            "3:20: `ftp://x/k` is not an http(s) address",
            "3:41: an issuer may not be empty",
            "3:55: an audience may not be empty",
        ],
    );
    // A secret is not repeated.
    check(
        "type: identity-provider\nname: okta\nconfig: {jwks_uri: 'https://user:secret@x/k?api_key=secret', audience: a}",
        &["3:20: `https://***@x/k?api_key=***` has a user name or password in it"],
    );
    check(
        "type: identity-provider\nname: okta\nconfig: {jwks_uri: 'ftp://user:secret@x/k?a=secret', audience: a}",
        &["3:20: `ftp://***@x/k?a=***` is not an http(s) address"],
    );
    check(
        "type: identity-provider\nname: okta\nconfig: {jwks_uri: 'https://x/k', algorithms: [HS256]}",
        &["3:48: unknown variant `HS256`"],
    );
    check(
        "type: identity-provider\nname: okta\nconfig: {jwks_uri: 'https://x/k'}\nexternal_identities: some",
        &["4:22: unknown variant `some`, expected `all` or `most-specific`"],
    );
    check(
        &format!(
            "{OKTA}type: external-identity\nname: e\nidentity_provider: okta\nclaims: {{a: null, b: [], c: {{d: 1}}, e: [1, true, x]}}"
        ),
        &[
            "6:13: the condition on `a` must be a value",
            "6:22: the condition on `b` must be",
            "6:29: the condition on `c` must be",
        ],
    );
    check(
        &format!("{OKTA}type: team\nname: t\nidentity_provider_mapping: [{{identity_provider: okta, value: ''}}]"),
        &["5:62: a mapped value may not be empty"],
    );
}

#[test]
fn a_thing_declared_twice_names_both_places() {
    for (kind, declaration, what) in [
        ("type: user\n", "email: jane@acme.com\n", "user `jane@acme.com`"),
        ("type: team\n", "name: ml\n", "team `ml`"),
        ("type: virtual-account\n", "name: ci\n", "virtual account `ci`"),
        (
            "type: identity-provider\n",
            "name: idp\nconfig: {jwks_uri: 'https://x/k', audience: a}\n",
            "identity provider `idp`",
        ),
        ("type: external-identity\n", "name: out\nidentity_provider: okta\n", "external identity `out`"),
        ("type: role\n", "name: mover\nresource_type: Box\nactions: [move]\n", "role `Box/mover`"),
        ("type: resource\n", "resource: Box::b\n", "resource `Box::\"b\"`"),
    ] {
        let text = format!("{kind}{declaration}---\n{kind}{declaration}");
        let other = format!("{kind}{declaration}");
        let column = declaration.find(':').unwrap() + 3;
        let line = declaration.lines().count() + 4;
        let mut okta = tenant().manifest("a.yaml", OKTA.trim_end_matches("---\n"));
        let within = okta.clone().manifest("m.yaml", &text).faults();
        assert_eq!(
            within,
            [format!("policies/acme/m.yaml:{line}:{column}: {what} is already declared at policies/acme/m.yaml:2")]
        );
        okta = okta.manifest("m.yaml", &other).manifest("n.yaml", &other);
        assert_eq!(
            okta.faults(),
            [format!("policies/acme/n.yaml:2:{column}: {what} is already declared at policies/acme/m.yaml:2")]
        );
    }
    check(
        "type: user\nemail: Jane@acme.com\n---\ntype: user\nemail: jane@ACME.com",
        &["5:8: user `jane@acme.com` is already declared at policies/acme/m.yaml:2"],
    );
    check(
        "type: resource\nresource: Box::b\n---\ntype: resource\nresource: 'Box::\"b\"'",
        &["5:11: resource `Box::\"b\"` is already declared at policies/acme/m.yaml:2"],
    );
}

#[test]
fn one_claim_value_stands_for_one_virtual_account() {
    let account = |name: &str| {
        format!(
            "type: virtual-account\nname: {name}\nidentity_provider_mapping: [{{identity_provider: okta, value: x}}]\n"
        )
    };
    check(
        &format!("{OKTA}{}---\n{}", account("a"), account("b")),
        &["8:7: the virtual account for `x of okta` is already declared at policies/acme/m.yaml:4"],
    );
}

#[test]
fn a_provider_that_is_not_declared_is_a_fault_wherever_it_is_named() {
    let missing = "identity provider `nobody` is not declared";
    check("type: external-identity\nname: out\nidentity_provider: nobody", &[&format!("3:20: {missing}")]);
    check(
        "type: external-identity\nname: out\nidentity_provider: no/body",
        &["3:20: identity provider `no/body` is not declared"],
    );
    check(
        "type: team\nname: ml\nidentity_provider_mapping:\n  - {identity_provider: nobody, value: a}",
        &[&format!("4:25: {missing}")],
    );
    check(
        "type: virtual-account\nname: ci\nidentity_provider_mapping:\n  - identity_provider: nobody\n    value: a",
        &[&format!("4:24: {missing}")],
    );
}

#[test]
fn a_subject_or_role_that_is_not_declared_is_a_fault_wherever_it_is_named() {
    let subjects = [
        ("team:none", "team `none` is not declared"),
        ("user:no@acme.com", "user `no@acme.com` is not declared"),
        ("virtual-account:none", "virtual account `none` is not declared"),
        ("external-identity:none", "external identity `none` is not declared"),
        ("team:no team", "`no team` is not a team name"),
        ("user:nobody", "`nobody` is not an email address"),
        ("gang:x", "`gang` is not a kind of subject: write `user:EMAIL`"),
        ("jane", "`jane` is not a subject: write `user:EMAIL`"),
    ];
    for (subject, said) in subjects {
        check(
            &format!("type: tenant\ncollaborators:\n  - {{subject: '{subject}', role: admin}}"),
            &[&format!("3:15: {said}")],
        );
        check(
            &format!("type: resource\nresource: Box::b\ncollaborators:\n  - role: viewer\n    subject: '{subject}'"),
            &[&format!("5:14: {said}")],
        );
    }
    let user = "{type: user, email: a@b}\n---\n";
    check(
        &format!("{user}type: tenant\ncollaborators: [{{subject: 'user:a@b', role: viewer}}]"),
        &["4:45: role `viewer` is not declared for `Tenant`"],
    );
    check(
        &format!("{user}type: resource\nresource: Box::b\ncollaborators: [{{subject: 'user:a@b', role: admin}}]"),
        &["5:45: role `admin` is not declared for `Box`"],
    );
    check(
        &format!("{user}type: tenant\ncollaborators: [{{subject: 'user:a@b', role: 'a/b'}}]"),
        &["4:45: `a/b` is not a role name"],
    );
    check(
        "type: tenant\ncollaborators: [{subject: 'team:none', role: boss}]",
        &["2:27: team `none`", "2:46: role `boss`"],
    );
    let grant = "{subject: 'user:A@b', role: viewer}";
    check(
        &format!("{user}type: resource\nresource: Box::b\ncollaborators: [{grant}, {grant}]"),
        &["5:54: this role is already granted to this subject"],
    );
}

#[test]
fn roles_fit_the_schema_and_leave_the_default_ones_alone() {
    check(
        "type: role\nname: mover\nresource_type: Box\nactions: [move, fly, dust, assume]",
        &[
            "4:17: the schema has no action `fly`",
            "4:22: action `dust` applies neither to `Box` nor to anything inside one",
            "4:28: `assume` is asked by cedargate itself and cannot be part of a role",
        ],
    );
    check(
        "type: role\nname: viewer\nresource_type: Box\nactions: [look, move]",
        &["2:7: role `viewer` of `Box` is built in and cannot be changed"],
    );
    check(
        "type: role\nname: mover\nresource_type: Crate\nactions: [move]",
        &["3:16: the schema has no entity type `Crate`"],
    );
    check("type: role\nname: mover\nresource_type: Box\nactions: []", &["4:10: a role needs at least one action"]);
    check("type: role\nname: a role\nresource_type: Box\nactions: [look]", &["2:7: `a role` is not a role name"]);
    // The same name for another type is another role; an action counts for what contains its resources.
    check("type: role\nname: viewer\nresource_type: Tenant\nactions: [look, dust]", &[]);
}

#[test]
fn default_roles_are_roles_and_each_stands_once() {
    let source = |text: &str| SourceFile {
        name: "schema/r.roles.yaml".into(),
        relative: "r.roles.yaml".into(),
        text: text.into(),
    };
    let schema = load_schema(
        &[SourceFile { name: "s".into(), relative: "s.cedarschema".into(), text: SCHEMA.into() }],
        Identity::Included,
    )
    .unwrap();
    let role = "{type: role, name: viewer, resource_type: Box, actions: [look]}";
    let faults = |text: &str| {
        read_default_roles(&[source(text)], &schema)
            .unwrap_err()
            .0
            .into_iter()
            .map(|fault| fault.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        faults("type: user\nemail: a@b"),
        ["schema/r.roles.yaml:1:7: only roles belong in a file of default roles"]
    );
    assert_eq!(faults(&format!("{role}\n---\n{role}")), ["schema/r.roles.yaml:3:20: this role is already declared"]);
    assert_eq!(
        faults("{type: role, name: r, resource_type: Box, actions: [fly]}"),
        ["schema/r.roles.yaml:1:53: the schema has no action `fly`"]
    );
}

#[test]
fn resources_fit_the_schema() {
    check("type: resource\nresource: Crate::b", &["2:11: the schema has no entity type `Crate`"]);
    check("type: resource\nresource: just-a-name", &["2:11: `just-a-name` is not an entity: write `Type::id`"]);
    check("type: resource\nresource: 'Box::'", &["2:11: `Box::` is not an entity"]);
    check(
        &format!("type: resource\nresource: Box::{}", "x".repeat(1025)),
        &["2:11: the id of a `Box` is longer than 1024 bytes"],
    );
    for own in [
        "Tenant::acme",
        "Team::ml",
        "User::a@b",
        "VirtualAccount::ci",
        "ExternalIdentity::e",
        "ExternalSubject::x",
        "IdentityProvider::okta",
    ] {
        let kind = own.split("::").next().unwrap();
        check(&format!("type: resource\nresource: {own}"), &[&format!("2:11: `{kind}` is not a resource type")]);
    }
    check(
        "type: resource\nresource: Box::b\nparents: [Shelf::s, Crate::x, 'Tenant::other', bare]",
        &[
            "3:11: the schema does not let a `Box` be in a `Shelf`",
            "3:21: the schema has no entity type `Crate`",
            "3:31: a resource of `acme` cannot be in Tenant::\"other\"",
            "3:48: `bare` is not an entity",
        ],
    );
    check(
        "type: resource\nresource: Box::b\nattributes: {size: large}",
        &["3:13: in attribute `size` on `Box::\"b\"`, type mismatch"],
    );
    check(
        "type: resource\nresource: Box::b\nattributes:\n  colour: red",
        &["4:3: attribute `colour` on `Box::\"b\"` should not exist"],
    );
    check(
        "type: resource\nresource: Box::b\nattributes: {owner: {__entity: {type: User, id: a}}}",
        &["3:13: in attribute `owner`"],
    );
}

#[test]
fn a_document_that_cannot_be_read_does_not_hide_the_others() {
    check(
        "type: user\nemail: nonsense\n---\ntype: user\nemail: {a: b\n---\ntype: team\nname: -x\n---\ntype: gadget\n",
        &["2:8: `nonsense`", "5:8: unclosed bracket", "8:7: `-x` is not a team name", "10:7: `gadget`"],
    );
    let files = tenant().manifest("a.yaml", "type: user\n\temail: x").manifest("b.yaml", "type: gadget").faults();
    assert_eq!(files.len(), 2, "{files:#?}");
    assert!(files[0].starts_with("policies/acme/a.yaml:1:7: ") && files[0].contains("found a tab"), "{files:#?}");
    assert!(files[1].starts_with("policies/acme/b.yaml:1:7: "), "{files:#?}");
}

#[test]
fn keys_that_stand_twice_are_faults_at_every_level() {
    check("type: user\nemail: a@b\nemail: c@d", &["3:1: duplicate mapping key: email"]);
    check("type: resource\nresource: Box::b\nattributes: {owner: {a: 1, a: 2}}", &["3:28: duplicate mapping key: a"]);
    check(
        &format!("{OKTA}type: external-identity\nname: e\nidentity_provider: okta\nclaims:\n  unit: a\n  unit: b"),
        &["8:3: duplicate mapping key: unit"],
    );
}

#[test]
fn faults_speak_of_the_file_and_not_of_the_reader() {
    for text in [
        "type: user\nemail: a@b\nemail: c@d",
        "colour: red",
        "type: user\nemail: [a",
        "type: [",
        "- a",
        "text",
        "type: user\n\tx",
    ] {
        for fault in faults(text) {
            assert!(!fault.contains(" at line ") && !fault.contains("Options"), "{fault}");
        }
    }
}

#[test]
fn documents_start_where_yaml_says() {
    let text = "# a note\n---\n---\n# nothing\n--- # a user\ntype: user\nemail: a@b\n...\n---\ntype: resource\nresource: Box::b\n\
                attributes:\n  label: |\n    one\n    --- not a start\n    two\n";
    let state = over(text).check().unwrap().state;
    assert_eq!(state.users.keys().map(Email::as_str).collect::<Vec<_>>(), ["a@b"]);
    let label = &state.resources[&EntityRef::new("Box", "b")].attributes["label"];
    assert_eq!(label, "one\n--- not a start\ntwo\n");
    check(
        "type: user\nemail: a@b\n---\n\n\n# far down\ntype: user\n\nemail: nobody",
        &["9:8: `nobody` is not an email"],
    );
}

#[test]
fn aliases_cannot_make_a_bomb() {
    let mut bomb = "type: resource\nresource: Box::b\nattributes:\n  a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, inner) in ('b'..='t').zip('a'..='s') {
        bomb.push_str(&format!("  {name}: &{name} [{}]\n", vec![format!("*{inner}"); 10].join(", ")));
    }
    let started = Instant::now();
    let found = faults(&bomb);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("budget"), "{found:#?}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let deep = format!("type: resource\nresource: Box::b\nattributes: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(faults(&deep).len(), 1);
    // Plain use of an alias is fine.
    check(
        "type: resource\nresource: Box::b\nattributes: {label: &l x}\n---\ntype: team\nname: &n ml\nmembers: [&m a@b]\nmanagers: [*m]",
        &[],
    );
}

#[test]
fn what_is_doubtful_is_a_warning() {
    let text = "type: identity-provider\nname: okta\nconfig: {jwks_uri: 'https://x/k'}\n---\ntype: team\nname: ml\nmembers: [a@b]\n\
                ---\ntype: resource\nresource: Box::b\nparents: [Box::nowhere, 'Tenant::acme']\n";
    let checked = over(text).check().unwrap();
    let warnings: Vec<_> =
        checked.warnings.iter().map(|fault| format!("{}:{}: {}", fault.line, fault.column, fault.message)).collect();
    assert_eq!(
        warnings,
        [
            "2:7: identity provider `okta` has no `audience`: it takes tokens meant for others",
            "7:11: this member has no `type: user`: counted as an active user",
        ]
    );
    let open: Vec<_> = checked.open_parents.iter().map(|open| open.fault.message.as_str()).collect();
    assert_eq!(open, ["parent `Box::nowhere` is not declared as a resource"]);
    assert!(checked.state.users[&Email::parse("a@b").unwrap()].active);
}

#[test]
fn a_star_among_a_roles_actions_is_every_action() {
    let state = over("{type: role, name: all, resource_type: Box, actions: [look, '*']}").check().unwrap().state;
    assert_eq!(state.roles[&("Box".to_owned(), RoleName::parse("all").unwrap())].actions, RoleActions::Every);
}

#[test]
fn conditions_mappings_and_names_are_the_text_as_written() {
    let text = format!(
        "{OKTA}type: external-identity\nname: 012\nidentity_provider: okta\nclaims: {{country: [NO, SE], on: on, a: 1.10, b: [3, true, 1e3]}}\n---\n\
         type: team\nname: NO\nidentity_provider_mapping: [{{identity_provider: okta, value: 0x1F}}]\n---\n\
         type: identity-provider\nname: 1e3\nconfig: {{jwks_uri: 'https://x/k', audience: [012, 1.10]}}"
    );
    let state = over(&text).check().unwrap().state;
    let identity = &state.external_identities["012"];
    let texts = |name: &str| identity.claims[name].texts();
    assert_eq!([texts("country"), texts("b")], [vec!["NO", "SE"], vec!["1e3", "3", "true"]]);
    assert_eq!([texts("on"), texts("a")], [["on"], ["1.10"]]);
    assert_eq!(state.teams["NO"].mappings.first().unwrap().value, "0x1F");
    assert_eq!(state.identity_providers["1e3"].audiences, ["012", "1.10"]);
}

#[test]
fn what_asks_for_a_type_takes_no_other_spelling_of_it() {
    check("type: user\nemail: a@b\nactive: no", &["3:9: invalid boolean"]);
    let attributes =
        |text: &str| over(&format!("type: resource\nresource: Box::b\nattributes: {{size: {text}}}")).check();
    let size =
        |text: &str| attributes(text).unwrap().state.resources.into_values().next().unwrap().attributes["size"].clone();
    assert_eq!(size("12"), serde_json::json!(12));
    assert!(attributes("012").is_err() && attributes("1e1").is_err(), "a text is no number");
}

/// The complete example of the public contract, as it stands there.
const EXAMPLE: &str = r"
type: identity-provider
name: okta                       # letters, digits, hyphens; unique in the tenant
config: {jwks_uri: https://acme.okta.com/oauth2/v1/keys, issuer: https://acme.okta.com, audience: api://gateway}
claims: {unique_id: sub, email: email, virtual_account: client_id, teams: groups}   # all optional; the first two default as shown
external_identities: all         # or most-specific
---
type: external-identity
name: partner-integration
identity_provider: okta
claims: {department: [engineering, research], realm_access/roles: partner}          # all must hold; a list is any-of; none = every token
---
type: team
name: ml
members: [jane@acme.com]
managers: [lee@acme.com]
identity_provider_mapping: [{identity_provider: okta, value: ml-engineers}]
---
type: user
email: jane@acme.com
---
type: virtual-account
name: ci
identity_provider_mapping: [{identity_provider: okta, value: ci-client}]
---
type: role
name: prompt-tester
resource_type: Model
actions: [viewModel, invokeModel]
---
type: resource
resource: Model::gpt-4o
parents: [Workspace::research]
attributes: {family: gpt}
collaborators:
  - {subject: team:ml, role: viewer}
  - {subject: external-identity:partner-integration, role: user}
---
type: tenant                     # tenant-level roles
collaborators: [{subject: user:lee@acme.com, role: admin}]
";

#[test]
fn the_complete_example_is_valid_with_the_sample_schema() {
    let tenant = TestTenant::over(include_str!("../../schema/gateway.cedarschema"))
        .default_roles(include_str!("../../schema/gateway.roles.yaml"))
        .manifest("manifests/example.yaml", EXAMPLE);
    let state = tenant.check().unwrap().state;
    // Membership declares him: lee has no document of his own.
    let lee = Email::parse("lee@acme.com").unwrap();
    assert!(state.users[&lee].active);
    assert!(state.collaborators.iter().any(|grant| grant.subject == Subject::User(lee.clone())));
    assert_eq!((state.collaborators.len(), state.resources.len(), state.teams.len()), (3, 1, 1));
    let identity = &state.external_identities["partner-integration"];
    assert_eq!(identity.claims.keys().collect::<Vec<_>>(), ["department", "realm_access/roles"]);
    assert_eq!(tenant.snapshot().unwrap().policies.links.len(), 3);
}

#[test]
fn deep_values_are_read_or_refused_on_a_small_thread() {
    for (open, close) in
        [("[", "]"), ("{", "}"), ("{a: ", "}"), ("? ", ""), ("- ", ""), ("[", ""), ("{", ""), ("!t ", "")]
    {
        for times in [20, 60, 300, 2_000] {
            let (open, close) = (open.repeat(times), close.repeat(times));
            for text in [
                format!("type: resource\nresource: Box::b\nattributes: {{label: {open}1{close}}}\n"),
                format!("type: role\nname: r\nresource_type: Box\nactions: {open}{close}\n"),
                format!("type: team\nname: t\nmembers:\n  {open}a{close}: 1\n"),
                format!("{open}type: team{close}\n"),
            ] {
                let thread = std::thread::Builder::new().stack_size(512 * 1024);
                let found = thread.spawn(move || faults(&text)).unwrap().join().unwrap();
                assert!(times < 64 || !found.is_empty(), "{open}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_read_or_refused_with_a_place(text in "[a-z:{}\\[\\]&*!|>'\"#%@`,\\- \n\t?~]{0,60}") {
        if let Err(faults) = over(&text).check() {
            for fault in faults.0 {
                let lines = text.lines().count() + 1;
                prop_assert!((1..=lines).contains(&fault.line) && fault.column > 0, "{fault} of {text:?}");
            }
        }
    }
}

#[test]
fn of_several_providers_at_most_one_finds_users_by_address() {
    let provider = |name: &str, more: &str| {
        format!(
            "{{type: identity-provider, name: {name}, config: {{jwks_uri: 'https://x/k', audience: a}}{more}}}\n---\n"
        )
    };
    let two = |one: &str, other: &str| provider("okta", one) + &provider("hub", other);
    let (either, subject, never) = (", users: either", ", users: subject", ", email: {trust: never}");
    for (one, other, warns) in [("", "", true), ("", subject, false), ("", either, false), ("", never, false)] {
        let warnings = over(&two(one, other)).check().unwrap().warnings;
        let told = warnings.iter().any(|warning| warning.message.contains("no token finds a user by address"));
        assert_eq!(told, warns, "{one} {other}: {warnings:?}");
    }
    check(&two(either, either), &["1:33: no token finds a user by address: `hub`, `okta` all could"]);
    check(&provider("hub", ", email: {trust: domains}"), &["1:101: `domains` needs `email.domains`"]);
    check(
        &provider("hub", ", email: {trust: always}"),
        &["1:101: a provider without `config.issuer` takes tokens of any"],
    );
}

#[test]
fn a_plain_star_is_a_fault_in_every_condition() {
    let config = "config: {jwks_uri: 'https://x/k', audience: a, required_claims: {ref: 'refs/*'}}";
    let star = "the condition on `ref`: `refs/*` is compared as it stands; for a pattern write `{glob: \"refs/*\"}`";
    check(&format!("type: identity-provider\nname: okta\n{config}"), &[&format!("3:71: {star}")]);
    let claims = "claims: {ref: ['refs/*', main]}";
    check(
        &format!("{OKTA}type: external-identity\nname: e\nidentity_provider: okta\n{claims}"),
        &[&format!("6:16: {star}")],
    );
}

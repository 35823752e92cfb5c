//! A snapshot is built whole or not at all, and what stops it is named with its place.

mod hostile;

use cedar_policy::PolicyId;

use super::Snapshot;
use crate::assemble::test_tenant::TestTenant;
use crate::bundle::{COLLABORATORS_FILE, ENTITIES_FILE, PROVIDERS_FILE, ROLES_FILE};
use crate::model::{EntityRef, Revision};

const SCHEMA: &str = "
entity Box in [Box, Tenant] = { size?: Long, next?: Box };
entity Shelf;
action look, move appliesTo { principal: [User, VirtualAccount, ExternalSubject], resource: [Box, Shelf] };
";

const ROLES: &str = "{type: role, name: viewer, resource_type: Box, actions: [look]}";

const MANIFEST: &str = "
{type: identity-provider, name: okta, config: {jwks_uri: 'https://x/k', audience: a}}
---
{type: external-identity, name: everyone, identity_provider: okta}
---
{type: team, name: ml, members: [jane@acme.com]}
---
{type: resource, resource: 'Box::b', collaborators: [{subject: 'team:ml', role: viewer}]}
";

thread_local! {
    static TENANT: TestTenant = TestTenant::over(SCHEMA).default_roles(ROLES);
}

fn tenant() -> TestTenant {
    TENANT.with(Clone::clone)
}

/// Exactly these faults, each beginning and containing so.
#[track_caller]
fn check(tenant: &TestTenant, expected: &[(&str, &str)]) {
    let found = tenant.faults();
    let fits = |(fault, (place, said)): (&String, &(&str, &str))| {
        fault.starts_with(&format!("{place}: ")) && fault.contains(said)
    };
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(fits),
        "expected {expected:#?}\nfound {found:#?}"
    );
}

fn ids(snapshot: &Snapshot) -> Vec<(String, String)> {
    let sources = snapshot.policies.sources().map(|(id, source)| (id.to_string(), source.to_string()));
    let mut ids: Vec<_> = sources.collect();
    ids.sort();
    ids
}

#[test]
fn a_policys_id_is_its_annotation_else_its_file_and_position() {
    let text = "permit (principal, action, resource);\n@id(\"night\") forbid (principal, action, resource);\n\n\
                permit (principal, action,\n resource);\n@id(\"x#0\") @note(\"y\") permit (principal, action, resource);";
    let platform = "forbid (principal is VirtualAccount, action, resource);";
    let snapshot =
        tenant().policy("guardrails/night.cedar", text).platform_policy("deep/a.cedar", platform).snapshot().unwrap();
    let file = "policies/acme/guardrails/night.cedar";
    let expected = [
        ("deep/a.cedar#0", "policies/platform/deep/a.cedar:1".to_owned()),
        ("guardrails/night.cedar#0", format!("{file}:1")),
        ("guardrails/night.cedar#2", format!("{file}:4")),
        ("night", format!("{file}:2")),
        ("x#0", format!("{file}:6")),
    ];
    assert_eq!(ids(&snapshot), expected.map(|(id, source)| (id.to_owned(), source)));
}

#[test]
fn compiled_policies_and_links_have_their_place_too() {
    let snapshot = tenant().manifest("m.yaml", MANIFEST).snapshot().unwrap();
    let expected = [
        ("collaborator/Box/b/viewer/Team/ml", "policies/acme/compiled/collaborators.json:2"),
        ("external-identity/everyone", "policies/acme/compiled/external-identities.cedar:3"),
        ("role/Box/viewer", "policies/acme/compiled/roles.cedar:3"),
    ];
    assert_eq!(ids(&snapshot), expected.map(|(id, source)| (id.to_owned(), source.to_owned())));
    let grant = snapshot.source(&PolicyId::new("collaborator/Box/b/viewer/Team/ml")).unwrap();
    assert_eq!((grant.role.as_deref(), grant.subject.as_deref()), (Some("viewer"), Some("Team::\"ml\"")));
    assert_eq!((snapshot.policies.links.len(), snapshot.revision), (1, Revision(1)));
}

const FIRST: &str = "@id(\"same\") permit (principal, action, resource);\n";

#[test]
fn an_id_that_is_there_twice_names_both_places() {
    let second = format!("\n  {FIRST}");
    check(
        &tenant().policy("a.cedar", &format!("{FIRST}{second}")),
        &[("policies/acme/a.cedar:3:3", "policy id `same` is already taken at policies/acme/a.cedar:1")],
    );
    check(
        &tenant().policy("a.cedar", FIRST).policy("b/c.cedar", &second),
        &[("policies/acme/b/c.cedar:2:3", "policy id `same` is already taken at policies/acme/a.cedar:1")],
    );
    check(
        &tenant().policy("a.cedar", &second).platform_policy("p.cedar", FIRST),
        &[("policies/acme/a.cedar:2:3", "policy id `same` is already taken at policies/platform/p.cedar:1")],
    );
    // Without `@id`, the same file name in both folders is the same id.
    let plain = "permit (principal, action, resource);";
    check(
        &tenant().policy("a.cedar", plain).platform_policy("a.cedar", plain),
        &[("policies/acme/a.cedar:1:1", "policy id `a.cedar#0` is already taken at policies/platform/a.cedar:1")],
    );
    check(
        &tenant()
            .policy("a.cedar", "@id(\"b.cedar#0\") permit (principal, action, resource);")
            .policy("b.cedar", plain),
        &[("policies/acme/b.cedar:1:1", "policy id `b.cedar#0` is already taken at policies/acme/a.cedar:1")],
    );
}

#[test]
fn a_hand_written_id_that_a_compiled_policy_has_names_both_places() {
    for (id, place) in [
        ("role/Box/viewer", "policies/acme/compiled/roles.cedar:3:1"),
        ("external-identity/everyone", "policies/acme/compiled/external-identities.cedar:3:1"),
        ("collaborator/Box/b/viewer/Team/ml", "policies/acme/compiled/collaborators.json:2:1"),
    ] {
        let text = format!("// a note\n@id(\"{id}\") permit (principal, action, resource);");
        let found = tenant().manifest("m.yaml", MANIFEST).policy("a.cedar", &text).faults();
        let said = format!("{place}: policy id `{id}` is already taken at policies/acme/a.cedar:2");
        assert!(found.contains(&said), "{found:#?}");
    }
}

#[test]
fn an_empty_id_is_refused() {
    check(
        &tenant().policy("a.cedar", "@id(\"\")\npermit (principal, action, resource);"),
        &[("policies/acme/a.cedar:1:1", "`@id` may not be empty")],
    );
    check(
        &tenant().policy("a.cedar", "@id permit (principal, action, resource);"),
        &[("policies/acme/a.cedar:1:1", "`@id` may not be empty")],
    );
}

#[test]
fn every_file_that_does_not_parse_is_reported_with_line_and_column() {
    check(
        &tenant()
            .policy("a.cedar", "permit (principal, action, resource)")
            .policy("b.cedar", "permit (principal, action, resource);")
            .policy("c.cedar", "\npermit (principal, action, resource)\nwhen { resource. };")
            .platform_policy("p.cedar", "allow (principal, action, resource);")
            .entities("e.entities.json", "[\n  {\"uid\": }\n]")
            .entities("f.entities.json", "{\"uid\": 1}"),
        &[
            ("policies/acme/a.cedar:1:37", "unexpected end of input"),
            ("policies/acme/c.cedar:3:18", "unexpected token `}`"),
            ("policies/acme/e.entities.json:2:11", "expected value"),
            ("policies/acme/f.entities.json:1:1", "expected a sequence"),
            ("policies/platform/p.cedar:1:1", "invalid policy effect: allow"),
        ],
    );
}

#[test]
fn policies_that_do_not_fit_the_schema_are_placed() {
    check(
        &tenant()
            .policy("a.cedar", "// one\n@id(\"a\")\npermit (principal, action, resource)\nwhen { resource is Box && resource.colour == 1 };")
            .policy("b.cedar", "permit (principal, action == Action::\"fly\", resource);")
            .policy("c.cedar", "permit (principal, action, resource is Crate);")
            .policy("d.cedar", "permit (principal, action, resource)\nwhen { resource is Box && resource has size && resource.size == \"1\" };")
            .platform_policy("p.cedar", "\n\nforbid (principal, action, resource) when { resource is Box && resource.size > 1 };"),
        &[
            ("policies/acme/a.cedar:4:27", "attribute `colour` on entity type `Box` not found"),
            ("policies/acme/b.cedar:1:30", "unrecognized action `Action::\"fly\"`"),
            ("policies/acme/c.cedar:1:40", "unrecognized entity type `Crate`"),
            ("policies/acme/d.cedar:2:48", "the types Long and String are not compatible"),
            ("policies/platform/p.cedar:3:64", "unable to guarantee safety of access to optional attribute `size`"),
        ],
    );
}

#[test]
fn entities_that_do_not_fit_the_schema_are_placed() {
    let entity = |uid: &str, rest: &str| format!("{{\"uid\": {uid}, {rest}}}");
    let fits = "\"attrs\": {}, \"parents\": []";
    let box_uid = |id: &str| format!("{{\"type\": \"Box\", \"id\": \"{id}\"}}");
    let text = format!(
        "[\n  {},\n  {},\n  {},\n  {}\n]",
        entity(&box_uid("ok"), fits),
        entity(&box_uid("a"), "\"attrs\": {\"size\": \"large\"}, \"parents\": []"),
        entity("{\"type\": \"Crate\", \"id\": \"x\"}", fits),
        entity(&box_uid("b"), "\"attrs\": {}, \"parents\": [{\"type\": \"Shelf\", \"id\": \"s\"}]"),
    );
    check(
        &tenant().entities("e.entities.json", &text),
        &[
            ("policies/acme/e.entities.json:3:3", "attribute `size` on `Box::\"a\"`"),
            ("policies/acme/e.entities.json:4:3", "Crate"),
            ("policies/acme/e.entities.json:5:3", "Shelf"),
        ],
    );
}

fn boxes(boxes: &[(&str, &[&str])]) -> String {
    let one = |(id, parents): &(&str, &[&str])| {
        let parents: Vec<_> =
            parents.iter().map(|parent| format!("{{\"type\": \"Box\", \"id\": \"{parent}\"}}")).collect();
        format!(
            "  {{\"uid\": {{\"type\": \"Box\", \"id\": \"{id}\"}}, \"attrs\": {{}}, \"parents\": [{}]}}",
            parents.join(", ")
        )
    };
    format!("[\n{}\n]\n", boxes.iter().map(one).collect::<Vec<_>>().join(",\n"))
}

#[test]
fn an_entity_declared_twice_names_both_places() {
    let said = "entity Box::\"b\" is already declared at";
    check(
        &tenant().entities("e.entities.json", &boxes(&[("a", &[]), ("b", &[]), ("b", &["a"])])),
        &[("policies/acme/e.entities.json:4:3", &format!("{said} policies/acme/e.entities.json:3"))],
    );
    check(
        &tenant().entities("e.entities.json", &boxes(&[("b", &[])])).entities("f.entities.json", &boxes(&[("b", &[])])),
        &[("policies/acme/f.entities.json:2:3", &format!("{said} policies/acme/e.entities.json:2"))],
    );
    let both = tenant().manifest("m.yaml", MANIFEST).entities("e.entities.json", &boxes(&[("b", &[])]));
    check(&both, &[("policies/acme/e.entities.json:2:3", &format!("{said} policies/acme/compiled/entities.json:"))]);
}

#[test]
fn a_circle_of_parents_is_refused_with_its_place() {
    for circle in [
        boxes(&[("a", &["a"])]),
        boxes(&[("a", &["b"]), ("b", &["a"])]),
        boxes(&[
            ("x", &["y"]),
            ("y", &["a"]),
            ("a", &["b", "x0"]),
            ("b", &["c"]),
            ("c", &["d", "a"]),
            ("d", &[]),
            ("x0", &[]),
        ]),
    ] {
        let found = tenant().entities("e.entities.json", &circle).faults();
        assert!(!found.is_empty(), "{circle}");
        for fault in found {
            let line: usize = fault
                .strip_prefix("policies/acme/e.entities.json:")
                .unwrap()
                .split(':')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            let id = circle.lines().nth(line - 1).unwrap().split("\"id\": ").nth(1).unwrap().split('}').next().unwrap();
            assert!(fault.ends_with(&format!("Box::{id} is among its own ancestors")), "{fault} of {circle}");
            assert!(["\"a\"", "\"b\"", "\"c\""].contains(&id), "{fault}: not in the circle");
        }
    }
    let diamond = boxes(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &["nowhere"])]);
    assert_eq!(tenant().entities("e.entities.json", &diamond).faults(), Vec::<String>::new());
    let across = tenant()
        .entities("e.entities.json", &boxes(&[("a", &["b"])]))
        .manifest("m.yaml", "{type: resource, resource: 'Box::b', parents: ['Box::a']}");
    assert!(across.faults()[0].contains("is among its own ancestors"));
}

#[test]
fn a_long_chain_of_parents_is_no_circle() {
    let ids: Vec<_> = (0..3000).map(|index| format!("b{index}")).collect();
    let chain: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(index, id)| (id.as_str(), ids.get(index + 1).map_or(Vec::new(), |parent| vec![parent.as_str()])))
        .collect();
    let chain: Vec<_> = chain.iter().map(|(id, parents)| (*id, parents.as_slice())).collect();
    assert_eq!(tenant().entities("e.entities.json", &boxes(&chain)).faults(), Vec::<String>::new());
}

#[test]
fn nothing_of_another_tenant_comes_in() {
    let place = "policies/acme/e.entities.json:1:2";
    for (text, said) in [
        (
            r#"[{"uid": {"type": "Tenant", "id": "other"}, "attrs": {}, "parents": []}]"#,
            "Tenant::\"other\" is another tenant: only Tenant::\"acme\" belongs here",
        ),
        (
            r#"[{"uid": {"type": "Box", "id": "b"}, "attrs": {}, "parents": [{"type": "Tenant", "id": "other"}]}]"#,
            "Box::\"b\" may only be in Tenant::\"acme\"",
        ),
        (
            r#"[{"uid": {"type": "Team", "id": "t"}, "attrs": {}, "parents": [{"type": "Tenant", "id": "acme"}, {"type": "Tenant", "id": "other"}]}]"#,
            "Team::\"t\" may only be in Tenant::\"acme\"",
        ),
    ] {
        check(&tenant().entities("e.entities.json", text), &[(place, said)]);
    }
}

#[test]
fn every_entity_that_can_be_is_in_its_tenant() {
    let text = r#"[{"uid": {"type": "Box", "id": "b"}, "attrs": {}, "parents": []}, {"uid": {"type": "Shelf", "id": "s"}, "attrs": {}, "parents": []},
                   {"uid": {"type": "Tenant", "id": "acme"}, "attrs": {}, "parents": []}]"#;
    let snapshot = tenant().entities("e.entities.json", text).snapshot().unwrap();
    let parents = |kind: &str, id: &str| {
        let uid = crate::vocabulary::uid(&EntityRef::new(kind, id)).unwrap();
        snapshot
            .entities
            .get(&uid)
            .unwrap()
            .clone()
            .into_inner()
            .2
            .into_iter()
            .map(|parent| parent.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(parents("Box", "b"), ["Tenant::\"acme\""]);
    assert_eq!(parents("Shelf", "s"), Vec::<String>::new());
    assert_eq!(parents("Tenant", "acme"), Vec::<String>::new());
    assert_eq!(snapshot.entities.len(), 3);
    // Without the identity part there are no tenants to be in.
    let plain =
        TestTenant::plain("entity User, Box in [Box]; action look appliesTo { principal: User, resource: Box };");
    let snapshot = plain.entities("e.entities.json", &boxes(&[("b", &[])])).snapshot().unwrap();
    assert_eq!(snapshot.entities.iter().filter(|entity| entity.uid().to_string() == "Box::\"b\"").count(), 1);
}

#[test]
fn a_bundle_that_does_not_fit_is_refused_with_its_place() {
    let bundle = |file: &str, text: &str| {
        let mut bundle = tenant().manifest("m.yaml", MANIFEST).compiled().unwrap();
        bundle.files.insert(file.to_owned(), text.to_owned());
        tenant().bundle(bundle)
    };
    let link = |template: &str, principal: &str| {
        format!(
            "[\n{{\"template_id\":\"{template}\",\"link_id\":\"l\",\"args\":{{\"?principal\":\"{principal}\",\"?resource\":\"Box::\\\"b\\\"\"}}}}\n]\n"
        )
    };
    let links = "policies/acme/compiled/collaborators.json:2:1";
    check(
        &bundle(COLLABORATORS_FILE, &link("role/Box/none", "Team::\\\"ml\\\"")),
        &[(links, "`role/Box/none` cannot be linked")],
    );
    check(
        &bundle(COLLABORATORS_FILE, &link("role/Box/viewer", "not a uid")),
        &[(links, "`not a uid` is not an entity")],
    );
    check(&bundle(COLLABORATORS_FILE, &link("role/Box/viewer", "Crate::\\\"x\\\"")), &[(links, "Crate")]);
    check(
        &bundle(COLLABORATORS_FILE, "[\n{}\n]\n"),
        &[("policies/acme/compiled/collaborators.json", "is not what cedargate writes: missing field")],
    );
    check(
        &bundle(PROVIDERS_FILE, "[\n{}\n]\n"),
        &[("policies/acme/compiled", "`providers.json` is not what cedargate writes")],
    );
    check(&bundle(ENTITIES_FILE, "[\n{]\n"), &[("policies/acme/compiled/entities.json:2:2", "key must be a string")]);
    // Without its template a link cannot be.
    check(&bundle(ROLES_FILE, ""), &[(links, "`role/Box/viewer` cannot be linked")]);
}

#[test]
fn two_links_of_one_id_are_refused_though_their_templates_are_two() {
    let mut bundle = tenant().manifest("m.yaml", MANIFEST).compiled().unwrap();
    let id = "collaborator/Box/b/viewer/Team/ml";
    let args = "{\"?principal\":\"Team::\\\"ml\\\"\",\"?resource\":\"Box::\\\"b\\\"\"}";
    let link = |template: &str| format!("{{\"template_id\":\"{template}\",\"link_id\":\"{id}\",\"args\":{args}}}");
    let text = format!("[\n{},\n{}\n]\n", link("role/Box/viewer"), link("never/viewer"));
    bundle.files.insert(COLLABORATORS_FILE.to_owned(), text);
    let never = "@id(\"never/viewer\") forbid (principal in ?principal, action, resource in ?resource);";
    check(
        &tenant().policy("never.cedar", never).bundle(bundle),
        &[(
            "policies/acme/compiled/collaborators.json:3:1",
            "policy id `collaborator/Box/b/viewer/Team/ml` is already taken at policies/acme/compiled/collaborators.json:2",
        )],
    );
}

#[test]
fn what_cedar_warns_of_is_kept() {
    let snapshot = tenant()
        .policy("a.cedar", "\npermit (principal, action, resource) when { resource is Box && resource is Shelf };")
        .snapshot()
        .unwrap();
    assert!(
        snapshot.warnings.iter().any(|warning| warning.file == "policies/acme/a.cedar" && warning.line == 2),
        "{:#?}",
        snapshot.warnings
    );
}

#[test]
fn the_generation_is_of_everything_that_decides() {
    let generation = |tenant: TestTenant| tenant.snapshot().unwrap().generation;
    let policy = "permit (principal, action, resource);";
    let base = || tenant().manifest("m.yaml", MANIFEST);
    let mut seen = vec![
        generation(base()),
        generation(base().policy("a.cedar", policy)),
        generation(base().policy("b.cedar", policy)),
        generation(base().platform_policy("a.cedar", policy)),
        generation(base().policy("a.cedar", &format!("{policy}\n"))),
        generation(base().entities("a.entities.json", "[]")),
        generation(tenant().manifest("m.yaml", &format!("{MANIFEST}# the end\n"))),
        generation(tenant().manifest("m.yaml", &MANIFEST.replace("jane", "joan"))),
    ];
    // Written otherwise, the directory is the same.
    assert_eq!(seen.remove(6), generation(base()));
    assert_eq!(generation(tenant().manifest("other.yaml", &format!("# a note\n{MANIFEST}"))), generation(base()));
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

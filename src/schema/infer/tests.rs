//! What is proposed is a schema that the policies and entities fit, which it was proposed for.

use cedar_policy::{Entities, PolicySet, Schema, ValidationMode, Validator};
use serde_json::{Value, json};

use super::{Identity, Proposal, infer_schema};
use crate::schema::load_schema;
use crate::tree::SourceFile;

fn infer(policies: &str, entities: &Value, identity: Identity) -> (Proposal, Schema) {
    let set: PolicySet = policies.parse().unwrap();
    let all = set.policies().map(|policy| policy.to_json().unwrap());
    let all: Vec<Value> = all.chain(set.templates().map(|template| template.to_json().unwrap())).collect();
    let proposal = infer_schema(&all, entities.as_array().unwrap(), identity).unwrap();
    let name = "schema/proposed.cedarschema".to_owned();
    let file = SourceFile { name, relative: "proposed.cedarschema".into(), text: proposal.text.clone() };
    let schema = load_schema(&[file], identity).unwrap_or_else(|faults| panic!("{faults:?}\n{}", proposal.text)).schema;
    let checked = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let errors: Vec<_> = checked.validation_errors().map(ToString::to_string).collect();
    assert_eq!(errors, [""; 0], "{}", proposal.text);
    Entities::from_json_value(entities.clone(), Some(&schema))
        .unwrap_or_else(|error| panic!("{error:?}\n{}", proposal.text));
    (proposal, schema)
}

#[test]
fn a_plain_tree_is_given_a_schema_that_it_fits() {
    let policies = r#"
        permit (principal == User::"alice", action == Action::"view", resource in Album::"trip");
        permit (principal in Group::"friends", action in [Action::"view", Action::"comment"], resource is Photo)
            when { resource.owner == principal || resource.tags.contains("public") };
        forbid (principal, action == Action::"delete", resource is Photo)
            when { context.mfa == false || !context.ip.isInRange(ip("10.0.0.0/8")) || resource.size > 100 }
            unless { principal has level && principal.level >= 3 };
        forbid (principal, action, resource is Photo) when { resource.camera.maker like "Acme*" };
    "#;
    let entities = json!([
        {"uid": {"type": "User", "id": "alice"}, "attrs": {"level": 3}, "parents": [{"type": "Group", "id": "friends"}]},
        {"uid": {"type": "User", "id": "bob"}, "attrs": {}, "parents": []},
        {"uid": {"type": "Photo", "id": "p"}, "parents": [{"type": "Album", "id": "trip"}], "attrs": {
            "owner": {"__entity": {"type": "User", "id": "alice"}}, "tags": ["a"], "size": 1, "camera": {"maker": "x"}}},
    ]);
    let (proposal, schema) = infer(policies, &entities, Identity::LeftOut);
    let actions: Vec<String> =
        schema.action_entities().unwrap().iter().map(|action| action.uid().to_string()).collect();
    assert_eq!(actions.len(), 3, "{actions:?}");
    assert!(proposal.text.contains("ip: ipaddr") && proposal.text.contains("mfa: Bool"), "{}", proposal.text);
    assert!(proposal.guesses.iter().any(|note| note.contains("`User.level` is optional")), "{:?}", proposal.guesses);
}

#[test]
fn what_policies_do_not_say_is_guessed_and_said() {
    let policies =
        "permit (principal, action == Action::\"look\", resource) when { resource.label == principal.name };";
    let (proposal, _) = infer(policies, &json!([]), Identity::LeftOut);
    for note in ["`User` asks", "`Resource` is asked about", "`Resource.label` is taken for a String", "action `look`"]
    {
        assert!(proposal.guesses.iter().any(|guess| guess.contains(note)), "{note}: {:?}", proposal.guesses);
        assert!(
            proposal.text.contains(&format!("// guessed: {note}")) || note.starts_with("action"),
            "{}",
            proposal.text
        );
    }
}

#[test]
fn the_identity_part_is_not_proposed_again() {
    let policies = r#"
        permit (principal in Team::"ml", action == Action::"use", resource is Model) when { resource.tier == "gold" };
        permit (principal is ExternalSubject, action == Action::"assume", resource == ExternalIdentity::"x")
            when { principal.hasTag("a") && principal.getTag("a").contains("b") };
        @id("t") permit (principal == ?principal, action in [Action::"use"], resource in ?resource);
    "#;
    let (proposal, schema) = infer(policies, &json!([]), Identity::Included);
    assert!(!proposal.text.contains("entity User") && !proposal.text.contains("assume"), "{}", proposal.text);
    assert!(schema.entity_types().any(|name| name.to_string() == "Model"));
}

#[test]
fn names_in_namespaces_and_groups_of_actions_are_kept() {
    let policies = r#"
        permit (principal is Acme::User, action in Acme::Action::"read", resource is Acme::Doc) when { resource.hasTag("open") };
        permit (principal is Acme::User, action == Acme::Action::"it's \"odd\"", resource is Acme::Doc);
    "#;
    let entities = json!([
        {"uid": {"type": "Acme::Action", "id": "view"}, "attrs": {}, "parents": [{"type": "Acme::Action", "id": "read"}]},
        {"uid": {"type": "Acme::Action", "id": "read"}, "attrs": {}, "parents": []},
        {"uid": {"type": "Acme::Doc", "id": "d"}, "attrs": {}, "parents": [], "tags": {"open": ["yes"]}},
    ]);
    let (proposal, _) = infer(policies, &entities, Identity::LeftOut);
    assert!(proposal.text.contains("namespace Acme"), "{}", proposal.text);
}

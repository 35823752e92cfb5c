//! Files as the official tools write them: JSON policies, links of hand-written templates, actions among entities.

use cedar_policy::{Policy, PolicyId, PolicySet, Template};
use serde_json::{Value, json};

use crate::assemble::test_tenant::TestTenant;
use crate::decide::{AccessQuery, ActionName, Decider, Decision, ResourceQuery};
use crate::model::EntityRef;
use crate::principal::Principal;
use crate::snapshot::Snapshot;

const SCHEMA: &str = r#"
    entity User in [User];
    entity Doc { owner?: User };
    action all;
    action read in [all];
    action view, edit in [read] appliesTo { principal: User, resource: Doc, context: {} };
"#;
const TEMPLATES: &str = "@id(\"reader\")\npermit (principal in ?principal, action in Action::\"read\", resource);\n\
    @id(\"owner\")\npermit (principal == ?principal, action, resource == ?resource);\n";

fn tenant() -> TestTenant {
    TestTenant::plain(SCHEMA)
}

/// Who determines that `User::"a"` may view `Doc::"d"`.
fn determining(snapshot: &Snapshot) -> (Decision, Vec<String>) {
    let query = AccessQuery {
        action: ActionName("view".to_owned()),
        resource: ResourceQuery::named(EntityRef::new("Doc", "d")),
        context: None,
        explain: false,
    };
    let principal = Principal::named("User::\"a\"".parse().unwrap());
    let answer = Decider::default().decide(snapshot, &principal, &query).unwrap();
    (answer.decision, answer.policies.iter().map(|policy| format!("{} at {}", policy.id, policy.source)).collect())
}

fn json_set(text: &str) -> String {
    serde_json::to_string_pretty(&text.parse::<PolicySet>().unwrap().to_json().unwrap()).unwrap()
}

#[test]
fn a_policy_set_in_json_decides_under_its_keys_and_its_ids() {
    let set = r#"{
  "templates": {},
  "staticPolicies": {
    "views": {"effect": "permit", "principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "All"}, "conditions": []},
    "policy1": {"effect": "forbid", "principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "All"},
                "conditions": [], "annotations": {"id": "named"}}
  },
  "templateLinks": []
}"#;
    let snapshot = tenant().policy("a/set.cedar.json", set).snapshot().unwrap();
    assert_eq!(determining(&snapshot), (Decision::Deny, vec!["named at policies/acme/a/set.cedar.json:5".to_owned()]));
    assert!(snapshot.policies.find(&PolicyId::new("views")).is_some());
}

#[test]
fn a_single_policy_in_json_is_named_by_its_file() {
    let policy = Policy::parse(None, "permit (principal, action, resource);").unwrap().to_json().unwrap();
    let snapshot = tenant().policy("one.cedar.json", &policy.to_string()).snapshot().unwrap();
    assert_eq!(
        determining(&snapshot),
        (Decision::Allow, vec!["one.cedar.json#0 at policies/acme/one.cedar.json:1".to_owned()])
    );
    let template = "permit (principal == ?principal, action, resource);";
    let template = Template::parse(None, template).unwrap().to_json().unwrap().to_string();
    let snapshot = tenant().policy("one.cedar.json", &template).snapshot().unwrap();
    assert_eq!((snapshot.policies.len(), snapshot.warnings.len()), (0, 1), "a template that nothing links");
}

#[test]
fn a_policy_set_in_json_may_hold_its_own_links() {
    let mut set: PolicySet = TEMPLATES.parse().unwrap();
    let slots = [(cedar_policy::SlotId::principal(), "User::\"a\"".parse().unwrap())];
    set.link(PolicyId::new("policy0"), PolicyId::new("a-reads"), slots.into()).unwrap();
    let json = set.to_json().unwrap().to_string();
    let snapshot = tenant().policy("all.cedar.json", &json).snapshot().unwrap();
    assert_eq!(determining(&snapshot), (Decision::Allow, vec!["a-reads at policies/acme/all.cedar.json:1".to_owned()]));
}

#[test]
fn what_is_wrong_with_json_policies_is_said_with_its_place() {
    for (text, expected) in [
        ("{", "policies/acme/x.cedar.json:1:1: EOF while parsing"),
        ("[]", "policies/acme/x.cedar.json:1:"),
        ("{\"effect\": \"permit\"}", "missing field"),
        ("{\"templates\": {}, \"staticPolicies\": {}, \"templateLinks\": [], \"more\": 1}", ""),
        ("{\"effect\": \"permit\", \"effect\": \"forbid\"}", "duplicate field `effect`"),
        (
            r#"{"templates": {}, "templateLinks": [], "staticPolicies": {"a": {}, "a": {}}}"#,
            "policies/acme/x.cedar.json:1:",
        ),
        (&json_set("permit (principal, action, resource) when { resource.nothing };"), "attribute `nothing`"),
    ] {
        let faults = tenant().policy("x.cedar.json", text).faults();
        assert!(expected.is_empty() || faults.iter().any(|fault| fault.contains(expected)), "{text}: {faults:?}");
    }
}

#[test]
fn hand_written_templates_are_linked_by_official_links_files() {
    let links = json!([
        {"template_id": "reader", "link_id": "a reads", "args": {"?principal": "User::\"a\""}},
        {"template_id": "owner", "link_id": "a owns", "args": {"?principal": "User::\"a\"", "?resource": "Doc::\"d\""}},
        {"template_id": "owner", "link_id": "b owns", "args": {"?principal": "User::\"b\"", "?resource": "Doc::\"d\""}},
    ]);
    let text = serde_json::to_string_pretty(&links).unwrap();
    let snapshot = tenant().policy("t.cedar", TEMPLATES).links("deep/t.links.json", &text).snapshot().unwrap();
    let both = vec![
        "a owns at policies/acme/deep/t.links.json:9".to_owned(),
        "a reads at policies/acme/deep/t.links.json:2".to_owned(),
    ];
    assert_eq!(determining(&snapshot), (Decision::Allow, both));
    assert_eq!(snapshot.warnings, []);
    let set = snapshot.policies.whole_set();
    assert_eq!(set.policies().count(), 3);
}

#[test]
fn a_links_file_with_a_fault_says_where() {
    let link = |template: &str, id: &str, args: Value| json!([{"template_id": template, "link_id": id, "args": args}]);
    let user = || json!({"?principal": "User::\"a\""});
    for (links, expected) in [
        (json!({"template_id": "reader"}), "t.links.json:1:1: invalid type: map"),
        (link("nobody", "x", user()), "`nobody` cannot be linked: there is no such template"),
        (link("owner", "x", user()), "`owner` cannot be linked"),
        (link("reader", "x", json!({"?principal": "a"})), "t.links.json:1:2: `a` is not an entity"),
        (link("reader", "x", json!({"?principal": "Boat::\"d\""})), "unrecognized entity type `Boat`"),
        (link("reader", "", user()), "`link_id` may not be empty"),
        (link("reader", "owner", user()), "policy id `owner` is already taken at policies/acme/t.cedar:3"),
        (json!([{"template_id": "reader", "link_id": "x", "args": {}, "more": 1}]), "unknown field `more`"),
    ] {
        let faults = tenant().policy("t.cedar", TEMPLATES).links("t.links.json", &links.to_string()).faults();
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:?}");
    }
}

#[test]
fn a_template_without_links_is_a_warning() {
    let snapshot = tenant().policy("t.cedar", TEMPLATES).snapshot().unwrap();
    let told: Vec<_> = snapshot.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2);
    assert!(told[0].starts_with("policies/acme/t.cedar:1:1: template `reader` decides nothing"), "{told:?}");
}

#[test]
fn actions_that_equal_the_schemas_are_taken_and_others_say_how_they_differ() {
    let view = |parents: Value, attrs: Value| json!([{"uid": {"type": "Action", "id": "view"}, "attrs": attrs, "parents": parents}]);
    let group = |id: &str| json!({"type": "Action", "id": id});
    for parents in [json!([group("read")]), json!([group("read"), group("all")])] {
        let snapshot = tenant().entities("e.json", &view(parents, json!({})).to_string()).snapshot().unwrap();
        assert_eq!(snapshot.entities.len(), 0, "the schema's own is the one");
        assert_eq!(snapshot.entities.iter().count(), 4);
    }
    for (text, expected) in [
        (
            view(json!([]), json!({})),
            r#"action Action::"view" is in no group here, and in Action::"all", Action::"read" in the schema"#,
        ),
        (view(json!([group("edit")]), json!({})), r#"is in Action::"all", Action::"edit", Action::"read" here"#),
        (view(json!([group("read")]), json!({"a": 1})), "has attributes or tags here, and none in the schema"),
        (
            json!([{"uid": {"type": "Action", "id": "veiw"}, "attrs": {}, "parents": []}]),
            "the schema has no action `Action::\"veiw\"` (did you mean `Action::\"view\"`?)",
        ),
    ] {
        let faults = tenant().entities("e.json", &text.to_string()).faults();
        assert!(faults.len() == 1 && faults[0].contains(expected), "{expected}: {faults:?}");
    }
}

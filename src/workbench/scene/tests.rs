//! Scenes as text, shrinking by what a fault needs, and names; no policy is asked here.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Map, Value, json};

use super::*;
use crate::decide::Decision;

fn scene(context: Value, entities: &[(&str, Value)]) -> Scene {
    let entities = entities.iter().map(|(id, json)| {
        let read = |name: &str| json.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let parents = json.get("parents").cloned().map(|parents| serde_json::from_value(parents).unwrap());
        let entity =
            SceneEntity { attributes: read("attrs"), tags: read("tags"), parents: parents.unwrap_or_default() };
        (vocabulary::read_ref(id).unwrap(), entity)
    });
    Scene {
        principal: EntityRef::new("User", "ann"),
        action: "Action::\"read\"".to_owned(),
        resource: EntityRef::new("Doc", "d"),
        context: members(context),
        entities: entities.collect(),
    }
}

fn members(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("{value} is no record") };
    members
}

fn entity(entity_type: &str, id: &str) -> Value {
    entity_value(&EntityRef::new(entity_type, id))
}

fn whole(name: &str, scene: &Scene) -> Option<i64> {
    scene.context.get(name)?.as_i64()
}

#[test]
fn a_scene_is_shown_as_cedar_with_only_what_it_describes() {
    assert_eq!(
        as_cedar(&scene(json!({}), &[])),
        ["principal  User::\"ann\"", "action     Action::\"read\"", "resource   Doc::\"d\""]
    );
    let shown = scene(
        json!({"ip": {"__extn": {"fn": "ip", "arg": "10.0.0.1"}}, "a key": ["x\"y", -1, true], "in": {"by": entity("User", "o'b")}}),
        &[
            (
                "Doc::\"d\"",
                json!({"parents": [{"type": "Folder", "id": "f"}], "attrs": {"owner": entity("Team", "a\\b")}}),
            ),
            ("Folder::\"f\"", json!({"tags": {"kind": ["x"]}})),
            ("User::\"ann\"", json!({})),
        ],
    );
    assert_eq!(
        as_cedar(&shown),
        [
            "principal  User::\"ann\"",
            "action     Action::\"read\"",
            "resource   Doc::\"d\" in [Folder::\"f\"] {owner: Team::\"a\\\\b\"}",
            "context    {ip: ip(\"10.0.0.1\"), \"a key\": [\"x\\\"y\", -1, true], in: {by: User::\"o\\'b\"}}",
            "where      Folder::\"f\" tags {kind: [\"x\"]}",
        ]
    );
}

/// A case as whoever reads YAML has it.
fn read_case(text: &str) -> Value {
    let read: Vec<Value> = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(read.len(), 1, "{text}");
    read[0].clone()
}

#[test]
fn a_scene_is_written_as_a_case_with_what_it_describes() {
    let kept = scene(
        json!({"hour": 22}),
        &[("Doc::\"d\"", json!({"attrs": {"tier": "gold"}, "tags": {"kind": ["x"]}, "parents": []}))],
    );
    assert_eq!(
        as_case(&kept, "never: gold at night", Decision::Deny),
        "- name: \"never: gold at night\"\n  principal: 'User::\"ann\"'\n  action: read\n  resource: 'Doc::\"d\"'\n  \
         context: {\"hour\":22}\n  entities:\n    - {\"uid\":{\"type\":\"Doc\",\"id\":\"d\"},\"attrs\":{\"tier\":\"gold\"},\
         \"parents\":[],\"tags\":{\"kind\":[\"x\"]}}\n  expect: deny"
    );
}

#[test]
fn an_action_of_any_name_is_one_text_in_a_case() {
    for name in ["read", "read all", "a: b", "- a", "true", "null", "12", "it's", "\"", "#a", ""] {
        let action = format!("Action::\"{}\"", name.escape_debug());
        let case = as_case(&Scene { action, ..scene(json!({}), &[]) }, "one", Decision::Allow);
        assert_eq!(read_case(&case)["action"], name, "{case}");
    }
}

#[test]
fn shrinking_leaves_out_all_that_a_fault_does_not_need() {
    let large = scene(
        json!({"hour": 23, "ip": {"__extn": {"fn": "ip", "arg": "10.0.0.1"}}, "args": {"branch": "main", "path": "/"}}),
        &[
            (
                "Doc::\"d\"",
                json!({
                    "attrs": {"tier": "gold", "labels": ["a", "b", "c"], "of": {"in": {"deep": 7, "other": 1}}},
                    "tags": {"kind": ["x"], "more": ["y"]},
                    "parents": [{"type": "Folder", "id": "f"}, {"type": "Folder", "id": "g"}],
                }),
            ),
            ("Folder::\"f\"", json!({"attrs": {"a": 1}})),
        ],
    );
    let doc = |scene: &Scene| scene.entities.get(&scene.resource).cloned().unwrap_or_default();
    let small = shrink(large, |scene| {
        let doc = doc(scene);
        doc.attributes.get("labels").is_some_and(|labels| labels.as_array().unwrap().contains(&json!("b")))
            && doc.attributes.get("of").is_some_and(|of| of["in"]["deep"].as_i64() > Some(2))
            && doc.tags.contains_key("more")
            && doc.parents.contains(&EntityRef::new("Folder", "g"))
            && scene.context.get("args").is_some_and(|args| args["branch"] == "main")
    });
    let expected = scene(
        json!({"args": {"branch": "main"}}),
        &[(
            "Doc::\"d\"",
            json!({
                "attrs": {"labels": ["b"], "of": {"in": {"deep": 3}}},
                "tags": {"more": []},
                "parents": [{"type": "Folder", "id": "g"}],
            }),
        )],
    );
    assert_eq!(small, expected);
}

#[test]
fn a_number_comes_to_its_threshold_in_few_steps() {
    type Shows = fn(i64) -> bool;
    let tries: [(i64, Shows, i64); 7] = [
        (i64::MAX, |number| number >= 1000, 1000),
        (i64::MIN, |number| number <= -1000, -1000),
        (i64::MIN, |number| number < 0, -1),
        (i64::MIN, |_| true, 0),
        (i64::MAX, |number| number > i64::MAX - 3, i64::MAX - 2),
        (i64::MAX, |number| number != 0, 1),
        (-5, |number| number == -5, -5),
    ];
    for (from, shows, to) in tries {
        let steps = Cell::new(0);
        let small = shrink(scene(json!({"number": from}), &[]), |scene| {
            steps.set(steps.get() + 1);
            whole("number", scene).is_some_and(shows)
        });
        assert_eq!(whole("number", &small), Some(to), "from {from}");
        assert!(steps.get() < 5_000, "from {from} to {to} in {} steps", steps.get());
    }
}

#[test]
fn numbers_that_are_compared_with_each_other_get_small_together() {
    let doc = |scene: &Scene| scene.entities.get(&scene.resource)?.attributes.get("most")?.as_i64();
    for (asked, most) in [(i64::MAX, i64::MAX - 1), (1_000_001, 1_000_000), (-7, i64::MIN), (50, -50)] {
        let large = scene(json!({"asked": asked}), &[("Doc::\"d\"", json!({"attrs": {"most": most}}))]);
        let small = shrink(large, |scene| whole("asked", scene) > doc(scene) && doc(scene).is_some());
        let (asked, most) = (whole("asked", &small).unwrap(), doc(&small).unwrap());
        assert!(asked > most && asked.abs() <= 1 && most.abs() <= 1, "{asked} {most}");
    }
    // So do those in tags.
    let tag = |scene: &Scene| scene.entities.get(&scene.resource)?.tags.get("most")?.as_i64();
    let large = scene(json!({"asked": 1_000_001}), &[("Doc::\"d\"", json!({"tags": {"most": 1_000_000}}))]);
    let small = shrink(large, |scene| whole("asked", scene) > tag(scene) && tag(scene).is_some());
    assert_eq!((whole("asked", &small), tag(&small)), (Some(1), Some(0)));
}

#[test]
fn what_is_nameless_gets_a_name_wherever_it_stands() {
    let nameless = |id: &str| {
        let uid = json!({"type": "Doc", "id": id});
        let place = format!("Doc::\"{id}\"");
        let other =
            json!({"attrs": {"like": [entity("Doc", id)]}, "tags": {"see": entity("Doc", id)}, "parents": [uid]});
        let entities = [(place.as_str(), json!({})), ("Folder::\"f\"", other)];
        let of = scene(json!({"about": {"this": entity("Doc", id)}}), &entities);
        Scene { resource: EntityRef::new("Doc", id), ..of }
    };
    assert_eq!(tidied(nameless(""), |_| true), nameless("unknown"));
    // A fault that is only without a name stays as it is.
    assert_eq!(tidied(nameless(""), |scene| scene.resource.id.is_empty()), nameless(""));
    assert_eq!(tidied(nameless("d"), |_| true), nameless("d"));
}

#[test]
fn two_that_are_different_are_not_given_one_name() {
    let two = scene(json!({"from": entity("Doc", ""), "to": entity("Doc", "unknown")}), &[]);
    assert_eq!(tidied(two.clone(), |scene| scene.context["from"] != scene.context["to"]), two);
    // Nor is what the scene says of one lost to the other, though the fault needs neither.
    let attrs = |name: &str| json!({"attrs": {name: 1}});
    let two = scene(json!({}), &[("Doc::\"\"", attrs("a")), ("Doc::\"unknown\"", attrs("b"))]);
    assert_eq!(tidied(two, |_| true).entities.len(), 2);
}

#[test]
fn someone_known_by_a_token_is_named_after_it() {
    let outsider = |id: &str, subject: Option<&str>| {
        let principal = EntityRef::new("ExternalSubject", id);
        let mut attrs = json!({"provider": entity("IdentityProvider", "okta")});
        if let Some(subject) = subject {
            attrs["subject"] = json!(subject);
        }
        let entities = [(format!("{principal}"), json!({"attrs": attrs}))];
        let entities = entities.each_ref().map(|(uid, json)| (uid.as_str(), json.clone()));
        Scene { principal, ..scene(json!({}), &entities) }
    };
    assert_eq!(tidied(outsider("a", Some("")), |_| true), outsider("okta|unknown", Some("unknown")));
    assert_eq!(tidied(outsider("a", None), |_| true), outsider("okta|unknown", None));
    let is_a = |scene: &Scene| scene.principal.id == "a";
    assert_eq!(tidied(outsider("a", Some("")), is_a), outsider("a", Some("")));
}

/// Something of a scene that a fault may need: where it is, by names and places.
type Path = Vec<String>;

fn paths(scene: &Scene) -> Vec<Path> {
    let mut found = Vec::new();
    paths_of(&Value::Object(scene.context.clone()), vec!["context".to_owned()], &mut found);
    for (uid, entity) in &scene.entities {
        paths_of(&entity.to_json(uid), vec![uid.to_string()], &mut found);
    }
    found
}

/// Elements are told by what they are, since others may leave.
fn paths_of(value: &Value, path: Path, found: &mut Vec<Path>) {
    let longer = |name: String| path.iter().cloned().chain([name]).collect::<Vec<_>>();
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| paths_of(value, longer(name.clone()), found));
        }
        Value::Array(elements) => {
            elements.iter().for_each(|element| found.push(longer(element.to_string())));
        }
        _ => {}
    }
    found.push(path);
}

fn values() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
        "[a-c]".prop_map(|id| entity("Doc", &id)),
        Just(json!({"__extn": {"fn": "datetime", "arg": "2026-11-01"}})),
    ];
    plain.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            records(inner).prop_map(Value::Object),
        ]
    })
}

fn records(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::btree_map("[a-e]", values, 0..4).prop_map(|members| members.into_iter().collect())
}

fn scenes() -> impl Strategy<Value = Scene> {
    let parents = proptest::collection::btree_set("[a-d]".prop_map(|id| EntityRef::new("Folder", id)), 0..3);
    let entity = (records(values()), records(values()), parents);
    let entity = entity.prop_map(|(attributes, tags, parents)| SceneEntity { attributes, tags, parents });
    let uid = prop_oneof![Just("d".to_owned()), "[a-c]"].prop_map(|id| EntityRef::new("Doc", id));
    let entities = proptest::collection::btree_map(uid, entity, 0..3);
    (records(values()), entities).prop_map(|(context, entities)| Scene { context, entities, ..scene(json!({}), &[]) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_can_be_left_out_of_a_scene_that_was_shrunk(
        large in scenes(),
        needed in proptest::collection::vec(any::<proptest::sample::Index>(), 0..3),
    ) {
        let all = paths(&large);
        let needed: Vec<&Path> = needed.iter().filter(|_| !all.is_empty()).map(|one| one.get(&all)).collect();
        let shows = |scene: &Scene| {
            let there = paths(scene);
            needed.iter().all(|path| there.contains(path))
        };
        prop_assert!(shows(&large));
        let small = shrink(large, shows);
        prop_assert!(shows(&small));
        for less in smaller(&small) {
            prop_assert!(!shows(&less), "{:#?}\nneeds no more than\n{:#?}", as_cedar(&small), as_cedar(&less));
        }
    }

    /// Whatever the answers are, and though they contradict each other.
    #[test]
    fn a_tree_ends_and_with_the_last_scene_that_showed_the_fault(
        large in scenes(),
        answers in proptest::collection::vec(any::<bool>(), 1..64),
    ) {
        let mut last = large.clone();
        let mut tree = SceneTree::new(large);
        let mut goes_on = tree.simplify();
        let mut steps = 0;
        while goes_on {
            steps += 1;
            prop_assert!(steps < 1_000_000);
            if answers[steps % answers.len()] {
                last = tree.current();
                goes_on = tree.simplify();
            } else {
                goes_on = tree.complicate();
            }
        }
        prop_assert_eq!(tree.current(), last);
    }

    #[test]
    fn a_case_of_any_names_reads_back_as_it_was(
        name in "\\PC{0,12}",
        id in "\\PC{0,12}",
        key in "\\PC{0,6}",
        text in any::<String>(),
    ) {
        let mut odd = scene(json!({key.clone(): text.clone()}), &[]);
        odd.resource = EntityRef::new("Doc", id);
        odd.entities.insert(odd.resource.clone(), SceneEntity { attributes: members(json!({key: text})), ..SceneEntity::default() });
        let read = read_case(&as_case(&odd, &name, Decision::Allow));
        let resource = read["resource"].as_str().and_then(vocabulary::read_ref);
        prop_assert_eq!(&read["name"], &json!(name));
        prop_assert_eq!(resource, Some(odd.resource.clone()));
        prop_assert_eq!(&read["context"], &Value::Object(odd.context.clone()));
        prop_assert_eq!(&read["entities"][0], &odd.entities[&odd.resource].to_json(&odd.resource));
    }
}

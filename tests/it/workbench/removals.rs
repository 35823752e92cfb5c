//! Of a scene, every scene with one thing left out: what shrinking promises, said a second time and in another way.

use cedargate::workbench::scene::Scene;
use serde_json::{Map, Value};

/// Each with what it lacks: an entity, a parent, an attribute, a tag, a field of the context, an element of a set, at
/// whatever depth.
pub fn of(scene: &Scene) -> Vec<(String, Scene)> {
    let mut all = Vec::new();
    for (lacks, context) in without_a_member("context", &scene.context) {
        all.push((lacks, Scene { context, ..scene.clone() }));
    }
    for uid in scene.entities.keys() {
        let mut without = scene.clone();
        without.entities.remove(uid);
        all.push((format!("all of {uid}"), without));
    }
    for (uid, entity) in &scene.entities {
        let mut put = |lacks: String, entity| {
            let mut changed = scene.clone();
            changed.entities.insert(uid.clone(), entity);
            all.push((lacks, changed));
        };
        for parent in &entity.parents {
            let mut orphan = entity.clone();
            assert!(orphan.parents.remove(parent));
            put(format!("{uid} in {parent}"), orphan);
        }
        for (lacks, attributes) in without_a_member(&uid.to_string(), &entity.attributes) {
            let mut less = entity.clone();
            less.attributes = attributes;
            put(lacks, less);
        }
        for (lacks, tags) in without_a_member(&format!("the tags of {uid}"), &entity.tags) {
            let mut less = entity.clone();
            less.tags = tags;
            put(lacks, less);
        }
    }
    all
}

fn without_a_member(of: &str, members: &Map<String, Value>) -> Vec<(String, Map<String, Value>)> {
    let mut all = Vec::new();
    for (name, value) in members {
        let here = format!("{of}.{name}");
        let mut without = members.clone();
        without.remove(name);
        all.push((here.clone(), without));
        for (lacks, less) in without_a_part(&here, value) {
            let mut changed = members.clone();
            changed[name] = less;
            all.push((lacks, changed));
        }
    }
    all
}

fn without_a_part(of: &str, value: &Value) -> Vec<(String, Value)> {
    match value {
        // An entity and a value of an extension type have no parts.
        Value::Object(members) if members.contains_key("__entity") || members.contains_key("__extn") => Vec::new(),
        Value::Object(members) => {
            without_a_member(of, members).into_iter().map(|(lacks, less)| (lacks, Value::Object(less))).collect()
        }
        Value::Array(elements) => {
            let mut all = Vec::new();
            for (place, element) in elements.iter().enumerate() {
                let here = format!("{of}[{place}]");
                let mut without = elements.clone();
                without.remove(place);
                all.push((here.clone(), Value::Array(without)));
                for (lacks, less) in without_a_part(&here, element) {
                    let mut changed = elements.clone();
                    changed[place] = less;
                    all.push((lacks, Value::Array(changed)));
                }
            }
            all
        }
        _ => Vec::new(),
    }
}

#[test]
fn every_thing_of_a_scene_is_left_out_once() {
    use cedargate::model::EntityRef;
    use serde_json::json;

    let json = json!({
        "attrs": {"a": {"b": ["x", {"__entity": {"type": "Doc", "id": "e"}}]}},
        "tags": {"t": ["y"]},
        "parents": [{"type": "Folder", "id": "f"}],
    });
    let object = |name: &str| json[name].as_object().unwrap().clone();
    let entity = cedargate::workbench::scene::SceneEntity {
        attributes: object("attrs"),
        tags: object("tags"),
        parents: serde_json::from_value(json["parents"].clone()).unwrap(),
    };
    let resource = EntityRef::new("Doc", "d");
    let scene = Scene {
        principal: EntityRef::new("User", "ann"),
        action: "Action::\"read\"".to_owned(),
        resource: resource.clone(),
        context: json!({"ip": {"__extn": {"fn": "ip", "arg": "10.0.0.1"}}}).as_object().unwrap().clone(),
        entities: [(resource, entity)].into_iter().collect(),
    };
    let all = of(&scene);
    let lacks: Vec<_> = all.iter().map(|(lacks, _)| lacks.as_str()).collect();
    assert_eq!(
        lacks,
        [
            "context.ip",
            "all of Doc::\"d\"",
            "Doc::\"d\" in Folder::\"f\"",
            "Doc::\"d\".a",
            "Doc::\"d\".a.b",
            "Doc::\"d\".a.b[0]",
            "Doc::\"d\".a.b[1]",
            "the tags of Doc::\"d\".t",
            "the tags of Doc::\"d\".t[0]",
        ]
    );
    assert!(all.iter().all(|(_, smaller)| *smaller != scene));
}

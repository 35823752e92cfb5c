//! The document and the router have the same routes.

use std::collections::{BTreeMap, BTreeSet};

use super::{DOCUMENT, parts};

/// The paths of the router's text: axum does not list them.
fn routed() -> BTreeSet<String> {
    let text = include_str!("../router.rs");
    text.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn every_route_is_documented_and_every_documented_one_is_there() {
    let documented: BTreeSet<String> = DOCUMENT["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(documented, routed());
}

#[test]
fn operations_have_ids_of_their_own_and_name_every_part_of_their_path() {
    let mut ids: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert_eq!(ids.insert(id, path), None, "{id}");
            let named: BTreeSet<_> = operation["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            assert_eq!(named, parts(path).collect(), "{method} {path}");
        }
    }
}

#[test]
fn every_schema_that_is_referred_to_is_there() {
    let text = DOCUMENT.to_string();
    let schemas = DOCUMENT["components"]["schemas"].as_object().unwrap();
    for rest in text.split("\"$ref\":\"").skip(1) {
        let name = rest.split('"').next().unwrap().strip_prefix("#/components/schemas/").unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}

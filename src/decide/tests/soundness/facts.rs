//! Random entities, as Cedar's JSON: hierarchies with diamonds and depth, attributes and tags that name others,
//! declared or not.

use std::collections::BTreeSet;

use cedar_policy::EntityUid;
use serde_json::{Map, Value, json};

use super::genes::Genes;
use super::shape::{Attribute, DECLARED, IDS, Kind, Shape};

/// An entity of a file.
pub struct Declared {
    pub kind: usize,
    pub number: usize,
    pub json: Value,
    /// Which file: the first two are hand-written, the last is the bundle's.
    pub place: usize,
}

pub fn declared(shape: &Shape, all: &[Vec<u16>]) -> Vec<Declared> {
    let kinds: Vec<usize> = (0..shape.types.len()).filter(|kind| shape.types[*kind].has_entities).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for numbers in all {
        let mut genes = Genes::of(numbers);
        let (kind, number) = (*genes.choose(&kinds), genes.pick(DECLARED));
        let place = genes.pick(3);
        if seen.insert((kind, number)) {
            found.push(Declared { kind, number, json: entity(shape, kind, number, &mut genes), place });
        }
    }
    found
}

/// An entity with parents of smaller numbers, so that no two are in each other.
pub fn entity(shape: &Shape, kind: usize, number: usize, genes: &mut Genes<'_>) -> Value {
    let declared = &shape.types[kind];
    let mut parents = BTreeSet::new();
    for of in &declared.parents {
        for _ in 0..genes.pick(3) {
            let is_lone = shape.types[*of].name == "Tenant" || shape.types[*of].name == "ExternalIdentity";
            match number {
                _ if is_lone => parents.insert((*of, genes.pick(2))),
                0 => false,
                number => parents.insert((*of, number - 1 - genes.pick(number))),
            };
        }
    }
    let parents: BTreeSet<String> = parents.into_iter().map(|(of, at)| uid_json(shape, of, at).to_string()).collect();
    let parents: Vec<Value> = parents.iter().map(|parent| serde_json::from_str(parent).unwrap()).collect();
    let attributes = members(shape, &declared.attributes, genes);
    let mut tags = Map::new();
    if let Some(of) = declared.tags {
        for tag in if of == Kind::Words { ["unit", "t"] } else { ["s", "t"] } {
            if genes.once_in(2) {
                tags.insert(tag.to_owned(), value(shape, of, genes));
            }
        }
    }
    json!({"uid": uid_json(shape, kind, number), "attrs": attributes, "parents": parents, "tags": tags})
}

pub fn members(shape: &Shape, attributes: &[Attribute], genes: &mut Genes<'_>) -> Map<String, Value> {
    let mut members = Map::new();
    for attribute in attributes {
        if !attribute.is_optional || !genes.once_in(4) {
            members.insert(attribute.name.to_owned(), value(shape, attribute.kind, genes));
        }
    }
    members
}

pub fn value(shape: &Shape, kind: Kind, genes: &mut Genes<'_>) -> Value {
    let entity = |of: usize, genes: &mut Genes<'_>| json!({"__entity": uid_json(shape, of, genes.pick(IDS.len()))});
    let extension = |name: &str, text: &str| json!({"__extn": {"fn": name, "arg": text}});
    match kind {
        Kind::Entity(of) => entity(of, genes),
        Kind::Entities(of) => vec![entity(of, genes), entity(of, genes)].into(),
        Kind::Record(of) => {
            let deep = entity(of, genes);
            let mut record = json!({"n": genes.pick(4)});
            if !genes.once_in(3) {
                record["deep"] = deep;
            }
            record
        }
        Kind::Long => (*genes.choose(&[0, 1, 2, 5, -1, i64::MAX])).into(),
        Kind::Text => (*genes.choose(&["x", "u@a", ""])).into(),
        Kind::Bool => (genes.pick(2) == 1).into(),
        Kind::Address => extension("ip", genes.choose::<&str>(&["10.1.2.3", "127.0.0.1", "::1", "192.168.0.0/16"])),
        Kind::Price => extension("decimal", genes.choose::<&str>(&["1.0", "1.5", "-3.25"])),
        Kind::Words => genes.some_of(&["x", "y", "z"], 2).into(),
    }
}

pub fn uid_json(shape: &Shape, kind: usize, number: usize) -> Value {
    json!({"type": shape.types[kind].name, "id": shape.id(kind, number)})
}

/// Puts an entity in its tenant, where its type may be.
pub fn in_tenant(shape: &Shape, kind: usize, mut entity: Value) -> Value {
    let tenant = json!({"type": "Tenant", "id": "acme"});
    let parents = entity["parents"].as_array_mut().unwrap();
    if shape.is_in_tenant(kind) && !parents.contains(&tenant) {
        parents.push(tenant);
    }
    entity
}

/// Every entity that a part of an entity's JSON names, its own uid included.
pub fn named_by(json: &Value, found: &mut Vec<EntityUid>) {
    match json {
        Value::Object(members) => {
            if let (Some(Value::String(_)), Some(Value::String(_)), 2) =
                (members.get("type"), members.get("id"), members.len())
            {
                found.push(EntityUid::from_json(json.clone()).unwrap());
                return;
            }
            members.values().for_each(|member| named_by(member, found));
        }
        Value::Array(elements) => elements.iter().for_each(|element| named_by(element, found)),
        _ => {}
    }
}

//! Names: what shrinking and solvers leave nameless is given a name that can be read.

use serde_json::Value;

use super::{Scene, as_entity, entity_value};
use crate::model::EntityRef;
use crate::vocabulary::EXTERNAL_SUBJECT;
use crate::workbench::generate::UNKNOWN_ID;

/// The same scene with names that can be read, if it still shows it: a text that is nothing is no name.
pub fn tidied(scene: Scene, shows: impl Fn(&Scene) -> bool) -> Scene {
    let renamed = |scene: &Scene, from: &EntityRef, to: &EntityRef| {
        let mut renamed = scene.clone();
        rename(&mut renamed, from, to);
        renamed
    };
    let mut tidy = scene;
    let nameless: Vec<EntityRef> = mentioned(&tidy).into_iter().filter(|uid| uid.id.is_empty()).collect();
    for uid in nameless {
        let named = EntityRef::new(&uid.entity_type, UNKNOWN_ID);
        let next = renamed(&tidy, &uid, &named);
        // Two that are told apart stay two.
        if !mentioned(&tidy).contains(&named) && shows(&next) {
            tidy = next;
        }
    }
    // The id of someone known only by a token says the provider and the subject.
    if tidy.principal.entity_type == EXTERNAL_SUBJECT
        && let Some(entity) = tidy.entities.get(&tidy.principal)
    {
        let provider = entity.attributes.get("provider").and_then(as_entity).map_or_else(String::new, |uid| uid.id);
        let own = EntityRef::new(EXTERNAL_SUBJECT, format!("{provider}|{UNKNOWN_ID}"));
        let mut next = renamed(&tidy, &tidy.principal, &own);
        if let Some(entity) = next.entities.get_mut(&own)
            && entity.attributes.contains_key("subject")
        {
            entity.attributes.insert("subject".to_owned(), Value::from(UNKNOWN_ID));
        }
        if shows(&next) {
            tidy = next;
        }
    }
    tidy
}

fn mentioned(scene: &Scene) -> Vec<EntityRef> {
    let mut uids = vec![scene.principal.clone(), scene.resource.clone()];
    for (uid, entity) in &scene.entities {
        uids.push(uid.clone());
        uids.extend(entity.parents.iter().cloned());
        let values = entity.attributes.values().chain(entity.tags.values());
        values.for_each(|value| each_entity(value, &mut |uid| uids.push(uid)));
    }
    scene.context.values().for_each(|value| each_entity(value, &mut |uid| uids.push(uid)));
    uids.sort();
    uids.dedup();
    uids
}

fn each_entity(value: &Value, see: &mut dyn FnMut(EntityRef)) {
    if let Some(uid) = as_entity(value) {
        return see(uid);
    }
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| each_entity(element, see)),
        Value::Object(members) => members.values().for_each(|member| each_entity(member, see)),
        _ => {}
    }
}

fn rename(scene: &mut Scene, from: &EntityRef, to: &EntityRef) {
    let own = |uid: &mut EntityRef| {
        if uid == from {
            *uid = to.clone();
        }
    };
    own(&mut scene.principal);
    own(&mut scene.resource);
    let entities = std::mem::take(&mut scene.entities).into_iter();
    let renamed = entities.map(|(mut uid, mut entity)| {
        own(&mut uid);
        entity.parents = std::mem::take(&mut entity.parents)
            .into_iter()
            .map(|mut parent| {
                own(&mut parent);
                parent
            })
            .collect();
        let values = entity.attributes.values_mut().chain(entity.tags.values_mut());
        values.for_each(|value| rename_in(value, from, to));
        (uid, entity)
    });
    scene.entities = renamed.collect();
    scene.context.values_mut().for_each(|value| rename_in(value, from, to));
}

fn rename_in(value: &mut Value, from: &EntityRef, to: &EntityRef) {
    if let Some(uid) = as_entity(value) {
        if uid == *from {
            *value = entity_value(to);
        }
        return;
    }
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| rename_in(element, from, to)),
        Value::Object(members) => members.values_mut().for_each(|member| rename_in(member, from, to)),
        _ => {}
    }
}

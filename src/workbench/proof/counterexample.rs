//! A solver's example as a scene: what it made up is checked by the decider, and shrunk, before anyone sees it.

use std::collections::BTreeMap;

use cedar_policy::Entity;
use cedar_policy_symcc::Env;
use serde_json::{Map, Value};

use crate::model::EntityRef;
use crate::schema::{DataType, DataTypes};
use crate::vocabulary::{TENANT, entity_ref};
use crate::workbench::generate::moment;
use crate::workbench::scene::{Scene, SceneEntity, as_extension, as_record};
use crate::workbench::shape::{Environment, context_types};
use crate::workbench::verify::Laid;

/// The scene that an example is, if the decider confirms it: as it is, or with a principal whom nobody knows.
pub(super) fn confirmed(
    example: &Env,
    laid: &Laid<'_>,
    environment: &Environment,
    shows: &dyn Fn(&Scene) -> bool,
) -> Option<Scene> {
    let scene = scene_of(example, laid, environment)?;
    let mut without = scene.clone();
    without.entities.remove(&scene.principal);
    [scene, without].into_iter().find(|scene| shows(scene))
}

/// The scene that an example is.
pub(super) fn scene_of(example: &Env, laid: &Laid<'_>, environment: &Environment) -> Option<Scene> {
    let tenant = entity_ref(laid.world.snapshot.tenant_uid());
    let mut entities: BTreeMap<EntityRef, SceneEntity> = BTreeMap::new();
    for entity in example.entities.iter() {
        let uid = entity_ref(&entity.uid());
        // Actions are the schema's, and there is one tenant.
        if laid.shape.entity_type(&uid.entity_type).is_none() || uid.entity_type == TENANT {
            continue;
        }
        entities.insert(uid, described(entity, &tenant));
    }
    let context = example.request.context().and_then(|context| context.to_json_value().ok());
    let context = context.as_ref().and_then(as_record).cloned().unwrap_or_default();
    let types = context_types(&laid.world.snapshot.schema, &environment.action);
    Some(Scene {
        principal: entity_ref(example.request.principal()?),
        action: environment.action.clone(),
        resource: entity_ref(example.request.resource()?),
        context: with_plain_times(known_members(context, &types)),
        entities,
    })
}

fn described(entity: &Entity, tenant: &EntityRef) -> SceneEntity {
    let mut described = SceneEntity::of(entity);
    described.parents.retain(|parent| parent.entity_type != TENANT || parent == tenant);
    described.attributes = with_plain_times(described.attributes);
    described.tags = with_plain_times(described.tags);
    described
}

/// The solver's times are so much after 1970: a date and a time of day can be read.
fn with_plain_times(members: Map<String, Value>) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name, with_plain_time(value))).collect()
}

fn with_plain_time(value: Value) -> Value {
    match value {
        Value::Array(elements) => elements.into_iter().map(with_plain_time).collect(),
        Value::Object(members) => match offset_of(&members).and_then(moment) {
            Some(time) => time,
            None => Value::Object(with_plain_times(members)),
        },
        other => other,
    }
}

/// The milliseconds since 1970 of `datetime("1970-01-01").offset(duration("…ms"))`.
fn offset_of(members: &Map<String, Value>) -> Option<i64> {
    let made = members.get("__extn")?;
    let [from, by] = made.get("args")?.as_array()?.as_slice() else { return None };
    let (from, by) = (as_extension(from)?, as_extension(by)?);
    let is_since_1970 = made.get("fn")?.as_str()? == "offset" && from == ("datetime", "1970-01-01");
    if is_since_1970 { by.1.strip_suffix("ms")?.parse().ok() } else { None }
}

/// The members that the schema has, and no others.
fn known_members(members: Map<String, Value>, types: &DataTypes) -> Map<String, Value> {
    let known = members.into_iter().filter_map(|(name, value)| {
        let (kind, _) = types.get(&name)?;
        let value = match (kind, value) {
            (DataType::Record(types), Value::Object(inner)) => Value::Object(known_members(inner, types)),
            (_, value) => value,
        };
        Some((name, value))
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_that_the_solver_made_up_is_a_date() {
        let since = |span: &str| {
            let extension = |function, arg| json!({"__extn": {"fn": function, "arg": arg}});
            json!({"__extn": {"fn": "offset", "args": [extension("datetime", "1970-01-01"), extension("duration", span)]}})
        };
        let date = |text: &str| json!({"__extn": {"fn": "datetime", "arg": text}});
        let plain = |value: Value| with_plain_time(value);
        assert_eq!(plain(since("-1ms")), date("1969-12-31T23:59:59.999Z"));
        assert_eq!(plain(json!({"a": [since("79200000ms")]})), json!({"a": [date("1970-01-01T22:00:00.000Z")]}));
        // No year of four digits: as it was.
        let far = since(&format!("{}ms", i64::MAX));
        assert_eq!(plain(far.clone()), far);
        assert_eq!(plain(date("2026-11-01")), date("2026-11-01"));
    }
}

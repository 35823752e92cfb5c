//! A solver's example as a scene: what it made up is checked by the decider, and shrunk, before anyone sees it.

use std::collections::BTreeMap;

use cedar_policy::Entity;
use cedar_policy_symcc::Env;
use serde_json::{Map, Value};

use crate::model::EntityRef;
use crate::schema::{DataType, DataTypes};
use crate::vocabulary::{TENANT, entity_ref};
use crate::workbench::scene::{Scene, SceneEntity, as_record};
use crate::workbench::shape::{Environment, context_types};
use crate::workbench::verify::Laid;

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
        context: known_members(context, &types),
        entities,
    })
}

fn described(entity: &Entity, tenant: &EntityRef) -> SceneEntity {
    let mut described = SceneEntity::of(entity);
    described.parents.retain(|parent| parent.entity_type != TENANT || parent == tenant);
    described
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

//! An action in a file of entities: taken where it is what the schema says, as Cedar takes it, and a fault that says how
//! it differs where it is not. The schema's own stays the one that decides.

use std::collections::BTreeSet;

use cedar_policy::{Entity, EntityUid};
use cedar_policy_core::ast;

use crate::model::did_you_mean;
use crate::schema::LoadedSchema;
use crate::vocabulary;

/// Whether an entity is an action by its type.
pub(super) fn is_action(uid: &EntityUid) -> bool {
    uid.type_name().basename() == vocabulary::ACTION
}

/// Says how an action differs from the schema's.
///
/// # Errors
/// When it does.
pub(super) fn check_action(action: &Entity, schema: &LoadedSchema) -> Result<(), String> {
    let uid = action.uid();
    let Some(declared) = schema.actions.get(&uid) else {
        let all: Vec<String> = schema.actions.iter().map(|known| known.uid.to_string()).collect();
        let meant = did_you_mean(&uid.to_string(), all.iter().map(String::as_str));
        return Err(format!("the schema has no action `{uid}`{meant}"));
    };
    let core: &ast::Entity = action.as_ref();
    if core.attrs().next().is_some() || core.tags().next().is_some() {
        return Err(format!("action {uid} has attributes or tags here, and none in the schema"));
    }
    // A file names the groups that an action is in directly, or all that these are in as well.
    let mut groups: BTreeSet<EntityUid> = core.ancestors().cloned().map(EntityUid::from).collect();
    for group in groups.clone() {
        let above = schema.actions.get(&group).into_iter().flat_map(|found| found.entity.ancestors());
        groups.extend(above.cloned().map(EntityUid::from));
    }
    let own: BTreeSet<EntityUid> = declared.entity.ancestors().cloned().map(EntityUid::from).collect();
    if groups == own {
        return Ok(());
    }
    let named = |some: &BTreeSet<EntityUid>| match some.is_empty() {
        true => "no group".to_owned(),
        false => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    Err(format!("action {uid} is in {} here, and in {} in the schema", named(&groups), named(&own)))
}

//! The default roles: data beside the schema, in the manifests' own form.
//!
//! In: `schema/*.roles.yaml`. Out: the roles that every tenant has and none can change.

use std::collections::{BTreeMap, BTreeSet};

use super::Place;
use super::declare::fits_only;
use super::raw::{Document, read_documents};
use crate::model::bounds;
use crate::model::facts::RoleActions;
use crate::model::{Faults, Role, RoleName};
use crate::schema::LoadedSchema;
use crate::tree::SourceFile;
use crate::vocabulary;

/// Roles by resource type and name.
pub type DefaultRoles = BTreeMap<(String, RoleName), Role>;

/// Reads the default roles.
///
/// # Errors
/// Every document that is not a role, names what the schema lacks, or stands twice.
pub fn read_default_roles(files: &[SourceFile], schema: &LoadedSchema) -> Result<DefaultRoles, Faults> {
    let (documents, mut faults) = read_documents(files);
    let mut roles = DefaultRoles::new();
    for document in &documents {
        if document.raw.kind.value != "role" {
            faults.push(document.place(&document.raw.kind).fault("only roles belong in a file of default roles"));
            continue;
        }
        if let Some((role, place)) = read_role(document, schema, &mut faults) {
            let key = (role.resource_type.clone(), role.name.clone());
            if roles.insert(key, role).is_some() {
                faults.push(place.fault("this role is already declared"));
            }
        }
    }
    faults.or(roles)
}

/// A `type: role` document as a role that the schema can carry.
pub(super) fn read_role(document: &Document, schema: &LoadedSchema, faults: &mut Faults) -> Option<(Role, Place)> {
    let raw = &document.raw;
    fits_only(document, "role", &["name", "resource_type", "actions"], faults);
    let (Some(name), Some(resource_type), Some(actions)) = (&raw.name, &raw.resource_type, &raw.actions) else {
        faults.push(document.place(&raw.kind).fault("a role needs `name`, `resource_type` and `actions`"));
        return None;
    };
    let place = document.place(name);
    let role_name = RoleName::parse(&name.value).map_err(|error| faults.push(place.fault(error.to_string()))).ok()?;
    if !schema.has_type(&resource_type.value) {
        let message = format!("the schema has no entity type `{}`", resource_type.value);
        faults.push(document.place(resource_type).fault(message));
        return None;
    }
    if actions.value.is_empty() {
        faults.push(document.place(actions).fault("a role needs at least one action"));
    }
    if let Err(error) = bounds::check_count("actions", actions.value.len(), bounds::MAX_ROLE_ACTIONS) {
        faults.push(document.place(actions).fault(error.to_string()));
    }
    let mut named = BTreeSet::new();
    for action in &actions.value {
        if action.value == EVERY_ACTION {
            continue;
        }
        match action_refusal(&action.value, &resource_type.value, schema) {
            Some(message) => faults.push(document.place(action).fault(message)),
            None => {
                named.insert(action.value.clone());
            }
        }
    }
    let every = actions.value.iter().any(|action| action.value == EVERY_ACTION);
    let actions = if every { RoleActions::Every } else { RoleActions::These(named) };
    Some((Role { name: role_name, resource_type: resource_type.value.clone(), actions }, place))
}

/// Why a role of this type cannot have an action.
pub(crate) fn action_refusal(action: &str, resource_type: &str, schema: &LoadedSchema) -> Option<String> {
    let Some(uid) = schema.action(action) else {
        return Some(format!("the schema has no action `{action}`"));
    };
    if action == vocabulary::ASSUME {
        return Some(format!("`{action}` is asked by cedargate itself and cannot be part of a role"));
    }
    (!schema.action_reaches(&uid, resource_type))
        .then(|| format!("action `{action}` applies neither to `{resource_type}` nor to anything inside one"))
}

/// Written in a role's actions, stands for all of them.
const EVERY_ACTION: &str = "*";

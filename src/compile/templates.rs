//! A role becomes a template: changing its actions rewrites one policy, however many grants it has.

use super::ids;
use crate::model::facts::RoleActions;
use crate::model::{DirectoryState, EntityRef};
use crate::vocabulary;

/// The templates of all roles, default ones included, sorted by id.
pub fn role_templates(state: &DirectoryState) -> Vec<String> {
    state
        .roles
        .values()
        .map(|role| {
            let id = quoted(&ids::role(&role.resource_type, &role.name));
            let action = match &role.actions {
                RoleActions::Every => "action".to_owned(),
                RoleActions::These(actions) => {
                    let names: Vec<_> =
                        actions.iter().map(|action| EntityRef::new(vocabulary::ACTION, action).to_string()).collect();
                    format!("action in [{}]", names.join(", "))
                }
            };
            format!("@id({id})\npermit (principal in ?principal, {action}, resource in ?resource);\n")
        })
        .collect()
}

/// A Cedar string literal.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

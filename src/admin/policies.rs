//! What a change compiles to, for those who look before they leap.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use crate::compile::compile;
use crate::directory::{Change, FactKey, Kind, state_of};
use crate::manifest::DefaultRoles;
use crate::model::{EntityRef, Subject, TenantId, User};
use crate::vocabulary::{self, USER};

/// A policy, a template or a link that would be there after a change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CompiledPolicy {
    /// Cedar text.
    Policy(String),
    /// A template link, as the `cedar` command line reads it.
    TemplateLink(Value),
    /// An entity in Cedar's JSON.
    Entity(Value),
}

/// What the facts that changes leave compile to, each by itself.
pub fn compiled(tenant: &TenantId, changes: &[Change]) -> Vec<CompiledPolicy> {
    let after = changes.iter().filter_map(|change| change.after.clone());
    // The roles that every tenant has are no part of a change; that grants of users count is, for now, taken as given.
    let mut state = state_of(after, &DefaultRoles::new());
    for grant in &state.collaborators {
        if let Subject::User(email) = &grant.subject {
            state.users.entry(email.clone()).or_insert_with(|| User { email: email.clone(), active: true });
        }
    }
    let compiled = compile(tenant, &state);
    let changed: BTreeSet<_> = changes.iter().map(|change| &change.key).collect();
    let is_of_change = |uid: &EntityRef| {
        *uid != vocabulary::tenant(tenant)
            && (uid.entity_type != USER || changed.contains(&FactKey::new(Kind::User, uid.id.as_str())))
    };
    let policies = compiled.roles.into_iter().chain(compiled.external_identities).map(CompiledPolicy::Policy);
    let links = compiled.links.into_iter().map(|link| CompiledPolicy::TemplateLink(json!(link)));
    let entities = compiled.entities.into_iter().filter(|(uid, _)| is_of_change(uid));
    policies.chain(links).chain(entities.map(|(_, entity)| CompiledPolicy::Entity(entity))).collect()
}

//! Directory state in, Cedar out: what a tenant's grants and identities mean, as policies, links and entities.
//!
//! Pure and deterministic: equal states give equal results, in the same order. No files, no clock.

mod conditions;
mod entities;
mod ids;
mod links;
mod providers;
mod templates;

pub use providers::{IdentityRecord, ProviderRecord};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{DirectoryState, TenantId};

/// Everything that a tenant's directory compiles to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compiled {
    /// Cedar text, a template a role.
    pub roles: Vec<String>,
    /// Cedar text, an assume policy an external identity.
    pub external_identities: Vec<String>,
    pub links: Vec<Link>,
    /// Cedar entity JSON.
    pub entities: Vec<Value>,
    pub providers: Vec<ProviderRecord>,
}

/// A template link, in the form that the official `cedar` command line reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub template_id: String,
    pub link_id: String,
    pub args: LinkArgs,
}

/// What a link fills the slots with: Cedar uids as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkArgs {
    #[serde(rename = "?principal")]
    pub principal: String,
    #[serde(rename = "?resource")]
    pub resource: String,
}

/// Compiles a tenant.
pub fn compile(tenant: &TenantId, state: &DirectoryState) -> Compiled {
    Compiled {
        roles: templates::role_templates(state),
        external_identities: conditions::assume_policies(state),
        links: links::template_links(state),
        entities: entities::directory_entities(tenant, state),
        providers: providers::provider_records(state),
    }
}

#[cfg(test)]
mod tests;

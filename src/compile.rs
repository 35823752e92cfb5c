//! Directory state in, Cedar out: what a tenant's grants and identities mean, as policies, links and entities.
//!
//! Pure and deterministic: equal states give equal results, in the same order. No files, no clock.

mod conditions;
mod entities;
mod ids;
mod links;
mod providers;
mod sign_in;
mod templates;

pub use entities::sorted;
pub use ids::{
    GrantId, collaborator as collaborator_policy_id, collaborator_id, external_identity as external_identity_policy_id,
    role as role_policy_id,
};
pub use providers::{IdentityRecord, ProviderRecord};
pub use sign_in::TokenRecord;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::model::{DirectoryState, Email, EntityRef, TenantId};

/// Everything that a tenant's directory compiles to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compiled {
    /// Cedar text, a template a role.
    pub roles: Vec<String>,
    /// Cedar text, an assume policy an external identity.
    pub external_identities: Vec<String>,
    pub links: Vec<Link>,
    /// Cedar entity JSON, sorted by uid.
    pub entities: Vec<(EntityRef, Value)>,
    pub providers: Vec<ProviderRecord>,
    pub tokens: Vec<TokenRecord>,
    /// Users who are refused, whatever else their tokens prove.
    pub deactivated: Vec<Email>,
}

/// A template link, in the form that the official `cedar` command line reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    pub template_id: String,
    pub link_id: String,
    pub args: LinkArgs,
}

/// What a link fills the slots with, written as Cedar uids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkArgs {
    #[serde(rename = "?principal", serialize_with = "as_text")]
    pub principal: EntityRef,
    #[serde(rename = "?resource", serialize_with = "as_text")]
    pub resource: EntityRef,
}

fn as_text<S: Serializer>(entity: &EntityRef, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(entity)
}

/// Compiles a tenant.
pub fn compile(tenant: &TenantId, state: &DirectoryState) -> Compiled {
    Compiled {
        roles: templates::role_templates(state),
        external_identities: conditions::assume_policies(state),
        links: links::template_links(state),
        entities: entities::directory_entities(tenant, state),
        providers: providers::provider_records(state),
        tokens: sign_in::token_records(state),
        deactivated: sign_in::deactivated_users(state),
    }
}

#[cfg(test)]
mod tests;

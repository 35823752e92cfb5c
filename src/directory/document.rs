//! The JSON form of facts, with the manifests' fields: what the API takes and answers, what a database keeps, what
//! `pull` writes.
//!
//! In: a document. Out: a fact whose names are names, or which field is wrong. Whether what it mentions is there is
//! for `edit` to say.

mod naming;
mod read;
mod write;

pub use naming::{read_key, read_subject, resource_id, shown_id, shown_subject};
pub use read::read_document;
pub use write::document_of;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::manifest::{DocumentError, ProviderDocument};

/// Any fact as a document; `type` says which, as in a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Document {
    IdentityProvider(Box<ProviderDocument>),
    ExternalIdentity(ExternalIdentityDocument),
    User(UserDocument),
    Team(TeamDocument),
    VirtualAccount(VirtualAccountDocument),
    Role(RoleDocument),
    Resource(ResourceDocument),
    Collaborator(CollaboratorDocument),
    Token(TokenDocument),
}

/// A named group of outsiders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "ExternalIdentity")]
pub struct ExternalIdentityDocument {
    pub name: String,
    pub identity_provider: String,
    /// Claim path → a value, a list any of which will do, or one of `{prefix}`, `{suffix}`, `{glob}`, `{ci}`, `{any}`,
    /// `{all}`, `{not}`, `{exists}`. All must hold; none is every token of the provider.
    #[serde(default)]
    pub claims: BTreeMap<String, Value>,
}

/// A person in the directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "User")]
pub struct UserDocument {
    /// Kept in lower case; the user's id.
    pub email: String,
    #[serde(default = "yes")]
    pub active: bool,
}

/// A group of users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Team")]
pub struct TeamDocument {
    pub name: String,
    #[serde(default)]
    pub members: Vec<String>,
    /// They may change the members; members themselves only where listed as such.
    #[serde(default)]
    pub managers: Vec<String>,
    #[serde(default)]
    pub identity_provider_mapping: Vec<MappingDocument>,
}

/// Whoever has this value in the provider's claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "IdentityProviderMapping")]
pub struct MappingDocument {
    pub identity_provider: String,
    pub value: String,
}

/// A service identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "VirtualAccount")]
pub struct VirtualAccountDocument {
    pub name: String,
    #[serde(default)]
    pub identity_provider_mapping: Vec<MappingDocument>,
}

/// A name for a list of actions on a resource type and what it contains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Role")]
pub struct RoleDocument {
    pub name: String,
    pub resource_type: String,
    /// `["*"]` is everything.
    pub actions: Vec<String>,
}

/// A thing that requests are about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Resource")]
pub struct ResourceDocument {
    /// `Type::id`.
    pub resource: String,
    #[serde(default)]
    pub parents: Vec<String>,
    /// By the schema of the type; entities and extension values as Cedar's entity JSON has them.
    #[serde(default)]
    pub attributes: Map<String, Value>,
}

/// A role granted to a subject on a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Collaborator")]
pub struct CollaboratorDocument {
    /// `Type::id`; `Tenant::name` is the tenant itself.
    pub resource: String,
    /// `user:EMAIL`, `team:NAME`, `virtual-account:NAME` or `external-identity:NAME`.
    pub subject: String,
    pub role: String,
}

/// A token of our own, as the directory keeps it: never the token itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Token")]
pub struct TokenDocument {
    pub token_id: String,
    /// `virtual-account:NAME` or `user:EMAIL`.
    pub owner: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// SHA-256 in hexadecimal; no answer has it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
    /// Seconds since the epoch.
    pub created_at: i64,
    /// Seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// Seconds for which a token that takes its place is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_every: Option<i64>,
    /// For whom it is signed, of one that is a JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The token that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
}

fn yes() -> bool {
    true
}

/// Written in a role's actions, stands for all of them.
const EVERY_ACTION: &str = "*";

#[cfg(test)]
mod properties;

//! What a tenant's directory knows, as plain values in a fixed order.
//!
//! `DirectoryState` is what manifests parse into and what `compile` reads. Every map is sorted, so equal
//! states compare and compile alike however they were written.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::condition::Conditions;
use super::entity_ref::EntityRef;
use super::ids::{Email, ExternalIdentityName, ProviderName, RoleName, TeamName, TokenId, VirtualAccountName};
use super::provider::IdentityProvider;

/// Everything that belongs to one tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryState {
    pub identity_providers: BTreeMap<ProviderName, IdentityProvider>,
    pub external_identities: BTreeMap<ExternalIdentityName, ExternalIdentity>,
    pub users: BTreeMap<Email, User>,
    pub teams: BTreeMap<TeamName, Team>,
    pub virtual_accounts: BTreeMap<VirtualAccountName, VirtualAccount>,
    /// Keyed by resource type, then name.
    pub roles: BTreeMap<(String, RoleName), Role>,
    pub resources: BTreeMap<EntityRef, Resource>,
    pub tokens: BTreeMap<TokenId, Token>,
    pub collaborators: BTreeSet<Collaborator>,
}

/// The signature algorithms that are ever accepted: asymmetric ones only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    /// With an Ed25519 key; RFC 9864 calls that by the key's name.
    #[serde(alias = "Ed25519")]
    EdDSA,
}

/// A named group of outsiders: one provider plus claim conditions, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalIdentity {
    pub name: ExternalIdentityName,
    pub identity_provider: ProviderName,
    /// All must hold. Empty: every valid token of the provider.
    pub claims: Conditions,
}

/// A person in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub email: Email,
    pub active: bool,
}

/// A group of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    pub name: TeamName,
    pub members: BTreeSet<Email>,
    pub managers: BTreeSet<Email>,
    pub mappings: BTreeSet<TeamMapping>,
}

/// "Whoever has this value in that provider's claim": of a team or a virtual account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TeamMapping {
    pub identity_provider: ProviderName,
    pub value: String,
}

/// A service identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAccount {
    pub name: VirtualAccountName,
    pub mappings: BTreeSet<TeamMapping>,
}

/// A name for a list of actions on a resource type and what it contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub name: RoleName,
    pub resource_type: String,
    pub actions: RoleActions,
}

/// What a role allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleActions {
    /// Written `["*"]`: everything, actions that come later included.
    Every,
    /// Action ids of the schema, without a namespace prefix unless they have one.
    These(BTreeSet<String>),
}

/// A thing that requests are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub entity: EntityRef,
    pub parents: BTreeSet<EntityRef>,
    /// Cedar entity JSON, keys sorted.
    pub attributes: BTreeMap<String, serde_json::Value>,
}

/// Who a role is granted to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    User(Email),
    Team(TeamName),
    VirtualAccount(VirtualAccountName),
    ExternalIdentity(ExternalIdentityName),
}

/// A token of our own. The token itself is kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    /// The user or virtual account that it stands for.
    pub owner: TokenOwner,
    /// What it is for, for people.
    pub label: String,
    /// The SHA-256 of the whole token, in hexadecimal.
    pub hash: String,
    /// Seconds since the epoch.
    pub created_at: i64,
    pub expires_at: Option<i64>,
    /// For how many seconds a token that takes its place is good.
    pub rotate_every: Option<i64>,
    /// For whom it is signed, of one that is a JWT.
    pub audience: Option<String>,
    /// The token that took its place; this one is good until it expires, and cannot be replaced again.
    pub replaced_by: Option<TokenId>,
}

impl Token {
    /// For how many seconds it was made.
    pub fn lifetime(&self) -> Option<i64> {
        self.expires_at.map(|at| at.saturating_sub(self.created_at))
    }
}

/// Who a token of our own stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenOwner {
    User(Email),
    VirtualAccount(VirtualAccountName),
}

impl TokenOwner {
    pub fn subject(&self) -> Subject {
        match self {
            Self::User(email) => Subject::User(email.clone()),
            Self::VirtualAccount(name) => Subject::VirtualAccount(name.clone()),
        }
    }
}

/// A role granted to a subject on a resource; the tenant itself may be the resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Collaborator {
    pub resource: EntityRef,
    pub role: RoleName,
    pub subject: Subject,
}

//! A fact: one thing that a directory knows, and the key it is known by.
//!
//! The model's plain types in, what every backend needs to know of each out: what other facts it mentions, and
//! which part of a bundle it is compiled into.

use serde::{Deserialize, Serialize};

use crate::digest::sha256_hex;
use crate::model::{
    Collaborator, EntityRef, ExternalIdentity, IdentityProvider, Resource, Role, RoleName, Subject, Team, Token, User,
    VirtualAccount, entity_hash, pair_hash,
};
use crate::vocabulary::{self, EXTERNAL_IDENTITY, IDENTITY_PROVIDER, TEAM, USER, VIRTUAL_ACCOUNT};

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    IdentityProvider,
    ExternalIdentity,
    User,
    Team,
    VirtualAccount,
    Role,
    Resource,
    Collaborator,
    Token,
}

impl Kind {
    /// In the order in which nothing is mentioned before it is there.
    pub const ALL: [Self; 9] = [
        Self::IdentityProvider,
        Self::ExternalIdentity,
        Self::User,
        Self::Team,
        Self::VirtualAccount,
        Self::Role,
        Self::Resource,
        Self::Collaborator,
        Self::Token,
    ];

    /// As manifests call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdentityProvider => "identity-provider",
            Self::ExternalIdentity => "external-identity",
            Self::User => "user",
            Self::Team => "team",
            Self::VirtualAccount => "virtual-account",
            Self::Role => "role",
            Self::Resource => "resource",
            Self::Collaborator => "collaborator",
            Self::Token => "token",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// As sentences call it.
    pub fn words(self) -> &'static str {
        match self {
            Self::IdentityProvider => "identity provider",
            Self::ExternalIdentity => "external identity",
            Self::VirtualAccount => "virtual account",
            other => other.name(),
        }
    }
}

/// Names one fact of a tenant. Ids compare as exact bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FactKey {
    pub kind: Kind,
    pub id: String,
}

impl FactKey {
    pub fn new(kind: Kind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }

    pub fn role(resource_type: &str, name: &RoleName) -> Self {
        Self::new(Kind::Role, format!("{resource_type}:{name}"))
    }

    /// Cedar's spelling: unlike the manifests' short form, no two entities share one.
    pub fn resource(entity: &EntityRef) -> Self {
        Self::new(Kind::Resource, entity.to_string())
    }

    pub fn subject(subject: &Subject) -> Self {
        match subject {
            Subject::User(email) => Self::new(Kind::User, email.as_str()),
            Subject::Team(name) => Self::new(Kind::Team, name.as_str()),
            Subject::VirtualAccount(name) => Self::new(Kind::VirtualAccount, name.as_str()),
            Subject::ExternalIdentity(name) => Self::new(Kind::ExternalIdentity, name.as_str()),
        }
    }
}

impl std::fmt::Display for FactKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} `{}`", self.kind.words(), self.id)
    }
}

impl FactKey {
    /// Its place within a revision, by text alone as databases sort.
    pub fn in_text(self) -> (&'static str, String) {
        (self.kind.name(), self.id)
    }
}

/// The key of a grant: the digest of who has which role on what. The same grant has the same key at any time, and
/// the key stands in an address as it is.
pub fn collaborator_key(grant: &Collaborator) -> FactKey {
    let id = sha256_hex(crate::compile::collaborator_policy_id(grant).as_bytes());
    FactKey::new(Kind::Collaborator, id.get(..KEY_DIGITS).unwrap_or_default())
}

/// 160 bits: nobody finds two grants with the same.
const KEY_DIGITS: usize = 40;

/// One thing that a directory knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    IdentityProvider(Box<IdentityProvider>),
    ExternalIdentity(ExternalIdentity),
    User(User),
    Team(Team),
    VirtualAccount(VirtualAccount),
    Role(Role),
    Resource(Resource),
    Collaborator(Collaborator),
    Token(Token),
}

impl Fact {
    pub fn kind(&self) -> Kind {
        match self {
            Self::IdentityProvider(_) => Kind::IdentityProvider,
            Self::ExternalIdentity(_) => Kind::ExternalIdentity,
            Self::User(_) => Kind::User,
            Self::Team(_) => Kind::Team,
            Self::VirtualAccount(_) => Kind::VirtualAccount,
            Self::Role(_) => Kind::Role,
            Self::Resource(_) => Kind::Resource,
            Self::Collaborator(_) => Kind::Collaborator,
            Self::Token(_) => Kind::Token,
        }
    }

    pub fn key(&self) -> FactKey {
        match self {
            Self::IdentityProvider(provider) => FactKey::new(Kind::IdentityProvider, provider.name.as_str()),
            Self::ExternalIdentity(identity) => FactKey::new(Kind::ExternalIdentity, identity.name.as_str()),
            Self::User(user) => FactKey::new(Kind::User, user.email.as_str()),
            Self::Team(team) => FactKey::new(Kind::Team, team.name.as_str()),
            Self::VirtualAccount(account) => FactKey::new(Kind::VirtualAccount, account.name.as_str()),
            Self::Role(role) => FactKey::role(&role.resource_type, &role.name),
            Self::Resource(resource) => FactKey::resource(&resource.entity),
            Self::Collaborator(grant) => collaborator_key(grant),
            Self::Token(token) => FactKey::new(Kind::Token, token.id.as_str()),
        }
    }

    /// The facts that this one speaks of. A grant speaks of its role also where that is a built-in one, and of the
    /// tenant where that is its resource: neither is a fact of the directory.
    pub fn mentions(&self) -> Vec<FactKey> {
        let provider = |name: &str| FactKey::new(Kind::IdentityProvider, name);
        match self {
            Self::IdentityProvider(_) | Self::User(_) | Self::Role(_) => Vec::new(),
            Self::ExternalIdentity(identity) => vec![provider(identity.identity_provider.as_str())],
            Self::Team(team) => {
                let people = team.members.union(&team.managers).map(|email| FactKey::new(Kind::User, email.as_str()));
                people.chain(mapped(&team.mappings)).collect()
            }
            Self::VirtualAccount(account) => mapped(&account.mappings).collect(),
            Self::Resource(resource) => resource.parents.iter().map(FactKey::resource).collect(),
            Self::Collaborator(grant) => vec![
                FactKey::subject(&grant.subject),
                FactKey::resource(&grant.resource),
                FactKey::role(&grant.resource.entity_type, &grant.role),
            ],
            Self::Token(token) => vec![FactKey::subject(&token.owner.subject())],
        }
    }

    /// The hash by which a bundle's files are split, of what is compiled to an entity or a link.
    pub fn shard_hash(&self) -> Option<u64> {
        let entity = |kind: &str, id: &str| Some(entity_hash(&EntityRef::new(kind, id)));
        match self {
            Self::IdentityProvider(provider) => entity(IDENTITY_PROVIDER, provider.name.as_str()),
            Self::ExternalIdentity(identity) => entity(EXTERNAL_IDENTITY, identity.name.as_str()),
            Self::User(user) => entity(USER, user.email.as_str()),
            Self::Team(team) => entity(TEAM, team.name.as_str()),
            Self::VirtualAccount(account) => entity(VIRTUAL_ACCOUNT, account.name.as_str()),
            Self::Role(_) | Self::Token(_) => None,
            Self::Resource(resource) => Some(entity_hash(&resource.entity)),
            Self::Collaborator(grant) => {
                Some(pair_hash(entity_hash(&vocabulary::subject(&grant.subject)), entity_hash(&grant.resource)))
            }
        }
    }
}

fn mapped(mappings: &std::collections::BTreeSet<crate::model::TeamMapping>) -> impl Iterator<Item = FactKey> {
    let mut providers: Vec<_> = mappings.iter().map(|mapping| mapping.identity_provider.as_str()).collect();
    providers.dedup();
    providers.into_iter().map(|name| FactKey::new(Kind::IdentityProvider, name)).collect::<Vec<_>>().into_iter()
}

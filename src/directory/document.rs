//! The JSON form of facts, with the manifests' fields: what the API takes and answers, what a database keeps, what
//! `pull` writes.
//!
//! In: a document. Out: a fact whose names are names, or which field is wrong. Whether what it mentions is there is
//! for `edit` to say.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fact::{Fact, Kind};
use crate::compile::sorted;
use crate::manifest::{condition_values, read_entity, uri_refusal};
use crate::model::facts::RoleActions;
use crate::model::{
    ClaimNames, Collaborator, Email, EntityRef, ExternalIdentity, ExternalIdentityName, IdentityProvider, MatchMode,
    NameError, ProviderName, Resource, Role, RoleName, SigningAlgorithm, Subject, Team, TeamMapping, TeamName, User,
    VirtualAccount, VirtualAccountName,
};
use crate::vocabulary::{entity_ref, read_uid};

/// Any fact as a document; `type` says which, as in a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Document {
    IdentityProvider(ProviderDocument),
    ExternalIdentity(ExternalIdentityDocument),
    User(UserDocument),
    Team(TeamDocument),
    VirtualAccount(VirtualAccountDocument),
    Role(RoleDocument),
    Resource(ResourceDocument),
    Collaborator(CollaboratorDocument),
}

/// A trusted token issuer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "IdentityProvider")]
pub struct ProviderDocument {
    /// Letters, digits and hyphens; unique in the tenant.
    pub name: String,
    pub config: ProviderConfigDocument,
    /// Where the provider's tokens keep what is needed.
    #[serde(default)]
    pub claims: ClaimNamesDocument,
    /// Which of the external identities that match a token count.
    #[serde(default)]
    #[schemars(with = "MatchModeDocument")]
    pub external_identities: MatchMode,
}

#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(title = "MatchMode")]
#[expect(dead_code, reason = "says in the JSON Schema what the plain type is")]
enum MatchModeDocument {
    All,
    MostSpecific,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "IdentityProviderConfig")]
pub struct ProviderConfigDocument {
    /// Where the signing keys are: an https address.
    pub jwks_uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<OneOrMany>,
    /// Every asymmetric one where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>")]
    pub algorithms: Option<Vec<SigningAlgorithm>>,
}

/// One text or a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "ClaimNames")]
pub struct ClaimNamesDocument {
    /// `sub` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_id: Option<String>,
    /// `email` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teams: Option<String>,
}

/// A named group of outsiders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "ExternalIdentity")]
pub struct ExternalIdentityDocument {
    pub name: String,
    pub identity_provider: String,
    /// Claim path → a value, or a list any of which will do. All must hold; none is every token of the provider.
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

fn yes() -> bool {
    true
}

/// Which field of a document is wrong, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {message}")]
pub struct DocumentError {
    pub field: String,
    pub message: String,
}

impl DocumentError {
    fn new(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), message: message.into() }
    }
}

/// Reads a document of a kind, without its `type`, as a fact.
///
/// # Errors
/// The first field that is wrong.
pub fn read_document(kind: Kind, value: Value) -> Result<Fact, DocumentError> {
    let Value::Object(mut members) = value else {
        return Err(DocumentError::new("type", "the document must be an object"));
    };
    members.insert("type".to_owned(), kind.name().into());
    let document: Document = serde_json::from_value(Value::Object(members))
        .map_err(|error| DocumentError::new(kind.name(), error.to_string()))?;
    Fact::try_from(document)
}

impl TryFrom<Document> for Fact {
    type Error = DocumentError;

    fn try_from(document: Document) -> Result<Self, DocumentError> {
        Ok(match document {
            Document::IdentityProvider(document) => Self::IdentityProvider(document.try_into()?),
            Document::ExternalIdentity(document) => Self::ExternalIdentity(document.try_into()?),
            Document::User(document) => {
                Self::User(User { email: named("email", Email::parse(&document.email))?, active: document.active })
            }
            Document::Team(document) => Self::Team(Team {
                name: named("name", TeamName::parse(&document.name))?,
                members: emails("members", &document.members)?,
                managers: emails("managers", &document.managers)?,
                mappings: mappings(document.identity_provider_mapping)?,
            }),
            Document::VirtualAccount(document) => Self::VirtualAccount(VirtualAccount {
                name: named("name", VirtualAccountName::parse(&document.name))?,
                mappings: mappings(document.identity_provider_mapping)?,
            }),
            Document::Role(document) => Self::Role(document.try_into()?),
            Document::Resource(document) => Self::Resource(Resource {
                entity: entity("resource", &document.resource)?,
                parents: document.parents.iter().map(|parent| entity("parents", parent)).collect::<Result<_, _>>()?,
                attributes: document.attributes.into_iter().map(|(name, value)| (name, sorted(&value))).collect(),
            }),
            Document::Collaborator(document) => Self::Collaborator(Collaborator {
                resource: entity("resource", &document.resource)?,
                role: named("role", RoleName::parse(&document.role))?,
                subject: read_subject(&document.subject).map_err(|message| DocumentError::new("subject", message))?,
            }),
        })
    }
}

impl TryFrom<ProviderDocument> for IdentityProvider {
    type Error = DocumentError;

    fn try_from(document: ProviderDocument) -> Result<Self, DocumentError> {
        let config = document.config;
        if let Some(message) = uri_refusal(&config.jwks_uri) {
            return Err(DocumentError::new("config.jwks_uri", message));
        }
        if config.issuer.as_deref() == Some("") {
            return Err(DocumentError::new("config.issuer", "an issuer may not be empty: leave it out instead"));
        }
        let audiences = match config.audience {
            None => Vec::new(),
            Some(OneOrMany::One(one)) => vec![one],
            Some(OneOrMany::Many(many)) if many.is_empty() => vec![String::new()],
            Some(OneOrMany::Many(many)) => many,
        };
        if audiences.iter().any(String::is_empty) {
            return Err(DocumentError::new("config.audience", "an audience may not be empty: leave it out instead"));
        }
        let (given, defaults) = (document.claims, ClaimNames::default());
        let names = [&given.unique_id, &given.email, &given.virtual_account, &given.teams];
        if names.into_iter().any(|name| name.as_deref() == Some("")) {
            return Err(DocumentError::new("claims", "each must be the name of a claim"));
        }
        Ok(Self {
            name: named("name", ProviderName::parse(&document.name))?,
            jwks_uri: config.jwks_uri,
            issuer: config.issuer,
            audiences,
            algorithms: config.algorithms.unwrap_or_default(),
            claims: ClaimNames {
                unique_id: given.unique_id.unwrap_or(defaults.unique_id),
                email: given.email.unwrap_or(defaults.email),
                virtual_account: given.virtual_account,
                teams: given.teams,
            },
            external_identities: document.external_identities,
        })
    }
}

impl TryFrom<ExternalIdentityDocument> for ExternalIdentity {
    type Error = DocumentError;

    fn try_from(document: ExternalIdentityDocument) -> Result<Self, DocumentError> {
        let mut claims = BTreeMap::new();
        for (path, value) in document.claims {
            let values = condition_values(&value).filter(|_| !path.is_empty()).ok_or_else(|| {
                let message = format!("the condition on `{path}` must be a value or a list of values");
                DocumentError::new("claims", message)
            })?;
            claims.insert(path, values);
        }
        Ok(Self {
            name: named("name", ExternalIdentityName::parse(&document.name))?,
            identity_provider: named("identity_provider", ProviderName::parse(&document.identity_provider))?,
            claims,
        })
    }
}

impl TryFrom<RoleDocument> for Role {
    type Error = DocumentError;

    fn try_from(document: RoleDocument) -> Result<Self, DocumentError> {
        if document.actions.is_empty() {
            return Err(DocumentError::new("actions", "a role needs at least one action"));
        }
        let is_every = document.actions.iter().any(|action| action == EVERY_ACTION);
        let these = || RoleActions::These(document.actions.into_iter().collect());
        Ok(Self {
            name: named("name", RoleName::parse(&document.name))?,
            resource_type: document.resource_type,
            actions: if is_every { RoleActions::Every } else { these() },
        })
    }
}

/// A fact as a document.
pub fn document_of(fact: &Fact) -> Document {
    match fact.clone() {
        Fact::IdentityProvider(provider) => Document::IdentityProvider(ProviderDocument {
            name: provider.name.into(),
            config: ProviderConfigDocument {
                jwks_uri: provider.jwks_uri,
                issuer: provider.issuer,
                audience: match <[String; 1]>::try_from(provider.audiences) {
                    Ok([one]) => Some(OneOrMany::One(one)),
                    Err(many) => (!many.is_empty()).then_some(OneOrMany::Many(many)),
                },
                algorithms: Some(provider.algorithms).filter(|algorithms| !algorithms.is_empty()),
            },
            claims: ClaimNamesDocument {
                unique_id: Some(provider.claims.unique_id),
                email: Some(provider.claims.email),
                virtual_account: provider.claims.virtual_account,
                teams: provider.claims.teams,
            },
            external_identities: provider.external_identities,
        }),
        Fact::ExternalIdentity(identity) => Document::ExternalIdentity(ExternalIdentityDocument {
            name: identity.name.into(),
            identity_provider: identity.identity_provider.into(),
            claims: identity.claims.into_iter().map(|(path, values)| (path, shortest(values))).collect(),
        }),
        Fact::User(user) => Document::User(UserDocument { email: user.email.into(), active: user.active }),
        Fact::Team(team) => Document::Team(TeamDocument {
            name: team.name.into(),
            members: team.members.into_iter().map(Into::into).collect(),
            managers: team.managers.into_iter().map(Into::into).collect(),
            identity_provider_mapping: mapping_documents(team.mappings),
        }),
        Fact::VirtualAccount(account) => Document::VirtualAccount(VirtualAccountDocument {
            name: account.name.into(),
            identity_provider_mapping: mapping_documents(account.mappings),
        }),
        Fact::Role(role) => Document::Role(RoleDocument {
            name: role.name.into(),
            resource_type: role.resource_type,
            actions: match role.actions {
                RoleActions::Every => vec![EVERY_ACTION.to_owned()],
                RoleActions::These(actions) => actions.into_iter().collect(),
            },
        }),
        Fact::Resource(resource) => Document::Resource(ResourceDocument {
            resource: resource_id(&resource.entity),
            parents: resource.parents.iter().map(resource_id).collect(),
            attributes: resource.attributes.into_iter().collect(),
        }),
        Fact::Collaborator(grant) => Document::Collaborator(CollaboratorDocument {
            resource: resource_id(&grant.resource),
            subject: shown_subject(&grant.subject),
            role: grant.role.into(),
        }),
    }
}

/// `Type::id`, or Cedar's spelling where the short one would be read as another entity.
pub fn resource_id(entity: &EntityRef) -> String {
    let short = format!("{}::{}", entity.entity_type, entity.id);
    let is_plain = EntityRef::parse_short(&short).as_ref() == Some(entity);
    if is_plain && read_resource(&short).as_ref() == Some(entity) { short } else { entity.to_string() }
}

/// `Type:name`.
pub fn role_id(role: &Role) -> String {
    format!("{}:{}", role.resource_type, role.name)
}

/// `team:ml`
pub fn shown_subject(subject: &Subject) -> String {
    match subject {
        Subject::User(email) => format!("user:{email}"),
        Subject::Team(name) => format!("team:{name}"),
        Subject::VirtualAccount(name) => format!("virtual-account:{name}"),
        Subject::ExternalIdentity(name) => format!("external-identity:{name}"),
    }
}

/// Reads `team:ml`.
///
/// # Errors
/// What to write instead.
pub fn read_subject(text: &str) -> Result<Subject, String> {
    let forms = "`user:EMAIL`, `team:NAME`, `virtual-account:NAME` or `external-identity:NAME`";
    let Some((kind, name)) = text.split_once(':') else {
        return Err(format!("`{text}` is not a subject: write {forms}"));
    };
    let subject = match kind {
        "user" => Email::parse(name).map(Subject::User),
        "team" => TeamName::parse(name).map(Subject::Team),
        "virtual-account" => VirtualAccountName::parse(name).map(Subject::VirtualAccount),
        "external-identity" => ExternalIdentityName::parse(name).map(Subject::ExternalIdentity),
        other => return Err(format!("`{other}` is not a kind of subject: write {forms}")),
    };
    subject.map_err(|error| error.to_string())
}

fn named<T>(field: &str, parsed: Result<T, NameError>) -> Result<T, DocumentError> {
    parsed.map_err(|error| DocumentError::new(field, error.to_string()))
}

fn emails(field: &str, given: &[String]) -> Result<BTreeSet<Email>, DocumentError> {
    given.iter().map(|email| named(field, Email::parse(email))).collect()
}

fn entity(field: &str, text: &str) -> Result<EntityRef, DocumentError> {
    read_resource(text).ok_or_else(|| DocumentError::new(field, format!("`{text}` is not an entity: write `Type::id`")))
}

/// Cedar's spelling wherever it is one: `Box::lid::"x"` is no `Box`.
fn read_resource(text: &str) -> Option<EntityRef> {
    read_uid(text).map(|uid| entity_ref(&uid)).or_else(|| read_entity(text))
}

fn mappings(given: Vec<MappingDocument>) -> Result<BTreeSet<TeamMapping>, DocumentError> {
    let field = "identity_provider_mapping";
    let mapping = |mapping: MappingDocument| {
        if mapping.value.is_empty() {
            return Err(DocumentError::new(field, "a mapped value may not be empty"));
        }
        let identity_provider = named(field, ProviderName::parse(&mapping.identity_provider))?;
        Ok(TeamMapping { identity_provider, value: mapping.value })
    };
    given.into_iter().map(mapping).collect()
}

fn mapping_documents(mappings: BTreeSet<TeamMapping>) -> Vec<MappingDocument> {
    let document = |mapping: TeamMapping| MappingDocument {
        identity_provider: mapping.identity_provider.into(),
        value: mapping.value,
    };
    mappings.into_iter().map(document).collect()
}

/// A condition as people write it: a single value by itself.
fn shortest(values: BTreeSet<String>) -> Value {
    let mut values: Vec<Value> = values.into_iter().map(Value::from).collect();
    if values.len() == 1 { values.remove(0) } else { values.into() }
}

/// Written in a role's actions, stands for all of them.
const EVERY_ACTION: &str = "*";

#[cfg(test)]
mod properties;

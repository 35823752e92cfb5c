//! Documents in, facts out: names that are names, values that are values, or which field is wrong.

use std::collections::BTreeSet;

use serde_json::Value;

use super::naming::read_subject;
use super::{Document, EVERY_ACTION, ExternalIdentityDocument, MappingDocument, RoleDocument};
use crate::compile::sorted;
use crate::directory::fact::{Fact, Kind};
use crate::manifest::{DocumentError, bounded, conditions, named, read_entity};
use crate::model::bounds::{self, check_count};
use crate::model::facts::RoleActions;
use crate::model::{
    Collaborator, Email, EntityRef, ExternalIdentity, ExternalIdentityName, ProviderName, Resource, Role, RoleName,
    Subject, Team, TeamMapping, TeamName, Token, TokenId, TokenOwner, User, VirtualAccount, VirtualAccountName,
};
use crate::strict_json;

/// Reads a document of a kind, without its `type`, as a fact.
///
/// # Errors
/// The first field that is wrong.
pub fn read_document(kind: Kind, value: Value) -> Result<Fact, DocumentError> {
    let Value::Object(mut members) = value else {
        return Err(DocumentError::new("type", "the document must be an object"));
    };
    members.remove("type");
    let value = Value::Object(members);
    // Read by its kind, not by its `type`: only so is every struct in it an object and never a list by position.
    let document = match kind {
        Kind::IdentityProvider => strict_json::from_value_by_path(value).map(Document::IdentityProvider),
        Kind::ExternalIdentity => strict_json::from_value_by_path(value).map(Document::ExternalIdentity),
        Kind::User => strict_json::from_value_by_path(value).map(Document::User),
        Kind::Team => strict_json::from_value_by_path(value).map(Document::Team),
        Kind::VirtualAccount => strict_json::from_value_by_path(value).map(Document::VirtualAccount),
        Kind::Role => strict_json::from_value_by_path(value).map(Document::Role),
        Kind::Resource => strict_json::from_value_by_path(value).map(Document::Resource),
        Kind::Collaborator => strict_json::from_value_by_path(value).map(Document::Collaborator),
        Kind::Token => strict_json::from_value_by_path(value).map(Document::Token),
    };
    Fact::try_from(document.map_err(|(path, error)| {
        DocumentError::new(if path.is_empty() { kind.name() } else { &path }, error.to_string())
    })?)
}

impl TryFrom<Document> for Fact {
    type Error = DocumentError;

    fn try_from(document: Document) -> Result<Self, DocumentError> {
        Ok(match document {
            Document::IdentityProvider(document) => Self::IdentityProvider(Box::new((*document).try_into()?)),
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
            Document::Resource(document) => {
                bounded("parents", check_count("parents", document.parents.len(), bounds::MAX_PARENTS))?;
                Self::Resource(Resource {
                    entity: entity("resource", &document.resource)?,
                    parents: document
                        .parents
                        .iter()
                        .map(|parent| entity("parents", parent))
                        .collect::<Result<_, _>>()?,
                    attributes: document.attributes.into_iter().map(|(name, value)| (name, sorted(&value))).collect(),
                })
            }
            Document::Collaborator(document) => Self::Collaborator(Collaborator {
                resource: entity("resource", &document.resource)?,
                role: named("role", RoleName::parse(&document.role))?,
                subject: read_subject(&document.subject).map_err(|message| DocumentError::new("subject", message))?,
            }),
            Document::Token(document) => Self::Token(Token {
                id: named("token_id", TokenId::parse(&document.token_id))?,
                owner: match read_subject(&document.owner) {
                    Ok(Subject::User(email)) => TokenOwner::User(email),
                    Ok(Subject::VirtualAccount(name)) => TokenOwner::VirtualAccount(name),
                    _ => return Err(DocumentError::new("owner", "a token is a user's or a virtual account's")),
                },
                label: document.label,
                hash: document.hash,
                created_at: document.created_at,
                expires_at: document.expires_at,
                rotate_every: document.rotate_every,
                audience: document.audience,
                replaced_by: match document.replaced_by {
                    Some(id) => Some(named("replaced_by", TokenId::parse(&id))?),
                    None => None,
                },
            }),
        })
    }
}

impl TryFrom<ExternalIdentityDocument> for ExternalIdentity {
    type Error = DocumentError;

    fn try_from(document: ExternalIdentityDocument) -> Result<Self, DocumentError> {
        let claims = conditions("claims", document.claims.iter())?;
        bounded("claims", bounds::check_conditions(&claims))?;
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
        bounded("actions", check_count("actions", document.actions.len(), bounds::MAX_ROLE_ACTIONS))?;
        for action in &document.actions {
            bounded("actions", bounds::check_text("name of an action", action))?;
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

fn emails(field: &str, given: &[String]) -> Result<BTreeSet<Email>, DocumentError> {
    bounded(field, check_count("addresses", given.len(), bounds::MAX_TEAM_MEMBERS))?;
    given.iter().map(|email| named(field, Email::parse(email))).collect()
}

fn entity(field: &str, text: &str) -> Result<EntityRef, DocumentError> {
    read_entity(text).ok_or_else(|| DocumentError::new(field, format!("`{text}` is not an entity: write `Type::id`")))
}

fn mappings(given: Vec<MappingDocument>) -> Result<BTreeSet<TeamMapping>, DocumentError> {
    let field = "identity_provider_mapping";
    bounded(field, check_count("mappings", given.len(), bounds::MAX_MAPPINGS))?;
    let mapping = |mapping: MappingDocument| {
        if mapping.value.is_empty() {
            return Err(DocumentError::new(field, "a mapped value may not be empty"));
        }
        bounded(field, bounds::check_text("mapped value", &mapping.value))?;
        let identity_provider = named(field, ProviderName::parse(&mapping.identity_provider))?;
        Ok(TeamMapping { identity_provider, value: mapping.value })
    };
    given.into_iter().map(mapping).collect()
}

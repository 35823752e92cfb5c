//! The Cedar names that cedargate owns, in one place.
//!
//! Resource types and their actions belong to the schema files; nothing here or elsewhere in `src/` names one.

use cedar_policy::{EntityId, EntityTypeName, EntityUid, ParseErrors};

use crate::model::{EntityRef, ProviderName, Subject, TenantId};

pub const TENANT: &str = "Tenant";
pub const IDENTITY_PROVIDER: &str = "IdentityProvider";
pub const EXTERNAL_IDENTITY: &str = "ExternalIdentity";
pub const TEAM: &str = "Team";
pub const USER: &str = "User";
pub const VIRTUAL_ACCOUNT: &str = "VirtualAccount";
pub const EXTERNAL_SUBJECT: &str = "ExternalSubject";
pub const ACTION: &str = "Action";

/// The action by which a token's subject becomes a member of an external identity.
pub const ASSUME: &str = "assume";

/// The common type whose attributes are the typed claims; users declare their own.
pub const CLAIMS_TYPE: &str = "Claims";

/// The identity part of every schema, in Cedar's schema language.
pub const IDENTITY_SCHEMA: &str = include_str!("vocabulary/identity.cedarschema");

/// Entity types that only cedargate fills: a tenant's files may not declare resources of these.
pub const OWN_TYPES: [&str; 7] =
    [TENANT, IDENTITY_PROVIDER, EXTERNAL_IDENTITY, TEAM, USER, VIRTUAL_ACCOUNT, EXTERNAL_SUBJECT];

/// The tenant as an entity.
pub fn tenant(tenant: &TenantId) -> EntityRef {
    EntityRef::new(TENANT, tenant.as_str())
}

/// The id of someone known only by a token: two issuers with the same subject never meet, since a
/// provider's name holds no `|`.
pub fn external_subject(provider: &ProviderName, unique_id: &str) -> EntityRef {
    EntityRef::new(EXTERNAL_SUBJECT, format!("{provider}|{unique_id}"))
}

/// The entity that stands for a subject of a grant.
pub fn subject(subject: &Subject) -> EntityRef {
    match subject {
        Subject::User(email) => EntityRef::new(USER, email.as_str()),
        Subject::Team(name) => EntityRef::new(TEAM, name.as_str()),
        Subject::VirtualAccount(name) => EntityRef::new(VIRTUAL_ACCOUNT, name.as_str()),
        Subject::ExternalIdentity(name) => EntityRef::new(EXTERNAL_IDENTITY, name.as_str()),
    }
}

/// A reference as Cedar's uid.
///
/// # Errors
/// When the type is not a Cedar type name.
pub fn uid(entity: &EntityRef) -> Result<EntityUid, Box<ParseErrors>> {
    let kind = entity.entity_type.parse::<EntityTypeName>().map_err(Box::new)?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(&entity.id)))
}

/// Cedar's uid as a reference.
pub fn entity_ref(uid: &EntityUid) -> EntityRef {
    EntityRef::new(uid.type_name().to_string(), uid.id().unescaped())
}

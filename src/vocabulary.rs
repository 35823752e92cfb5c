//! The Cedar names that cedargate owns, in one place.
//!
//! Resource types and their actions belong to the schema files; nothing here or elsewhere in `src/` names one.

use cedar_policy::{EntityId, EntityTypeName, EntityUid, ParseErrors};
use cedar_policy_core::parser::unescape::to_unescaped_string;

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

/// The actions by which Cedar decides who may look at the directory and who may change what.
pub const VIEW_DIRECTORY: &str = "viewDirectory";
pub const MANAGE_IDENTITIES: &str = "manageIdentities";
pub const MANAGE_MEMBERS: &str = "manageMembers";
pub const MANAGE_ROLES: &str = "manageRoles";
pub const MANAGE_COLLABORATORS: &str = "manageCollaborators";
pub const MANAGE_RESOURCES: &str = "manageResources";
pub const ADMINISTRATION: [&str; 6] =
    [VIEW_DIRECTORY, MANAGE_IDENTITIES, MANAGE_MEMBERS, MANAGE_ROLES, MANAGE_COLLABORATORS, MANAGE_RESOURCES];

/// Groups for actions of resource types: who may take one of them decides of the resource's collaborators or contents.
pub const COLLABORATOR_MANAGEMENT: &str = "collaboratorManagement";
pub const RESOURCE_MANAGEMENT: &str = "resourceManagement";

/// The common type whose attributes are the typed claims; users declare their own.
pub const CLAIMS_TYPE: &str = "Claims";

/// The identity part of every schema, in Cedar's schema language.
pub const IDENTITY_SCHEMA: &str = include_str!("vocabulary/identity.cedarschema");

/// Entity types that only cedargate fills: a tenant's files may not declare resources of these.
pub const OWN_TYPES: [&str; 7] =
    [TENANT, IDENTITY_PROVIDER, EXTERNAL_IDENTITY, TEAM, USER, VIRTUAL_ACCOUNT, EXTERNAL_SUBJECT];

/// The tag in which a principal holds the patterns that a claim matches. Tags that begin so are made of no claim.
pub fn derived_tag(path: &str) -> String {
    format!("{OWN_TAGS}match/{path}")
}

/// What the names of tags of our own begin with.
pub const OWN_TAGS: &str = "cedargate:";
/// What the names of tags that the directory says begin with.
pub const DIRECTORY_TAGS: &str = "directory/";

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

/// Reads `Type::"id"`. The id may be escaped as in a policy and need not be as Cedar's own printing escapes it
/// (`User::"o'brien@acme.com"` is what people and gateways write); around it there is no room for white space or a
/// comment, so that a text put together from parts cannot end early.
pub fn read_uid(text: &str) -> Option<EntityUid> {
    uid(&read_ref(text)?).ok()
}

/// An entity in either notation: Cedar's `Type::"id"`, or `Type::id`. Whether it is of a type that there is, is not asked.
pub fn read_entity(text: &str) -> Option<EntityRef> {
    read_ref(text).or_else(|| EntityRef::parse_short(text))
}

/// The same in Cedar's notation only.
pub fn read_ref(text: &str) -> Option<EntityRef> {
    let (path, quoted) = text.split_once('"')?;
    let (kind, id) = (path.strip_suffix("::")?, quoted.strip_suffix('"')?);
    if !id.bytes().any(|byte| matches!(byte, b'"' | b'\\')) {
        return Some(EntityRef::new(kind, id));
    }
    let mut is_escaped = false;
    for letter in id.chars() {
        if letter == '"' && !is_escaped {
            return None;
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    Some(EntityRef::new(kind, to_unescaped_string(id).ok()?.as_str()))
}

/// Cedar's uid as a reference.
pub fn entity_ref(uid: &EntityUid) -> EntityRef {
    EntityRef::new(uid.type_name().to_string(), uid.id().unescaped())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_entity_is_read_with_its_id_escaped_or_not() {
        let id = |text: &str| read_uid(text).map(|uid| entity_ref(&uid));
        let user = |id: &str| Some(EntityRef::new(USER, id));
        assert_eq!(id(r#"User::"o'brien@acme.com""#), user("o'brien@acme.com"));
        assert_eq!(id(r#"User::"o\'brien@acme.com""#), user("o'brien@acme.com"));
        assert_eq!(id(r#"User::"a\"b\\""#), user("a\"b\\"));
        assert_eq!(id(r#"User::"\u{1f332} is 🌲""#), user("🌲 is 🌲"));
        assert_eq!(id(r#"User::"x::"y""#), None);
        assert_eq!(id(r#"Acme::User::"x::y""#), Some(EntityRef::new("Acme::User", "x::y")));
    }

    #[test]
    fn nothing_stands_around_an_entity_and_its_id_ends_once() {
        for text in [
            "",
            "User",
            "User::",
            "User::x",
            r#"User::"x"#,
            r#"User::"x\""#,
            r#"User::"\q""#,
            r#"::"x""#,
            r#"User::"x" "#,
            r#" User::"x""#,
            r#"User ::"x""#,
            r#"User:: "x""#,
            "User::\"x\" // \"",
            r#"User::"x" || User::"y""#,
        ] {
            assert_eq!(read_uid(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(id in any::<String>()) {
            let entity = EntityRef::new(USER, id);
            prop_assert_eq!(read_uid(&entity.to_string()), uid(&entity).ok());
            prop_assert_eq!(read_uid(&uid(&entity).unwrap().to_string()).map(|uid| entity_ref(&uid)), Some(entity));
        }
    }
}

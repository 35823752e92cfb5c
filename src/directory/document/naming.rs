//! How facts are called in documents, answers and addresses.

use crate::directory::fact::{Fact, FactKey, Kind};
use crate::manifest::read_entity;
use crate::model::{Email, EntityRef, ExternalIdentityName, Subject, TeamName, VirtualAccountName};

/// The key that an address means; names that are none mean nothing.
pub fn read_key(kind: Kind, text: &str) -> Option<FactKey> {
    Some(match kind {
        Kind::User => FactKey::new(kind, Email::parse(text).ok()?.as_str()),
        Kind::Resource => FactKey::resource(&read_entity(text)?),
        _ => FactKey::new(kind, text),
    })
}

/// How answers and addresses call a fact.
pub fn shown_id(fact: &Fact) -> String {
    match fact {
        Fact::Resource(resource) => resource_id(&resource.entity),
        other => other.key().id,
    }
}

/// `Type::id`, or Cedar's spelling where the short one would be read as another entity.
pub fn resource_id(entity: &EntityRef) -> String {
    let short = format!("{}::{}", entity.entity_type, entity.id);
    let is_plain = EntityRef::parse_short(&short).as_ref() == Some(entity);
    if is_plain && read_entity(&short).as_ref() == Some(entity) { short } else { entity.to_string() }
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

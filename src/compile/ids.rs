//! The ids of compiled policies: readable, and never the same for two different things.

use std::fmt::Write;

use crate::model::{Collaborator, EntityRef, ExternalIdentityName, RoleName};
use crate::vocabulary;

/// `role/Model/viewer`
pub fn role(resource_type: &str, role: &RoleName) -> String {
    format!("role/{resource_type}/{role}")
}

/// `external-identity/partner-integration`
pub fn external_identity(name: &ExternalIdentityName) -> String {
    format!("external-identity/{name}")
}

/// `collaborator/Model/gpt-4o/viewer/Team/ml`
pub fn collaborator(grant: &Collaborator) -> String {
    collaborator_id(&grant.resource, grant.role.as_str(), &vocabulary::subject(&grant.subject))
}

/// The id of a grant of a role on a resource to a subject.
pub fn collaborator_id(resource: &EntityRef, role: &str, subject: &EntityRef) -> String {
    let (kind, id) = (&resource.entity_type, segment(&resource.id));
    format!("{COLLABORATOR}/{kind}/{id}/{role}/{}/{}", subject.entity_type, segment(&subject.id))
}

/// What the id of a grant says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantId {
    pub resource: EntityRef,
    pub role: String,
    pub subject: EntityRef,
}

impl GrantId {
    /// Reads an id as `collaborator_id` writes it.
    pub fn read(id: &str) -> Option<Self> {
        let parts: Vec<_> = id.split('/').collect();
        let [COLLABORATOR, resource_type, resource, role, subject_type, subject] = parts.as_slice() else {
            return None;
        };
        let read = Self {
            resource: EntityRef::new(*resource_type, unsegment(resource)?),
            role: (*role).to_owned(),
            subject: EntityRef::new(*subject_type, unsegment(subject)?),
        };
        (collaborator_id(&read.resource, &read.role, &read.subject) == id).then_some(read)
    }
}

const COLLABORATOR: &str = "collaborator";

/// An id as one segment. INVARIANT: injective, and free of `/`, so no two grants share an id.
fn segment(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for letter in id.chars() {
        if letter == '/' || letter == '%' || letter.is_control() {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(letter);
        }
    }
    out
}

fn unsegment(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, others) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = others;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Email, Subject};

    #[test]
    fn ids_with_separators_stay_apart() {
        let grant = |id: &str, role: &str| {
            collaborator(&Collaborator {
                resource: EntityRef::new("Model", id),
                role: RoleName::parse(role).unwrap(),
                subject: Subject::User(Email::parse("a@b").unwrap()),
            })
        };
        assert_eq!(grant("gpt-4o", "viewer"), "collaborator/Model/gpt-4o/viewer/User/a@b");
        assert_ne!(grant("x/viewer", "viewer"), grant("x", "viewer"));
        assert_eq!(grant("a/b%\n", "viewer"), "collaborator/Model/a%2Fb%25%0A/viewer/User/a@b");
    }

    #[test]
    fn an_id_says_what_it_is_the_id_of() {
        let (model, user) = (EntityRef::new("Acme::Model", "a/b%2F\u{1}é🦀"), EntityRef::new("User", "x y"));
        let id = collaborator_id(&model, "viewer", &user);
        assert_eq!(GrantId::read(&id), Some(GrantId { resource: model, role: "viewer".into(), subject: user }));
        for other in
            ["collaborator/Model/x/viewer/User", "collaborator/Model/%2f/viewer/User/x", "role/Model/viewer/a/b/c"]
        {
            assert_eq!(GrantId::read(other), None, "{other}");
        }
    }
}

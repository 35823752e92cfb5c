//! The ids of compiled policies: readable, and never the same for two different things.

use std::fmt::Write;

use crate::model::{Collaborator, ExternalIdentityName, RoleName};
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
    let subject = vocabulary::subject(&grant.subject);
    let resource = &grant.resource;
    let (kind, id) = (&resource.entity_type, segment(&resource.id));
    format!("collaborator/{kind}/{id}/{}/{}/{}", grant.role, subject.entity_type, segment(&subject.id))
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Email, EntityRef, Subject};

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
}

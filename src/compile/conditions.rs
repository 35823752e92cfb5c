//! An external identity becomes an assume policy: its provider and its claim conditions, for Cedar to evaluate
//! when a token is seen.

use super::ids;
use super::templates::quoted;
use crate::model::{DirectoryState, EntityRef, ExternalIdentity};
use crate::vocabulary::{ACTION, ASSUME, EXTERNAL_IDENTITY, EXTERNAL_SUBJECT, IDENTITY_PROVIDER};

/// The assume policies of all external identities, sorted by name.
pub fn assume_policies(state: &DirectoryState) -> Vec<String> {
    state.external_identities.values().map(assume_policy).collect()
}

fn assume_policy(identity: &ExternalIdentity) -> String {
    let id = quoted(&ids::external_identity(&identity.name));
    let action = EntityRef::new(ACTION, ASSUME);
    let resource = EntityRef::new(EXTERNAL_IDENTITY, identity.name.as_str());
    let provider = EntityRef::new(IDENTITY_PROVIDER, identity.identity_provider.as_str());
    let mut when = format!("principal.provider == {provider}");
    for (path, values) in &identity.claims {
        let tag = quoted(path);
        let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
        let test = match values.as_slice() {
            [one] => format!("contains({one})"),
            many => format!("containsAny([{}])", many.join(", ")),
        };
        when.push_str(&format!("\n       && principal.hasTag({tag}) && principal.getTag({tag}).{test}"));
    }
    format!(
        "@id({id})\npermit (principal is {EXTERNAL_SUBJECT}, action == {action}, resource == {resource})\n\
         when {{ {when} }};\n"
    )
}

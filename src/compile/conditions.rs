//! An external identity becomes an assume policy: its provider and its claim conditions, for Cedar to evaluate
//! when a token is seen.
//!
//! Cedar has no "some element is like": a pattern is looked up among the derived tags, in which a principal holds the
//! patterns of its provider that some element of its claim matches.

use super::ids;
use super::templates::quoted;
use crate::model::{Condition, DirectoryState, EntityRef, ExternalIdentity};
use crate::vocabulary::{ACTION, ASSUME, EXTERNAL_IDENTITY, EXTERNAL_SUBJECT, IDENTITY_PROVIDER, derived_tag};

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
    for (path, condition) in &identity.claims {
        when.push_str(&format!("\n       && {}", test(path, condition)));
    }
    format!(
        "@id({id})\npermit (principal is {EXTERNAL_SUBJECT}, action == {action}, resource == {resource})\n\
         when {{ {when} }};\n"
    )
}

/// A condition on a claim as Cedar, to stand in a conjunction.
fn test(path: &str, condition: &Condition) -> String {
    match condition {
        Condition::OneOf(texts) => {
            let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
            match texts.as_slice() {
                [one] => has(path, &format!("contains({one})")),
                many => has(path, &format!("containsAny([{}])", many.join(", "))),
            }
        }
        Condition::Like(pattern) => has(&derived_tag(path), &format!("contains({})", quoted(&pattern.label()))),
        Condition::Any(conditions) => format!("({})", joined(path, conditions, " || ")),
        Condition::All(conditions) => joined(path, conditions, " && "),
        Condition::Not(condition) => {
            let path_tag = quoted(path);
            format!("principal.hasTag({path_tag}) && !({})", test(path, condition))
        }
        Condition::Exists(true) => format!("principal.hasTag({})", quoted(path)),
        Condition::Exists(false) => format!("!principal.hasTag({})", quoted(path)),
    }
}

fn joined(path: &str, conditions: &[Condition], by: &str) -> String {
    conditions.iter().map(|condition| test(path, condition)).collect::<Vec<_>>().join(by)
}

fn has(tag: &str, test: &str) -> String {
    let tag = quoted(tag);
    format!("principal.hasTag({tag}) && principal.getTag({tag}).{test}")
}

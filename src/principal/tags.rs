//! Claims in, tags out: claim path → set of strings.
//!
//! The literal top-level name wins over a path. Below the top level, names are escaped as in a JSON pointer
//! (RFC 6901: `~` is `~0`, `/` is `~1`), so no claim can be named to reach another one's path.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::DroppedClaim;
use crate::authn::claims::SPACE_SEPARATED;
use crate::model::claim_text;
use crate::vocabulary::{DIRECTORY_TAGS, OWN_TAGS};

/// Tags by claim path.
pub type Tags = BTreeMap<String, BTreeSet<String>>;

/// The tags of a token's claims.
pub fn tags(claims: &Map<String, Value>) -> (Tags, Vec<DroppedClaim>) {
    let mut collected = Collected::default();
    // INVARIANT: the longest literal name comes first, and what stands is never replaced: of two claims that
    // arrive at one path, the one whose top-level name is the longer part of it wins, whatever their order.
    let mut names: Vec<_> = claims.iter().collect();
    names.sort_by(|left, right| right.0.len().cmp(&left.0.len()).then_with(|| left.0.cmp(right.0)));
    for (name, value) in names {
        let mut own = Collected::default();
        match value {
            Value::String(text) if SPACE_SEPARATED.contains(&name.as_str()) => {
                own.tags.insert(name.clone(), text.split_whitespace().map(str::to_owned).collect());
            }
            value => own.add(name.clone(), value),
        }
        collected.dropped.append(&mut own.dropped);
        for (path, values) in own.tags {
            if [OWN_TAGS, DIRECTORY_TAGS].iter().any(|reserved| path.starts_with(reserved)) {
                collected.drop(&path, "names that begin so are taken from no token");
                continue;
            }
            match collected.tags.entry(path) {
                Entry::Vacant(free) => {
                    free.insert(values);
                }
                Entry::Occupied(taken) => {
                    let claim = taken.key().clone();
                    collected.drop(&claim, "another claim's name is this path");
                }
            }
        }
    }
    (collected.tags, collected.dropped)
}

#[derive(Default)]
struct Collected {
    tags: Tags,
    dropped: Vec<DroppedClaim>,
}

impl Collected {
    fn add(&mut self, path: String, value: &Value) {
        match value {
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.tags.insert(path, claim_text(value).into_iter().collect());
            }
            Value::Array(elements) => {
                let texts: BTreeSet<_> = elements.iter().filter_map(claim_text).collect();
                if elements.iter().any(|element| element.is_array() || element.is_object()) {
                    self.drop(&path, "a list may hold only strings, numbers and booleans: other elements are left out");
                }
                self.tags.insert(path, texts);
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.add(format!("{path}/{}", escaped(name)), member);
                }
            }
        }
    }

    fn drop(&mut self, claim: &str, reason: &str) {
        self.dropped.push(DroppedClaim { claim: claim.to_owned(), reason: reason.to_owned() });
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

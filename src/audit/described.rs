//! Principals as the log describes them: a principal in, JSON out, put into words once while it goes on asking.
//!
//! A verified token makes one `Principal`, which all its questions share: to spell out its claims again for each of
//! them would be most of the log's work.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use cedar_policy::Entity;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::{DecisionRecord, Mask};
use crate::principal::Principal;

/// Describes principals, with what is masked hidden.
pub(super) struct Descriptions {
    mask: Mask,
    of_built: HashMap<Same, Box<RawValue>>,
}

/// A principal, equal to itself only. Kept, it has its address to itself.
struct Same(Arc<Principal>);

impl PartialEq for Same {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Same {}

impl Hash for Same {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Descriptions {
    pub(super) fn new(mask: Mask) -> Self {
        Self { mask, of_built: HashMap::new() }
    }

    /// The principal's uid with the attributes, tags and parents that it was decided with.
    pub(super) fn describe(&mut self, record: &DecisionRecord) -> Cow<'_, RawValue> {
        let principal = &record.principal;
        let Some(built) = &principal.entity else {
            // The directory's, which another snapshot may have otherwise.
            return Cow::Owned(describe(principal, record.known.as_ref(), &self.mask));
        };
        if self.of_built.len() >= MOST {
            self.of_built.clear();
        }
        let mask = &self.mask;
        let described = self.of_built.entry(Same(Arc::clone(principal)));
        Cow::Borrowed(described.or_insert_with(|| describe(principal, Some(&built.entity()), mask)))
    }
}

#[derive(Serialize)]
struct Described {
    uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parents: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Value>,
}

fn describe(principal: &Principal, entity: Option<&Entity>, mask: &Mask) -> Box<RawValue> {
    let mut built = entity.and_then(|entity| entity.to_json_value().ok()).unwrap_or_default();
    let mut member = |name| {
        let mut value = built.get_mut(name).map(Value::take);
        if let Some(Value::Object(members)) = &mut value {
            mask.hide(members);
            if let Some(Value::Object(claims)) = members.get_mut("claims") {
                mask.hide(claims);
            }
        }
        value
    };
    let described = Described {
        uid: principal.uid.to_string(),
        attributes: member("attrs"),
        parents: member("parents"),
        tags: member("tags"),
    };
    // Texts and JSON alone are always JSON again.
    to_raw_value(&described).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// How many are remembered; with more tokens than this at once, some are described again.
const MOST: usize = 1024;

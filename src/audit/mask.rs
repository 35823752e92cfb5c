//! Claims whose values are not written, by path.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The claims to hide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask(BTreeSet<String>);

impl Mask {
    pub fn of(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// Hides what is masked, also where a typed claim is an object of its own.
    pub(super) fn hide(&self, members: &mut Map<String, Value>) {
        if !self.0.is_empty() {
            self.hide_below(members, "");
        }
    }

    fn hide_below(&self, members: &mut Map<String, Value>, above: &str) {
        for (name, value) in members {
            let path = format!("{above}{name}");
            if self.covers(&path) {
                *value = Value::from(MASKED);
            } else if let Value::Object(inner) = value {
                self.hide_below(inner, &format!("{path}/"));
            }
        }
    }

    /// A claim path is masked by its own name and by the name of any object it lies in.
    fn covers(&self, path: &str) -> bool {
        let mut end = path.len();
        loop {
            let Some(prefix) = path.get(..end) else { return false };
            if self.0.contains(prefix) {
                return true;
            }
            match prefix.rfind('/') {
                Some(shorter) => end = shorter,
                None => return false,
            }
        }
    }
}

/// What is written instead of a masked value.
pub const MASKED: &str = "***";

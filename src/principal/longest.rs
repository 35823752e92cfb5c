//! The longest text that a principal carries: policies match it against patterns, which takes as long as it is.

use cedar_policy_core::ast::{Literal, PartialValue, Value, ValueKind};

use crate::snapshot::Supplied;

/// The longest text of a principal, and where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LongestText {
    /// As `claims.department`, or the tag's name.
    pub name: String,
    pub bytes: usize,
}

impl LongestText {
    pub(super) fn of(entity: &Supplied) -> Self {
        let entity = entity.core();
        let attributes = entity.attrs().map(|(name, value)| (name, in_partial(value)));
        let tags = entity.tags().map(|(name, value)| (name, in_partial(value)));
        let longest = attributes.chain(tags).max_by_key(|(_, bytes)| *bytes);
        longest.map_or_else(Self::default, |(name, bytes)| Self { name: name.to_string(), bytes })
    }
}

fn in_partial(value: &PartialValue) -> usize {
    match value {
        PartialValue::Value(value) => in_value(value),
        PartialValue::Residual(_) => 0,
    }
}

fn in_value(value: &Value) -> usize {
    match value.value_kind() {
        ValueKind::Lit(Literal::String(text)) => text.len(),
        ValueKind::Lit(_) | ValueKind::ExtensionValue(_) => 0,
        ValueKind::Set(elements) => elements.iter().map(in_value).max().unwrap_or(0),
        ValueKind::Record(members) => members.values().map(in_value).max().unwrap_or(0),
    }
}

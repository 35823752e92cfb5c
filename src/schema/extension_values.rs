//! Texts in, values of Cedar's extension types out.

use std::collections::HashMap;
use std::sync::LazyLock;

use cedar_policy_core::ast::{ExtensionFunction, PartialValue, Value};
use cedar_policy_core::extensions::Extensions;

use super::notations::cedar_notation;

/// A value of `ipaddr`, `decimal`, `datetime` or `duration`, if the text is that of one in any notation.
pub fn extension_value(type_name: &str, text: &str) -> Option<Value> {
    by_cedar(type_name, &cedar_notation(type_name, text))
}

/// The same of the notations that Cedar has.
pub(super) fn by_cedar(type_name: &str, text: &str) -> Option<Value> {
    match CONSTRUCTORS.get(type_name)?.call(&[text.into()]).ok()? {
        PartialValue::Value(value) => Some(value),
        PartialValue::Residual(_) => None,
    }
}

/// By the type that they make.
static CONSTRUCTORS: LazyLock<HashMap<&str, &ExtensionFunction>> = LazyLock::new(|| {
    let types = [("ipaddr", "ip"), ("decimal", "decimal"), ("datetime", "datetime"), ("duration", "duration")];
    let found = |(made, function): (&'static str, &str)| {
        Some((made, Extensions::all_available().func(&function.parse().ok()?).ok()?))
    };
    types.into_iter().filter_map(found).collect()
});

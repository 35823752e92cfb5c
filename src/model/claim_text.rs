//! How a claim's plain value reads as text: in tags, and in the conditions that are compared with them.

use serde_json::{Number, Value};

/// A string, boolean or number as text; a float that is a whole number is written as one.
pub fn claim_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(match whole(number) {
            Some(whole) => whole.to_string(),
            None => number.to_string(),
        }),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number as the integer it is, when it is one.
pub fn whole(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < LARGEST_EXACT_FLOAT)?;
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within 2^53")]
        Some(float as i64)
    })
}

/// Floats up to here are exact integers.
const LARGEST_EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

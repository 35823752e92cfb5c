//! The claims of a token: a JSON object within bounds, without duplicate names.
//!
//! In: bytes from a stranger, or an object from the command line. Out: `Claims`, looked up by claim path.
//! A value of this type has at most [`MAX_MEMBERS`] claims, [`MAX_VALUES`] values and [`MAX_DEPTH`] levels, so
//! whoever walks it may recurse.

mod strict;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::claim_text;

pub use strict::ClaimsError;
pub(super) use strict::parse_object;

/// Levels of nesting, the object itself counted as the first.
pub const MAX_DEPTH: usize = 16;
/// Members of the object itself.
pub const MAX_MEMBERS: usize = 256;
/// Values at every level together.
pub const MAX_VALUES: usize = 4096;

/// RFC 8693 §4.2: `scope` is a list separated by spaces; `scp` is Entra's and Okta's name for it.
pub const SPACE_SEPARATED: [&str; 2] = ["scope", "scp"];

/// A token's claims.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// Reads a payload.
    ///
    /// # Errors
    /// When it is not a JSON object, says a member twice, or is over a bound.
    pub fn parse(json: &[u8]) -> Result<Self, ClaimsError> {
        parse_object(json).map(Self)
    }

    /// Takes claims that are JSON already, within the same bounds.
    ///
    /// # Errors
    /// When they are over a bound.
    pub fn from_map(map: Map<String, Value>) -> Result<Self, ClaimsError> {
        strict::check_bounds(&map)?;
        Ok(Self(map))
    }

    /// The value at a claim path: a claim of exactly this name, else the claim whose name is the longest beginning
    /// of the path, and from there through nested objects (`realm_access/roles`). Below the top level a name's `/`
    /// is written `~1` and its `~` as `~0`. `null` is a value here; callers decide what it means.
    pub fn get(&self, path: &str) -> Option<&Value> {
        if let Some(literal) = self.0.get(path) {
            return Some(literal);
        }
        path.rmatch_indices('/').find_map(|(at, _)| {
            let top = self.0.get(path.get(..at)?)?;
            let below = path.get(at + 1..)?.split('/').map(|name| name.replace("~1", "/").replace("~0", "~"));
            below.into_iter().try_fold(top, |value, name| value.as_object()?.get(&name))
        })
    }

    /// What conditions see of a claim: its texts. `None` where there is none, or it is an object.
    pub fn texts(&self, path: &str) -> Option<BTreeSet<String>> {
        match self.get(path)? {
            Value::Null | Value::Object(_) => None,
            Value::String(text) if SPACE_SEPARATED.contains(&path) => {
                Some(text.split_whitespace().map(str::to_owned).collect())
            }
            Value::Array(elements) => Some(elements.iter().filter_map(claim_text).collect()),
            single => Some(claim_text(single).into_iter().collect()),
        }
    }

    /// Every top-level claim, in the token's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

/// A point in time as tokens give it: seconds since the epoch, with a fraction if the issuer sends one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NumericDate {
    milliseconds: i64,
}

impl NumericDate {
    /// Reads an integer or a float; strings, other types, and times no float can tell apart are `None`.
    pub fn read(value: &Value) -> Option<Self> {
        let number = value.as_number()?;
        if let Some(seconds) = number.as_i64() {
            return Self::of_seconds(seconds);
        }
        let seconds = number.as_f64().filter(|seconds| seconds.abs() <= LARGEST_EXACT as f64)?;
        Some(Self { milliseconds: (seconds * 1000.0).round() as i64 })
    }

    /// Whole seconds since the epoch; `None` for times that no float can tell apart.
    pub fn of_seconds(seconds: i64) -> Option<Self> {
        let in_range = (-LARGEST_EXACT..=LARGEST_EXACT).contains(&seconds);
        in_range.then_some(Self { milliseconds: seconds.saturating_mul(1000) })
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.milliseconds.div_euclid(1000)
    }

    pub fn milliseconds(self) -> i64 {
        self.milliseconds
    }
}

/// 2^53: beyond it a float no longer tells one second from the next.
const LARGEST_EXACT: i64 = 1 << 53;

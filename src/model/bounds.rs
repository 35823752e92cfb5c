//! How much of each thing a directory holds: checked at every door, by HTTP and in manifests alike.
//!
//! In: a thing's texts and lists. Out: nothing, or which bound it is over. Whatever is compiled from a fact is read by
//! the loader of every server, so one tenant's facts must never be more than a loader bears.

use super::condition::Conditions;

/// The most conditions of an external identity.
pub const MAX_CONDITIONS: usize = 256;
/// The most values of one condition.
pub const MAX_CONDITION_VALUES: usize = 1_024;
/// The longest claim path, condition value, mapped value or resource id, in bytes.
pub const MAX_TEXT_BYTES: usize = 1_024;
/// The most members of a team, and the most managers.
pub const MAX_TEAM_MEMBERS: usize = 100_000;
/// The most actions of a role.
pub const MAX_ROLE_ACTIONS: usize = 1_024;
/// The most mappings of a team or a virtual account.
pub const MAX_MAPPINGS: usize = 1_024;
/// The most parents of a resource.
pub const MAX_PARENTS: usize = 256;

/// Over a bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundError {
    #[error("more than {limit} {what}")]
    TooMany { what: &'static str, limit: usize },
    #[error("a {what} is longer than {limit} bytes")]
    TooLong { what: &'static str, limit: usize },
}

/// Conditions of an external identity.
///
/// # Errors
/// When there are too many, or of one too many values, or a text is too long.
pub fn check_conditions(conditions: &Conditions) -> Result<(), BoundError> {
    check_count("conditions", conditions.len(), MAX_CONDITIONS)?;
    for (path, condition) in conditions {
        check_text("claim path", path)?;
        let texts = condition.texts();
        check_count("values of a condition", texts.len(), MAX_CONDITION_VALUES)?;
        texts.iter().try_for_each(|value| check_text("value of a condition", value))?;
    }
    check_count("patterns", conditions.values().map(|condition| condition.patterns().len()).sum(), MAX_CONDITIONS)
}

/// A number of things.
///
/// # Errors
/// When there are more than the limit.
pub fn check_count(what: &'static str, count: usize, limit: usize) -> Result<(), BoundError> {
    if count > limit { Err(BoundError::TooMany { what, limit }) } else { Ok(()) }
}

/// A text.
///
/// # Errors
/// When it is longer than `MAX_TEXT_BYTES`.
pub fn check_text(what: &'static str, text: &str) -> Result<(), BoundError> {
    if text.len() > MAX_TEXT_BYTES { Err(BoundError::TooLong { what, limit: MAX_TEXT_BYTES }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Condition;

    fn conditions(count: usize, values: usize, bytes: usize) -> Conditions {
        let values = Condition::OneOf((0..values).map(|value| format!("{value:0>bytes$}")).collect());
        (0..count).map(|path| (path.to_string(), values.clone())).collect()
    }

    #[test]
    fn what_is_at_its_bound_is_taken_and_what_is_over_it_is_not() {
        assert_eq!(check_conditions(&conditions(MAX_CONDITIONS, 2, 4)), Ok(()));
        assert_eq!(check_conditions(&conditions(1, MAX_CONDITION_VALUES, MAX_TEXT_BYTES)), Ok(()));
        let refused = |conditions| check_conditions(&conditions).unwrap_err().to_string();
        assert_eq!(refused(conditions(MAX_CONDITIONS + 1, 1, 1)), "more than 256 conditions");
        assert_eq!(refused(conditions(1, MAX_CONDITION_VALUES + 1, 1)), "more than 1024 values of a condition");
        assert_eq!(refused(conditions(1, 1, MAX_TEXT_BYTES + 1)), "a value of a condition is longer than 1024 bytes");
    }
}

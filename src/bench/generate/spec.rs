//! The size of a tenant to make, as written on the command line: `grants=1000,users=200,resources=100`.

use std::fmt;
use std::str::FromStr;

/// How much of everything, and which of the tenants of that size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    pub grants: usize,
    pub users: usize,
    pub resources: usize,
    pub teams: usize,
    pub seed: u64,
}

/// Why a text is not the size of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error("`{0}` is not `key=number`")]
    NotAPair(String),
    #[error("there is no key `{0}`: write grants=N,users=N,resources=N[,teams=N][,seed=N]")]
    UnknownKey(String),
    #[error("`{0}` is there twice")]
    Twice(String),
    #[error("`{0}` is missing: write grants=N,users=N,resources=N[,teams=N][,seed=N]")]
    Missing(&'static str),
    #[error("`{key}` must be a number from {least} to {most}, not `{text}`")]
    OutOfRange { key: &'static str, least: u64, most: u64, text: String },
    #[error("`grants` must be at most users × resources, here {most}")]
    TooManyGrants { most: usize },
}

/// A key, and the least and the most that it may be.
type Range = (&'static str, u64, u64);

const GRANTS: Range = ("grants", 0, 10_000_000);
const USERS: Range = ("users", 1, 5_000_000);
/// One of each type at least.
const RESOURCES: Range = ("resources", 5, 5_000_000);
const TEAMS: Range = ("teams", 1, 500_000);
const SEED: Range = ("seed", 0, u64::MAX);
const USERS_PER_TEAM: usize = 50;

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let mut found: [(Range, Option<u64>); 5] = [GRANTS, USERS, RESOURCES, TEAMS, SEED].map(|range| (range, None));
        for pair in text.split(',') {
            let (name, value) = pair.trim().split_once('=').ok_or_else(|| SpecError::NotAPair(pair.to_owned()))?;
            let slot = found.iter_mut().find(|((key, ..), _)| *key == name);
            let (range, slot) = slot.ok_or_else(|| SpecError::UnknownKey(name.to_owned()))?;
            if slot.replace(number(*range, value)?).is_some() {
                return Err(SpecError::Twice(name.to_owned()));
            }
        }
        let [grants, users, resources, teams, seed] = found.map(|((key, ..), value)| value.ok_or(key));
        let size = |value: Result<u64, &'static str>| {
            value.map_err(SpecError::Missing).map(|value| usize::try_from(value).unwrap_or(usize::MAX))
        };
        let (grants, users, resources) = (size(grants)?, size(users)?, size(resources)?);
        let most = users.saturating_mul(resources);
        if grants > most {
            return Err(SpecError::TooManyGrants { most });
        }
        let teams = size(teams).unwrap_or((users / USERS_PER_TEAM).max(1));
        Ok(Self { grants, users, resources, teams, seed: seed.unwrap_or(1) })
    }
}

fn number((key, least, most): Range, text: &str) -> Result<u64, SpecError> {
    // `1_000_000` is easier to read than `1000000`.
    let value = text.replace('_', "").parse().ok().filter(|value| (least..=most).contains(value));
    value.ok_or_else(|| SpecError::OutOfRange { key, least, most, text: text.to_owned() })
}

impl fmt::Display for Spec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { grants, users, resources, teams, seed } = self;
        write!(out, "grants={grants},users={users},resources={resources},teams={teams},seed={seed}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Result<Spec, SpecError> {
        text.parse()
    }

    #[test]
    fn a_size_is_read_and_written() {
        let read = spec("grants=1_000, users=200,resources=100").unwrap();
        assert_eq!(read, Spec { grants: 1000, users: 200, resources: 100, teams: 4, seed: 1 });
        assert_eq!(spec(&read.to_string()).unwrap(), read);
        let all = spec("seed=7,teams=3,resources=5,users=10,grants=0").unwrap();
        assert_eq!(all, Spec { grants: 0, users: 10, resources: 5, teams: 3, seed: 7 });
        assert_eq!(spec("grants=1,users=1,resources=5").unwrap().teams, 1);
    }

    #[test]
    fn what_is_no_size_is_refused_with_what_to_write() {
        for (text, expected) in [
            ("", "`` is not `key=number`"),
            ("grants", "`grants` is not `key=number`"),
            ("grants=1,", "`` is not `key=number`"),
            ("grant=1", "there is no key `grant`: write grants=N,users=N,resources=N[,teams=N][,seed=N]"),
            ("grants=1,grants=1", "`grants` is there twice"),
            ("grants=1,users=1", "`resources` is missing: write grants=N,users=N,resources=N[,teams=N][,seed=N]"),
            ("grants=-1,users=1,resources=5", "`grants` must be a number from 0 to 10000000, not `-1`"),
            ("grants=1,users=0,resources=5", "`users` must be a number from 1 to 5000000, not `0`"),
            ("grants=1,users=1,resources=4", "`resources` must be a number from 5 to 5000000, not `4`"),
            ("grants=1,users=1,resources=9,teams=0", "`teams` must be a number from 1 to 500000, not `0`"),
            ("grants=51,users=10,resources=5", "`grants` must be at most users × resources, here 50"),
        ] {
            assert_eq!(spec(text).unwrap_err().to_string(), expected, "{text}");
        }
    }
}

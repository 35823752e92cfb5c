//! Names as newtypes: parsed once at the door, opaque after, compared as exact bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a {what} may not be empty")]
    Empty { what: &'static str },
    #[error("`{name}` is longer than {limit} bytes, too long for a {what}")]
    TooLong { what: &'static str, name: String, limit: usize },
    #[error("`{name}` is not a {what}: use letters, digits and hyphens, starting with a letter or digit")]
    Characters { what: &'static str, name: String },
    #[error("`{name}` is not an email address")]
    NotAnEmail { name: String },
    #[error("`{name}` is reserved and cannot be a {what}")]
    Reserved { what: &'static str, name: String },
}

/// The longest name or id that is taken, in bytes.
pub const MAX_NAME_BYTES: usize = 255;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $parse:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// # Errors
            /// When the text is not a name of this kind.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                $parse($what, text).map(Self)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{:?}", self.0)
            }
        }
    };
}

name!(
    /// A tenant: the name of its folder and the id of its `Tenant` entity.
    TenantId, "tenant", tenant
);
name!(
    /// An identity provider, unique in its tenant.
    ProviderName, "identity provider name", hyphenated
);
name!(
    /// An external identity, unique in its tenant.
    ExternalIdentityName, "external identity name", hyphenated
);
name!(
    /// A team, unique in its tenant.
    TeamName, "team name", hyphenated
);
name!(
    /// A virtual account, unique in its tenant.
    VirtualAccountName, "virtual account name", hyphenated
);
name!(
    /// A token of our own, unique anywhere.
    TokenId, "token id", hyphenated
);
name!(
    /// A role, unique for its resource type in its tenant.
    RoleName, "role name", hyphenated
);
name!(
    /// A user's email, lower-cased: the id of its `User` entity.
    Email, "email", email
);

fn hyphenated(what: &'static str, text: &str) -> Result<String, NameError> {
    bounded(what, text)?;
    let characters_fit = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !characters_fit || text.starts_with('-') {
        return Err(NameError::Characters { what, name: text.to_owned() });
    }
    Ok(text.to_owned())
}

fn tenant(what: &'static str, text: &str) -> Result<String, NameError> {
    let name = hyphenated(what, text)?;
    if name == PLATFORM {
        return Err(NameError::Reserved { what, name });
    }
    Ok(name)
}

/// The folder whose policies bind every tenant; no tenant may be called so.
pub const PLATFORM: &str = "platform";

fn email(what: &'static str, text: &str) -> Result<String, NameError> {
    bounded(what, text)?;
    // ASCII only: folding more would make one address of two.
    let lower = text.to_ascii_lowercase();
    let mut halves = lower.splitn(2, '@');
    let fits = matches!((halves.next(), halves.next()), (Some(local), Some(domain))
        if !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
        && !lower.chars().any(|letter| letter.is_whitespace() || letter.is_control());
    if fits { Ok(lower) } else { Err(NameError::NotAnEmail { name: text.to_owned() }) }
}

fn bounded(what: &'static str, text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    if text.len() > MAX_NAME_BYTES {
        let name = text.chars().take(40).collect();
        return Err(NameError::TooLong { what, name, limit: MAX_NAME_BYTES });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_are_lower_cased_at_the_door() {
        assert_eq!(Email::parse("Jane@ACME.com").unwrap().as_str(), "jane@acme.com");
        assert!(Email::parse("jane").is_err());
        assert!(Email::parse("a@b@c").is_err());
    }

    #[test]
    fn names_refuse_what_could_be_a_path_or_a_separator() {
        for bad in ["", "..", "a/b", "a|b", "a b", "-a", "é"] {
            assert!(TeamName::parse(bad).is_err(), "{bad}");
        }
        assert!(TenantId::parse("platform").is_err());
    }

    #[test]
    fn names_compare_as_exact_bytes() {
        assert_ne!(TeamName::parse("ML").unwrap(), TeamName::parse("ml").unwrap());
    }
}

//! A trusted token issuer: where its keys are, which of its tokens are taken, and what they say of people.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};

use super::condition::Conditions;
use super::facts::SigningAlgorithm;
use super::ids::ProviderName;

/// A trusted token issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityProvider {
    pub name: ProviderName,
    pub jwks_uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// A token must be for one of these; empty means that the audience is not checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Signatures that are accepted; empty means every asymmetric one we know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<SigningAlgorithm>,
    #[serde(default, skip_serializing_if = "TokenRules::is_default")]
    pub tokens: TokenRules,
    #[serde(default)]
    pub claims: ClaimNames,
    #[serde(default, skip_serializing_if = "EmailRule::is_default")]
    pub email: EmailRule,
    /// How its tokens find users; by either way where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<UsersBy>,
    #[serde(default)]
    pub external_identities: MatchMode,
}

impl IdentityProvider {
    /// A provider with nothing but its name and its keys.
    pub fn of(name: ProviderName, jwks_uri: impl Into<String>) -> Self {
        Self {
            name,
            jwks_uri: jwks_uri.into(),
            issuer: None,
            audiences: Vec::new(),
            algorithms: Vec::new(),
            tokens: TokenRules::default(),
            claims: ClaimNames::default(),
            email: EmailRule::default(),
            users: None,
            external_identities: MatchMode::All,
        }
    }
}

/// Which of an issuer's tokens are taken as bearer tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenRules {
    /// Values of the header's `typ` that are taken, in lower case and without `application/`. Empty: `jwt`, `at+jwt`.
    /// A token without `typ` counts as `jwt`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    pub kind: TokenKind,
    /// What every token must have.
    #[serde(skip_serializing_if = "Conditions::is_empty")]
    pub required_claims: Conditions,
    /// The claims that may hold the audience: the first that is there counts. Empty: `aud`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audience_claims: Vec<String>,
    /// Clients whose tokens are taken; empty means any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorized_parties: Vec<String>,
    /// Seconds from `iat` to `exp` at the most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<u32>,
    /// Seconds since `iat` at the most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
}

impl TokenRules {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a token is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    #[default]
    Any,
    Access,
    Id,
}

/// Where a provider's tokens keep what we need. Each is a claim path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimNames {
    /// The first that is there counts; never empty.
    #[serde(deserialize_with = "one_or_many")]
    pub unique_id: Vec<String>,
    pub email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teams: Option<String>,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self { unique_id: vec!["sub".into()], email: "email".into(), virtual_account: None, teams: None }
    }
}

/// Bundles of before name one claim, and not a list.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::One(one) => vec![one],
        Given::Many(many) => many,
    })
}

/// When the address in a token is its subject's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmailRule {
    /// Where left out, it depends on the issuer: see [`IdentityProvider::email_trust`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<EmailTrust>,
    /// Domains whose addresses count, in lower case; empty means any.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub domains: BTreeSet<String>,
    /// The claim that says that the address was verified; `email_verified` or Entra's `xms_edov` where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_claim: Option<String>,
}

impl EmailRule {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// When an address counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmailTrust {
    /// The token says that it was verified.
    Verified,
    /// The token does not say that it was not verified.
    AlwaysUnlessDenied,
    Always,
    /// It is of one of the listed domains, and the token does not say that it was not verified.
    Domains,
    Never,
}

/// Which of the external identities that match a token count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatchMode {
    #[default]
    All,
    /// Only those with the most conditions; ties all count.
    MostSpecific,
}

/// How a provider's tokens find users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UsersBy {
    /// Never by an address.
    Subject,
    /// By the address too.
    Either,
    /// By the address.
    Address,
}

impl UsersBy {
    pub fn by_address(self) -> bool {
        matches!(self, Self::Either | Self::Address)
    }
}

impl IdentityProvider {
    /// When an address in its tokens counts. An issuer of one's own says so by itself; where anyone may have an account,
    /// or any issuer is taken, only an address that the token calls verified does.
    pub fn email_trust(&self) -> EmailTrust {
        self.email.trust.unwrap_or(match self.is_open_to_anyone() {
            true => EmailTrust::Verified,
            false => EmailTrust::AlwaysUnlessDenied,
        })
    }

    /// Whether strangers can have its tokens: it takes any issuer, or one at which anyone may have an account.
    pub fn is_open_to_anyone(&self) -> bool {
        self.issuer.as_deref().is_none_or(is_public_issuer)
    }

    /// Whether its tokens may find users by an address, as far as it is for the provider to say.
    pub fn may_speak_addresses(&self) -> bool {
        self.users.is_none_or(UsersBy::by_address) && self.email_trust() != EmailTrust::Never
    }

    /// Whether that is written out, and not only left open.
    pub fn is_told_to_speak_addresses(&self) -> bool {
        self.users.is_some() && self.may_speak_addresses()
    }
}

/// Issuers at which anyone may have an account.
fn is_public_issuer(issuer: &str) -> bool {
    let without_slash = issuer.strip_suffix('/').unwrap_or(issuer);
    PUBLIC_ISSUERS.contains(&without_slash) || without_slash.starts_with(GITHUB_ACTIONS)
}

/// Google, Microsoft's personal accounts, Apple, GitLab.
const PUBLIC_ISSUERS: [&str; 5] = [
    "https://accounts.google.com",
    "accounts.google.com",
    "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
    "https://appleid.apple.com",
    "https://gitlab.com",
];
const GITHUB_ACTIONS: &str = "https://token.actions.githubusercontent.com";

/// The provider of a tenant whose tokens may find users by their address: of several, at most one.
pub fn speaker_of_addresses<'p>(providers: impl IntoIterator<Item = &'p IdentityProvider>) -> Speaker<'p> {
    let may: Vec<_> = providers.into_iter().filter(|provider| provider.may_speak_addresses()).collect();
    let named: Vec<_> = may.iter().copied().filter(|provider| provider.is_told_to_speak_addresses()).collect();
    match (named.as_slice(), may.as_slice()) {
        ([one], _) | ([], [one]) => Speaker::One(one),
        ([], []) => Speaker::Nobody,
        ([], several) | (several, _) => Speaker::TooMany(several.iter().map(|provider| &provider.name).collect()),
    }
}

/// Which provider of a tenant speaks the addresses of its users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speaker<'p> {
    One(&'p IdentityProvider),
    Nobody,
    /// None does, since several would.
    TooMany(Vec<&'p ProviderName>),
}

impl Speaker<'_> {
    pub fn is(&self, provider: &IdentityProvider) -> bool {
        matches!(self, Self::One(one) if one.name == provider.name)
    }

    /// What its author should know.
    pub fn warning(&self) -> Option<String> {
        let Self::TooMany(names) = self else { return None };
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        Some(format!(
            "no token finds a user by address: {} all could, and at most one may; write `users: either` at the one whose \
             addresses are right, or `users: subject` at all others",
            names.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(name: &str, issuer: Option<&str>, users: Option<UsersBy>) -> IdentityProvider {
        let mut provider = IdentityProvider::of(ProviderName::parse(name).unwrap(), "https://x/k");
        (provider.issuer, provider.users) = (issuer.map(str::to_owned), users);
        provider
    }

    #[test]
    fn strangers_addresses_must_be_verified() {
        for (issuer, expected) in [
            (Some("https://acme.okta.com"), EmailTrust::AlwaysUnlessDenied),
            (None, EmailTrust::Verified),
            (Some("https://accounts.google.com"), EmailTrust::Verified),
            (Some("https://gitlab.com/"), EmailTrust::Verified),
            (Some("https://gitlab.acme.com"), EmailTrust::AlwaysUnlessDenied),
            (Some("https://token.actions.githubusercontent.com"), EmailTrust::Verified),
            (Some("https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"), EmailTrust::Verified),
        ] {
            assert_eq!(provider("p", issuer, None).email_trust(), expected, "{issuer:?}");
        }
    }

    #[test]
    fn at_most_one_provider_speaks_addresses() {
        let (none, subject, either) = (None, Some(UsersBy::Subject), Some(UsersBy::Either));
        for (users, expected) in [
            (vec![none], Some("p0")),
            (vec![subject], None),
            (vec![none, none], None),
            (vec![none, subject], Some("p0")),
            (vec![none, either], Some("p1")),
            (vec![either, either, subject], None),
            (vec![], None),
        ] {
            let providers: Vec<_> = users
                .iter()
                .enumerate()
                .map(|(at, users)| provider(&format!("p{at}"), Some("https://i"), *users))
                .collect();
            let speaker = speaker_of_addresses(&providers);
            let speaks: Vec<_> = providers.iter().filter(|one| speaker.is(one)).map(|one| one.name.as_str()).collect();
            assert_eq!(speaks.first().copied(), expected, "{users:?}");
            assert_eq!(speaker.warning().is_some(), matches!(speaker, Speaker::TooMany(_)), "{users:?}");
        }
    }
}

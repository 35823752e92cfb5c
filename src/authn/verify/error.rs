//! Why a token is refused: for the caller a sentence and a slug, for the operator the facts.
//!
//! Messages never hold the token, and hold claims only where they name what to fix; those are cut short and
//! escaped, since whoever sent the token wrote them.

use crate::authn::algorithm;
use crate::authn::token::TokenError;
use crate::model::{ProviderName, SigningAlgorithm};

/// Why a token is not a [`VerifiedToken`](super::VerifiedToken).
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("a {what} is not a bearer token: send an access token or an ID token")]
    NotABearerToken { what: &'static str },
    #[error("the token is bound to a key by `cnf`: proofs of possession are not checked, so it cannot be taken")]
    Bound,
    #[error("the token has `act`, so somebody acts for its subject: no provider here lets anybody act for others")]
    Delegated,
    #[error("the token has no `iss` of type string, and every identity provider has an issuer")]
    IssuerMissing,
    #[error("no identity provider has the issuer {}", .issuer.as_deref().map_or("of the token".into(), |it| format!("`{it}`")))]
    UnknownProvider { issuer: Option<String> },
    #[error("provider `{provider}` does not accept tokens signed with {}", algorithm::name(*.algorithm))]
    AlgorithmNotAllowed { provider: ProviderName, algorithm: SigningAlgorithm },
    #[error("the keys of provider `{provider}` are not available: try again later")]
    KeysUnavailable { provider: ProviderName },
    #[error("the keys of provider `{provider}` cannot be had as it is configured: an administrator must correct it")]
    KeysMisconfigured { provider: ProviderName },
    #[error("provider `{provider}` has no key {}", .key_id.as_deref().map_or("that fits the token".into(), |it| format!("`{it}`")))]
    UnknownKey { provider: ProviderName, key_id: Option<String> },
    #[error("key `{key_id}` of provider `{provider}` is not for {}", algorithm::name(*.algorithm))]
    KeyAlgorithm { provider: ProviderName, key_id: String, algorithm: SigningAlgorithm },
    #[error("the token's signature is not by {} of provider `{provider}`", .key_id.as_deref().map_or("any key".into(), |it| format!("key `{it}`")))]
    Signature { provider: ProviderName, key_id: Option<String> },
    #[error("the token has no `exp`: tokens must expire")]
    ExpiryMissing,
    #[error("the token's `{claim}` is not a number of seconds since the epoch")]
    NotADate { claim: &'static str },
    #[error("the token expired at {expired_at}, {seconds_ago} seconds ago")]
    Expired { expired_at: i64, seconds_ago: i64 },
    #[error("the token is not valid before {not_before}, in {seconds} seconds")]
    NotYetValid { not_before: i64, seconds: i64 },
    #[error("the token's issuer is not that of provider `{provider}`: `{expected}`")]
    Issuer { provider: ProviderName, expected: String },
    #[error("the token's `aud` has none of the audiences of provider `{provider}`: {}", quoted(.expected))]
    Audience { provider: ProviderName, expected: Vec<String>, found: Vec<String> },
    #[error("the token's type is `{found}`; provider `{provider}` takes {}", quoted(.expected))]
    TokenType { provider: ProviderName, expected: Vec<String>, found: String },
    #[error("provider `{provider}` takes {expected} only: the token {found}")]
    Kind { provider: ProviderName, expected: &'static str, found: String },
    #[error("the token is for {}, none of the clients of provider `{provider}`", .found.as_deref().map_or("no client that it names".into(), |it| format!("the client `{it}`")))]
    AuthorizedParty { provider: ProviderName, found: Option<String> },
    #[error("the token's claim `{claim}` is not what provider `{provider}` requires")]
    RequiredClaim { provider: ProviderName, claim: String },
    #[error("the token has no `iat`, which the limits of provider `{provider}` need")]
    IssuedAtMissing { provider: ProviderName },
    #[error("the token is good for {seconds} seconds, longer than the {limit} that provider `{provider}` takes")]
    Lifetime { provider: ProviderName, seconds: i64, limit: u32 },
    #[error("the token was issued {seconds} seconds ago, longer than the {limit} that provider `{provider}` takes")]
    TooOld { provider: ProviderName, seconds: i64, limit: u32 },
    #[error("the token's claim `{claim}`, the unique id for provider `{provider}`, {problem}")]
    UniqueId { provider: ProviderName, claim: String, problem: UniqueIdProblem },
}

/// What is wrong with a unique id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UniqueIdProblem {
    #[error("is missing")]
    Missing,
    #[error("is empty")]
    Empty,
    #[error("is neither a string nor a whole number")]
    Type,
    #[error("is longer than {} bytes", super::checks::MAX_UNIQUE_ID_BYTES)]
    TooLong,
}

impl VerifyError {
    /// The problem's slug, as the HTTP surface and `token explain` name it.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::Token(TokenError::Algorithm { .. })
            | Self::AlgorithmNotAllowed { .. }
            | Self::KeyAlgorithm { .. } => "token-algorithm",
            Self::Token(_) | Self::NotADate { .. } => "token-malformed",
            Self::IssuerMissing | Self::Issuer { .. } => "token-issuer",
            Self::NotABearerToken { .. } | Self::TokenType { .. } | Self::Kind { .. } => "token-type",
            Self::Bound => "token-bound",
            Self::Delegated => "token-delegated",
            Self::AuthorizedParty { .. } | Self::RequiredClaim { .. } | Self::IssuedAtMissing { .. } => "token-claims",
            Self::Lifetime { .. } => "token-claims",
            Self::UnknownProvider { .. } => "token-unknown-provider",
            Self::KeysUnavailable { .. } => "keys-unavailable",
            Self::KeysMisconfigured { .. } => "keys-misconfigured",
            Self::UnknownKey { .. } | Self::Signature { .. } => "token-signature",
            Self::ExpiryMissing | Self::Expired { .. } | Self::TooOld { .. } => "token-expired",
            Self::NotYetValid { .. } => "token-not-yet-valid",
            Self::Audience { .. } => "token-audience",
            Self::UniqueId { .. } => "token-subject",
        }
    }

    /// Whether it is us who cannot tell: not the token is refused, the question may be asked again.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::KeysUnavailable { .. } | Self::KeysMisconfigured { .. })
    }

    /// How far the token came. Of several candidates' refusals the furthest is the one to report: it is about
    /// the provider whose token it most likely is. Keys that are missing outrank a signature that fails, since
    /// they might have verified it.
    pub(super) fn progress(&self) -> Progress {
        match self {
            Self::Token(_)
            | Self::NotABearerToken { .. }
            | Self::Bound
            | Self::Delegated
            | Self::IssuerMissing
            | Self::UnknownProvider { .. } => Progress::Unread,
            Self::AlgorithmNotAllowed { .. } => Progress::Algorithm,
            Self::UnknownKey { .. } => Progress::NoKey,
            Self::KeyAlgorithm { .. } => Progress::WrongKey,
            Self::Signature { .. } => Progress::Signature,
            Self::KeysUnavailable { .. } | Self::KeysMisconfigured { .. } => Progress::KeysUnavailable,
            Self::ExpiryMissing | Self::NotADate { .. } | Self::Expired { .. } | Self::NotYetValid { .. } => {
                Progress::Times
            }
            Self::Issuer { .. } => Progress::Issuer,
            Self::Audience { .. } => Progress::Audience,
            Self::TokenType { .. } | Self::Kind { .. } => Progress::Kind,
            Self::AuthorizedParty { .. } => Progress::AuthorizedParty,
            Self::IssuedAtMissing { .. } | Self::Lifetime { .. } | Self::TooOld { .. } => Progress::Age,
            Self::RequiredClaim { .. } => Progress::RequiredClaims,
            Self::UniqueId { .. } => Progress::UniqueId,
        }
    }

    /// Whether newer keys could change the answer: an issuer may also put another key in the place of one that is
    /// known, under its name.
    pub(super) fn may_lack_a_key(&self) -> bool {
        matches!(
            self,
            Self::UnknownKey { .. } | Self::KeyAlgorithm { .. } | Self::Signature { .. } | Self::KeysUnavailable { .. }
        ) || matches!(self, Self::KeysMisconfigured { .. })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Progress {
    Unread,
    Algorithm,
    NoKey,
    WrongKey,
    Signature,
    KeysUnavailable,
    Times,
    Issuer,
    Audience,
    Kind,
    AuthorizedParty,
    Age,
    RequiredClaims,
    UniqueId,
}

/// A stranger's text as messages may hold it: escaped, on one line, cut short.
pub fn shown(text: &str) -> String {
    let mut start: String = text.chars().take(SHOWN_CHARACTERS).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARACTERS).is_some() {
        start.push('…');
    }
    start
}

const SHOWN_CHARACTERS: usize = 120;

fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
}

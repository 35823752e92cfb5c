//! Tokens: a bearer token in, a [`VerifiedToken`] out, or why it is not one.
//!
//! Reading order: `token` takes a compact JWS apart, `issuer` picks the providers it may belong to, `keys` has
//! their keys at hand, `verify` checks everything and says which check failed. `mint` makes keys and tokens
//! for the demo and for tests. Nothing here knows Cedar, HTTP statuses or files; the only I/O is fetching keys.

pub mod algorithm;
pub mod claims;
pub mod issuer;
pub mod jwks;
pub mod keys;
mod known;
pub mod mint;
mod own_key;
pub mod token;
pub mod trace;
pub mod verify;

pub use claims::{Claims, ClaimsError, NumericDate};
pub use issuer::TrailingSlash;
pub use keys::{AllowedHosts, KeyRegistry, KeyStatus, Settings as KeySettings, shown_uri};
pub use known::{KnownTokens, Lookups, TokenDigest, digest_of};
pub use own_key::{KeyError, hash_key, is_of_our_form, is_whole, new_key};
pub use trace::{Check, Outcome, Step};
pub use verify::{TokenSettings, VerifiedToken, Verifier, VerifyError};

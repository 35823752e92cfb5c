//! What a node needs to tell people's sign-ins apart: tokens of our own by their hashes, and who is switched off.

use serde::{Deserialize, Serialize};

use crate::model::{DirectoryState, Email, EntityRef, TokenId, TokenOwner};
use crate::vocabulary;

/// A token of our own: by its hash, since nobody has the token but who holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRecord {
    pub id: TokenId,
    /// SHA-256 in hexadecimal.
    pub hash: String,
    pub owner: EntityRef,
    /// Seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// The tokens that count, sorted by id: those of a deactivated user do not.
pub fn token_records(state: &DirectoryState) -> Vec<TokenRecord> {
    let is_effective = |owner: &TokenOwner| match owner {
        TokenOwner::User(email) => state.users.get(email).is_some_and(|user| user.active),
        TokenOwner::VirtualAccount(_) => true,
    };
    let effective = state.tokens.values().filter(|token| is_effective(&token.owner));
    let record = |token: &crate::model::Token| TokenRecord {
        id: token.id.clone(),
        hash: token.hash.clone(),
        owner: vocabulary::subject(&token.owner.subject()),
        expires_at: token.expires_at,
    };
    effective.map(record).collect()
}

/// The users who are switched off, sorted.
pub fn deactivated_users(state: &DirectoryState) -> Vec<Email> {
    state.users.values().filter(|user| !user.active).map(|user| user.email.clone()).collect()
}

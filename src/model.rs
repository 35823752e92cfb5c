//! The plain facts of cedargate: names, the directory's state, faults.
//!
//! In: nothing of ours. Out: types that cannot be wrong once built. std and serde only, so every other
//! module may use them without learning about Cedar, HTTP or files.

pub mod bounds;
pub mod claim_text;
pub mod condition;
pub mod declared_places;
pub mod did_you_mean;
pub mod digest;
pub mod entity_hash;
pub mod entity_ref;
pub mod facts;
pub mod fault;
pub mod ids;
pub mod provider;

pub use claim_text::{claim_text, whole};
pub use condition::{Condition, ConditionError, Conditions, Pattern};
pub use declared_places::{DeclaredPlaces, PlacesBuilder};
pub use did_you_mean::{did_you_mean, nearest};
pub use digest::{Chain, Generation, Revision};
pub use entity_hash::{entity_hash, id_hash, pair_hash, type_hash};
pub use entity_ref::EntityRef;
pub use facts::{
    Collaborator, DirectoryState, ExternalIdentity, Resource, Role, SigningAlgorithm, Subject, Team, TeamMapping,
    Token, TokenOwner, User, VirtualAccount,
};
pub use fault::{Fault, Faults, Lines, with_causes};
pub use ids::{
    Email, ExternalIdentityName, NameError, ProviderName, RoleName, TeamName, TenantId, TokenId, VirtualAccountName,
};
pub use provider::{
    ClaimNames, EmailRule, EmailTrust, IdentityProvider, MatchMode, Speaker, TokenKind, TokenRules, UsersBy,
    speaker_of_addresses,
};

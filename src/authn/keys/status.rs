//! What operators see of one provider's keys.

use chrono::{DateTime, Utc};
use serde::Serialize;

/// The keys of one address, for `/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyStatus {
    pub jwks_uri: String,
    /// How many keys may verify tokens.
    pub keys: usize,
    pub kids: Vec<String>,
    /// The last success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<DateTime<Utc>>,
    /// The last failure, also when a success came after it: compare the times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<DateTime<Utc>>,
    /// Fetches started, failed ones included.
    pub fetches: u64,
    /// Published keys that are not used, each with its reason.
    pub skipped: Vec<String>,
}

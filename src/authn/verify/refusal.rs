//! Why no provider accepts a token, and whose newer keys might.
//!
//! In: one provider's refusal after the other. Out: the one where the token came furthest, which is the one to report,
//! and the key sets that it is worth to fetch again.

use std::collections::BTreeSet;

use super::VerifyError;
use crate::model::IdentityProvider;

/// What the candidates' refusals come to.
pub(super) struct Refusal {
    pub error: VerifyError,
    /// Addresses of key sets.
    pub lacking: BTreeSet<String>,
    /// The key that the token names.
    pub key_id: Option<String>,
}

impl Refusal {
    pub fn furthest(earlier: Option<Box<Self>>, error: VerifyError, provider: &IdentityProvider) -> Box<Self> {
        let mut lacking = BTreeSet::new();
        if error.may_lack_a_key() {
            lacking.insert(provider.jwks_uri.clone());
        }
        match earlier {
            None => Box::new(Self { error, lacking, key_id: None }),
            Some(mut earlier) => {
                earlier.lacking.append(&mut lacking);
                if error.progress() > earlier.error.progress() {
                    earlier.error = error;
                }
                earlier
            }
        }
    }
}

impl From<VerifyError> for Box<Refusal> {
    fn from(error: VerifyError) -> Self {
        Self::new(Refusal { error, lacking: BTreeSet::new(), key_id: None })
    }
}

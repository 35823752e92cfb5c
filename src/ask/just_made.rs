//! Tokens that were just made: they wait for the revision that has them, instead of being told that they are nothing.
//!
//! In: the snapshot that serves, and tokens of our own that it does not know. Out: the same snapshot, or a later one that
//! has all that the directory knew. No I/O: how far the directory is, is told by those who write to it. A token that is
//! nothing is refused at once, unless a change is under way; and only so many wait for one.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Ask, AskError, Who};
use crate::authn::mint::own_issuer;
use crate::authn::token::UnverifiedToken;
use crate::authn::{digest_of, is_of_our_form, is_whole};
use crate::directory::Directory;
use crate::model::TenantId;
use crate::snapshot::Snapshot;

/// Those who wait for a token to be known.
#[derive(Clone)]
pub struct JustMade {
    /// None where files are all that there is.
    directory: Option<Arc<dyn Directory>>,
    /// Where this server is to be found, as signed tokens of ours have it.
    issuer: Option<String>,
    places: Arc<Semaphore>,
}

impl JustMade {
    pub fn of(directory: Option<Arc<dyn Directory>>, issuer: Option<String>) -> Self {
        Self { directory, issuer, places: Arc::new(Semaphore::new(MOST_WAITING)) }
    }

    /// Whether a text may be a token of ours, going by its form or by the issuer that it names.
    fn may_be_own(&self, token: &str, tenant: &TenantId) -> bool {
        if is_of_our_form(token) {
            return is_whole(token);
        }
        let unverified = UnverifiedToken::parse(token, MOST_BYTES).ok();
        let named = unverified.as_ref().and_then(|token| token.claims.as_map().get("iss")?.as_str());
        named.is_some_and(|named| named == own_issuer(self.issuer.as_deref(), tenant))
    }
}

impl Ask {
    /// The snapshot to answer from, when it must know these tokens if the directory does.
    pub(super) async fn knowing<'a>(
        &self,
        snapshot: Arc<Snapshot>,
        mut whos: impl Iterator<Item = &'a Who>,
    ) -> Result<Arc<Snapshot>, AskError> {
        let tenant = &snapshot.tenant;
        let is_unknown = |who: &Who| match who {
            Who::Named(_) => false,
            Who::Token(token) => {
                snapshot.sign_ins.token(&digest_of(token)).is_none() && self.just_made.may_be_own(token, tenant)
            }
        };
        let head = self.just_made.directory.as_ref().and_then(|directory| directory.known_head(tenant));
        let Some(head) = head.filter(|head| *head > snapshot.revision) else { return Ok(snapshot) };
        if !whos.any(is_unknown) {
            return Ok(snapshot);
        }
        let not_reached = || AskError::NotReached { tenant: tenant.to_string(), revision: head };
        let _place = self.just_made.places.try_acquire().map_err(|_| not_reached())?;
        timeout(self.patience, self.tenants.reached(tenant.as_str(), head)).await.map_err(|_| not_reached())?;
        self.snapshot(tenant.as_str(), None, None).await
    }
}

/// The longest token that is looked into before it is verified.
const MOST_BYTES: usize = 16 * 1024;
/// Requests that wait for this at once; one more is told to try again.
const MOST_WAITING: usize = 256;

//! Waiting for a revision: a question that asks for one in, its time to be answered out, or why it does not wait.

use tokio::time::timeout;

use super::{Ask, AskError, Who};
use crate::model::Revision;

impl Ask {
    /// Waits until a revision serves, for whoever may want it: a token that no revision will make good does not wait.
    pub(super) async fn wait_for(&self, tenant: &str, revision: Revision, who: Option<&Who>) -> Result<(), AskError> {
        let serving = self.tenants.get(tenant).and_then(|handle| handle.snapshot());
        let mut refusal = None;
        if let Some(snapshot) = &serving {
            if snapshot.revision >= revision {
                return Ok(());
            }
            if let Some(who) = who {
                refusal = self.identify(snapshot, who).await.err();
            }
            if refusal.as_ref().is_some_and(|error| !error.may_pass_later()) {
                return refusal.map_or(Ok(()), Err);
            }
            if revision.0 > snapshot.revision.0.saturating_add(MOST_AHEAD) {
                return Err(AskError::Ahead { tenant: tenant.to_owned(), revision, serving: snapshot.revision });
            }
        }
        let is_proved = serving.is_some() && refusal.is_none();
        let Some(_waiting) = self.places.wait(is_proved) else { return Err(refusal.unwrap_or(AskError::TooMany)) };
        let reached = timeout(self.patience, self.tenants.reached(tenant, revision)).await;
        match reached {
            Err(_) if self.tenants.get(tenant).is_some() => {
                Err(AskError::NotReached { tenant: tenant.to_owned(), revision })
            }
            _ => Ok(()),
        }
    }
}

/// How far beyond what serves a revision may be that is waited for: more than are made while one is on its way.
const MOST_AHEAD: u64 = 10_000;

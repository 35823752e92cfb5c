//! When tokens of ours were last used: noted in passing by those who ask, and kept now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::Administration;
use crate::directory::StoreError;
use crate::model::{TenantId, TokenId, with_causes};

/// Tokens and seconds since the epoch.
type Uses = BTreeMap<TokenId, i64>;

impl Administration {
    /// Keeps uses from time to time, for as long as it is polled.
    pub async fn follow_uses(self) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.keep_uses().await;
        }
    }

    /// Keeps what was noted of all tenants; a use that cannot be kept is no reason for anything.
    pub async fn keep_uses(&self) {
        for tenant in self.tenants.all().keys() {
            let noted = self.noted(tenant);
            if noted.is_empty() {
                continue;
            }
            if let Err(error) = self.secrets.keep_uses(tenant, &noted).await {
                tracing::warn!(%tenant, error = %with_causes(&error), "uses of tokens cannot be kept");
            }
        }
    }

    /// When each token of a tenant was last used.
    ///
    /// # Errors
    /// When the directory does not answer.
    pub async fn last_uses(&self, tenant: &TenantId) -> Result<Uses, StoreError> {
        let mut uses = self.secrets.uses(tenant).await?;
        uses.extend(self.noted(tenant));
        Ok(uses)
    }

    /// Since this process started.
    fn noted(&self, tenant: &TenantId) -> Uses {
        let snapshot = self.tenants.get(tenant.as_str()).and_then(|handle| handle.snapshot());
        let tokens = snapshot.iter().flat_map(|snapshot| snapshot.sign_ins.tokens());
        tokens.filter_map(|token| Some((token.id.clone(), token.last_use.at()?))).collect()
    }
}

const EVERY: Duration = Duration::from_secs(30);

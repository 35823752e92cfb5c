//! A candidate tree beside the live one: every decision is made by it as well, and what it would have answered
//! otherwise is counted.
//!
//! In: decisions, once they are made. Out: numbers, and a sample of the differences in the log. A bounded queue stands
//! between: an answer is never changed by it and never waits for it; what finds no place is not compared, and counted.
//!
//! Whom a token stands for is resolved again by the candidate, from the token's claims: which external identities there
//! are, and who is in them, is half of what a candidate may change. Whether its provider would take the token is asked
//! too, but no key is looked at again.

mod compare;
mod decided;
mod told;

pub use compare::Comparing;
pub use decided::{Decided, Proof};

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Permit, Receiver, Sender};

use self::told::Differences;
use crate::model::TenantId;
use crate::reload::stand_back;
use crate::snapshot::Tenants;
use crate::telemetry::ShadowMetrics;

/// How decisions are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShadowSettings {
    /// Decisions that may wait.
    pub queue: usize,
    /// Differences that are told in the log each second.
    pub log_per_second: u32,
}

/// Takes decisions to compare; cheap to clone.
#[derive(Clone)]
pub struct Shadow(Option<Arc<Candidate>>);

struct Candidate {
    tenants: Arc<Tenants>,
    queue: Sender<Decided>,
    metrics: ShadowMetrics,
}

/// A place in the queue.
pub struct Place<'a>(Permit<'a, Decided>);

impl Shadow {
    /// There is no candidate, and nothing is spent on one.
    pub fn off() -> Self {
        Self(None)
    }

    /// Starts to compare with these tenants' snapshots. The thread ends after the last `Shadow` is gone.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(tenants: Arc<Tenants>, settings: ShadowSettings, comparing: Comparing) -> io::Result<Self> {
        let (queue, decisions) = mpsc::channel(settings.queue.max(1));
        let metrics = comparing.metrics.clone();
        let differences = Differences::at_most(settings.log_per_second);
        let candidates = Arc::clone(&tenants);
        let compare = move || run(decisions, &candidates, &comparing, differences);
        std::thread::Builder::new().name("candidate".into()).spawn(compare)?;
        Ok(Self(Some(Arc::new(Candidate { tenants, queue, metrics }))))
    }

    /// The candidate's tenants, if there is one.
    pub fn candidate(&self) -> Option<&Tenants> {
        self.0.as_ref().map(|candidate| candidate.tenants.as_ref())
    }

    /// How many decisions wait.
    pub fn queued(&self) -> usize {
        let queue = self.0.as_ref().map(|candidate| &candidate.queue);
        queue.map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }

    /// A place for a decision of this tenant, if there is something to compare it with. Never waits.
    pub fn place(&self, tenant: &TenantId) -> Option<Place<'_>> {
        let candidate = self.0.as_ref()?;
        // A candidate that never loaded compares nothing.
        candidate.tenants.get(tenant.as_str())?.snapshot()?;
        match candidate.queue.try_reserve() {
            Ok(permit) => Some(Place(permit)),
            Err(error) => {
                let why = if matches!(error, TrySendError::Full(())) { "queue_full" } else { "stopped" };
                candidate.metrics.dropped(tenant.as_str(), why);
                None
            }
        }
    }
}

impl Place<'_> {
    pub fn take(self, decided: Decided) {
        self.0.send(decided);
    }
}

fn run(mut decisions: Receiver<Decided>, tenants: &Tenants, comparing: &Comparing, mut differences: Differences) {
    stand_back();
    let mut batch = Vec::new();
    while decisions.blocking_recv_many(&mut batch, BATCH) > 0 {
        for decided in batch.drain(..) {
            let snapshot = tenants.get(decided.tenant.as_str()).and_then(|handle| handle.snapshot());
            let Some(snapshot) = snapshot else { continue };
            if let Some(compared) = comparing.compare(&decided, &snapshot) {
                differences.note(&decided, &compared, &snapshot);
            }
        }
        if decisions.is_empty() {
            // A thread that waits has to be woken by whoever brings the next one, in the middle of a request.
            std::thread::sleep(PAUSE);
        }
    }
}

const BATCH: usize = 64;
const PAUSE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;

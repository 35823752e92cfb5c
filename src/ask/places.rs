//! The bounds on what is under way at once: questions that are being answered, and those that wait for a revision.
//!
//! A question takes its place only when nothing has to be waited for any more, so that whoever waits keeps nobody else
//! from an answer. INVARIANT: a place is held across no wait for a peer, an issuer or a revision.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places, by what is done in them.
#[derive(Clone, Debug)]
pub struct Places {
    in_flight: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// For those of whom it is not certain yet who they are.
    waiting_unproved: Arc<Semaphore>,
}

impl Places {
    /// So many requests under way at once.
    pub fn within(max_in_flight: usize) -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            in_flight: places(max_in_flight),
            waiting: places(MOST_WAITING),
            waiting_unproved: places(MOST_WAITING_UNPROVED),
        }
    }

    /// A place among the requests under way.
    pub fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.in_flight).try_acquire_owned().ok()
    }

    /// A place among those that wait for a revision.
    pub(super) fn wait(&self, is_proved: bool) -> Option<OwnedSemaphorePermit> {
        let places = if is_proved { &self.waiting } else { &self.waiting_unproved };
        Arc::clone(places).try_acquire_owned().ok()
    }
}

const MOST_WAITING: usize = 4096;
const MOST_WAITING_UNPROVED: usize = 64;

//! The threads that load what the queue gives them, and what becomes of one that does not come back.
//!
//! A load that takes longer than [`DEADLINE`] is told as its tenant's fault, and another worker takes its place: no
//! tenant keeps the others from being loaded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use super::queue::{Item, Waiting};
use super::{Reloader, background};
use crate::model::{Fault, Faults};

/// What is to be done with an item after its turn.
pub(super) enum Next {
    Done,
    /// It has another turn after a moment.
    Again(Duration, Waiting),
}

impl Reloader {
    /// Starts the workers.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(super) fn start_workers(&self) -> Result<(), rayon::ThreadPoolBuildError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (0..cores.clamp(FEWEST, MOST)).try_for_each(|_| self.start_worker())
    }

    fn start_worker(&self) -> Result<(), rayon::ThreadPoolBuildError> {
        let threads = Arc::new(background()?);
        let reloader = self.clone();
        let inside = Arc::clone(&threads);
        // One of its own threads takes the items; parts of a load go to the others.
        threads.spawn(move || reloader.work(inside));
        Ok(())
    }

    fn work(&self, threads: Arc<ThreadPool>) {
        while let Some((item, waiting)) = self.loads.queue.next() {
            let next = match &item {
                Item::Shared => self.load_shared(waiting),
                Item::Listing => self.list(),
                Item::Tenant(tenant) => self.load_tenant(tenant, waiting),
            };
            if let Next::Again(pause, waiting) = next {
                self.loads.queue.add(item.clone(), Instant::now() + pause, waiting);
            }
            self.loads.queue.done(&item);
            if self.loads.queue.is_idle() {
                self.purpose.configure_keys(&self.tenants);
                self.loads.first.send_if_modified(|is_over| !std::mem::replace(is_over, true));
            }
        }
        drop(threads);
    }

    /// Tells of loads that take too long, and starts workers in the place of theirs.
    pub(super) fn supervise(&self, told: &mut Vec<Item>) {
        let Some(before) = Instant::now().checked_sub(DEADLINE) else { return };
        let late = self.loads.queue.running_since(before);
        for item in late.iter().filter(|item| !told.contains(item)) {
            let message = format!("loading takes longer than {} seconds: make its files simpler", DEADLINE.as_secs());
            match item {
                Item::Tenant(tenant) => {
                    let file = self.layout.dirs.policies.join(tenant.as_str());
                    let fault = Fault::of_file(file.to_string_lossy(), message);
                    if let Some(handle) = self.tenants.get(tenant.as_str()) {
                        self.fail(tenant, &handle, Faults::from(fault));
                    }
                }
                Item::Shared | Item::Listing => tracing::error!("{message}"),
            }
            if let Err(error) = self.start_worker() {
                tracing::error!(%error, "there is no thread for another worker");
            }
        }
        *told = late;
    }
}

/// How long a load may take before it is told as a fault.
const DEADLINE: Duration = Duration::from_secs(60);
const FEWEST: usize = 2;
const MOST: usize = 8;

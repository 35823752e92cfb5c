//! Work that decides, kept from holding up the work of other tenants.
//!
//! In: a tenant and something to work out for it. Out: what it came to, and how long it took. Most of it is a matter of
//! microseconds and done where it is asked. A tenant whose work takes long has a bucket that fills with the processor
//! time of it and drains at a tenth of the time that passes; while it is over its brim, the tenant's work waits its turn
//! for threads apart, which stand back behind requests. Nobody waits for those but the tenant itself, and each request's
//! own time limit holds there.

mod bucket;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use self::bucket::Bucket;
use crate::model::TenantId;
use crate::reload::stand_back;

/// Why something was not worked out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    #[error("decisions of tenant `{0}` take long, and too many of them wait: ask fewer at once")]
    Crowded(TenantId),
    #[error("a decision failed")]
    Failed,
}

/// Where work is done; cheap to clone.
#[derive(Clone)]
pub struct Lanes(Arc<Shared>);

struct Shared {
    /// Whether any tenant has a lane: most servers never look further.
    any: AtomicBool,
    lanes: RwLock<HashMap<TenantId, Arc<Lane>>>,
    threads: ThreadPool,
    /// One for each of the threads.
    places: Arc<Semaphore>,
    /// How many of the threads one tenant may have.
    of_one_tenant: usize,
}

/// A tenant that is watched.
struct Lane {
    bucket: Mutex<Bucket>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Lanes {
    /// # Errors
    /// When the system gives no threads.
    pub fn start() -> Result<Self, ThreadPoolBuildError> {
        let count = available_parallelism().map_or(2, |cores| cores.get().max(2));
        let threads = ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|number| format!("apart-{number}"))
            .stack_size(STACK_BYTES)
            .start_handler(|_| stand_back())
            .build()?;
        Ok(Self(Arc::new(Shared {
            any: AtomicBool::new(false),
            lanes: RwLock::default(),
            threads,
            places: Arc::new(Semaphore::new(count)),
            of_one_tenant: count / 2,
        })))
    }

    /// Works something out for a tenant.
    ///
    /// # Errors
    /// When too much of the tenant's work waits already, or the work panicked apart.
    pub async fn run<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, Duration), LaneError> {
        let Some(lane) = self.lane(tenant) else {
            let started = Instant::now();
            let made = work();
            let elapsed = started.elapsed();
            if elapsed > SLOW {
                // It may be that the thread had to wait: from now on its own time is measured.
                self.watch(tenant, elapsed);
            }
            return Ok((made, elapsed));
        };
        if lane.is_apart() {
            return self.apart(&lane, tenant, work).await;
        }
        let (made, elapsed) = lane.measured(work);
        Ok((made, elapsed))
    }

    async fn apart<T: Send + 'static>(
        &self,
        lane: &Arc<Lane>,
        tenant: &TenantId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, Duration), LaneError> {
        let waiting = Waiting::at(lane).ok_or_else(|| LaneError::Crowded(tenant.clone()))?;
        // The tenant's own turn first: whoever waits for a thread is one of each tenant, and the first to come.
        let turn = permit(&lane.turns).await?;
        let place = permit(&self.0.places).await?;
        let (answer, answered) = oneshot::channel();
        let lane = Arc::clone(lane);
        self.0.threads.spawn(move || {
            let _held = (turn, place, waiting);
            // Whoever asked may have gone meanwhile.
            if !answer.is_closed() {
                let made = catch_unwind(AssertUnwindSafe(|| lane.measured(work)));
                let _ = answer.send(made);
            }
        });
        match answered.await {
            Ok(Ok(made)) => Ok(made),
            Ok(Err(_)) | Err(_) => Err(LaneError::Failed),
        }
    }

    fn lane(&self, tenant: &TenantId) -> Option<Arc<Lane>> {
        if !self.0.any.load(Ordering::Acquire) {
            return None;
        }
        let lanes = self.0.lanes.read().unwrap_or_else(PoisonError::into_inner);
        lanes.get(tenant).cloned()
    }

    /// Watches a tenant, and no longer those that have been quick for long.
    fn watch(&self, tenant: &TenantId, elapsed: Duration) {
        let now = Instant::now();
        let mut lanes = self.0.lanes.write().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|_, lane| Arc::strong_count(lane) > 1 || !lane.bucket().is_empty(now));
        let of_one_tenant = self.0.of_one_tenant;
        let lane = lanes.entry(tenant.clone()).or_insert_with(|| {
            Arc::new(Lane {
                bucket: Mutex::new(Bucket::new(now)),
                turns: Arc::new(Semaphore::new(of_one_tenant)),
                waiting: AtomicUsize::new(0),
            })
        });
        // No more than fills it: what was not measured puts nobody apart.
        lane.bucket().add(elapsed.min(bucket::BRIM), now);
        self.0.any.store(true, Ordering::Release);
    }
}

impl Lane {
    fn bucket(&self) -> std::sync::MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_apart(&self) -> bool {
        self.bucket().is_over(Instant::now())
    }

    /// Works something out on this thread, whose time goes into the bucket if it is long.
    fn measured<T>(&self, work: impl FnOnce() -> T) -> (T, Duration) {
        let (started, before) = (Instant::now(), own_time());
        let made = work();
        let (elapsed, took) = (started.elapsed(), own_time().saturating_sub(before));
        if took > SLOW {
            self.bucket().add(took, Instant::now());
        }
        (made, elapsed)
    }
}

/// One that waits or works apart.
struct Waiting(Arc<Lane>);

impl Waiting {
    fn at(lane: &Arc<Lane>) -> Option<Self> {
        let place = Self(Arc::clone(lane));
        // Counted back by dropping it.
        (lane.waiting.fetch_add(1, Ordering::AcqRel) < MOST_WAITING).then_some(place)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn permit(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, LaneError> {
    Arc::clone(semaphore).acquire_owned().await.map_err(|_| LaneError::Failed)
}

/// How long the processor has worked for this thread.
fn own_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A decision takes microseconds; one that takes longer than this is counted.
const SLOW: Duration = Duration::from_millis(2);
/// The most of one tenant that wait for a thread apart; one more is answered 429.
const MOST_WAITING: usize = 256;
/// Conditions may be nested as deep here as on any thread that decides.
const STACK_BYTES: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;

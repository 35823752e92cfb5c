//! Bodies as they come: bounded in time, in bytes of all together, and in how many of one connection are waited for.
//!
//! In: hyper's body. Out: the same for the router, and a [`BodyProgress`] that says what stopped it, and whether all of
//! it was read: a request whose body was not ends its connection.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// What stopped a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    #[error("the body did not come to its end in time")]
    TooSlow,
    #[error("too many requests of this connection wait for their bodies")]
    TooManyWait,
    #[error("the bodies that are being read hold all the memory that they may")]
    NoRoom,
}

/// What all bodies together are read within.
#[derive(Clone, Debug)]
pub(super) struct BodyBounds {
    pub timeout: Duration,
    /// Bytes of all connections.
    pub bytes: Arc<Semaphore>,
    /// Of these, those of one peer.
    pub peer_bytes: Option<Arc<Semaphore>>,
    /// Bodies of this connection that are waited for.
    pub waiting: Arc<Semaphore>,
}

/// How far a request's body is; the request carries it.
#[derive(Clone, Debug, Default)]
pub struct BodyProgress(Arc<Mutex<Progress>>);

#[derive(Debug, Default)]
struct Progress {
    fault: Option<BodyFault>,
    is_ended: bool,
    /// What was left when its reader let go of it.
    rest: Option<Incoming>,
}

impl BodyProgress {
    /// What stopped it, if anything of ours did.
    pub fn fault(&self) -> Option<BodyFault> {
        self.lock().fault
    }

    /// Whether nothing is left of it, after reading what is little and there already.
    pub async fn is_read_to_its_end(&self, may_drain: bool) -> bool {
        let rest = {
            let mut progress = self.lock();
            if progress.is_ended {
                return true;
            }
            progress.rest.take()
        };
        match rest {
            Some(rest) if may_drain => tokio::time::timeout(DRAIN_PATIENCE, drain(rest)).await.unwrap_or(false),
            Some(rest) => rest.is_end_stream(),
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn drain(mut rest: Incoming) -> bool {
    let mut total = 0;
    while total <= MOST_DRAINED_BYTES && rest.size_hint().lower() <= MOST_DRAINED_BYTES {
        match std::future::poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx)).await {
            None => return true,
            Some(Err(_)) => return false,
            Some(Ok(frame)) => total += frame.data_ref().map_or(0, |data| data.len() as u64),
        }
    }
    false
}

/// A body within its bounds.
pub(super) struct Metered {
    /// Here until dropped.
    body: Option<Incoming>,
    progress: BodyProgress,
    bounds: BodyBounds,
    /// The bytes that were read: given back when the reader is done.
    held: Option<OwnedSemaphorePermit>,
    held_of_peer: Option<OwnedSemaphorePermit>,
    /// Since it was first waited for.
    waiting: Option<(OwnedSemaphorePermit, Pin<Box<Sleep>>)>,
}

impl Metered {
    pub(super) fn new(body: Incoming, bounds: BodyBounds) -> (Self, BodyProgress) {
        let progress = BodyProgress::default();
        progress.lock().is_ended = body.is_end_stream();
        (
            Self {
                body: Some(body),
                progress: progress.clone(),
                bounds,
                held: None,
                held_of_peer: None,
                waiting: None,
            },
            progress,
        )
    }

    fn stop(&mut self, fault: BodyFault) -> BoxError {
        self.progress.lock().fault = Some(fault);
        fault.into()
    }

    /// Room for what has come.
    fn hold(&mut self, bytes: usize) -> Result<(), BodyFault> {
        let count = u32::try_from(bytes).map_err(|_| BodyFault::NoRoom)?;
        if let Some(of_peer) = &self.bounds.peer_bytes {
            hold(&mut self.held_of_peer, of_peer, count)?;
        }
        hold(&mut self.held, &self.bounds.bytes, count)
    }

    /// Nothing has come: for how long that may go on, and whether this body may be waited for at all.
    fn wait(&mut self, cx: &mut Context<'_>) -> Result<(), BodyFault> {
        let (_, timer) = match &mut self.waiting {
            Some(waiting) => waiting,
            None => {
                let permit = Arc::clone(&self.bounds.waiting).try_acquire_owned();
                let permit = permit.map_err(|_| BodyFault::TooManyWait)?;
                self.waiting.insert((permit, Box::pin(sleep(self.bounds.timeout))))
            }
        };
        if timer.as_mut().poll(cx).is_ready() { Err(BodyFault::TooSlow) } else { Ok(()) }
    }
}

fn hold(held: &mut Option<OwnedSemaphorePermit>, bytes: &Arc<Semaphore>, count: u32) -> Result<(), BodyFault> {
    let more = Arc::clone(bytes).try_acquire_many_owned(count).map_err(|_| BodyFault::NoRoom)?;
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
    Ok(())
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        if polled.is_pending()
            && let Err(fault) = this.wait(cx)
        {
            return Poll::Ready(Some(Err(this.stop(fault))));
        }
        match ready!(polled) {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                match this.hold(bytes) {
                    Ok(()) => Poll::Ready(Some(Ok(frame))),
                    Err(fault) => Poll::Ready(Some(Err(this.stop(fault)))),
                }
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None => {
                this.waiting = None;
                this.progress.lock().is_ended = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            let mut progress = self.progress.lock();
            progress.is_ended |= body.is_end_stream();
            progress.rest = Some(body);
        }
    }
}

/// A body that is no more than this, and there, is read away: its connection is worth more.
const MOST_DRAINED_BYTES: u64 = 64 * 1024;
const DRAIN_PATIENCE: Duration = Duration::from_millis(100);

//! How long a peer may keep us waiting, and for what: what was read and what is under way in, the end of patience out.
//!
//! HTTP/1.1: a request's head must be whole soon after its first byte. Both versions: a connection without a request
//! is kept for a while, since a gateway will need it again.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, Instant, Sleep, sleep};

use super::ConnectionLimits;

/// What a connection waits for; the number is that of the requests before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// The peer's next request.
    Request(u64),
    /// The rest of a head that has begun.
    Head(u64),
    /// Our own answer.
    Answer,
}

/// How far one connection is.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    begun: AtomicU64,
    ended: AtomicU64,
    /// Whether something came since the last request ended.
    heard: AtomicBool,
    is_http2: AtomicBool,
}

/// A request that is under way for as long as this is kept.
pub(super) struct UnderWay(Arc<Exchange>);

impl Exchange {
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.begun.fetch_add(1, Ordering::AcqRel);
        UnderWay(Arc::clone(self))
    }

    fn awaited(&self) -> Awaited {
        let ended = self.ended.load(Ordering::Acquire);
        if self.begun.load(Ordering::Acquire) != ended {
            return Awaited::Answer;
        }
        // Frames of HTTP/2 are much else than requests: pings, windows, settings.
        let is_head = self.heard.load(Ordering::Acquire) && !self.is_http2.load(Ordering::Acquire);
        if is_head { Awaited::Head(ended) } else { Awaited::Request(ended) }
    }

    fn hear(&self, bytes: &[u8], is_first: bool) {
        // RFC 9113 §3.4: what HTTP/2 begins with, and no request of HTTP/1.1 does.
        if is_first && bytes.starts_with(b"PRI") {
            self.is_http2.store(true, Ordering::Release);
        }
        self.heard.store(true, Ordering::Release);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // What came until now was of this request.
        self.0.heard.store(false, Ordering::Release);
        self.0.ended.fetch_add(1, Ordering::AcqRel);
    }
}

/// A stream that tells the exchange when something is read from it.
pub(super) struct Heard<S> {
    stream: S,
    exchange: Arc<Exchange>,
    is_first: bool,
}

impl<S> Heard<S> {
    pub(super) fn new(stream: S, exchange: Arc<Exchange>) -> Self {
        Self { stream, exchange, is_first: true }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        let read = into.filled().get(before..).unwrap_or_default();
        if !read.is_empty() {
            self.exchange.hear(read, self.is_first);
            self.is_first = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The time that one peer still has. One timer a connection: it is only ever moved.
pub(super) struct Patience {
    limits: ConnectionLimits,
    timer: Pin<Box<Sleep>>,
    /// What the timer is set for.
    timed: Option<Awaited>,
    is_last: bool,
}

impl Patience {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self { limits, timer: Box::pin(sleep(limits.idle_timeout)), timed: None, is_last: false }
    }

    /// The connection is about to end: nobody need wait for another request.
    pub(super) fn make_last(&mut self) {
        self.is_last = true;
        self.timed = None;
    }

    pub(super) fn is_last(&self) -> bool {
        self.is_last
    }

    /// Completes when the peer let us wait for too long, with what for.
    pub(super) async fn end(&mut self, exchange: &Exchange) -> Awaited {
        poll_fn(|cx| {
            let awaited = exchange.awaited();
            if awaited == Awaited::Answer {
                return Poll::Pending;
            }
            if self.timed != Some(awaited) {
                self.timed = Some(awaited);
                let end = Instant::now() + self.limit(awaited);
                self.timer.as_mut().reset(end);
            }
            self.timer.as_mut().poll(cx).map(|()| awaited)
        })
        .await
    }

    fn limit(&self, awaited: Awaited) -> Duration {
        match awaited {
            Awaited::Request(_) if !self.is_last => self.limits.idle_timeout,
            Awaited::Request(_) | Awaited::Head(_) | Awaited::Answer => self.limits.header_timeout,
        }
    }
}

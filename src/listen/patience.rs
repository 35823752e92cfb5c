//! How long a peer may keep us waiting, and for what: what was read and what is under way in, the end of patience out.
//!
//! A connection must bring the head of its first request soon after it is taken. HTTP/1.1: the head of a later one
//! must be whole soon after its first byte. Both versions: a connection that had a request is kept for a while, since a
//! gateway will need it again.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, Instant, Sleep, sleep};

use super::ConnectionLimits;
use super::lingering::Left;
use super::refused_head::{Refusal, RefusedHead};

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
    /// The last answer closes the connection, and the peer may not have read it yet.
    lingers: AtomicBool,
}

/// A request that is under way for as long as this is kept.
pub(super) struct UnderWay(Arc<Exchange>);

impl Exchange {
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.begun.fetch_add(1, Ordering::AcqRel);
        UnderWay(Arc::clone(self))
    }

    /// Whether no request has come yet.
    pub(super) fn is_silent(&self) -> bool {
        self.begun.load(Ordering::Acquire) == 0
    }

    /// Whether no request is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.begun.load(Ordering::Acquire) == self.ended.load(Ordering::Acquire)
    }

    /// Notes that the connection ends with an answer, whether or not the peer has sent all.
    pub(super) fn ends_with_answer(&self) {
        self.lingers.store(true, Ordering::Release);
    }

    pub(super) fn lingers(&self) -> bool {
        self.lingers.load(Ordering::Acquire)
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

/// A stream that tells the exchange when something is read from it, gives bare refusals their body, and can be had
/// back when it is dropped.
pub(super) struct Heard<S> {
    /// Here until dropped.
    stream: Option<S>,
    left: Left<S>,
    exchange: Arc<Exchange>,
    is_first: bool,
    words: RefusedHead,
    refusal: Option<Refusal>,
}

impl<S> Heard<S> {
    pub(super) fn new(stream: S, exchange: Arc<Exchange>, words: RefusedHead, left: Left<S>) -> Self {
        Self { stream: Some(stream), left, exchange, is_first: true, words, refusal: None }
    }
}

impl<S: Unpin> Heard<S> {
    fn stream(&mut self) -> io::Result<Pin<&mut S>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<S> Drop for Heard<S> {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.left.put(stream);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(self.stream()?.poll_read(cx, into))?;
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
        let this = &mut *self;
        let stream = this.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let mut stream = Pin::new(stream);
        if this.refusal.is_none() {
            this.refusal = Refusal::instead_of(bytes, this.words);
        }
        let Some(refusal) = &mut this.refusal else { return stream.poll_write(cx, bytes) };
        while !refusal.rest().is_empty() {
            match ready!(stream.as_mut().poll_write(cx, refusal.rest()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => refusal.wrote(count),
            }
        }
        this.refusal = None;
        this.exchange.ends_with_answer();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A refusal stands alone: nothing else is written at that time.
        match bytes {
            [only] => self.poll_write(cx, only),
            several => self.stream()?.poll_write_vectored(cx, several),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
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
        // The time for the first head begins here, before a byte of it.
        let awaited = Awaited::Request(0);
        Self { limits, timer: Box::pin(sleep(limits.header_timeout)), timed: Some(awaited), is_last: false }
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
            // Bytes of the first head do not make its time begin again.
            let is_first_head = self.timed == Some(Awaited::Request(0)) && awaited == Awaited::Head(0);
            if is_first_head {
                self.timed = Some(awaited);
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
            Awaited::Request(before) if before > 0 && !self.is_last => self.limits.idle_timeout,
            // Bytes of HTTP/2 before the first request are no sign of one.
            Awaited::Request(_) | Awaited::Head(_) | Awaited::Answer => self.limits.header_timeout,
        }
    }
}

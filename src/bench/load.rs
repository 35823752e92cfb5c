//! Load on a server: as fast as it answers (closed loop), or at a rate that does not wait for it (open loop).
//!
//! In the open loop a request's time counts from the moment at which it should have been sent, not from the one at
//! which a connection was free for it: a server that stalls is charged with everybody who queued meanwhile.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::latencies::Latencies;
use super::machine::{process_time, thread_time};
use super::wire::{Connection, WireError};

/// Where to send what.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub requests: Arc<Vec<Vec<u8>>>,
    pub order: Order,
    pub connections: usize,
}

/// What comes after the last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first one, for ever.
    Again,
    /// Nothing: each is asked once, and the load may end early.
    Once,
}

/// What a while of asking came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Round {
    pub requests: u64,
    pub elapsed: Duration,
    /// What everything in this process but the load ran, where that is known.
    pub server_time: Option<Duration>,
}

impl Round {
    /// Both as one.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            elapsed: self.elapsed + other.elapsed,
            server_time: self.server_time.zip(other.server_time).map(|(one, other)| one + other),
        }
    }

    pub fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 here")]
        let requests = self.requests as f64;
        requests / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Microseconds of the server's for each request.
    pub fn server_microseconds(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 here")]
        let requests = self.requests.max(1) as f64;
        self.server_time.map(|time| time.as_secs_f64() * 1e6 / requests)
    }
}

impl Target {
    /// Every connection asks again as soon as it is answered.
    ///
    /// # Errors
    /// When a request has no answer.
    pub fn closed_loop(&self, duration: Duration) -> Result<Round, WireError> {
        let target = self.clone();
        on_a_thread(move || async move {
            let warm_up = duration / 10;
            let (asked, next) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let until = Instant::now() + warm_up + duration;
            let mut tasks = Vec::new();
            for _ in 0..target.connections {
                let (target, asked, next) = (target.clone(), Rc::clone(&asked), Rc::clone(&next));
                let mut connection = Connection::open(target.address).await?;
                tasks.push(tokio::task::spawn_local(async move {
                    while Instant::now() < until {
                        let Some(request) = target.take(&next) else { break };
                        connection.ask(request).await?;
                        asked.set(asked.get() + 1);
                    }
                    Ok::<_, WireError>(())
                }));
            }
            tokio::time::sleep(warm_up).await;
            let (before, begun, busy) = (asked.get(), Instant::now(), times());
            for task in tasks {
                task.await.map_err(|_| WireError::Thread)??;
            }
            let server_time = times().zip(busy).map(|(after, before)| after.saturating_sub(before));
            Ok(Round { requests: asked.get() - before, elapsed: begun.elapsed(), server_time })
        })
    }

    /// So many requests a second, whatever becomes of them.
    ///
    /// # Errors
    /// When a request has no answer.
    pub fn open_loop(&self, per_second: f64, duration: Duration) -> Result<Latencies, WireError> {
        let target = self.clone();
        on_a_thread(move || async move {
            let mut connections = Vec::new();
            for _ in 0..target.connections {
                connections.push(Connection::open(target.address).await?);
            }
            let warm_up = duration / 10;
            let pace = Rc::new(Pace::of(per_second, warm_up + duration));
            let pulse = Pulse::start(pace.start);
            let latencies = Rc::new(RefCell::new(Latencies::empty()?));
            let tasks: Vec<_> = connections
                .into_iter()
                .map(|mut connection| {
                    let (target, pace) = (target.clone(), Rc::clone(&pace));
                    let (beats, latencies) = (Arc::clone(&pulse.beats), Rc::clone(&latencies));
                    tokio::task::spawn_local(async move {
                        while let Some(due) = pace.next(&beats).await {
                            let Some(request) = target.take(&pace.taken) else { break };
                            connection.ask(request).await?;
                            if due >= pace.start + warm_up {
                                latencies.borrow_mut().record(due.elapsed());
                            }
                        }
                        Ok::<_, WireError>(())
                    })
                })
                .collect();
            for task in tasks {
                task.await.map_err(|_| WireError::Thread)??;
            }
            Ok(latencies.borrow().clone())
        })
    }

    /// The next request of all.
    fn take(&self, next: &Cell<usize>) -> Option<&[u8]> {
        let at = next.replace(next.get().wrapping_add(1));
        let at = match self.order {
            Order::Again => at.checked_rem(self.requests.len())?,
            Order::Once => at,
        };
        self.requests.get(at).map(Vec::as_slice)
    }
}

/// When the requests of an open loop are due.
struct Pace {
    start: Instant,
    per_beat: f64,
    beats: u64,
    /// How many have been sent, and at which beat.
    taken: Cell<usize>,
    sent: Cell<u64>,
}

impl Pace {
    fn of(per_second: f64, duration: Duration) -> Self {
        let beats = u64::try_from(duration.as_nanos() / BEAT.as_nanos()).unwrap_or(u64::MAX);
        // A moment for everyone to get ready.
        let start = Instant::now() + 4 * BEAT;
        let per_beat = (per_second * BEAT.as_secs_f64()).max(f64::MIN_POSITIVE);
        Self { start, per_beat, beats, taken: Cell::new(0), sent: Cell::new(0) }
    }

    /// Waits for the next request to be due, unless it is already; says since when. `None` once it is over.
    async fn next(&self, beats: &Notify) -> Option<Instant> {
        loop {
            // Listening begins before looking, so that no beat falls between the two.
            let mut beat = std::pin::pin!(beats.notified());
            beat.as_mut().enable();
            let due = self.due(self.sent.get())?;
            if due <= Instant::now() {
                self.sent.set(self.sent.get() + 1);
                return Some(due);
            }
            beat.await;
        }
    }

    /// The first beat by which so many and one more are to be sent.
    fn due(&self, sent: u64) -> Option<Instant> {
        #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 here")]
        let beat = (sent as f64 / self.per_beat).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, positive and small")]
        let beat = beat as u64;
        (beat < self.beats).then(|| self.start + BEAT * u32::try_from(beat).unwrap_or(u32::MAX))
    }
}

/// Says when a beat has come. A thread of its own: the runtime's timers know only milliseconds.
struct Pulse {
    beats: Arc<Notify>,
    is_over: Arc<AtomicBool>,
}

impl Pulse {
    fn start(start: Instant) -> Self {
        let (beats, is_over) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (told, over) = (Arc::clone(&beats), Arc::clone(&is_over));
        std::thread::spawn(move || {
            let mut next = start;
            while !over.load(Ordering::Relaxed) {
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
                told.notify_waiters();
                next += BEAT;
            }
        });
        Self { beats, is_over }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// What this process has run but for this thread.
fn times() -> Option<Duration> {
    process_time().zip(thread_time()).map(|(process, own)| process.saturating_sub(own))
}

/// The load runs on one thread with a runtime of its own, so that the server's has the server alone.
fn on_a_thread<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T, WireError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, WireError>>,
{
    let thread = std::thread::Builder::new().name("bench-load".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, work())
    })?;
    thread.join().map_err(|_| WireError::Thread)?
}

/// Requests are due at beats, several at once where there are more requests than beats.
const BEAT: Duration = Duration::from_micros(250);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers everything at once, but stalls after so many requests, once.
    fn server(stall_after: usize, stall: Duration) -> Target {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            runtime.block_on(async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 64];
                for number in 0.. {
                    if !matches!(stream.read(&mut request).await, Ok(read) if read > 0) {
                        return;
                    }
                    if number == stall_after {
                        std::thread::sleep(stall);
                    }
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                }
            });
        });
        let requests = Arc::new(vec![b"GET / HTTP/1.1\r\n\r\n".to_vec()]);
        Target { address, requests, order: Order::Again, connections: 1 }
    }

    #[test]
    fn a_stall_is_charged_with_everyone_who_would_have_asked_meanwhile() {
        let stall = Duration::from_millis(200);
        let latencies = server(200, stall).open_loop(1000.0, Duration::from_millis(600)).unwrap();
        // 200 of 600 requests were due in the stall, not one.
        assert!(latencies.percentile(80.0) > 50_000.0, "{}", latencies.percentile(80.0));
        assert!(latencies.percentile(99.0) > 150_000.0, "{}", latencies.percentile(99.0));
        assert!(latencies.percentile(30.0) < 50_000.0, "{}", latencies.percentile(30.0));
    }

    #[test]
    fn a_closed_loop_counts_what_was_answered() {
        let round = server(usize::MAX, Duration::ZERO).closed_loop(Duration::from_millis(100)).unwrap();
        assert!(round.requests > 0 && round.elapsed >= Duration::from_millis(95), "{round:?}");
        assert!((round.and(round).per_second() - round.per_second()).abs() < 1e-6);
    }

    #[test]
    fn requests_are_due_at_beats_and_no_more_of_them_than_asked_for() {
        let pace = Pace::of(10_000.0, Duration::from_millis(100));
        let due: Vec<_> = (0..2000).map_while(|sent| pace.due(sent)).collect();
        assert_eq!(due.len(), 1000);
        assert_eq!(due[2].duration_since(pace.start), Duration::ZERO);
        assert_eq!(due[3].duration_since(pace.start), BEAT);
        assert!(due[999] < pace.start + Duration::from_millis(100));
    }
}

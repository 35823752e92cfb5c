//! Requests over HTTP, in rounds that take turns with the bare handler's.
//!
//! First every answer is compared with the decider's own. Then cedargate and the bare handler are asked in turn by the
//! same load, so that whatever slows the machine for a while slows both.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;

use super::deciding::Answered;
use super::load::{Order, Round, Target};
use super::people::People;
use super::report::Measured;
use super::serving::Running;
use super::wire::Connection;
use super::{BenchError, latencies};

/// The requests, and the bare handler that they are asked of in turn with cedargate.
pub struct Rounds {
    answered: Vec<Answered>,
    requests: Arc<Vec<Vec<u8>>>,
    bare: Running,
    connections: usize,
    time: Duration,
}

impl Rounds {
    /// Checks every answer of a server, and starts a bare handler whose answer is as long as the middle one of them.
    ///
    /// # Errors
    /// When an answer is another than the decider's own.
    pub async fn start(
        server: &Running,
        people: &People,
        answered: Vec<Answered>,
        connections: usize,
        time: Duration,
    ) -> Result<Self, BenchError> {
        let requests = people.requests(answered.iter().map(|one| &one.asked))?;
        let mut lengths = check(server, &requests, &answered).await?;
        lengths.sort_unstable();
        let length = lengths.get(lengths.len() / 2).copied().unwrap_or_default();
        let bare = Running::bare(Bytes::from(format!("\"{}\"", "x".repeat(length.saturating_sub(2))))).await?;
        Ok(Self { answered, requests: Arc::new(requests), bare, connections, time })
    }

    /// As fast as possible in turns, then at a part of that rate.
    pub(super) async fn measure(&self, server: &Running) -> Result<Vec<Measured>, BenchError> {
        let (http, bare) = sums(&self.in_turns(server).await?);
        let rate = http.per_second() * OPEN_LOOP_SHARE;
        let (target, time) = (self.target(server), self.time);
        let open = blocking(move || target.open_loop(rate, time)).await??;
        let mut results = vec![
            Measured::new("http_rps", http.per_second(), "1/s"),
            Measured::new("bare_rps", bare.per_second(), "1/s"),
            Measured::new("http_open_rps", rate, "1/s"),
        ];
        results.extend(open.results("http", &latencies::ALL));
        let cpu = |name: &str, round: Round| round.server_microseconds().map(|time| Measured::new(name, time, "us"));
        results.extend(cpu("http_cpu", http));
        results.extend(cpu("bare_cpu", bare));
        Ok(results)
    }

    /// As fast as possible in turns, against a server that keeps a decision log.
    pub(super) async fn measure_logged(&self, server: &Running) -> Result<Vec<Measured>, BenchError> {
        self.check(server).await?;
        let (logged, bare) = sums(&self.in_turns(server).await?);
        Ok(vec![
            Measured::new("http_log_rps", logged.per_second(), "1/s"),
            Measured::new("bare_log_rps", bare.per_second(), "1/s"),
        ])
    }

    /// Checks every answer of another server.
    ///
    /// # Errors
    /// When one is another than the decider's own.
    pub async fn check(&self, server: &Running) -> Result<(), BenchError> {
        check(server, &self.requests, &self.answered).await.map(|_| ())
    }

    /// Stops the bare handler.
    ///
    /// # Errors
    /// When it had stopped before.
    pub async fn stop(self) -> Result<(), BenchError> {
        self.bare.stop().await
    }

    /// Cedargate and the bare handler, closed loop: both of each turn, in this order.
    ///
    /// # Errors
    /// When a request has no answer.
    pub async fn in_turns(&self, server: &Running) -> Result<Vec<(Round, Round)>, BenchError> {
        let mut turns = Vec::new();
        for _ in 0..TURNS {
            let bare = self.turn(&self.bare).await?;
            turns.push((self.turn(server).await?, bare));
        }
        Ok(turns)
    }

    async fn turn(&self, running: &Running) -> Result<Round, BenchError> {
        let (target, time) = (self.target(running), self.time / TURNS);
        Ok(blocking(move || target.closed_loop(time)).await??)
    }

    fn target(&self, running: &Running) -> Target {
        let (requests, connections) = (Arc::clone(&self.requests), self.connections);
        Target { address: running.address, requests, order: Order::Again, connections }
    }
}

fn sums(turns: &[(Round, Round)]) -> (Round, Round) {
    let sum = |of: fn(&(Round, Round)) -> Round| turns.iter().map(of).reduce(Round::and).unwrap_or_default();
    (sum(|turn| turn.0), sum(|turn| turn.1))
}

/// The load's own thread is waited for on one that may wait.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, BenchError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| super::WireError::Thread.into())
}

/// Asks everything once and compares; the answers' lengths.
async fn check(server: &Running, requests: &[Vec<u8>], answered: &[Answered]) -> Result<Vec<usize>, BenchError> {
    let mut connection = Connection::open(server.address).await?;
    let mut lengths = Vec::with_capacity(requests.len());
    for (request, one) in requests.iter().zip(answered) {
        let body = connection.ask(request).await?;
        let differs = |found: &str| BenchError::OverHttp(format!("{}: {found}", one.asked.text()));
        let answer: Value = serde_json::from_slice(body).map_err(|error| differs(&error.to_string()))?;
        let decision = answer.get("decision").and_then(Value::as_str).unwrap_or_default();
        if decision != one.answer.decision.as_str() {
            return Err(differs(decision));
        }
        lengths.push(body.len());
    }
    Ok(lengths)
}

/// How often each has its turn.
const TURNS: u32 = 4;
/// What an open loop asks of what a closed one got.
const OPEN_LOOP_SHARE: f64 = 0.7;

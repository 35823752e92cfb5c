//! The queue between answers and lines, and the thread that empties it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};

use super::described::Descriptions;
use super::{DecisionRecord, Mask, Sink};

/// What happens to a record when the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The record is lost and counted; answers stay fast.
    #[default]
    Drop,
    /// The answer waits until the record has a place.
    Block,
}

#[derive(Clone, Debug)]
pub struct AuditSettings {
    pub queue: usize,
    pub when_full: WhenFull,
    pub mask: Mask,
}

/// What became of the records.
#[derive(Debug, Default)]
pub struct AuditCounters {
    pub written: AtomicU64,
    pub dropped: AtomicU64,
    /// Times that an answer had to wait.
    pub waited: AtomicU64,
    /// Lines that the sink refused.
    pub failed: AtomicU64,
}

/// The decision log is gone, and answers may not go out without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the decision log cannot be written")]
pub struct Unrecorded;

/// Takes records; cheap to clone.
#[derive(Clone, Debug)]
pub struct Audit {
    sender: Option<Sender<DecisionRecord>>,
    when_full: WhenFull,
    counters: Arc<AuditCounters>,
}

impl Audit {
    /// Keeps no log.
    pub fn off() -> Self {
        Self { sender: None, when_full: WhenFull::Drop, counters: Arc::default() }
    }

    /// Starts the writer. Join the handle after the last `Audit` is gone to have every line on disk.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(sink: Sink, settings: AuditSettings) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, records) = mpsc::channel(settings.queue.max(1));
        let counters = Arc::new(AuditCounters::default());
        let writer = Writer {
            sink,
            descriptions: Descriptions::new(settings.mask),
            counters: Arc::clone(&counters),
            lines: Vec::new(),
            pending: 0,
            is_failing: false,
        };
        let writer = std::thread::Builder::new().name("decision-log".into()).spawn(move || writer.run(records))?;
        Ok((Self { sender: Some(sender), when_full: settings.when_full, counters }, writer))
    }

    pub fn is_on(&self) -> bool {
        self.sender.is_some()
    }

    pub fn counters(&self) -> &Arc<AuditCounters> {
        &self.counters
    }

    /// How many records wait to be written.
    pub fn queued(&self) -> usize {
        self.sender.as_ref().map_or(0, |sender| sender.max_capacity() - sender.capacity())
    }

    /// Takes a record; waits only with `WhenFull::Block`.
    ///
    /// # Errors
    /// With `WhenFull::Block`, when the writer is gone: then no answer may go out that is not on record.
    pub async fn record(&self, record: DecisionRecord) -> Result<(), Unrecorded> {
        let Some(sender) = &self.sender else { return Ok(()) };
        match (sender.try_send(record), self.when_full) {
            (Ok(()), _) => {}
            (Err(TrySendError::Full(record)), WhenFull::Block) => {
                self.counters.waited.fetch_add(1, Ordering::Relaxed);
                sender.send(record).await.map_err(|_| self.lost())?;
            }
            (Err(TrySendError::Closed(_)), WhenFull::Block) => return Err(self.lost()),
            (Err(TrySendError::Full(_) | TrySendError::Closed(_)), WhenFull::Drop) => {
                self.lost();
            }
        }
        Ok(())
    }

    fn lost(&self) -> Unrecorded {
        self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        Unrecorded
    }
}

/// Empties the queue until the last sender is gone.
struct Writer {
    sink: Sink,
    descriptions: Descriptions,
    counters: Arc<AuditCounters>,
    /// Lines that are not written yet, and how many.
    lines: Vec<u8>,
    pending: u64,
    is_failing: bool,
}

impl Writer {
    fn run(mut self, mut records: Receiver<DecisionRecord>) {
        let mut batch = Vec::new();
        // Few enough that a queue is never full of what a pause let pile up.
        let small = records.max_capacity() / 8;
        while records.blocking_recv_many(&mut batch, BATCH_RECORDS) > 0 {
            let count = batch.len();
            for record in batch.drain(..) {
                self.add(&record);
            }
            // What is known is on disk before the pause: a quiet server's log is complete.
            if records.is_empty() {
                self.write();
                if count <= small {
                    // A thread that waits for the next record has to be woken by whoever brings it, in the middle of a
                    // request; one that comes back by itself takes many at once.
                    std::thread::sleep(PAUSE);
                }
            }
        }
        self.write();
    }

    fn add(&mut self, record: &DecisionRecord) {
        record.write_line(&mut self.lines, &mut self.descriptions);
        self.pending += 1;
        if self.lines.len() >= self.sink.batch_bytes() {
            self.write();
        }
    }

    fn write(&mut self) {
        if self.pending == 0 {
            return;
        }
        let counter = match self.sink.write(&self.lines) {
            Ok(()) => {
                self.is_failing = false;
                &self.counters.written
            }
            Err(error) => {
                if !self.is_failing {
                    tracing::error!(%error, "the decision log cannot be written");
                }
                self.is_failing = true;
                &self.counters.failed
            }
        };
        counter.fetch_add(self.pending, Ordering::Relaxed);
        self.lines.clear();
        self.pending = 0;
    }
}

const BATCH_RECORDS: usize = 256;
const PAUSE: Duration = Duration::from_millis(1);

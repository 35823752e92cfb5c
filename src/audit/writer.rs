//! The queue between answers and lines, and the thread that empties it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};
use tokio::sync::oneshot;

use super::described::Descriptions;
use super::{DecisionRecord, Mask, Sink};

/// What happens to a record when the queue is full, or when it cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The record is lost and counted; answers stay fast.
    #[default]
    Drop,
    /// The answer waits until the record is written, and does not go out when it cannot be.
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

/// A record on its way, and somebody who waits for it to be written.
#[derive(Debug)]
struct Entry {
    record: DecisionRecord,
    written: Option<oneshot::Sender<Result<(), Unrecorded>>>,
}

/// Takes records; cheap to clone.
#[derive(Clone, Debug)]
pub struct Audit {
    sender: Option<Sender<Entry>>,
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
            pending: Vec::new(),
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

    /// Takes a record; with `WhenFull::Block`, waits until it is written.
    ///
    /// # Errors
    /// With `WhenFull::Block`, when it cannot be written: then no answer may go out.
    pub async fn record(&self, record: DecisionRecord) -> Result<(), Unrecorded> {
        let Some(sender) = &self.sender else { return Ok(()) };
        match self.when_full {
            WhenFull::Drop => {
                let sent = sender.try_send(Entry { record, written: None });
                let _ = sent.map_err(|_| self.lost());
                Ok(())
            }
            WhenFull::Block => {
                let (written, mut outcome) = oneshot::channel();
                self.send(sender, Entry { record, written: Some(written) }).await?;
                // A moment is what writing takes: more is what operators want to know of.
                let outcome = match tokio::time::timeout(MOMENT, &mut outcome).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        self.counters.waited.fetch_add(1, Ordering::Relaxed);
                        outcome.await
                    }
                };
                outcome.unwrap_or(Err(Unrecorded))
            }
        }
    }

    async fn send(&self, sender: &Sender<Entry>, entry: Entry) -> Result<(), Unrecorded> {
        match sender.try_send(entry) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(entry)) => sender.send(entry).await.map_err(|_| self.lost()),
            Err(TrySendError::Closed(_)) => Err(self.lost()),
        }
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
    /// Lines that are not written yet, and who waits for each.
    lines: Vec<u8>,
    pending: Vec<Option<oneshot::Sender<Result<(), Unrecorded>>>>,
    is_failing: bool,
}

impl Writer {
    fn run(mut self, mut records: Receiver<Entry>) {
        let mut batch = Vec::new();
        // Few enough that a queue is never full of what a pause let pile up.
        let small = records.max_capacity() / 8;
        while records.blocking_recv_many(&mut batch, BATCH_RECORDS) > 0 {
            let count = batch.len();
            let is_waited_for = batch.iter().any(|entry| entry.written.is_some());
            for entry in batch.drain(..) {
                self.add(entry);
            }
            // What is known is on disk before the pause: a quiet server's log is complete.
            if is_waited_for || records.is_empty() {
                self.write();
                if !is_waited_for && count <= small {
                    // A thread that waits for the next record has to be woken by whoever brings it, in the middle of a
                    // request; one that comes back by itself takes many at once.
                    std::thread::sleep(PAUSE);
                }
            }
        }
        self.write();
    }

    fn add(&mut self, entry: Entry) {
        entry.record.write_line(&mut self.lines, &mut self.descriptions);
        self.pending.push(entry.written);
        if self.lines.len() >= self.sink.batch_bytes() {
            self.write();
        }
    }

    /// Writes what is there, and tells whoever waits. Lines that cannot be written are given up, and counted: their
    /// answers do not go out where they would have waited.
    fn write(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let written = match self.sink.write(&self.lines) {
            Ok(()) => {
                if self.is_failing {
                    tracing::info!("the decision log is written again");
                }
                self.is_failing = false;
                self.pending.len()
            }
            Err(failed) => {
                if !self.is_failing {
                    tracing::error!(error = %failed.error, "the decision log cannot be written");
                }
                self.is_failing = true;
                failed.whole_lines.min(self.pending.len())
            }
        };
        for (index, waiting) in self.pending.drain(..).enumerate() {
            let is_written = index < written;
            let counter = if is_written { &self.counters.written } else { &self.counters.failed };
            counter.fetch_add(1, Ordering::Relaxed);
            if let Some(waiting) = waiting {
                let _ = waiting.send(if is_written { Ok(()) } else { Err(Unrecorded) });
            }
        }
        self.lines.clear();
    }
}

const BATCH_RECORDS: usize = 256;
const PAUSE: Duration = Duration::from_millis(1);
const MOMENT: Duration = Duration::from_millis(100);

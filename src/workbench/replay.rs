//! A decision log decided again: which past answers would the tree give otherwise?
//!
//! In: logs, as [`crate::audit`] writes them, and tenants' snapshots. Out: a [`Report`], the same whatever the number
//! of threads. A reader hands batches of lines to workers; what comes back is counted in the order of the lines, and
//! never more than a few batches are in memory.
//!
//! A request is decided as it was made: attributes, tags and parents of its principal are those of the log. Only who
//! is in an external identity is asked anew of the logged claims, since the conditions of external identities are
//! policies as any other, and an edit of them is just what one wants to see the effect of.

mod difference;
mod inputs;
mod judge;
mod logged;
mod masked;
mod people;
mod report;
mod tally;

pub use difference::{Difference, Example, Kind, Placed, Side};
pub use inputs::Input;
pub use people::PrincipalsFrom;
pub use report::{Report, Undecided};

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use self::inputs::{Batch, Source};
use self::tally::Tally;
use crate::model::{Fault, TenantId};
use crate::snapshot::Snapshot;

/// How a log is replayed.
#[derive(Clone, Debug)]
pub struct Replay {
    pub decider: crate::decide::Decider,
    pub principals: PrincipalsFrom,
    /// Only this tenant's lines.
    pub tenant: Option<TenantId>,
    /// Whether another reason, or other policies for the same decision, is a change too.
    pub is_strict: bool,
    /// How many differences, and faults of a kind, are told of.
    pub examples: usize,
    pub workers: usize,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub lines: u64,
    pub bytes: u64,
    /// Of all inputs, where that is known.
    pub all_bytes: Option<u64>,
}

impl Replay {
    /// Replays logs over the tenants of a tree.
    ///
    /// # Errors
    /// When a log cannot be read; what cannot be decided of it is in the report.
    pub fn run(
        &self,
        logs: &[Input],
        tenants: &BTreeMap<TenantId, Snapshot>,
        mut on_progress: impl FnMut(Progress),
    ) -> Result<Report, Fault> {
        let judge = judge::Judge::new(self, tenants);
        let workers = self.workers.max(1);
        let most = workers * BATCHES_A_WORKER;
        // A place for each batch that is anywhere between the reader and the count: this bounds the memory.
        let (take_place, leave_place) = sync_channel::<()>(most);
        let (hand_out, batches) = sync_channel::<Batch>(most);
        let (hand_in, counted) = sync_channel::<(u64, Tally)>(most);
        let batches = Mutex::new(batches);
        let mut source = Source::open(logs)?;
        let mut progress = Progress { all_bytes: source.all_bytes(), ..Progress::default() };
        let (names, judge, batches) = (source.names(), &judge, &batches);
        thread::scope(|scope| {
            let reader = scope.spawn(move || read(&mut source, &take_place, &hand_out));
            for _ in 0..workers {
                let hand_in = hand_in.clone();
                let names = &names;
                scope.spawn(move || work(batches, &hand_in, |batch| judge.judge_all(batch, names)));
            }
            drop(hand_in);
            let mut total = Tally::default();
            let mut waiting: BTreeMap<u64, Tally> = BTreeMap::new();
            let mut next = 0;
            for (number, tally) in counted {
                waiting.insert(number, tally);
                // In the order of the lines, whichever worker was first.
                while let Some(tally) = waiting.remove(&next) {
                    next += 1;
                    progress.lines += tally.lines;
                    progress.bytes += tally.bytes;
                    total.append(tally, self.examples);
                    on_progress(progress);
                    let _ = leave_place.recv();
                }
            }
            match reader.join() {
                Ok(read) => read.map(|()| Report::of(total, self.examples)),
                Err(_) => Err(Fault::of_file("the log", "could not be read to its end")),
            }
        })
    }
}

fn read(source: &mut Source<'_>, place: &SyncSender<()>, batches: &SyncSender<Batch>) -> Result<(), Fault> {
    while let Some(batch) = source.next_batch()? {
        // Nobody takes any more: a worker's fault, which it tells itself.
        if place.send(()).is_err() || batches.send(batch).is_err() {
            break;
        }
    }
    Ok(())
}

fn work(batches: &Mutex<Receiver<Batch>>, results: &SyncSender<(u64, Tally)>, judge: impl Fn(&Batch) -> Tally) {
    loop {
        let next = batches.lock().map(|batches| batches.recv());
        let Ok(Ok(batch)) = next else { break };
        if results.send((batch.number, judge(&batch))).is_err() {
            break;
        }
    }
}

/// Enough that nobody waits while one batch takes longer than others.
const BATCHES_A_WORKER: usize = 4;

#[cfg(test)]
mod tests;

//! Half of the questions a second that this process can answer, in an open loop: a thread a core, `Ask::one` each.
//!
//! A question's time counts from the moment at which it is due, so that a stall is charged with everyone who would
//! have asked meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use cedargate::ask::{Ask, Question};
use cedargate::bench::generate::GENERATED_TENANT;
use cedargate::bench::{BenchError, Latencies};
use cedargate::decide::Decision;
use tokio::runtime::Handle;

use crate::error::BarError;
use crate::world::asker;

/// Questions and their answers, for ever in the same order.
pub struct HalfLoad {
    ask: Ask,
    questions: Vec<(Question, Decision)>,
    runtime: Handle,
    threads: usize,
    /// Of one thread, as fast as it can.
    most_per_second: f64,
}

/// How long questions took, at worst and but for one in a hundred: milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub worst: f64,
    pub p99: f64,
}

impl HalfLoad {
    /// Finds out how much the whole load is.
    pub fn of(
        ask: Ask,
        questions: Vec<(Question, Decision)>,
        runtime: Handle,
        time: Duration,
    ) -> Result<Self, BarError> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut load = Self { ask, questions, runtime, threads, most_per_second: 0.0 };
        let counts = load.on_each_thread(|thread| load.as_fast_as_possible(thread, time))?;
        #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 here")]
        let count = counts.iter().sum::<usize>() as f64;
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 cores")]
        let threads = threads as f64;
        load.most_per_second = count / threads / time.as_secs_f64();
        Ok(load)
    }

    /// Questions a second, of all threads.
    pub fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 cores")]
        let threads = self.threads as f64;
        self.most_per_second * threads / 2.0
    }

    /// Asks for so long.
    pub fn run(&self, time: Duration) -> Result<Seen, BarError> {
        let latencies = self.on_each_thread(|thread| self.open_loop(thread, time))?;
        let most = |percent| latencies.iter().map(|of| of.percentile(percent) / 1000.0).fold(0.0, f64::max);
        Ok(Seen { worst: most(100.0), p99: most(99.0) })
    }

    fn on_each_thread<T: Send>(&self, work: impl Fn(usize) -> Result<T, BarError> + Sync) -> Result<Vec<T>, BarError> {
        thread::scope(|scope| {
            let started: Vec<_> = (0..self.threads)
                .map(|number| {
                    scope.spawn({
                        let work = &work;
                        move || work(number)
                    })
                })
                .collect();
            let ended =
                started.into_iter().map(|thread| thread.join().map_err(|_| BarError::Unknown("why a thread ended"))?);
            ended.collect()
        })
    }

    fn as_fast_as_possible(&self, thread: usize, time: Duration) -> Result<usize, BarError> {
        let (begun, mut count) = (Instant::now(), 0);
        while begun.elapsed() < time {
            self.answer(thread + count * self.threads)?;
            count += 1;
        }
        Ok(count)
    }

    fn open_loop(&self, thread: usize, time: Duration) -> Result<Latencies, BarError> {
        let mut latencies = Latencies::empty().map_err(BenchError::from)?;
        let between = Duration::from_secs_f64(2.0 / self.most_per_second);
        let (mut due, mut count) = (Instant::now() + BEAT, 0);
        let end = due + time;
        while due < end {
            let now = Instant::now();
            if due > now {
                // Several are due at a time, since nobody wakes up for each of them in time.
                thread::sleep((due - now).max(BEAT));
            }
            self.answer(thread + count * self.threads)?;
            latencies.record(due.elapsed());
            count += 1;
            due += between;
        }
        Ok(latencies)
    }

    /// Asks one. What was allowed at first always is: grants are only added.
    fn answer(&self, at: usize) -> Result<(), BarError> {
        let Some((question, decision)) = self.questions.get(at % self.questions.len().max(1)) else { return Ok(()) };
        let answered = self.runtime.block_on(self.ask.one(GENERATED_TENANT, None, question.clone(), &asker()))?;
        if *decision == Decision::Allow && answered.answer.decision != Decision::Allow {
            return Err(BarError::Wrong(format!("{answered:?}")));
        }
        Ok(())
    }
}

/// The shortest sleep.
const BEAT: Duration = Duration::from_micros(250);

//! Decisions in this process: cedargate's, and plain Cedar's of the same requests; checked against each other, or
//! there is no number at all.
//!
//! Cold is a request that was never asked before, warm the same request again at once. Warm ones and plain Cedar's
//! take turns, so that whatever slows the machine for a while slows both.

use std::hint::black_box;
use std::time::{Duration, Instant};

use cedar_policy::Authorizer;
use serde_json::Value;

use super::BenchError;
use super::files::TenantFiles;
use super::generate::request_context;
use super::latencies::Latencies;
use super::people::{People, action_name};
use super::plain::{self, Full, Minimal};
use super::workload::{Asked, Candidate, Draw};
use crate::decide::{AccessQuery, ActionName, Answer, Decider, Decision, Reason, ResourceQuery};
use crate::snapshot::Snapshot;

/// What decides here.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub decider: &'a Decider,
    pub snapshot: &'a Snapshot,
    pub files: &'a TenantFiles,
    pub people: &'a People,
}

/// A request and its answer.
pub struct Answered {
    pub asked: Asked,
    pub answer: Answer,
}

/// Requests that were never asked before, all answered, and how long each took.
pub struct Cold {
    pub answered: Vec<Answered>,
    pub latencies: Latencies,
}

/// Requests asked again, and plain Cedar over the least that each needs.
pub struct Warm {
    pub latencies: Latencies,
    pub minimal: Latencies,
}

impl Subject<'_> {
    /// Asks so many requests once each, which carry this context or one that fits a made-up tenant. Requests that do
    /// not fit the schema are left out, unless that is all of them.
    pub(super) fn cold(self, count: usize, context: Option<&Value>, budget: Duration) -> Result<Cold, BenchError> {
        let mut draw = Draw::from(self.files, self.people.has_outsiders())?;
        let candidates = draw.candidates(count);
        self.ask(&mut draw, &candidates, context, budget)
    }

    /// The same of these requests, in their order.
    ///
    /// # Errors
    /// When none of them fits the schema.
    pub fn ask(
        self,
        draw: &mut Draw<'_>,
        candidates: &[Candidate],
        context: Option<&Value>,
        budget: Duration,
    ) -> Result<Cold, BenchError> {
        let mut cold = Cold { answered: Vec::new(), latencies: Latencies::empty()? };
        let mut refused = None;
        let mut spent = Duration::ZERO;
        // Made by the hundred, so that what making one touches is not at hand when it is asked.
        for some in candidates.chunks(AT_ONCE) {
            let requests = some.iter().map(|candidate| self.request(draw, candidate, context));
            for asked in requests.collect::<Result<Vec<_>, _>>()? {
                if spent > budget && cold.answered.len() >= FEWEST {
                    return Ok(cold);
                }
                let started = Instant::now();
                let outcome = self.decider.decide(self.snapshot, &asked.principal, &asked.query);
                let elapsed = started.elapsed();
                match outcome {
                    Ok(answer) => {
                        spent += elapsed;
                        cold.latencies.record(elapsed);
                        cold.answered.push(Answered { asked, answer });
                    }
                    Err(error) => refused = Some(format!("{}: {error}", asked.text())),
                }
            }
        }
        if cold.answered.is_empty() {
            let hint = "give requests what they must carry with `--context`";
            let why = refused.map(|refused| format!("all are refused, the last one is {refused}; {hint}"));
            return Err(BenchError::NoRequest(
                why.unwrap_or_else(|| "no grant and no permit fits anything".to_owned()),
            ));
        }
        Ok(cold)
    }

    fn request(
        self,
        draw: &mut Draw<'_>,
        Candidate { who, action, resource }: &Candidate,
        context: Option<&Value>,
    ) -> Result<Asked, BenchError> {
        let is_made_up = self.people.has_outsiders() && context.is_none();
        let query = AccessQuery {
            action: ActionName(action_name(action)),
            resource: ResourceQuery::named(resource.clone()),
            context: if is_made_up { request_context(draw.random()) } else { context.cloned() },
            explain: false,
        };
        let principal = self.people.principal(who, self.snapshot)?;
        Ok(Asked { who: who.clone(), principal, action: action.clone(), query })
    }

    /// Asks requests again, at once, and plain Cedar over the least that each needs. All answers are checked first.
    ///
    /// # Errors
    /// When an answer is another than plain Cedar's.
    pub fn warm(self, answered: &[Answered], budget: Duration) -> Result<Warm, BenchError> {
        let authorizer = Authorizer::new();
        let mut ready = Vec::new();
        for one in answered {
            let minimal = Minimal::of(self.files, &one.asked, &one.answer)?;
            check(one, minimal.decide(&authorizer), "plain Cedar over the determining policies")?;
            if ready.len() < MOST_READY {
                ready.push((one, minimal));
            }
        }
        let mut warm = Warm { latencies: Latencies::empty()?, minimal: Latencies::empty()? };
        let started = Instant::now();
        for (at, (one, minimal)) in ready.iter().enumerate() {
            if at >= FEWEST && started.elapsed() > budget {
                break;
            }
            let ours = || self.decider.decide(self.snapshot, &one.asked.principal, &one.asked.query);
            repeat(&mut warm.latencies, ours);
            repeat(&mut warm.minimal, || minimal.decide(&authorizer));
        }
        Ok(warm)
    }

    /// Plain Cedar over everything, each answer checked: decision and determining policies.
    ///
    /// # Errors
    /// As [`Self::warm`].
    pub fn full(self, answered: &[Answered], budget: Duration) -> Result<Latencies, BenchError> {
        let principals = answered.iter().filter_map(|one| Some(one.asked.principal.entity.as_ref()?.entity()));
        let full = Full::of(self.files, principals)?;
        let authorizer = Authorizer::new();
        let mut latencies = Latencies::empty()?;
        let begun = Instant::now();
        for (at, one) in answered.iter().enumerate() {
            if at >= FEWEST && begun.elapsed() > budget {
                break;
            }
            let request = plain::request(self.files, &one.asked)?;
            let started = Instant::now();
            let (decision, determining) = full.decide(&authorizer, &request);
            latencies.record(started.elapsed());
            check(one, decision, "plain Cedar")?;
            let ours = one.answer.policies.iter().map(|policy| policy.id.clone()).collect();
            // Where a forbid could not be evaluated, no policy is said to have determined the answer.
            if one.answer.reason != Reason::PolicyError && determining != ours {
                return Err(BenchError::Differs {
                    request: one.asked.text(),
                    ours: format!("{ours:?}"),
                    theirs: format!("{determining:?}"),
                    of: "plain Cedar",
                });
            }
        }
        Ok(latencies)
    }
}

/// Once for the caches, then a few times by the clock.
fn repeat<T>(latencies: &mut Latencies, work: impl Fn() -> T) {
    black_box(work());
    for _ in 0..REPETITIONS {
        let started = Instant::now();
        black_box(work());
        latencies.record(started.elapsed());
    }
}

/// The decisions are the same, but where cedargate denies since a forbid could not be evaluated.
fn check(one: &Answered, theirs: cedar_policy::Decision, of: &'static str) -> Result<(), BenchError> {
    let ours = one.answer.decision;
    let is_same = (ours == Decision::Allow) == (theirs == cedar_policy::Decision::Allow);
    if is_same || one.answer.reason == Reason::PolicyError {
        return Ok(());
    }
    let (ours, theirs) = (ours.as_str().to_owned(), format!("{theirs:?}").to_lowercase());
    Err(BenchError::Differs { request: one.asked.text(), ours, theirs, of })
}

/// How the answers came out: allows, denies.
pub(super) fn tally(answered: &[Answered]) -> (usize, usize) {
    let allows = answered.iter().filter(|one| one.answer.decision == Decision::Allow).count();
    (allows, answered.len() - allows)
}

const REPETITIONS: usize = 4;
/// So many are asked however long it takes.
const FEWEST: usize = 20;
const AT_ONCE: usize = 100;
/// What plain Cedar is given ready-made takes memory.
const MOST_READY: usize = 2000;

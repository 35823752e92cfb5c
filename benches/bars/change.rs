//! A grant is added on disk while others ask: how soon it is effective, and what the others notice.
//!
//! Effective is when `Ask::one` in this process allows what it denied before, at the new revision. The others ask at
//! half of what can be answered, in an open loop: once in this process, once over HTTP.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cedargate::ask::{self, Question};
use cedargate::bench::generate::GENERATED_TENANT;
use cedargate::bench::{Answered, Order, Proof, Target, shown};
use cedargate::decide::{AccessQuery, ActionName, Decision, ResourceQuery};
use cedargate::model::{EntityRef, Revision, SigningAlgorithm};
use serde_json::Map;

use crate::cpu;
use crate::error::BarError;
use crate::grant::Grant;
use crate::half_load::{HalfLoad, Seen};
use crate::lab::Lab;
use crate::line::{Bar, Line, milliseconds};
use crate::rounds::{Series, median};
use crate::world::{World, asker, tenant};

pub fn measure(lab: &Lab) -> Result<Vec<Line>, BarError> {
    let world = lab.large()?;
    let answered = Series::drawn(world, QUESTIONS)?.answered(QUESTIONS)?;
    let tokens = answered.iter().map(|one| world.people.token(&one.asked.who, Map::new(), SigningAlgorithm::RS256));
    let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
    let time = FOR_EACH_CHANGE * u32::try_from(lab.scale.changes).unwrap_or(u32::MAX);
    let mut changes = Changes { lab, world, number: 0, effective: Vec::new(), reloads: Vec::new() };

    let alone = changes.alone()?;
    let questions = answered.iter().zip(&tokens).map(|(one, token)| (question(one, token), one.answer.decision));
    let load = HalfLoad::of(world.server.ask.clone(), questions.collect(), lab.runtime.handle().clone(), WARM_UP)?;
    let quiet = load.run(time)?;
    let in_process = changes.during(|| load.run(time))?;

    let requests = answered.iter().zip(&tokens).map(|(one, token)| Proof::Token(token).request(&one.asked)).collect();
    let (requests, connections) = (Arc::new(requests), lab.scale.connections);
    let target = Target { address: world.server.running.address, requests, order: Order::Again, connections };
    let rate = target.closed_loop(WARM_UP)?.per_second() / 2.0;
    let over_http = || {
        let latencies = target.open_loop(rate, time)?;
        let of = |percent| latencies.percentile(percent) / 1000.0;
        Ok(Seen { worst: of(100.0), p99: of(99.0) })
    };
    let http_quiet = over_http()?;
    let http = changes.during(over_http)?;

    let Changes { effective, reloads, .. } = changes;
    let longest = effective.iter().copied().fold(0.0, f64::max);
    let (count, grants) = (effective.len(), lab.scale.large.grants);
    let what = format!("one grant added at {grants}: on disk → effective (median of {count}, at half load)");
    Ok(vec![
        Line::absolute(what, milliseconds(median(effective.into_iter())), Bar::AtMost(250.0)).beside(alone).beside(
            format!(
                "at half load the slowest took {} ms; from the first look at the tree to the snapshot {} ms (median)",
                shown(longest),
                shown(median(reloads.into_iter()))
            ),
        ),
        slowest("in process", load.per_second(), in_process, quiet),
        slowest("over HTTP, the load on the same cores", rate, http, http_quiet),
    ])
}

fn slowest(way: &str, rate: f64, changing: Seen, quiet: Seen) -> Line {
    let what = format!("slowest decision meanwhile, {way}: open loop at {} req/s", shown(rate));
    Line::absolute(what, milliseconds(changing.worst), Bar::AtMost(5.0)).beside(format!(
        "{way}: 99 of 100 took {} ms or less; without a change the slowest took {} ms, 99 of 100 {} ms or less",
        shown(changing.p99),
        shown(quiet.worst),
        shown(quiet.p99)
    ))
}

fn question(one: &Answered, token: &str) -> Question {
    Question::of(ask::Who::Token(token.to_owned()), one.asked.query.clone())
}

/// Grants that are added one after another, each to somebody else.
struct Changes<'a> {
    lab: &'a Lab,
    world: &'a World,
    number: usize,
    /// Milliseconds, from when a change stood on disk, and what of that was reading and building.
    effective: Vec<f64>,
    reloads: Vec<f64>,
}

impl Changes<'_> {
    /// What was seen of a load, noting the changes that were effective before its end.
    fn during(&mut self, load: impl FnOnce() -> Result<Seen, BarError> + Send) -> Result<Seen, BarError> {
        thread::scope(|scope| {
            let load = scope.spawn(load);
            loop {
                let took = self.one()?.as_secs_f64() * 1000.0;
                if load.is_finished() {
                    break;
                }
                self.effective.push(took);
                self.reloads.push(self.reload());
                // What this one costs the others is over before the next one comes.
                thread::sleep(BETWEEN_CHANGES);
            }
            load.join().map_err(|_| BarError::Unknown("why a load ended"))?
        })
    }

    /// What they take while nobody asks.
    fn alone(&mut self) -> Result<String, BarError> {
        let (mut effective, mut spent) = (Vec::new(), Vec::new());
        for _ in 0..ALONE {
            let before = cpu::process_time();
            effective.push(self.one()?.as_secs_f64() * 1000.0);
            // What comes after it is part of it.
            thread::sleep(BETWEEN_CHANGES);
            spent.push((cpu::process_time().saturating_sub(before)).as_secs_f64() * 1000.0);
        }
        let (effective, spent) = (median(effective.into_iter()), median(spent.into_iter()));
        Ok(format!("while nobody asks: effective in {} ms, of {} ms of CPU time", shown(effective), shown(spent)))
    }

    fn one(&mut self) -> Result<Duration, BarError> {
        let grant = self.denied_yet()?;
        let revision = grant.publish(&self.world.server.config.layout.bundle_folder(&tenant()?))?;
        let written = Instant::now();
        while self.serving() < Some(revision) {
            if written.elapsed() > PATIENCE {
                return Err(BarError::Wrong(format!("revision {revision} is never effective")));
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        match self.decide(&grant)? {
            (Decision::Allow, found) if found == revision => Ok(written.elapsed()),
            (decision, found) => Err(BarError::Wrong(format!("{decision:?} at revision {found}, not {revision}"))),
        }
    }

    /// The next grant that would make a difference.
    fn denied_yet(&mut self) -> Result<Grant, BarError> {
        loop {
            let subject = EntityRef::new("User", format!("user-{}@bench.example", self.number));
            let resource = EntityRef::new("Model", format!("model-{}", self.number));
            let grant = Grant { subject, role: "viewer", resource };
            self.number += 1;
            if self.decide(&grant)?.0 == Decision::Deny {
                return Ok(grant);
            }
        }
    }

    fn decide(&self, grant: &Grant) -> Result<(Decision, Revision), BarError> {
        let Grant { subject, resource, .. } = grant;
        let who = cedargate::vocabulary::uid(subject).map_err(|_| BarError::Wrong(format!("{subject} is no uid")))?;
        let resource = ResourceQuery::named(resource.clone());
        let query = AccessQuery { action: ActionName("viewModel".to_owned()), resource, context: None, explain: false };
        let question = Question::of(ask::Who::Named(who), query);
        let answered = self.lab.wait(self.world.server.ask.one(GENERATED_TENANT, None, question, &asker()))?;
        Ok((answered.answer.decision, answered.revision))
    }

    fn serving(&self) -> Option<Revision> {
        Some(self.world.server.ask.tenants.get(GENERATED_TENANT)?.snapshot()?.revision)
    }

    /// Milliseconds from the first look at the tree to the snapshot that serves.
    fn reload(&self) -> f64 {
        let handle = self.world.server.ask.tenants.get(GENERATED_TENANT);
        let built = handle.and_then(|handle| handle.snapshot()).map(|snapshot| snapshot.built.took);
        built.unwrap_or_default().as_secs_f64() * 1000.0
    }
}

const QUESTIONS: usize = 1000;
/// To find out what the whole load is.
const WARM_UP: Duration = Duration::from_secs(1);
/// Room for a change, so that enough of them fall into the load's time.
const FOR_EACH_CHANGE: Duration = Duration::from_millis(1200);
const BETWEEN_CHANGES: Duration = Duration::from_millis(800);
const ALONE: usize = 5;
const PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_micros(100);

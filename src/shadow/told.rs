//! A sample of the differences in the log: so many a second, and how many more there were.
//!
//! Never an e-mail: an id that looks like one is left out, and so are the ids of grants, which name people; the
//! decision's id leads to the whole of it in the decision log.

use std::time::{Duration, Instant};

use super::Decided;
use super::compare::Compared;
use crate::decide::Answer;
use crate::model::EntityRef;
use crate::snapshot::Snapshot;
use crate::vocabulary;

/// Tells of differences, within bounds.
#[derive(Debug)]
pub(super) struct Differences {
    most: u32,
    since: Option<Instant>,
    told: u32,
    untold: u64,
}

impl Differences {
    pub fn at_most(per_second: u32) -> Self {
        Self { most: per_second, since: None, told: 0, untold: 0 }
    }

    pub fn note(&mut self, decided: &Decided, compared: &Compared, candidate: &Snapshot) {
        if !self.may_tell(Instant::now()) {
            return;
        }
        let untold = self.take_untold();
        match compared {
            Compared::Changed(change, answer) => tell(decided, change.as_str(), answer, candidate, untold),
            Compared::Refused(refusal) => tell_refusal(decided, refusal.slug(), candidate, untold),
        }
    }

    /// How many were not told since this was asked last.
    pub fn take_untold(&mut self) -> u64 {
        std::mem::take(&mut self.untold)
    }

    /// Whether there is room for one more in this second.
    pub fn may_tell(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= A_SECOND) {
            self.since = Some(now);
            self.told = 0;
        }
        let has_room = self.told < self.most;
        self.told += u32::from(has_room);
        self.untold += u64::from(!has_room);
        has_room
    }
}

fn tell(decided: &Decided, outcome: &str, answer: &Answer, candidate: &Snapshot, untold: u64) {
    tracing::info!(
        tenant = %decided.tenant,
        outcome,
        decision.id = %decided.decision_id,
        request.id = %decided.request_id,
        principal.uid = %without_email(&vocabulary::entity_ref(&decided.principal.uid)),
        action = %decided.query.action.0,
        resource.uid = %without_email(&decided.query.resource.entity),
        decision = decided.decision.as_str(),
        reason = decided.reason.as_str(),
        policies = %sources(decided.policies.iter().map(|policy| policy.source.as_str())),
        candidate.decision = answer.decision.as_str(),
        candidate.reason = answer.reason.as_str(),
        candidate.policies = %sources(answer.policies.iter().map(|policy| policy.source.as_str())),
        generation = %decided.generation,
        candidate.generation = %candidate.generation,
        untold,
        "the candidate decides otherwise"
    );
}

fn tell_refusal(decided: &Decided, slug: &str, candidate: &Snapshot, untold: u64) {
    tracing::info!(
        tenant = %decided.tenant,
        outcome = "error",
        decision.id = %decided.decision_id,
        request.id = %decided.request_id,
        principal.uid = %without_email(&vocabulary::entity_ref(&decided.principal.uid)),
        action = %decided.query.action.0,
        resource.uid = %without_email(&decided.query.resource.entity),
        decision = decided.decision.as_str(),
        error = slug,
        generation = %decided.generation,
        candidate.generation = %candidate.generation,
        untold,
        "the candidate would not decide"
    );
}

fn sources<'a>(of: impl Iterator<Item = &'a str>) -> String {
    of.collect::<Vec<_>>().join(", ")
}

fn without_email(entity: &EntityRef) -> EntityRef {
    let id = if entity.id.contains('@') { HIDDEN } else { entity.id.as_str() };
    EntityRef::new(entity.entity_type.as_str(), id)
}

const HIDDEN: &str = "***";
const A_SECOND: Duration = Duration::from_secs(1);

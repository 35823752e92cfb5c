//! A line of the log in, what becomes of it now out: the server's decider over the principal as it was.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cedar_policy::PolicyId;
use serde_json::error::Category;

use super::Replay;
use super::difference::{Example, Kind, Placed, Side};
use super::inputs::{Batch, MAX_LINE_BYTES};
use super::logged::Logged;
use super::masked::Read;
use super::people::{MASKED_KIND, NOT_A_RECORD, People, Remade};
use super::tally::Tally;
use crate::decide::{AccessQuery, Answer, Change, QueryError};
use crate::model::TenantId;
use crate::snapshot::Snapshot;

/// Decides lines again; shared by all workers.
pub(super) struct Judge<'a> {
    replay: &'a Replay,
    tenants: BTreeMap<&'a str, Tenant<'a>>,
}

struct Tenant<'a> {
    snapshot: &'a Snapshot,
    people: People<'a>,
    read: Read,
}

/// Why a line is not decided: a kind, and a sentence.
type NotDecided = (&'static str, String);

impl<'a> Judge<'a> {
    pub fn new(replay: &'a Replay, tenants: &'a BTreeMap<TenantId, Snapshot>) -> Self {
        let tenant = |(name, snapshot): (&'a TenantId, &'a Snapshot)| {
            let people = People::new(snapshot, replay.principals);
            (name.as_str(), Tenant { snapshot, people, read: Read::in_all(snapshot) })
        };
        Self { replay, tenants: tenants.iter().map(tenant).collect() }
    }

    /// What became of the lines of a batch, in their order.
    pub fn judge_all(&self, batch: &Batch, names: &[String]) -> Tally {
        let mut tally = Tally { bytes: batch.bytes, ..Tally::default() };
        let file = names.get(batch.input).map(String::as_str).unwrap_or_default();
        for (number, line) in (batch.first_line..).zip(batch.text.split(|byte| *byte == b'\n')) {
            let judged = if batch.too_long.contains(&number) {
                Err(("too-long", format!("the line is longer than {MAX_LINE_BYTES} bytes")))
            } else if line.trim_ascii().is_empty() {
                continue;
            } else {
                // One line that brings a worker down would leave all that follow without their turn.
                let judged = catch_unwind(AssertUnwindSafe(|| self.judge(line, file, number, &mut tally)));
                judged.unwrap_or_else(|_| Err(("internal", "a fault of cedargate's own: please report it".to_owned())))
            };
            tally.lines += 1;
            if let Err((kind, message)) = judged {
                tally.not_decided(kind, file, number, message, self.replay.examples);
            }
        }
        tally
    }

    fn judge(&self, line: &[u8], file: &str, number: u64, tally: &mut Tally) -> Result<(), NotDecided> {
        let mut logged: Logged<'_> = serde_json::from_slice(line).map_err(|error| match error.classify() {
            Category::Data => (NOT_A_RECORD, error.to_string()),
            Category::Syntax | Category::Eof | Category::Io => ("not-json", error.to_string()),
        })?;
        if self.replay.tenant.as_ref().is_some_and(|wanted| wanted.as_str() != logged.tenant) {
            tally.of_other_tenants += 1;
            return Ok(());
        }
        let tenant = self.tenants.get(logged.tenant.as_ref());
        let tenant = tenant.ok_or_else(|| ("unknown-tenant", format!("the tree has no tenant `{}`", logged.tenant)))?;
        let remade = tenant.people.get_or_remake(logged.principal);
        let remade = Result::as_ref(&remade).map_err(Clone::clone)?;
        let query = logged.take_query().map_err(|message| (NOT_A_RECORD, message))?;
        tally.masked += u64::from(!remade.masked.is_empty());
        let answer = self.decide(tenant, remade, &query)?;
        tally.decided += 1;
        let change = Change::between(logged.decision, logged.reason, &logged.policies, &answer);
        tally.count(change);
        let Some(change) = change.filter(|change| self.replay.is_strict || *change != Change::OtherReason) else {
            return Ok(());
        };
        let kind = Kind {
            change,
            tenant: logged.tenant.to_string(),
            action: query.action.0,
            principal_type: remade.principal.uid.type_name().to_string(),
            resource_type: query.resource.entity.entity_type.clone(),
            policies_before: logged.policies,
            policies_now: answer.policies.iter().map(|policy| policy.id.clone()).collect(),
        };
        tally.differ(kind, |kind| Example {
            file: file.to_owned(),
            line: number,
            time: logged.time.to_string(),
            decision_id: logged.decision_id.to_string(),
            principal: remade.principal.uid.to_string(),
            resource: query.resource.entity.to_string(),
            before: Side {
                reason: logged.reason,
                policies: kind.policies_before.iter().map(|id| placed(tenant.snapshot, id)).collect(),
            },
            now: Side::of(&answer),
        });
        Ok(())
    }

    fn decide(&self, tenant: &Tenant<'_>, remade: &Remade, query: &AccessQuery) -> Result<Answer, NotDecided> {
        let (decider, principal) = (&self.replay.decider, &remade.principal);
        let refused = |error: QueryError| (error.slug(), error.to_string());
        if tenant.read.first_of(&remade.masked).is_none() {
            return decider.decide(tenant.snapshot, principal, query).map_err(refused);
        }
        // Some policy reads what is masked: is it one that may be about this request?
        let reach = decider.reach(tenant.snapshot, principal, query).map_err(refused)?;
        match Read::by(reach.policies()).first_of(&remade.masked) {
            None => decider.decide(tenant.snapshot, principal, query).map_err(refused),
            Some(name) => Err((MASKED_KIND, format!("the answer may depend on `{name}`, which the log masks"))),
        }
    }
}

/// A policy of the past, and where it stands now if it is still there.
fn placed(snapshot: &Snapshot, id: &str) -> Placed {
    let source = snapshot.source(&PolicyId::new(id)).map(|source| source.to_string());
    Placed { id: id.to_owned(), source }
}

//! A suite and a tenant's snapshot in, questions out: every name looked up, or every fault with its place.

mod lists;
mod matrices;
mod things;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{Entity, PolicyId};
use serde_json::Value;

use self::things::Shown;
use super::official::{OfficialCase, OfficialEntities};
use super::people::{People, Who};
use super::question::{Asks, Check, Errors, Expected, Group, GroupKind, Policies, Question};
use super::read::Suite;
use super::shape::{At, Placed, ShortOrFull};
use super::written::{
    WrittenCase, WrittenContext, WrittenExpectation, WrittenPrincipal, WrittenResource, WrittenSuite,
};
use crate::decide::{AccessQuery, ActionName, ResourceQuery};
use crate::manifest::AsWritten;
use crate::model::{Fault, Faults};
use crate::snapshot::{Snapshot, exact};
use crate::workbench::unknown::meant;

/// The groups of a suite, and what is worth a look of its author.
#[derive(Debug, Default)]
pub struct Planned {
    pub groups: Vec<Group>,
    pub warnings: Vec<Fault>,
}

/// Plans a suite in the format of its own.
///
/// # Errors
/// Every fault of the suite.
pub fn plan(
    snapshot: &Snapshot,
    suite: &Suite,
    written: &WrittenSuite,
    people: &People<'_>,
) -> Result<Planned, Faults> {
    let mut plan = Plan::new(snapshot, suite, Some(written), people);
    plan.shared = plan.entities(&written.entities);
    plan.check_names(written);
    let mut groups = Vec::new();
    let checks: Vec<_> = written.cases.iter().filter_map(|case| plan.case(case)).collect();
    if !checks.is_empty() {
        groups.push(Group { kind: GroupKind::Cases, name: None, checks });
    }
    groups.extend(written.matrices.iter().filter_map(|matrix| plan.matrix(matrix)));
    groups.extend(written.lists.iter().filter_map(|list| plan.list(list)));
    plan.finish(groups)
}

/// Plans cases in the official format; `load` reads a file beside theirs.
///
/// # Errors
/// Every fault of the cases.
pub fn plan_official(
    snapshot: &Snapshot,
    suite: &Suite,
    cases: &[OfficialCase],
    people: &People<'_>,
    load: impl Fn(&str) -> Result<Vec<Value>, String>,
) -> Result<Planned, Faults> {
    let mut plan = Plan::new(snapshot, suite, None, people);
    let checks = (1..).zip(cases).filter_map(|(number, case)| plan.official(number, case, &load)).collect();
    plan.finish(vec![Group { kind: GroupKind::Cases, name: None, checks }])
}

struct Plan<'a> {
    snapshot: &'a Snapshot,
    suite: &'a Suite,
    /// Where names are looked up.
    written: Option<&'a WrittenSuite>,
    people: &'a People<'a>,
    /// Those of the suite that were looked up; `None` for one with a fault.
    known: BTreeMap<String, Option<Who>>,
    /// Entities of the whole suite.
    shared: Vec<Entity>,
    faults: Faults,
    warnings: Vec<Fault>,
}

/// What a question needs beside who asks what.
struct Around {
    context: Option<Value>,
    context_at: At,
    entities: Arc<[Entity]>,
}

impl<'a> Plan<'a> {
    fn new(
        snapshot: &'a Snapshot,
        suite: &'a Suite,
        written: Option<&'a WrittenSuite>,
        people: &'a People<'a>,
    ) -> Self {
        let (known, shared) = (BTreeMap::new(), Vec::new());
        Self { snapshot, suite, written, people, known, shared, faults: Faults::default(), warnings: Vec::new() }
    }

    fn finish(mut self, groups: Vec<Group>) -> Result<Planned, Faults> {
        self.warnings.sort();
        self.warnings.dedup();
        self.faults.or(Planned { groups, warnings: self.warnings })
    }

    fn fault(&mut self, at: At, message: impl Into<String>) {
        self.faults.push(self.suite.fault(at, message));
    }

    fn warn(&mut self, at: At, message: impl Into<String>) {
        self.warnings.push(self.suite.fault(at, message));
    }

    /// Everything that has a name is read, though no case may use it.
    fn check_names(&mut self, written: &WrittenSuite) {
        for name in written.principals.names() {
            self.principal_named(name);
        }
        for (_, resource) in written.resources.iter() {
            self.resource(resource);
        }
    }

    fn case(&mut self, case: &Placed<WrittenCase>) -> Option<Check> {
        let WrittenCase { name, principal, action, resource, context, entities, expect, why } = &case.value;
        let around = self.around(context.as_ref(), entities, expect.at);
        let who = self.principal(principal);
        let action = self.action(action);
        let thing = self.resource(resource);
        let expected = match &expect.value {
            ShortOrFull::Short(decision) => Some(Expected::decision((*decision).into())),
            ShortOrFull::Full(full) => self.expected(full, expect.at),
        };
        let ((called, who), (action, _), thing) = (who?, action?, thing?);
        self.check_known(&who, &thing, principal.at, resource.at, &around);
        let name = name.clone().unwrap_or_else(|| format!("{called} {action} {}", thing.label));
        let question = self.question(called, who, &action, thing.query, &around);
        let asks = Asks::One(Box::new(question), expected?);
        Some(Check { name, at: case.at, why: why.clone(), asks })
    }

    fn expected(&mut self, written: &WrittenExpectation, at: At) -> Option<Expected> {
        let set = |ids: &Option<Vec<String>>| ids.as_ref().map(|ids| ids.iter().cloned().collect::<BTreeSet<_>>());
        let expected = Expected {
            decision: written.decision.map(Into::into),
            reason: written.reason,
            policies: set(&written.policies).map(Policies::Exactly),
            external_identities: set(&written.external_identities),
            errors: set(&written.errors).map(Errors::Exactly),
            refused: written.refused.clone(),
        };
        if expected == Expected::default() {
            self.fault(at, "expects nothing: say `allow` or `deny`, or what the answer must hold");
            return None;
        }
        let only_refused = Expected { refused: expected.refused.clone(), ..Expected::default() };
        if expected.refused.is_some() && expected != only_refused {
            self.fault(at, "a refused token has no answer: expect `refused` alone");
            return None;
        }
        Some(expected)
    }

    fn official(
        &mut self,
        number: usize,
        case: &OfficialCase,
        load: impl Fn(&str) -> Result<Vec<Value>, String>,
    ) -> Option<Check> {
        let given = match &case.entities {
            OfficialEntities::Inline(given) => given.clone(),
            OfficialEntities::File(file) => match load(file) {
                Ok(given) => given,
                Err(message) => {
                    self.fault(case.at, message);
                    return None;
                }
            },
        };
        let given: Vec<_> = given.into_iter().map(|entity| case.placed(AsWritten(entity))).collect();
        let entities = self.entities(&given).into();
        let context = Some(Value::Object(case.request.context.clone()));
        let around = Around { context, context_at: case.at, entities };
        let principal = case.placed(WrittenPrincipal::Short(case.request.principal.clone()));
        let who = self.principal(&principal);
        let action = self.action(&case.placed(case.request.action.clone()));
        let thing = self.resource(&case.placed(WrittenResource::Short(case.request.resource.clone())));
        let ((called, who), (action, _), thing) = (who?, action?, thing?);
        let question = self.question(called, who, &action, thing.query, &around);
        let expected = Expected {
            decision: Some(case.decision.into()),
            policies: Some(Policies::AtLeast(case.reason.iter().map(|id| self.our_id(id)).collect())),
            errors: Some(Errors::Count(case.errors)),
            ..Expected::default()
        };
        let name = case.name.clone().unwrap_or_else(|| format!("case {number}"));
        Some(Check { name, at: case.at, why: None, asks: Asks::One(Box::new(question), expected) })
    }

    /// The official command line counts the policies of its one file: `policy2`; here that is the one of this position,
    /// where there is just one.
    fn our_id(&self, id: &str) -> String {
        let policies = &self.snapshot.policies;
        let Some(position) = id.strip_prefix("policy").filter(|_| policies.find(&PolicyId::new(id)).is_none()) else {
            return id.to_owned();
        };
        let end = format!("#{position}");
        let mut same = policies.written.iter().map(|written| written.id()).filter(|id| exact(id).ends_with(&end));
        match (same.next(), same.next()) {
            (Some(one), None) => exact(&one).to_owned(),
            _ => id.to_owned(),
        }
    }

    /// Context and entities; a question without a context has its place elsewhere.
    fn around(&mut self, context: Option<&Placed<WrittenContext>>, entities: &[Placed<AsWritten>], at: At) -> Around {
        let own = self.entities(entities);
        // The nearer ones win.
        let is_new = |shared: &&Entity| !own.iter().any(|entity| entity.uid() == shared.uid());
        let shared: Vec<_> = self.shared.iter().filter(is_new).cloned().collect();
        let entities = shared.into_iter().chain(own).collect();
        let context_at = context.map_or(at, |context| context.at);
        Around { context: context.and_then(|context| self.context(context)), context_at, entities }
    }

    fn question(&self, called: String, who: Who, action: &str, resource: ResourceQuery, around: &Around) -> Question {
        let action = ActionName(action.to_owned());
        let query = AccessQuery { action, resource, context: around.context.clone(), explain: false };
        Question { called, who, query, context_at: around.context_at, entities: Arc::clone(&around.entities) }
    }

    /// What nobody knows is asked about as it is, and may be a slip of the pen.
    fn check_known(&mut self, who: &Who, thing: &Shown, who_at: At, thing_at: At, around: &Around) {
        let is_given = |uid: &cedar_policy::EntityUid| around.entities.iter().any(|entity| entity.uid() == *uid);
        if let Ok(principal) = who
            && principal.entity.is_none()
            && !self.snapshot.entities.contains(&principal.uid)
            && !is_given(&principal.uid)
            && principal.uid.type_name().to_string() != crate::vocabulary::EXTERNAL_SUBJECT
        {
            self.warn(who_at, nobody_knows(self.snapshot, &principal.uid));
        }
        let is_described = !thing.query.attributes.is_empty() || !thing.query.parents.is_empty();
        if !is_described && !self.snapshot.entities.contains(&thing.uid) && !is_given(&thing.uid) {
            self.warn(thing_at, nobody_knows(self.snapshot, &thing.uid));
        }
    }
}

fn nobody_knows(snapshot: &Snapshot, uid: &cedar_policy::EntityUid) -> String {
    format!("{NOBODY_KNOWS} {uid}{}", meant(snapshot, uid))
}

/// How a warning begins that is about an entity which nothing declares.
pub(super) const NOBODY_KNOWS: &str = "nobody knows";

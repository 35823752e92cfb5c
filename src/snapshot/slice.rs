//! A slice: the policies whose scope may hold for a request, but for those that no request like it can match, and the
//! entities that they can look at.
//!
//! INVARIANT: whatever Cedar looks up while it evaluates this request over everything, it finds here with the same
//! data, and every policy that is left out is false: its scope does not hold, or its premise does not. So the answer
//! over the slice is the answer over everything (properties in `decide/tests`).

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use cedar_policy::{Entities, EntityUid, Request};
use cedar_policy_core::ast;
use cedar_policy_core::authorizer::{Authorizer, Response};
use cedar_policy_core::entities::{Entities as CoreEntities, TCComputation};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;

use super::policies::{Depth, PolicyNumber, Premise};
use super::{DeterminingPolicy, Lineage, Located, Snapshot, Supplied, ToldPolicy, mentioned_by};
use crate::cedar_text::on_deep_stack;
use crate::schema::ActionFacts;

/// What a slice is cut for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub principal: &'a EntityUid,
    pub action: &'a ActionFacts,
    pub resource: &'a EntityUid,
    /// Entities that the context names.
    pub mentioned: &'a [EntityUid],
    /// Entities that stand in for the snapshot's of the same uid.
    pub supplied: &'a [&'a Supplied],
    /// What else is looked at, beside the policies.
    pub also: &'a [&'a Depth],
    /// The request itself: what cannot match any like it is left out. Without one, all candidates stay.
    pub request: Option<&'a Request>,
}

/// Why there is no slice.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    #[error("{0} would be among its own ancestors")]
    Circular(EntityUid),
    #[error("two of the entities are one")]
    Duplicate(#[source] Box<cedar_policy_core::entities::err::EntitiesError>),
}

/// What one request is decided over.
#[derive(Debug)]
pub struct Slice {
    policies: ast::PolicySet,
    candidates: Vec<Candidate>,
    pub entities: Entities,
}

/// A policy of a slice.
#[derive(Debug)]
struct Candidate {
    id: ast::PolicyID,
    number: PolicyNumber,
    /// What answers tell of it, once one did.
    told: OnceLock<Arc<ToldPolicy>>,
}

impl Slice {
    /// Cuts a slice, of those candidates that `keep` lets pass.
    ///
    /// # Errors
    /// When the supplied entities make no hierarchy with the others.
    pub fn cut(snapshot: &Snapshot, asked: &Asked<'_>, keep: fn(&ast::Policy) -> bool) -> Result<Self, SliceError> {
        let mut gathering = Gathering { snapshot, asked, seen: HashSet::new(), taken: Vec::new() };
        let above_principal = gathering.take(asked.principal)?;
        let above_resource = match gathering.take(asked.resource)? {
            // Someone who asks about themselves.
            None if asked.resource == asked.principal => above_principal.clone(),
            found => found,
        };
        let (above_principal, above_resource) =
            (above_principal.unwrap_or_default(), above_resource.unwrap_or_default());
        let mut found = candidates(snapshot, asked, &above_principal, &above_resource, keep);
        gathering.take(&asked.action.uid)?;
        let depths = || found.iter().map(|found| found.depth).chain(asked.also.iter().copied());
        for uid in asked.mentioned.iter().chain(depths().flat_map(|depth| depth.literals.iter())) {
            gathering.take(uid)?;
        }
        gathering.follow(depths().map(|depth| depth.level).max().unwrap_or(1))?;
        let entities = gathering.finish()?;
        if let Some(request) = asked.request {
            leave_out_false(&mut found, request, &entities);
        }
        let mut policies = ast::PolicySet::new();
        let add = |Found { number, policy, .. }| {
            let candidate = Candidate { id: policy.id().clone(), number, told: OnceLock::new() };
            // Each candidate is there once, and no two policies of a snapshot have one id.
            let _ = policies.add(policy);
            candidate
        };
        let candidates = found.into_iter().map(add).collect();
        Ok(Self { policies, candidates, entities })
    }

    /// Cedar's answer.
    pub fn is_authorized(&self, request: &Request) -> Response {
        let request: &ast::Request = request.as_ref();
        on_deep_stack(|| Authorizer::new().is_authorized(request.clone(), &self.policies, self.entities.as_ref()))
    }

    /// A policy of the slice.
    pub fn policy(&self, id: &ast::PolicyID) -> Option<&ast::Policy> {
        self.policies.get(id)
    }

    /// The policies that the request is decided by.
    pub fn policies(&self) -> impl Iterator<Item = &ast::Policy> {
        self.candidates.iter().filter_map(|candidate| self.policies.get(&candidate.id))
    }

    /// What an answer tells of a policy of the slice; `snapshot` is the one that it was cut from.
    pub fn told(&self, snapshot: &Snapshot, id: &ast::PolicyID) -> Option<Arc<ToldPolicy>> {
        let candidate = self.candidates.iter().find(|candidate| candidate.id == *id)?;
        if let Some(told) = candidate.told.get() {
            return Some(Arc::clone(told));
        }
        let told = DeterminingPolicy::of(self.policies.get(id)?, candidate.number, snapshot);
        Some(Arc::clone(candidate.told.get_or_init(|| Arc::new(told.into()))))
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        // Measured: what Cedar keeps of a linked policy and of an entity with a few attributes.
        let entities: &CoreEntities = self.entities.as_ref();
        BYTES_AT_LEAST + self.candidates.len() * BYTES_A_POLICY + entities.len() * BYTES_AN_ENTITY
    }

    /// How many policies the request is decided by.
    pub fn len(&self) -> usize {
        self.candidates.len()
    }

    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }
}

/// A policy whose scope may hold.
struct Found<'a> {
    number: PolicyNumber,
    policy: ast::Policy,
    depth: &'a Depth,
    premise: &'a Premise,
}

fn candidates<'a>(
    snapshot: &'a Snapshot,
    asked: &Asked<'_>,
    above_principal: &Lineage,
    above_resource: &Lineage,
    keep: fn(&ast::Policy) -> bool,
) -> Vec<Found<'a>> {
    let (principals, resources) = (&above_principal.entities, &above_resource.entities);
    let policies = &snapshot.policies;
    let mut found = Vec::new();
    for number in policies.written.index.candidates(principals, asked.action, resources) {
        let Some(written) = policies.written.get(number).filter(|written| keep(&written.policy)) else { continue };
        let (number, policy) = (PolicyNumber::Written(number), written.policy.clone());
        found.push(Found { number, policy, depth: &written.depth, premise: &written.premise });
    }
    for (number, link) in policies.links.candidates(principals, resources) {
        let Some(template) = policies.written.template(link.template_id()) else { continue };
        if !template.actions.contains(asked.action.number) {
            continue;
        }
        let Some(policy) = policies.link_policy(link).filter(keep) else { continue };
        found.push(Found { number, policy, depth: &template.depth, premise: &template.premise });
    }
    found
}

/// Leaves out what no request like this one can match.
fn leave_out_false(found: &mut Vec<Found<'_>>, request: &Request, entities: &Entities) {
    let request: &ast::Request = request.as_ref();
    let evaluator = Evaluator::new(request.clone(), entities.as_ref(), Extensions::all_available());
    on_deep_stack(|| found.retain(|found| !found.premise.is_false(&evaluator)));
}

/// The entities of a slice while it is cut.
struct Gathering<'a> {
    snapshot: &'a Snapshot,
    asked: &'a Asked<'a>,
    seen: HashSet<EntityUid>,
    taken: Vec<Arc<ast::Entity>>,
}

impl Gathering<'_> {
    /// Takes an entity with all that it is in, unless it was taken before; what it is in is also there for an entity
    /// that nobody knows.
    fn take(&mut self, uid: &EntityUid) -> Result<Option<Lineage>, SliceError> {
        if !self.seen.insert(uid.clone()) {
            return Ok(None);
        }
        let (store, schema) = (&self.snapshot.entities, &self.snapshot.schema);
        let Some(own) = Located::of(uid, &schema.types) else {
            // An action: the schema has it with all its groups.
            self.taken.extend(schema.actions.get(uid).map(|action| Arc::clone(&action.entity)));
            return Ok(None);
        };
        let above = |parents| {
            let lineage = Lineage::of(own.clone(), parents, store, self.asked.supplied);
            lineage.ok_or_else(|| SliceError::Circular(uid.clone()))
        };
        if let Some(supplied) = self.asked.supplied.iter().find(|entity| entity.is(uid)) {
            let lineage = above(store.located_parents(supplied.core()))?;
            self.taken.push(supplied.within(&lineage));
            return Ok(Some(lineage));
        }
        let (found, parents) = store.read(&own).unzip();
        let lineage = above(parents.unwrap_or_default())?;
        self.taken.extend(found.map(|entity| Arc::new(lineage.complete(entity))));
        Ok(Some(lineage))
    }

    /// Takes what the data of those taken names, and so on, so many times that a policy can follow it.
    fn follow(&mut self, level: u32) -> Result<(), SliceError> {
        let mut start = 0;
        for _ in 1..level {
            let mut named = Vec::new();
            self.taken.iter().skip(start).for_each(|entity| mentioned_by(entity, &mut named));
            start = self.taken.len();
            for uid in named {
                self.take(&uid)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Entities, SliceError> {
        let none = None::<&cedar_policy_core::entities::NoEntitiesSchema>;
        let extensions = Extensions::all_available();
        let entities =
            CoreEntities::new().add_entities(self.taken, none, TCComputation::AssumeAlreadyComputed, extensions);
        entities.map(Entities::from).map_err(|error| SliceError::Duplicate(Box::new(error)))
    }
}

const BYTES_AT_LEAST: usize = 1_000;
const BYTES_A_POLICY: usize = 1_500;
const BYTES_AN_ENTITY: usize = 1_500;

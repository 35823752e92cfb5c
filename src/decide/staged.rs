//! A question with all that it is decided over, for those who look into decisions and not only at them: the
//! workbench.
//!
//! In: a snapshot, a principal, a query, and entities that stand in for the directory's. Out: the request and its
//! slice, which an answer is made of as for any other request. Nothing is cached.

use std::sync::Arc;

use cedar_policy::{Entity, Request};
use cedar_policy_core::ast;
use cedar_policy_core::authorizer::Response;
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;

use super::settled::Settled;
use super::{AccessQuery, Answer, Asking, Decider, Explanation, QueryError, Work, answer, explain};
use crate::cedar_text::on_deep_stack;
use crate::principal::Principal;
use crate::schema::Identity;
use crate::snapshot::{Depth, Slice, Snapshot, Supplied, place_in_tenant, takes_part_in_assuming};
use crate::vocabulary;

/// A request, and what it is decided over.
#[derive(Debug)]
pub struct Staged<'a> {
    snapshot: &'a Snapshot,
    pub request: Request,
    pub slice: Arc<Slice>,
    settled: Option<Settled>,
}

impl Decider {
    /// Stages a query, with entities that stand in for those of the directory. They are in the tenant, as all are. Who
    /// is in an external identity is asked as it is when a token is seen.
    ///
    /// # Errors
    /// When the query or the entities do not fit the schema.
    pub fn stage<'a>(
        &self,
        snapshot: &'a Snapshot,
        principal: &Principal,
        query: &AccessQuery,
        instead: &[Entity],
    ) -> Result<Staged<'a>, QueryError> {
        self.stage_for(snapshot, principal, query, instead, &[])
    }

    /// The same, for someone who looks with other policies too: what these can look at is there.
    ///
    /// # Errors
    /// As [`Decider::stage`].
    pub fn stage_for<'a>(
        &self,
        snapshot: &'a Snapshot,
        principal: &Principal,
        query: &AccessQuery,
        instead: &[Entity],
        also: &[&Depth],
    ) -> Result<Staged<'a>, QueryError> {
        let placed = instead.iter().cloned().map(|entity| in_tenant(snapshot, entity));
        let placed = placed.collect::<Result<Vec<_>, _>>()?;
        let asking = Asking::of(snapshot, principal, query, &placed, self.max_string_bytes)?;
        let is_assuming = asking.action.uid.id().unescaped() == vocabulary::ASSUME;
        let keep = match &asking.settled {
            Some(_) => |_: &ast::Policy| false,
            None if is_assuming => takes_part_in_assuming,
            None => |_: &ast::Policy| true,
        };
        let slice = Arc::new(asking.cut(also, keep)?);
        Ok(Staged { snapshot, request: asking.request, slice, settled: asking.settled })
    }

    /// All policies whose scope lets them be about a query, with what else they would be evaluated over: what a
    /// decision could depend on if more were known of the principal than is.
    ///
    /// # Errors
    /// When the query does not fit the schema.
    pub fn reach(&self, snapshot: &Snapshot, principal: &Principal, query: &AccessQuery) -> Result<Slice, QueryError> {
        let asking = Asking::of(snapshot, principal, query, &[], self.max_string_bytes)?;
        let keep = if asking.settled.is_some() { |_: &ast::Policy| false } else { |_: &ast::Policy| true };
        asking.cut_for(None, &[], keep)
    }
}

impl Staged<'_> {
    /// Cedar's response, policy for policy.
    pub fn response(&self) -> Response {
        self.slice.is_authorized(&self.request)
    }

    /// Whether a policy matches the request; an error is no match.
    pub fn matches(&self, policy: &ast::Policy) -> bool {
        self.evaluates(policy).unwrap_or(false)
    }

    /// The same; nothing where it cannot be evaluated.
    pub fn evaluates(&self, policy: &ast::Policy) -> Option<bool> {
        let request: &ast::Request = self.request.as_ref();
        let evaluator = Evaluator::new(request.clone(), self.slice.entities.as_ref(), Extensions::all_available());
        on_deep_stack(|| evaluator.evaluate(policy).ok())
    }

    /// What the server would answer.
    pub fn answer(&self, decider: &Decider) -> Answer {
        if let Some(settled) = &self.settled {
            return settled.answer();
        }
        let mut answer = answer::from_response(self.snapshot, &self.slice, &self.response(), decider.forbid_errors);
        answer.work = Work { policies: self.slice.len(), entities: self.slice.entities.len(), is_kept: false };
        answer
    }

    /// Why the policies that did not match did not.
    pub fn explanation(&self) -> Explanation {
        explain::explain(self.snapshot, &self.request, &self.slice, &self.response())
    }
}

fn in_tenant(snapshot: &Snapshot, entity: Entity) -> Result<Supplied, QueryError> {
    let tenant = snapshot.tenant_uid();
    if snapshot.schema.identity == Identity::LeftOut || entity.uid() == *tenant {
        return Ok(Supplied::from(entity));
    }
    place_in_tenant(entity, tenant, &snapshot.schema).map(Supplied::from).map_err(QueryError::Resource)
}

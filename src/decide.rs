//! One snapshot and one query in, one answer out. Sync, pure, no I/O.
//!
//! The decision is Cedar's: its `Authorizer` over the policies whose scope may hold and the entities in reach.
//! What is added is what surrounds it: requests checked against the schema, errors that fail closed, and reasons
//! that a person can find in a file.

mod answer;
mod change;
mod context;
mod explain;
mod fit;
mod query;
mod resource;
mod server_time;
mod settled;
mod staged;

pub use crate::snapshot::ToldPolicy;
pub use answer::{Answer, Decision, EvaluationError, Reason, Work};
pub use change::Change;
pub use explain::{Explanation, NearMiss};
pub use query::{AccessQuery, ActionName, QueryError, ResourceQuery, Unknown, drop_unknown};
pub use server_time::{DEFAULT_TIME_MEMBER, ServerTime};
pub use staged::Staged;

use std::sync::Arc;

use cedar_policy::{EntityUid, Request};
use cedar_policy_core::ast;

use self::context::ReadContext;
use self::settled::Settled;
use crate::principal::Principal;
use crate::schema::ActionFacts;
use crate::snapshot::{Asked, Depth, Slice, SliceKey, Snapshot, Supplied, attribute_names};

/// What a `forbid` that cannot be evaluated means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForbidErrors {
    /// The answer is deny: whoever wrote the forbid meant something to be forbidden.
    #[default]
    Deny,
    /// Plain Cedar: a policy that errors is passed over.
    Skip,
}

/// Decides requests; the command line and the server have the same one.
#[derive(Clone, Copy, Debug)]
pub struct Decider {
    pub forbid_errors: ForbidErrors,
    /// How many bytes of slices all snapshots of the process may keep; 0 keeps none.
    pub slice_bytes: usize,
    /// The longest text of a question that policies look at: matching takes its length times a pattern's.
    pub max_string_bytes: usize,
}

impl Default for Decider {
    fn default() -> Self {
        Self {
            forbid_errors: ForbidErrors::default(),
            slice_bytes: 64 * 1024 * 1024,
            max_string_bytes: DEFAULT_MAX_STRING_BYTES,
        }
    }
}

impl Decider {
    /// Decides one query for one principal.
    ///
    /// # Errors
    /// When the query does not fit the schema: then nothing was decided.
    pub fn decide(
        &self,
        snapshot: &Snapshot,
        principal: &Principal,
        query: &AccessQuery,
    ) -> Result<Answer, QueryError> {
        let asking = Asking::of(snapshot, principal, query, &[], self.max_string_bytes)?;
        if let Some(settled) = asking.settled {
            let mut answer = settled.answer();
            answer.explanation = query.explain.then(Explanation::default);
            return Ok(answer);
        }
        let (slice, work) = self.slice(&asking)?;
        let request = asking.request;
        let response = slice.is_authorized(&request);
        let mut answer = answer::from_response(snapshot, &slice, &response, self.forbid_errors);
        answer.work = work;
        if query.explain {
            answer.explanation = Some(explain::explain(snapshot, &request, &slice, &response));
        }
        Ok(answer)
    }

    /// What the request is decided over: kept from an earlier one, or cut anew.
    fn slice(&self, asking: &Asking<'_>) -> Result<(Arc<Slice>, Work), QueryError> {
        let snapshot = asking.snapshot;
        let key = if self.slice_bytes > 0 { asking.key() } else { None };
        let kept = key.as_ref().and_then(|key| snapshot.slices.get(key));
        let is_kept = kept.is_some();
        let slice = match kept {
            Some(slice) => slice,
            None => {
                let slice = Arc::new(asking.cut(&[], |_| true)?);
                if let Some(key) = key {
                    snapshot.slices.insert(key, &slice, self.slice_bytes);
                }
                slice
            }
        };
        let work = Work { policies: slice.len(), entities: slice.entities.len(), is_kept };
        Ok((slice, work))
    }
}

/// Whether only certain ids of one of the types may be asked about.
fn asks_about_enumerated(snapshot: &Snapshot, principal: &Principal, resource: &EntityUid) -> bool {
    let types = &snapshot.schema.types;
    types.has_enumerated() && [&principal.uid, resource].into_iter().any(|uid| types.is_enumerated_uid(uid))
}

/// A question as far as its slice depends on it.
struct Asking<'a> {
    snapshot: &'a Snapshot,
    principal: &'a Principal,
    action: &'a ActionFacts,
    resource: (EntityUid, &'a ResourceQuery),
    mentioned: Vec<EntityUid>,
    /// Entities that stand in for the snapshot's.
    instead: &'a [Supplied],
    request: Request,
    settled: Option<Settled>,
}

impl<'a> Asking<'a> {
    /// A question that fits the schema.
    fn of(
        snapshot: &'a Snapshot,
        principal: &'a Principal,
        query: &'a AccessQuery,
        instead: &'a [Supplied],
        most_bytes: usize,
    ) -> Result<Self, QueryError> {
        let action = query::find_action(snapshot, &query.action)?;
        query::check_principal(snapshot, &principal.uid)?;
        let resource = resource::check_resource(snapshot, &query.resource, action)?;
        let ReadContext { context, mentioned, is_checked } =
            context::read_context(snapshot, query.context.as_ref(), action)?;
        // The types of both are known to fit.
        let is_checked = is_checked && !asks_about_enumerated(snapshot, principal, &resource);
        let settled = Settled::of(principal, action, query, most_bytes);
        let is_for_others = settled == Some(Settled::NotForThem);
        if is_for_others && !is_checked {
            context.validate(&snapshot.schema.schema, &action.uid).map_err(QueryError::from)?;
        }
        // The schema has no request of such a principal; what else the question holds was looked at.
        let schema = Some(&snapshot.schema.schema).filter(|_| !is_checked && !is_for_others);
        let (who, what) = (principal.uid.clone(), resource.clone());
        let request = Request::new(who, action.uid.clone(), what, context, schema).map_err(QueryError::from)?;
        let resource = (resource, &query.resource);
        Ok(Self { snapshot, principal, action, resource, mentioned, instead, request, settled })
    }

    fn key(&self) -> Option<SliceKey> {
        Some(SliceKey {
            principal: self.principal.key.clone()?,
            action: self.action.number,
            resource: self.resource.0.clone(),
            described: self.resource.1.description().ok()?,
            mentioned: self.mentioned.clone().into(),
            context_names: attribute_names(self.request.context()?.as_ref()),
        })
    }

    fn cut(&self, also: &[&Depth], keep: fn(&ast::Policy) -> bool) -> Result<Slice, QueryError> {
        self.cut_for(Some(&self.request), also, keep)
    }

    /// Without a request, policies stay whose conditions are known to be false.
    fn cut_for(
        &self,
        request: Option<&Request>,
        also: &[&Depth],
        keep: fn(&ast::Policy) -> bool,
    ) -> Result<Slice, QueryError> {
        let (resource, query) = (&self.resource.0, self.resource.1);
        let known = self.instead.iter().find(|entity| entity.uid() == *resource);
        let described = resource::describe(self.snapshot, self.principal, query, resource, known)?;
        let described = described.map(Supplied::from);
        let supplied: Vec<_> = self.principal.entity.iter().chain(&described).chain(self.instead).collect();
        let asked = Asked {
            principal: &self.principal.uid,
            action: self.action,
            resource,
            mentioned: &self.mentioned,
            supplied: &supplied,
            also,
            request,
        };
        Slice::cut(self.snapshot, &asked, keep).map_err(QueryError::Entities)
    }
}

/// Texts of questions are names, addresses and paths; whole prompts are not for policies.
pub const DEFAULT_MAX_STRING_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests;

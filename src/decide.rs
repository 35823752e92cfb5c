//! One snapshot and one query in, one answer out. Sync, pure, no I/O.
//!
//! The decision is Cedar's: its `Authorizer` over the policies whose scope may hold and the entities in reach.
//! What is added is what surrounds it: requests checked against the schema, errors that fail closed, and reasons
//! that a person can find in a file.

mod answer;
mod context;
mod explain;
mod query;
mod resource;

pub use answer::{Answer, Decision, DeterminingPolicy, EvaluationError, Reason};
pub use explain::{Explanation, NearMiss};
pub use query::{AccessQuery, ActionName, QueryError, ResourceQuery};

use cedar_policy::Request;

use crate::principal::Principal;
use crate::snapshot::{Asked, Slice, Snapshot};

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
#[derive(Clone, Copy, Debug, Default)]
pub struct Decider {
    pub forbid_errors: ForbidErrors,
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
        let action = query::find_action(snapshot, &query.action)?;
        query::check_principal(&principal.uid, action)?;
        let resource = resource::find_resource(snapshot, principal, &query.resource, action)?;
        let context = context::read_context(snapshot, query.context.as_ref(), &action.uid)?;
        let supplied: Vec<_> = principal.entity.iter().chain(&resource.entity).collect();
        let asked = Asked {
            principal: &principal.uid,
            action,
            resource: &resource.uid,
            mentioned: &context::entities_of(&context),
            supplied: &supplied,
        };
        let slice = Slice::cut(snapshot, &asked, |_| true).map_err(QueryError::Entities)?;
        let schema = Some(&snapshot.schema.schema);
        let (who, what) = (principal.uid.clone(), resource.uid.clone());
        let request = Request::new(who, action.uid.clone(), what, context, schema).map_err(QueryError::from)?;
        let response = slice.is_authorized(&request);
        let mut answer = answer::from_response(snapshot, &slice, &response, self.forbid_errors);
        if query.explain {
            answer.explanation = Some(explain::explain(snapshot, &asked, &request, &slice, &response));
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;

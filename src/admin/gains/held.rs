//! Whether a principal holds all that a policy is about, so that nothing in a request could tell them apart.
//!
//! In: a policy, the actions that somebody would gain by it. Out: what of it the principal does not hold. Held is what
//! Cedar allows, on the resource that the policy names or on something that nobody has heard of where it names many,
//! by a permit that looks at nothing a request or a resource could bring, and over no forbid that could hit this
//! principal and not the other. It may also be the very same policy that permits both.

use std::collections::{BTreeSet, HashSet};

use cedar_policy::EntityUid;
use cedar_policy_core::ast::{self, EntityUID, PrincipalOrResourceConstraint};
use ulid::Ulid;

use super::subject::{Subject, Tri};
use super::written::{Written, entity_of};
use crate::admin::authority::Authority;
use crate::decide::{AccessQuery, ActionName, Decider, Decision, ForbidErrors, ResourceQuery, Staged};
use crate::model::EntityRef;
use crate::principal::Principal;
use crate::schema::ActionFacts;
use crate::snapshot::Snapshot;
use crate::vocabulary;

/// Whoever asks for a change.
pub(super) struct Holder<'a> {
    authority: &'a Authority<'a>,
    written: &'a [Written<'a>],
    caller: Subject,
}

/// Everything that a principal is in, itself too.
pub(super) fn lineage(snapshot: &Snapshot, principal: &Principal) -> HashSet<EntityUID> {
    let mut found: HashSet<EntityUID> = HashSet::new();
    let mut open: Vec<EntityUid> = vec![principal.uid.clone()];
    let own = principal.entity.iter().flat_map(|entity| entity.core().ancestors().cloned());
    open.extend(own.map(EntityUid::from));
    while let Some(next) = open.pop() {
        if found.insert(next.clone().into()) {
            open.extend(snapshot.entities.parents_of_uid(&next));
        }
    }
    found
}

impl<'a> Holder<'a> {
    pub fn of(authority: &'a Authority<'a>, written: &'a [Written<'a>], is_mentioned: bool) -> Self {
        let uid: EntityUID = authority.principal.uid.clone().into();
        let caller = Subject {
            kind: Some(uid.entity_type().clone()),
            uid: Some(uid),
            within: lineage(authority.snapshot, authority.principal),
            outside: HashSet::new(),
            is_complete: true,
            is_mentioned,
        };
        Self { authority, written, caller }
    }

    /// Why not all of it is held, for a message.
    pub fn lacking(&self, gained: &Written<'_>, actions: &[&ActionFacts], after: &Subject) -> Option<String> {
        let scope = gained.policy.principal_constraint();
        // The same policy permits both, whatever it looks at besides.
        let is_same = !gained.reads_principal && self.caller.in_scope(scope.as_inner()) == Tri::Yes;
        if gained.reads_context && !is_same {
            return Some("looks at the context: only who holds everything may".to_owned());
        }
        for action in actions {
            for (query, is_one) in self.queries(gained, action) {
                let asked = Question { action, query, is_one };
                if !self.holds(&asked, is_same, after) {
                    let name = action.uid.id().unescaped();
                    return Some(format!("permits `{name}`"));
                }
            }
        }
        None
    }

    /// What stands for all that a policy is about, and whether it is all of it.
    fn queries(&self, gained: &Written<'_>, action: &ActionFacts) -> Vec<(ResourceQuery, bool)> {
        let schema = &self.authority.snapshot.schema;
        let scope = gained.resource();
        let named = entity_of(&scope).map(|uid| vocabulary::entity_ref(&uid.into()));
        let tenant = vocabulary::tenant(&self.authority.snapshot.tenant);
        let kinds = schema.schema.resources_for_action(&action.uid).into_iter().flatten();
        let kinds: BTreeSet<String> = kinds.map(ToString::to_string).collect();
        let mut queries = Vec::new();
        for kind in kinds.into_iter().filter(|kind| may_be_of(&scope, kind)) {
            match (&scope, &named) {
                (PrincipalOrResourceConstraint::Eq(_), Some(named)) => {
                    if kind == named.entity_type {
                        queries.push((ResourceQuery::named(named.clone()), true));
                    }
                }
                (_, Some(named)) => {
                    if kind == named.entity_type {
                        queries.push((ResourceQuery::named(named.clone()), true));
                    }
                    if schema.may_be_in(&kind, &named.entity_type) {
                        queries.push((stranger(kind, vec![named.clone()]), false));
                    }
                }
                (_, None) if kind == tenant.entity_type => queries.push((ResourceQuery::named(tenant.clone()), true)),
                (_, None) => queries.push((stranger(kind, Vec::new()), false)),
            }
        }
        queries
    }

    fn holds(&self, asked: &Question<'_>, is_same: bool, after: &Subject) -> bool {
        let action = asked.action;
        if !action.applies_to_principal(self.authority.principal.uid.type_name()) {
            return false;
        }
        // Whatever the server makes of forbids that fail: here they forbid.
        let decider = Decider { forbid_errors: ForbidErrors::Deny, slice_bytes: 0, ..Decider::default() };
        let query = AccessQuery {
            action: ActionName(action.uid.to_string()),
            resource: asked.query.clone(),
            context: None,
            explain: false,
        };
        let staged = decider.stage(self.authority.snapshot, self.authority.principal, &query, &[]);
        let staged = match staged {
            Ok(staged) => staged,
            // A question that cannot be asked: of the same policy, only its forbids matter.
            Err(_) => return is_same && self.is_forbidden_alike(asked, None, after),
        };
        if !is_same {
            let answer = staged.answer(&decider);
            let covers = |told: &str| self.covers(told, asked);
            if answer.decision != Decision::Allow || !answer.policies.iter().any(|told| covers(&told.id)) {
                return false;
            }
        }
        self.is_forbidden_alike(asked, Some(&staged), after)
    }

    /// Whether a permit that matched would match for whatever else the question stands for.
    fn covers(&self, id: &str, asked: &Question<'_>) -> bool {
        // What is not written is a grant: it looks at nothing but who and where.
        let written = self.written.iter().find(|written| written.has_id(id));
        written.is_none_or(|written| !written.reads_context && (asked.is_one || !written.reads_resource))
    }

    /// Whether no forbid could hit the caller that would not hit the other as well.
    fn is_forbidden_alike(&self, asked: &Question<'_>, staged: Option<&Staged<'_>>, after: &Subject) -> bool {
        let kind = &asked.query.entity.entity_type;
        let forbids = self.written.iter().filter(|written| {
            !written.is_permit()
                && written.actions.iter().any(|action| action.number == asked.action.number)
                && may_be_of(&written.resource(), kind)
        });
        forbids.into_iter().all(|forbid| {
            let scope = forbid.policy.principal_constraint();
            let hits_both = !forbid.reads_principal && after.in_scope(scope.as_inner()) == Tri::Yes;
            if hits_both || self.caller.matches(forbid.policy, asked.action) == Tri::No {
                return true;
            }
            let is_anywhere =
                matches!(forbid.resource(), PrincipalOrResourceConstraint::Any | PrincipalOrResourceConstraint::Is(_));
            let is_settled = !forbid.reads_context && (asked.is_one || is_anywhere && !forbid.reads_resource);
            is_settled && staged.is_some_and(|staged| !may_match(staged, forbid.policy))
        })
    }
}

/// One question that stands for all that a policy is about.
struct Question<'a> {
    action: &'a ActionFacts,
    query: ResourceQuery,
    /// It is the only one.
    is_one: bool,
}

/// An error counts as a match.
fn may_match(staged: &Staged<'_>, policy: &ast::Policy) -> bool {
    staged.evaluates(policy).unwrap_or(true)
}

/// Something that nobody has heard of, and of which nothing is known but where it is.
fn stranger(kind: String, parents: Vec<EntityRef>) -> ResourceQuery {
    ResourceQuery { parents, ..ResourceQuery::named(EntityRef::new(kind, Ulid::generate().to_string())) }
}

/// Whether a scope lets a resource be of a type.
fn may_be_of(scope: &PrincipalOrResourceConstraint, kind: &str) -> bool {
    match scope {
        PrincipalOrResourceConstraint::Is(wanted) | PrincipalOrResourceConstraint::IsIn(wanted, _) => {
            wanted.to_string() == kind
        }
        PrincipalOrResourceConstraint::Eq(_) => {
            entity_of(scope).is_none_or(|uid| uid.entity_type().to_string() == kind)
        }
        PrincipalOrResourceConstraint::Any | PrincipalOrResourceConstraint::In(_) => true,
    }
}

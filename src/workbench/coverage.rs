//! What no case exercised: policies, roles and external identities that never matched, and parts of conditions that
//! only ever came to one outcome.
//!
//! In: decisions as they are made. Out: a [`CoverageReport`]. Every hand-written policy about a decision's action is
//! looked at, whether or not the decision needed it.

mod conditions;
mod report;

pub use report::{CoverageReport, Unexercised};

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cedar_policy_core::ast::{self, Expr};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;

use self::conditions::Condition;
use crate::cedar_text::on_deep_stack;
use crate::decide::Staged;
use crate::model::ExternalIdentityName;
use crate::principal::Principal;
use crate::snapshot::{PolicySource, Snapshot, exact};

/// What one tenant's cases have exercised so far.
#[derive(Debug)]
pub struct Coverage<'a> {
    snapshot: &'a Snapshot,
    /// By the ids of policies and templates.
    policies: BTreeMap<String, Policy>,
    /// Each by name, and whether anyone was in it.
    external_identities: BTreeMap<ExternalIdentityName, bool>,
    /// The hand-written ones, by their place among the written, with their scopes.
    scopes: Vec<(u32, Expr)>,
}

/// A policy, or a template of links.
#[derive(Debug)]
struct Policy {
    source: PolicySource,
    is_role: bool,
    matched: bool,
    condition: Option<Condition>,
}

impl<'a> Coverage<'a> {
    /// Nothing exercised yet. What stands in the bundle's folder was compiled: of it, roles count that somebody has.
    pub fn of(snapshot: &'a Snapshot, bundle: &Path) -> Self {
        let is_compiled = |source: &PolicySource| Path::new(&source.file).starts_with(bundle);
        let written = &snapshot.policies.written;
        let mut coverage =
            Self { snapshot, policies: BTreeMap::new(), external_identities: BTreeMap::new(), scopes: Vec::new() };
        for number in 0_u32.. {
            let Some(found) = written.get(number) else { break };
            if is_compiled(&found.source) {
                continue;
            }
            let condition = found.policy.non_scope_constraints().map(Condition::of);
            let policy = Policy { source: found.source.clone(), is_role: false, matched: false, condition };
            let id: &str = found.policy.template().id().as_ref();
            coverage.policies.entry(id.to_owned()).or_insert(policy);
            coverage.scopes.push((number, scope(&found.policy)));
        }
        let used: BTreeSet<_> = snapshot.policies.links.iter().map(|link| link.template_id().clone()).collect();
        for template in written.templates().filter(|template| used.contains(&template.id())) {
            let condition = template.template.non_scope_constraints();
            let condition = condition.filter(|_| !is_compiled(&template.source)).map(Condition::of);
            let policy = Policy { source: template.source.clone(), is_role: true, matched: false, condition };
            coverage.policies.insert(exact(&template.id()).to_owned(), policy);
        }
        let identities = snapshot.providers.iter().flat_map(|provider| &provider.identities);
        coverage.external_identities = identities.map(|identity| (identity.name.clone(), false)).collect();
        coverage
    }

    /// Notes a decision.
    pub fn note(&mut self, staged: &Staged<'_>, principal: &Principal) {
        on_deep_stack(|| self.note_here(staged, principal));
    }

    fn note_here(&mut self, staged: &Staged<'_>, principal: &Principal) {
        for (name, seen) in &mut self.external_identities {
            *seen |= principal.external_identities.iter().any(|one| one == name.as_str());
        }
        let request: &ast::Request = staged.request.as_ref();
        let entities = staged.slice.entities.as_ref();
        let evaluator = Evaluator::new(request.clone(), entities, Extensions::all_available());
        let written = &self.snapshot.policies.written;
        for (number, scope) in &self.scopes {
            let Some(found) = written.get(*number) else { continue };
            if evaluator.interpret(scope, found.policy.env()).ok() == Some(true.into()) {
                note_policy(&mut self.policies, &found.policy, &evaluator);
            }
        }
        // Links are there only where their scope holds or nearly does.
        for policy in staged.slice.policies().filter(|policy| !policy.is_static()) {
            if evaluator.interpret(&scope(policy), policy.env()).ok() == Some(true.into()) {
                note_policy(&mut self.policies, policy, &evaluator);
            }
        }
    }

    /// What several tenants' cases exercised together: what they share counts once.
    pub fn report(all: impl IntoIterator<Item = Self>) -> CoverageReport {
        report::report(all)
    }
}

/// Notes what became of a policy whose scope holds.
fn note_policy(policies: &mut BTreeMap<String, Policy>, policy: &ast::Policy, evaluator: &Evaluator<'_>) {
    let id: &str = policy.template().id().as_ref();
    let Some(noted) = policies.get_mut(id) else { return };
    let outcome = match &mut noted.condition {
        Some(condition) => condition.note(evaluator),
        None => evaluator.evaluate(policy).ok(),
    };
    noted.matched |= outcome == Some(true);
}

/// The part of a policy before its conditions, as an expression.
fn scope(policy: &ast::Policy) -> Expr {
    let template = policy.template();
    let who = template.principal_constraint().as_expr();
    let what = template.resource_constraint().as_expr();
    Expr::and(Expr::and(who, template.action_constraint().as_expr()), what)
}

#[cfg(test)]
mod tests;

//! Which external identities a token's claims can possibly match, out of ten thousand.
//!
//! An assume policy holds only if every part of its condition does. A part of the form
//! `principal.getTag("x").contains("v")` or `.containsAny(["v", "w"])` holds only for a token whose claim `x` has
//! such a value, so the identity is looked up by its rarest such part. That is sound for permits: one that is not
//! asked about could not have permitted, and an error of its own would not have permitted either. Forbids are never
//! left out: whoever asks about an identity sees all of them.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{EntityUid, PolicyId};
use cedar_policy_core::ast::{
    self, ActionConstraint, BinaryOp, Effect, Expr, ExprKind, Literal, PrincipalOrResourceConstraint, Var,
};

use super::policies::{WrittenPolicies, WrittenPolicy};
use crate::mismatch::conjuncts;
use crate::vocabulary;

/// External identities by a claim that they need.
#[derive(Debug, Default)]
pub struct AssumeIndex {
    /// A policy may let anyone into any identity: each has to be asked about.
    asks_all: bool,
    /// Whether a link may have a say.
    asks_links: bool,
    /// Identities whose policy needs no such claim.
    unconditional: HashSet<EntityUid>,
    /// Claim → value → identities.
    by_value: HashMap<String, HashMap<String, Vec<EntityUid>>>,
    /// Identity → the policy about it, for explanations.
    own: HashMap<EntityUid, PolicyId>,
}

/// The identities that may match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidates {
    All,
    These(HashSet<EntityUid>),
}

/// A part of a condition that names the values which a claim must have one of.
struct Needed {
    claim: String,
    values: BTreeSet<String>,
}

impl AssumeIndex {
    pub(super) fn of(policies: &WrittenPolicies) -> Self {
        let effects: HashSet<Effect> = policies
            .templates()
            .map(|written| (written.template.effect(), written.template.action_constraint()))
            .filter(|(effect, constraint)| is_about_assume(*effect, constraint))
            .map(|(effect, _)| effect)
            .collect();
        let (asks_all, asks_links) = (effects.contains(&Effect::Permit), !effects.is_empty());
        let mut index = Self { asks_all, asks_links, ..Self::default() };
        let mut identities: Vec<(EntityUid, Vec<Needed>)> = Vec::new();
        for written in policies.iter().filter(|written| may_permit(&written.policy)) {
            match identity_of(&written.policy) {
                Some(identity) => {
                    index.own.entry(identity.clone()).or_insert_with(|| written.id());
                    identities.push((identity, needed(written)));
                }
                None => index.asks_all = true,
            }
        }
        let mut frequency: HashMap<(&str, &str), usize> = HashMap::new();
        for needed in identities.iter().flat_map(|(_, needed)| needed) {
            for value in &needed.values {
                *frequency.entry((&needed.claim, value)).or_default() += 1;
            }
        }
        for (identity, needed) in &identities {
            let cost = |needed: &&Needed| -> usize {
                let one = |value: &String| frequency.get(&(needed.claim.as_str(), value.as_str())).copied();
                needed.values.iter().filter_map(one).sum()
            };
            let Some(rarest) = needed.iter().min_by_key(cost) else {
                index.unconditional.insert(identity.clone());
                continue;
            };
            let by_value = index.by_value.entry(rarest.claim.clone()).or_default();
            for value in &rarest.values {
                by_value.entry(value.clone()).or_default().push(identity.clone());
            }
        }
        index
    }

    /// The identities that a principal with these tags may be in.
    pub fn candidates<'a>(&self, tags: impl Iterator<Item = (&'a str, &'a BTreeSet<String>)>) -> Candidates {
        if self.asks_all {
            return Candidates::All;
        }
        let mut found = self.unconditional.clone();
        for (claim, values) in tags {
            let Some(by_value) = self.by_value.get(claim) else { continue };
            found.extend(values.iter().filter_map(|value| by_value.get(value)).flatten().cloned());
        }
        Candidates::These(found)
    }

    /// Whether a link may have a say in who is in an identity.
    pub fn asks_links(&self) -> bool {
        self.asks_links
    }

    /// The policy that is about this identity and no other.
    pub fn own_policy(&self, identity: &EntityUid) -> Option<&PolicyId> {
        self.own.get(identity)
    }
}

/// Whether a policy takes part when it is asked who is in an external identity.
///
/// INVARIANT: a role over every action never makes anyone a member of an external identity, and a guard rail over
/// every action holds here too: a permit takes part when it is about `assume` and nothing else, a forbid whenever it
/// is about `assume` at all.
pub fn takes_part_in_assuming(policy: &ast::Policy) -> bool {
    is_about_assume(policy.effect(), policy.template().action_constraint())
}

fn may_permit(policy: &ast::Policy) -> bool {
    policy.effect() == Effect::Permit && takes_part_in_assuming(policy)
}

fn is_about_assume(effect: Effect, constraint: &ActionConstraint) -> bool {
    match (effect, constraint) {
        (_, ActionConstraint::Eq(action)) => is_assume(action),
        (Effect::Permit, ActionConstraint::In(actions)) => matches!(actions.as_slice(), [one] if is_assume(one)),
        (Effect::Forbid, ActionConstraint::In(actions)) => actions.iter().any(|action| is_assume(action)),
        (Effect::Permit, ActionConstraint::Any) => false,
        (Effect::Forbid, ActionConstraint::Any) => true,
    }
}

fn is_assume(action: &ast::EntityUID) -> bool {
    action.eid().as_ref() == vocabulary::ASSUME && action.entity_type().to_string() == vocabulary::ACTION
}

fn identity_of(policy: &ast::Policy) -> Option<EntityUid> {
    match policy.resource_constraint().as_inner() {
        PrincipalOrResourceConstraint::Eq(ast::EntityReference::EUID(uid)) => Some(uid.as_ref().clone().into()),
        _ => None,
    }
}

fn needed(written: &WrittenPolicy) -> Vec<Needed> {
    let mut parts = Vec::new();
    if let Some(condition) = written.policy.non_scope_constraints() {
        conjuncts(condition, &mut parts);
    }
    parts.into_iter().filter_map(needed_by).collect()
}

fn needed_by(part: &Expr) -> Option<Needed> {
    let ExprKind::BinaryApp { op, arg1, arg2 } = part.expr_kind() else { return None };
    let values = match (op, arg2.expr_kind()) {
        (BinaryOp::Contains, _) => BTreeSet::from([string(arg2)?]),
        (BinaryOp::ContainsAny, ExprKind::Set(elements)) => elements.iter().map(string).collect::<Option<_>>()?,
        _ => return None,
    };
    let ExprKind::BinaryApp { op: BinaryOp::GetTag, arg1: owner, arg2: claim } = arg1.expr_kind() else { return None };
    matches!(owner.expr_kind(), ExprKind::Var(Var::Principal)).then_some(())?;
    Some(Needed { claim: string(claim)?, values })
}

fn string(expression: &Expr) -> Option<String> {
    match expression.expr_kind() {
        ExprKind::Lit(Literal::String(text)) => Some(text.to_string()),
        _ => None,
    }
}

//! How far a policy looks: the entities that it names, and how many attributes in a row it follows from one entity
//! to the next. A slice needs no more than that.
//!
//! The number is Cedar's own level of a policy (RFC 76), proved by its validator. Level validation refuses policies
//! that look into an entity that they name; here such an entity is a root of the slice, as the request's own are, so
//! that the proof holds for it in the same way: it is the refusal that falls away, not the counting.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{EntityUid, Validator};
use cedar_policy_core::ast::{self, PolicyID};
use cedar_policy_core::validator::validation_errors::EntityDerefViolationKind;
use cedar_policy_core::validator::{ValidationError, ValidationMode};

use crate::cedar_text::on_deep_stack;
use crate::snapshot::named_in;

/// How far one policy looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// 1: the data of the request's own entities; 2: of those that theirs name; and so on.
    pub level: u32,
    /// Entities that the condition names.
    pub literals: Arc<[EntityUid]>,
}

impl Depth {
    /// The entities that a condition names, at the least level.
    pub(super) fn of(condition: Option<&ast::Expr>) -> Self {
        let mut literals: Vec<EntityUid> = condition.into_iter().flat_map(named_in).collect();
        literals.sort();
        literals.dedup();
        Self { level: LEAST, literals: literals.into() }
    }
}

/// What strict validation says of some policies.
#[derive(Default)]
pub(super) struct Verdict {
    pub errors: Vec<cedar_policy::ValidationError>,
    pub warnings: Vec<cedar_policy::ValidationWarning>,
    /// Those that need more than the least level.
    pub levels: BTreeMap<PolicyID, u32>,
}

/// Validates policies and templates, and finds the level of each.
pub(super) fn validate(validator: &Validator, policies: &ast::PolicySet) -> Verdict {
    on_deep_stack(|| validate_here(validator, policies))
}

fn validate_here(validator: &Validator, policies: &ast::PolicySet) -> Verdict {
    let mut verdict = Verdict::default();
    let mut deep: Vec<PolicyID> = Vec::new();
    for level in LEAST..=MOST + 1 {
        let rest = if level == LEAST { policies.clone() } else { only(policies, &deep) };
        deep.clear();
        let result = validator.as_ref().validate_with_level(&rest, ValidationMode::Strict, level);
        for error in result.validation_errors() {
            match exceeded(error) {
                Some(id) if level <= MOST => deep.push(id.clone()),
                Some(_) => verdict.errors.push(error.clone().into()),
                None if is_about_literal(error) || level > LEAST => {}
                None => verdict.errors.push(error.clone().into()),
            }
        }
        if level == LEAST {
            verdict.warnings = result.validation_warnings().cloned().map(Into::into).collect();
        }
        if deep.is_empty() {
            break;
        }
        deep.sort();
        deep.dedup();
        verdict.levels.extend(deep.iter().map(|id| (id.clone(), level + 1)));
    }
    verdict
}

fn exceeded(error: &ValidationError) -> Option<&PolicyID> {
    match error {
        ValidationError::EntityDerefLevelViolation(violation) => {
            let is_depth = matches!(violation.violation_kind, EntityDerefViolationKind::MaximumLevelExceeded { .. });
            is_depth.then_some(&violation.policy_id)
        }
        _ => None,
    }
}

fn is_about_literal(error: &ValidationError) -> bool {
    let ValidationError::EntityDerefLevelViolation(violation) = error else { return false };
    matches!(violation.violation_kind, EntityDerefViolationKind::LiteralDerefTarget)
}

/// The policies and templates of these ids.
fn only(policies: &ast::PolicySet, ids: &[PolicyID]) -> ast::PolicySet {
    let mut set = ast::PolicySet::new();
    for id in ids {
        // Each is in the set once, so it can be added once.
        if let Some(policy) = policies.get(id) {
            let _ = set.add(policy.clone());
        } else if let Some(template) = policies.get_template(id) {
            let _ = set.add_template(template.clone());
        }
    }
    set
}

/// Every scope looks at what the principal and the resource are in.
const LEAST: u32 = 1;
/// The deepest that a policy may look: each step multiplies what a request may have to gather.
const MOST: u32 = 8;

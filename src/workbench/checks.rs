//! What is wrong with policies in themselves, with no invariant written: those that never match, that another one
//! makes superfluous or undoes, that can error, that give more than any role.
//!
//! In: a laid-out tenant, how much to try, and a prover if there is one. Out: findings, each worth its author's look.
//! Search alone says that something was never seen; with a prover, that it cannot be.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy_core::ast::{self, Effect, PrincipalOrResourceConstraint};
use cedar_policy_core::authorizer::AuthorizationError;
use rayon::prelude::*;

use super::generate::Goal;
use super::policies::Reach;
use super::proof::{Prover, can_error, covers, never_matches};
use super::scene::{Scene, shrink};
use super::search::{Effort, rng};
use super::shape::Environment;
use super::verify::Laid;
use crate::snapshot::{ActionSet, PolicySource, WrittenPolicy, takes_part_in_assuming};

/// Something about a policy that its author may not have meant.
#[derive(Clone, Debug)]
pub struct Finding {
    pub kind: FindingKind,
    pub policy: String,
    pub source: PolicySource,
    /// The policy that makes it so.
    pub other: Option<(String, PolicySource)>,
    /// Shown for every possible request, not only for those tried.
    pub is_proved: bool,
    pub example: Option<Scene>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// No request matches it.
    NeverMatches,
    /// Whatever it matches, another of the same effect does.
    Shadowed,
    /// A permit: whatever it matches, a forbid does.
    Contradicted,
    /// Some request makes it error.
    CanError,
    /// A permit of more actions on a type of resource than any role has, or of something to everybody.
    WiderThanRoles,
}

impl FindingKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverMatches => "never-matches",
            Self::Shadowed => "shadowed",
            Self::Contradicted => "contradicted",
            Self::CanError => "can-error",
            Self::WiderThanRoles => "wider-than-roles",
        }
    }

    /// What is said of the policy.
    pub fn says(self) -> &'static str {
        match self {
            Self::NeverMatches => "matches no request",
            Self::Shadowed => "changes nothing: all that it matches is matched by",
            Self::Contradicted => "has no effect: all that it permits is forbidden by",
            Self::CanError => "can error, and what it should decide is denied then",
            Self::WiderThanRoles => "gives more than any role",
        }
    }
}

/// Looks at every hand-written policy.
pub fn check(laid: &Laid<'_>, effort: Effort, prover: Option<&Prover>) -> Vec<Finding> {
    let written: Vec<&WrittenPolicy> = laid.world.snapshot.policies.written.iter().collect();
    // What is compiled from manifests is not for a person to mend.
    let by_hand: Vec<_> = written.iter().filter(|written| !is_compiled(laid, written)).copied().collect();
    let found = by_hand.par_iter().map(|policy| check_one(laid, policy, &by_hand, effort, prover));
    found.flatten_iter().collect()
}

/// What was seen of one policy.
struct Seen<'w> {
    matched: u32,
    /// Others that matched whenever it did.
    always: Vec<&'w WrittenPolicy>,
    errs: Option<Scene>,
}

fn check_one<'w>(
    laid: &Laid<'_>,
    written: &'w WrittenPolicy,
    others: &[&'w WrittenPolicy],
    effort: Effort,
    prover: Option<&Prover>,
) -> Vec<Finding> {
    let environments = environments_of(laid, &written.policy);
    let seen = look(laid, written, others, &environments, effort);
    let finding = |kind, is_proved| Finding {
        kind,
        policy: id_of(&written.policy),
        source: written.source.clone(),
        other: None,
        is_proved,
        example: None,
    };
    let mut findings = Vec::new();
    if seen.matched == 0 {
        match prover.map(|prover| never_matches(prover, laid, &written.policy, &environments)) {
            Some(Some(false)) => {}
            proved => findings.push(finding(FindingKind::NeverMatches, proved.flatten().is_some())),
        }
        return findings;
    }
    for other in seen.always {
        let proved = prover.map(|prover| covers(prover, laid, &written.policy, &other.policy, &environments));
        let kind = match (written.policy.effect(), other.policy.effect()) {
            (Effect::Permit, Effect::Forbid) => FindingKind::Contradicted,
            (one, other) if one == other => FindingKind::Shadowed,
            _ => continue,
        };
        if proved != Some(Some(false)) {
            let other = Some((id_of(&other.policy), other.source.clone()));
            findings.push(Finding { other, ..finding(kind, proved.flatten().is_some()) });
            break;
        }
    }
    let errs = seen.errs.or_else(|| prover.and_then(|prover| can_error(prover, laid, &written.policy, &environments)));
    let errs = errs.filter(|scene| errors(laid, written, scene));
    if let Some(scene) = errs {
        let example = Some(shrink(scene, |scene| errors(laid, written, scene)));
        findings.push(Finding { example, ..finding(FindingKind::CanError, true) });
    }
    if is_wider_than_roles(laid, &written.policy, &environments) {
        findings.push(finding(FindingKind::WiderThanRoles, true));
    }
    findings
}

fn look<'w>(
    laid: &Laid<'_>,
    written: &'w WrittenPolicy,
    others: &[&'w WrittenPolicy],
    environments: &[&Environment],
    effort: Effort,
) -> Seen<'w> {
    let generator = laid.generator();
    let mut rng = rng(effort.seed, &id_of(&written.policy));
    let mut seen = Seen { matched: 0, always: Vec::new(), errs: None };
    let goal = [Goal { policy: written.policy.clone(), matches: true }];
    let depths: Vec<_> = others.iter().map(|other| &other.depth).collect();
    for _ in 0..effort.cases {
        let Some(environment) = super::generate::pick(&mut rng, environments) else { break };
        let scene = generator.scene(&mut rng, environment, &goal);
        let Ok(staged) = scene.stage_for(&laid.world, &depths) else { continue };
        if staged.matches(&written.policy) {
            let matches = |other: &&&WrittenPolicy| staged.matches(&other.policy);
            if seen.matched == 0 {
                let candidates = others.iter().filter(|other| !std::ptr::eq(**other, written));
                seen.always = candidates.filter(matches).copied().collect();
            } else {
                seen.always.retain(|other| matches(&other));
            }
            seen.matched += 1;
        } else if seen.errs.is_none() && errors(laid, written, &scene) {
            seen.errs = Some(scene);
        }
    }
    seen
}

/// Whether a policy errors in a scene.
fn errors(laid: &Laid<'_>, written: &WrittenPolicy, scene: &Scene) -> bool {
    let Ok(staged) = scene.stage(&laid.world) else { return false };
    staged.response().diagnostics.errors.iter().any(|error| {
        let AuthorizationError::PolicyEvaluationError { id, .. } = error;
        id == written.policy.id()
    })
}

fn environments_of<'s>(laid: &Laid<'s>, policy: &ast::Policy) -> Vec<&'s Environment> {
    let schema = &laid.world.snapshot.schema;
    let reach = Reach::of(policy, schema);
    let takes_part = |environment: &Environment| !environment.is_assuming() || takes_part_in_assuming(policy);
    let fits = |environment: &&Environment| reach.fits(environment, schema) && takes_part(environment);
    laid.shape.environments.iter().filter(fits).collect()
}

/// Whether a permit gives actions that no role gives together, but one over every action; or something to everybody.
fn is_wider_than_roles(laid: &Laid<'_>, policy: &ast::Policy, environments: &[&Environment]) -> bool {
    if policy.effect() == Effect::Forbid || environments.iter().all(|environment| environment.is_assuming()) {
        return false;
    }
    let is_open = |constraint: &PrincipalOrResourceConstraint| {
        matches!(constraint, PrincipalOrResourceConstraint::Any | PrincipalOrResourceConstraint::Is(_))
    };
    if policy.non_scope_constraints().is_none() && is_open(policy.principal_constraint().as_inner()) {
        return true;
    }
    let schema = &laid.world.snapshot.schema;
    let has = |role: &ActionSet, action: &str| {
        let found = crate::vocabulary::read_uid(action).and_then(|uid| schema.actions.get(&uid));
        found.is_some_and(|action| role.contains(action.number))
    };
    let of_all = &laid.shape.environments;
    let templates = laid.world.snapshot.policies.written.templates();
    let is_over_all = |role: &ActionSet| of_all.iter().all(|environment| has(role, &environment.action));
    let roles: Vec<&ActionSet> = templates.map(|role| &role.actions).filter(|actions| !is_over_all(actions)).collect();
    let mut by_resource: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for environment in environments {
        by_resource.entry(&environment.resource).or_default().insert(&environment.action);
    }
    by_resource.values().any(|actions| !roles.iter().any(|role| actions.iter().all(|action| has(role, action))))
}

fn is_compiled(laid: &Laid<'_>, written: &WrittenPolicy) -> bool {
    let folder = format!("/{}/", crate::bundle::FOLDER);
    let tenant = format!("/{}{folder}", laid.world.snapshot.tenant);
    written.source.file.contains(&tenant)
}

fn id_of(policy: &ast::Policy) -> String {
    AsRef::<str>::as_ref(policy.id()).to_owned()
}

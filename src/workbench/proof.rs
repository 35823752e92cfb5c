//! Proof: an invariant, or that two policy sets decide alike, for every request that there can be.
//!
//! Policies become questions to the cvc5 solver by `cedar-policy-symcc`. In: a laid-out tenant and what is to hold. Out:
//! that it holds; or a scene, which the server's decider was asked about before it is believed; or why nobody knows.
//!
//! What is proved is about every directory, not only the one that is there: the grants are as they are, but who is in
//! which team, and what is in which workspace, may be anything that the schema lets be. What a request is about is in
//! its tenant; who asks need not be. To the solver every entity is there with what the schema requires of it: that
//! someone is named of whom nobody knows anything is for random search to try.

mod ask;
mod counterexample;
mod translate;

pub use ask::{Prover, ProverError};

use std::time::{Duration, Instant};

use cedar_policy_core::ast;

use self::ask::{Answered, Question};
use super::invariant::{Claim, Invariant};
use super::scene::{Scene, shrink};
use super::shape::Environment;
use super::verify::{Judged, Laid, judge};

/// What a proof came to.
#[derive(Clone, Debug)]
pub enum Proof {
    /// It holds for every possible request.
    Holds { questions: usize, took: Duration },
    /// Shown by a request that the decider confirmed.
    Refuted { scene: Scene, took: Duration },
    /// Neither was shown.
    Unknown { reason: String, took: Duration },
}

/// Proves an invariant, one kind of request after the other.
pub fn prove(prover: &Prover, laid: &Laid<'_>, invariant: &Invariant, environments: &[&Environment]) -> Proof {
    let started = Instant::now();
    let shows = |scene: &Scene| judge(&laid.world, invariant, scene) == Judged::Breaks;
    let mut unknown = None;
    let mut questions = 0;
    for environment in environments {
        let policies = match whole(laid, environment) {
            Ok(policies) => policies,
            Err(reason) => {
                unknown.get_or_insert(reason);
                continue;
            }
        };
        let about = translate::within_tenant(&invariant.policy, laid, environment);
        let question = match invariant.claim {
            Claim::Never => Question::Disjoint { about, policies },
            Claim::Always => Question::Allowed { about, policies },
        };
        questions += 1;
        match prover.ask(&laid.world.snapshot.schema, environment, question) {
            Ok(Answered::Holds) => {}
            Ok(Answered::Example(found)) => match counterexample::confirmed(&found, laid, environment, &shows) {
                Some(scene) => {
                    let scene = shrink(scene, shows);
                    return Proof::Refuted { scene, took: started.elapsed() };
                }
                None => {
                    unknown.get_or_insert_with(|| DISAGREES.to_owned());
                }
            },
            Ok(Answered::Unknown(reason)) => {
                unknown.get_or_insert(reason);
            }
            Err(error) => {
                unknown.get_or_insert(error.to_string());
            }
        }
    }
    match unknown {
        None => Proof::Holds { questions, took: started.elapsed() },
        Some(reason) => Proof::Unknown { reason, took: started.elapsed() },
    }
}

/// Whether what one allows, another allows.
pub enum Compared {
    Implied,
    /// Shown by a request that the decider confirmed.
    Not(Scene),
    Unknown(String),
}

/// Whether all requests of a kind that `allowing` allows, `bound` allows too.
pub fn implied(
    prover: &Prover,
    allowing: &Laid<'_>,
    bound: &Laid<'_>,
    environment: &Environment,
    shows: &dyn Fn(&Scene) -> bool,
) -> Compared {
    let (policies, others) = match (whole(allowing, environment), whole(bound, environment)) {
        (Ok(policies), Ok(others)) => (policies, others),
        (Err(reason), _) | (_, Err(reason)) => return Compared::Unknown(reason),
    };
    let policies = policies.into_iter().chain(translate::only_in_tenant(allowing, environment)).collect();
    let question = Question::Implies { policies, others };
    match prover.ask(&allowing.world.snapshot.schema, environment, question) {
        Ok(Answered::Holds) => Compared::Implied,
        Ok(Answered::Example(found)) => match counterexample::confirmed(&found, allowing, environment, shows) {
            Some(scene) => Compared::Not(shrink(scene, shows)),
            None => Compared::Unknown(DISAGREES.to_owned()),
        },
        Ok(Answered::Unknown(reason)) => Compared::Unknown(reason),
        Err(error) => Compared::Unknown(error.to_string()),
    }
}

/// Whether no request matches a policy; `None` where nobody knows.
pub fn never_matches(
    prover: &Prover,
    laid: &Laid<'_>,
    policy: &ast::Policy,
    environments: &[&Environment],
) -> Option<bool> {
    of_all(prover, laid, environments, |environment| {
        Question::NeverMatches(translate::within_tenant(policy, laid, environment))
    })
}

/// Whether another policy matches all that a policy matches; `None` where nobody knows.
pub fn covers(
    prover: &Prover,
    laid: &Laid<'_>,
    policy: &ast::Policy,
    other: &ast::Policy,
    environments: &[&Environment],
) -> Option<bool> {
    of_all(prover, laid, environments, |environment| Question::Covers {
        policy: translate::within_tenant(policy, laid, environment),
        other: translate::within_tenant(other, laid, environment),
    })
}

/// A scene in which a policy errors, if there is one.
pub fn can_error(
    prover: &Prover,
    laid: &Laid<'_>,
    policy: &ast::Policy,
    environments: &[&Environment],
) -> Option<Scene> {
    let policy = translate::as_static(policy);
    environments.iter().find_map(|environment| {
        let question = Question::NeverErrors(policy.clone());
        match prover.ask(&laid.world.snapshot.schema, environment, question).ok()? {
            Answered::Example(found) => counterexample::scene_of(&found, laid, environment),
            _ => None,
        }
    })
}

fn of_all(
    prover: &Prover,
    laid: &Laid<'_>,
    environments: &[&Environment],
    question: impl Fn(&Environment) -> Question,
) -> Option<bool> {
    for environment in environments {
        match prover.ask(&laid.world.snapshot.schema, environment, question(environment)).ok()? {
            Answered::Holds => {}
            Answered::Example(_) => return Some(false),
            Answered::Unknown(_) => return None,
        }
    }
    Some(true)
}

/// All policies that a kind of request may match, as the solver takes them.
pub(super) fn whole(laid: &Laid<'_>, environment: &Environment) -> Result<Vec<ast::Policy>, String> {
    let grants = laid.book.count_grants(environment);
    if grants > MOST_GRANTS {
        return Err(format!("{grants} grants bear on {environment}: a solver is asked about {MOST_GRANTS} at most"));
    }
    let written = laid.book.written(environment).cloned();
    let all = written.chain(laid.book.grants(environment, usize::MAX));
    Ok(all.map(|policy| translate::as_static(&policy)).collect())
}

const DISAGREES: &str = "the decider does not confirm the solver's example";
/// Measured: with a thousand grants a question takes seconds.
const MOST_GRANTS: usize = 1_000;

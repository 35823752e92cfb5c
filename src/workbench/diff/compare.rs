//! One kind of request, one way: is there a request whose answer changes?
//!
//! Search comes near to the policies that changed, on the side where they differ; what it does not find, the prover is
//! asked about.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use cedar_policy_core::ast::{self, Effect};

use super::changes::{Change, Changes};
use super::{Difference, Direction, Example, Outcome};
use crate::decide::{Answer, Decision};
use crate::model::EntityRef;
use crate::workbench::generate::{Generator, Goal};
use crate::workbench::proof::{Compared, Prover, implied};
use crate::workbench::scene::Scene;
use crate::workbench::search::{Effort, Scenes, Searched, Shows, search};
use crate::workbench::shape::Environment;
use crate::workbench::verify::{FoundBy, Laid};

/// A tenant before and after, with what to go by.
pub(super) struct Comparison<'a> {
    pub before: &'a Laid<'a>,
    pub after: &'a Laid<'a>,
    pub changes: &'a Changes,
    pub effort: Effort,
    pub prover: Option<&'a Prover>,
}

impl Comparison<'_> {
    /// Whether an answer to this kind of request may have changed by more than who is in the directory.
    pub fn is_concerned(&self, environment: &Environment) -> bool {
        self.bearing(environment).next().is_some()
            || self.altered(environment).next().is_some()
            || !self.is_asked(self.before, environment)
            || !self.is_asked(self.after, environment)
    }

    pub fn of(&self, environment: &Environment, direction: Direction) -> Difference {
        let aims = self.aims(environment, direction);
        let shows = |scene: &Scene| match self.answers(scene, environment) {
            None => Shows::Unfit,
            Some((before, after)) if is_changed(direction, before.as_ref(), after.as_ref()) => Shows::This,
            Some(_) => Shows::Near,
        };
        // Where scenes come from must know the kind of request.
        let laid = if self.is_asked(self.after, environment) { self.after } else { self.before };
        let generator = laid.generator();
        let question = format!("{environment} {}", direction.as_str());
        let aims = aims.into_iter().map(|goals| (environment.clone(), goals)).collect();
        let searched = search(&Scenes { generator: &generator as &Generator<'_>, aims }, self.effort, &question, shows);
        let Searched { cases, found, .. } = searched;
        let outcome = match found {
            Some(scene) => self.example(scene, environment, FoundBy::Search),
            None => self.proved(environment, direction, &shows),
        };
        Difference { environment: environment.clone(), direction, cases, outcome }
    }

    fn proved(&self, environment: &Environment, direction: Direction, shows: &dyn Fn(&Scene) -> Shows) -> Outcome {
        let both_ask = self.is_asked(self.before, environment) && self.is_asked(self.after, environment);
        let Some(prover) = self.prover.filter(|_| both_ask) else { return Outcome::NoneFound(None) };
        if self.changes.is_schema_changed {
            let reason = "the schema changed: two schemas cannot be proved alike";
            return Outcome::NoneFound(Some(reason.to_owned()));
        }
        if self.altered(environment).next().is_some() {
            let reason = "what the directory knows of a resource changed: a proof is about every directory";
            return Outcome::NoneFound(Some(reason.to_owned()));
        }
        let (allowing, bound) = match direction {
            Direction::Allowed => (self.after, self.before),
            Direction::Denied => (self.before, self.after),
        };
        match implied(prover, allowing, bound, environment, &|scene| shows(scene) == Shows::This) {
            Compared::Implied => Outcome::ProvedNone,
            Compared::Not(scene) => self.example(scene, environment, FoundBy::Proof),
            Compared::Unknown(reason) => Outcome::NoneFound(Some(reason)),
        }
    }

    fn example(&self, scene: Scene, environment: &Environment, found_by: FoundBy) -> Outcome {
        let (before, after) = self.answers(&scene, environment).unwrap_or_default();
        Outcome::Changed(Box::new(Example { scene, before, after, found_by }))
    }

    /// Both answers; `None` for a scene that fits where this kind of request can be asked, but is no request there.
    fn answers(&self, scene: &Scene, environment: &Environment) -> Option<(Option<Answer>, Option<Answer>)> {
        let answer = |laid: &Laid<'_>| match scene.answer(&laid.world) {
            Ok(answer) => Some(Some(answer)),
            Err(_) if !self.is_asked(laid, environment) => Some(None),
            Err(_) => None,
        };
        Some((answer(self.before)?, answer(self.after)?))
    }

    fn is_asked(&self, laid: &Laid<'_>, environment: &Environment) -> bool {
        laid.shape.environments.binary_search(environment).is_ok()
    }

    fn bearing<'c>(&'c self, environment: &'c Environment) -> impl Iterator<Item = &'c Change> {
        let (old, new) = (self.before.world.snapshot, self.after.world.snapshot);
        self.changes.policies.iter().filter(move |change| change.bears_on(environment, old, new))
    }

    /// Resources of the directory that are in something else now, or like something else. People are asked about
    /// themselves.
    fn altered<'c>(&'c self, environment: &'c Environment) -> impl Iterator<Item = &'c EntityRef> {
        let altered = self.changes.altered.iter().filter(|uid| uid.entity_type == environment.resource);
        altered.filter(|_| !environment.is_assuming()).take(MOST_ALTERED)
    }

    /// Requests on which the changed policies differ, and that another policy permits where that is needed.
    fn aims(&self, environment: &Environment, direction: Direction) -> Vec<Vec<Goal>> {
        let allowing = if direction == Direction::Allowed { self.after } else { self.before };
        let permits: Vec<ast::Policy> =
            allowing.policies(environment).into_iter().filter(|policy| policy.effect() == Effect::Permit).collect();
        let mut aims = vec![Vec::new()];
        for resource in self.altered(environment) {
            // Whoever a permit is for, about the resource as the directory has it.
            let scopes = permits.iter().map(|permit| permit.principal_constraint().to_string());
            let goals = scopes.collect::<BTreeSet<_>>().into_iter().filter_map(|principal| {
                let text = format!("permit ({principal}, action, resource == {resource});");
                let policy: ast::Policy = Policy::parse(None, text).ok()?.as_ref().clone();
                Some(vec![Goal { policy, matches: true }])
            });
            aims.extend(goals);
        }
        for change in self.bearing(environment) {
            let policy = |side: &Option<(ast::Policy, _)>| side.as_ref().map(|(policy, _)| policy.clone());
            let (before, after) = (policy(&change.before), policy(&change.after));
            for effect in [Effect::Permit, Effect::Forbid] {
                let side = |policy: &Option<ast::Policy>| policy.clone().filter(|policy| policy.effect() == effect);
                // A permit that matches only now allows, as does a forbid that matched only then.
                let (holds, fails) = if (effect == Effect::Permit) == (direction == Direction::Allowed) {
                    (side(&after), side(&before))
                } else {
                    (side(&before), side(&after))
                };
                let Some(holds) = holds else { continue };
                let differs: Vec<Goal> = [Some((holds, true)), fails.map(|fails| (fails, false))]
                    .into_iter()
                    .flatten()
                    .map(|(policy, matches)| Goal { policy, matches })
                    .collect();
                aims.push(differs.clone());
                aims.push(differs.iter().rev().cloned().collect());
                if effect == Effect::Permit {
                    continue;
                }
                for permit in &permits {
                    let permitted = Goal { policy: permit.clone(), matches: true };
                    aims.push(differs.iter().cloned().chain([permitted.clone()]).collect());
                    aims.push([permitted].into_iter().chain(differs.iter().cloned()).collect());
                }
            }
        }
        aims
    }
}

fn is_changed(direction: Direction, before: Option<&Answer>, after: Option<&Answer>) -> bool {
    let allows = |answer: Option<&Answer>| answer.is_some_and(|answer| answer.decision == Decision::Allow);
    match direction {
        Direction::Allowed => !allows(before) && allows(after),
        Direction::Denied => allows(before) && !allows(after),
    }
}

/// Resources that are asked about one by one.
const MOST_ALTERED: usize = 64;

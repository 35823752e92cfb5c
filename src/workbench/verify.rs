//! Verification: does every invariant hold of a tenant's policies?
//!
//! In: a snapshot, its invariants, how much to try, and a prover if there is one. Out: for each invariant, what random
//! search found in how many requests, what the proof came to, and for a broken one the smallest request that shows it.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::generate::{Generator, Goal, Population, Words};
use super::invariant::{Claim, Invariant};
use super::policies::PolicyBook;
use super::proof::{Proof, Prover};
use super::scene::{Scene, World};
use super::search::{Effort, Scenes, Searched, Shows, search};
use super::shape::{Environment, Shape};
use crate::decide::{Answer, Decision};

/// A tenant's policies, laid out to be looked into.
#[derive(Debug)]
pub struct Laid<'a> {
    pub world: World<'a>,
    pub shape: &'a Shape,
    pub book: PolicyBook<'a>,
    pub population: Population,
    pub words: Words,
}

/// How an invariant was found to be.
#[derive(Debug)]
pub struct Verified<'i> {
    pub invariant: &'i Invariant,
    /// How many kinds of request it is about.
    pub environments: usize,
    /// How many requests were tried.
    pub cases: u32,
    /// How many of them it was about: of none, it says nothing.
    pub matched: u32,
    pub took: Duration,
    /// `None` where nobody asked for one.
    pub proof: Option<Proof>,
    pub broken_by: Option<Example>,
}

/// A request that shows something, with what the server would answer.
#[derive(Clone, Debug)]
pub struct Example {
    pub scene: Scene,
    pub answer: Answer,
    pub found_by: FoundBy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    Search,
    Proof,
}

impl<'a> Laid<'a> {
    /// Lays out a snapshot; `invariants` are what else scenes come near to.
    pub fn of(world: World<'a>, shape: &'a Shape, invariants: &[Invariant]) -> Self {
        let book = PolicyBook::of(world.snapshot);
        let asked = invariants.iter().filter_map(|invariant| invariant.policy.non_scope_constraints());
        let named = invariants.iter().flat_map(|invariant| super::policies::scope_entities(&invariant.policy));
        let words = Words::of(book.conditions().chain(asked), named.chain(book.named(GRANTS_NAMED)));
        Self { world, shape, book, population: Population::of(world.snapshot), words }
    }

    pub fn generator(&self) -> Generator<'_> {
        Generator {
            shape: self.shape,
            schema: &self.world.snapshot.schema,
            tenant: crate::vocabulary::entity_ref(self.world.snapshot.tenant_uid()),
            directory: Some(&self.world.snapshot.entities),
            words: &self.words,
            population: &self.population,
        }
    }

    /// The policies that a kind of request may match, with some of the grants.
    pub fn policies(&self, environment: &Environment) -> Vec<cedar_policy_core::ast::Policy> {
        let written = self.book.written(environment).cloned();
        written.chain(self.book.grants(environment, GRANTS_TRIED)).collect()
    }
}

/// Verifies every invariant, each on its own.
pub fn verify<'i>(
    laid: &Laid<'_>,
    invariants: &'i [Invariant],
    effort: Effort,
    prover: Option<&Prover>,
) -> Vec<Verified<'i>> {
    invariants.par_iter().map(|invariant| verify_one(laid, invariant, effort, prover)).collect()
}

fn verify_one<'i>(laid: &Laid<'_>, invariant: &'i Invariant, effort: Effort, prover: Option<&Prover>) -> Verified<'i> {
    let started = Instant::now();
    let environments = invariant.environments(laid.shape, &laid.world.snapshot.schema);
    let generator = laid.generator();
    let aims = environments.iter().flat_map(|environment| aims(laid, invariant, environment)).collect();
    let scenes = Scenes { generator: &generator, aims };
    let shows = |scene: &Scene| match judge(&laid.world, invariant, scene) {
        Judged::Unfit => Shows::Unfit,
        Judged::NotAbout => Shows::Nothing,
        Judged::Holds => Shows::Near,
        Judged::Breaks => Shows::This,
    };
    let Searched { cases, near, found, .. } = search(&scenes, effort, &invariant.name, shows);
    let proof = prover.map(|prover| super::proof::prove(prover, laid, invariant, &environments));
    let by_search = found.map(|scene| (scene, FoundBy::Search));
    let by_proof = || match &proof {
        Some(Proof::Refuted { scene, .. }) => Some((scene.clone(), FoundBy::Proof)),
        _ => None,
    };
    let broken_by = by_search.or_else(by_proof).and_then(|(scene, found_by)| {
        let answer = scene.answer(&laid.world).ok()?;
        Some(Example { scene, answer, found_by })
    });
    Verified {
        invariant,
        environments: environments.len(),
        cases,
        matched: near,
        took: started.elapsed(),
        proof,
        broken_by,
    }
}

/// What the answer should have been.
pub fn expected(claim: Claim) -> Decision {
    match claim {
        Claim::Never => Decision::Deny,
        Claim::Always => Decision::Allow,
    }
}

/// What an invariant makes of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is no request of the schema.
    Unfit,
    /// The invariant is not about it.
    NotAbout,
    Holds,
    Breaks,
}

/// Asks the server's decider whether a scene breaks an invariant.
pub fn judge(world: &World<'_>, invariant: &Invariant, scene: &Scene) -> Judged {
    let Ok(staged) = scene.stage_for(world, &[&invariant.depth]) else { return Judged::Unfit };
    if !staged.matches(&invariant.policy) {
        return Judged::NotAbout;
    }
    let allowed = staged.answer(&world.decider).decision == Decision::Allow;
    if allowed == (invariant.claim == Claim::Always) { Judged::Holds } else { Judged::Breaks }
}

/// What scenes come near to: requests that the invariant is about, and that a policy has a say in.
fn aims(laid: &Laid<'_>, invariant: &Invariant, environment: &Environment) -> Vec<(Environment, Vec<Goal>)> {
    let about = Goal { policy: invariant.policy.clone(), matches: true };
    let aim = |goals: Vec<Goal>| (environment.clone(), goals);
    let mut aims = vec![aim(vec![about.clone()])];
    for policy in laid.policies(environment) {
        let hits = Goal { policy, matches: true };
        aims.push(aim(vec![hits.clone(), about.clone()]));
        aims.push(aim(vec![about.clone(), hits]));
    }
    aims
}

/// Grants of one role, subject type and resource type that scenes come near to, in one search.
const GRANTS_TRIED: usize = 8;
/// Of these, how many subjects and resources scenes may be about.
const GRANTS_NAMED: usize = 32;

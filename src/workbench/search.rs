//! Random search: scenes are made until one shows what is looked for, and that one is shrunk.
//!
//! In: how scenes are made, and what is looked for. Out: the smallest scene that shows it, or how many did not. The
//! same seed makes the same scenes. Making, running and shrinking are `proptest`'s.

use std::cell::Cell;
use std::hash::Hasher;

use proptest::strategy::{NewTree, Strategy};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use siphasher::sip::SipHasher13;

use super::generate::{Generator, Goal};
use super::scene::{Scene, SceneTree, tidied};
use super::shape::Environment;

/// Scenes of some kinds of request, each near to one of some lists of goals.
#[derive(Clone, Debug)]
pub struct Scenes<'a> {
    pub generator: &'a Generator<'a>,
    /// A kind of request with goals that make sense for it.
    pub aims: Vec<(Environment, Vec<Goal>)>,
}

/// How much is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Scenes for each question.
    pub cases: u32,
    pub seed: u64,
}

/// What a search came to.
#[derive(Clone, Debug)]
pub struct Searched {
    /// How many scenes were looked at, until the first that showed it.
    pub cases: u32,
    /// How many of them the question was about.
    pub near: u32,
    /// How many of them did not fit the schema, and so were no request at all.
    pub unfit: u32,
    /// The smallest that shows it.
    pub found: Option<Scene>,
}

/// What a scene shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// What is looked for.
    This,
    /// It is what the question is about, and all is well.
    Near,
    Nothing,
    /// It is no request of the schema.
    Unfit,
}

impl Strategy for Scenes<'_> {
    type Tree = SceneTree;
    type Value = Scene;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let rng = runner.rng();
        let (environment, goals) =
            super::generate::pick(rng, &self.aims).ok_or("there is no kind of request to try")?;
        Ok(SceneTree::new(self.generator.scene(rng, environment, goals)))
    }
}

/// Looks for a scene that shows something. `question` tells this search from others with the same seed.
pub fn search(scenes: &Scenes<'_>, effort: Effort, question: &str, shows: impl Fn(&Scene) -> Shows) -> Searched {
    let config = Config {
        cases: effort.cases,
        failure_persistence: None,
        max_shrink_iters: MOST_STEPS,
        max_shrink_time: 0,
        verbose: 0,
        ..Config::default()
    };
    let (cases, near, unfit, is_shrinking) = (Cell::new(0), Cell::new(0), Cell::new(0), Cell::new(false));
    let test = |scene: Scene| {
        let shown = shows(&scene);
        if !is_shrinking.get() {
            cases.set(cases.get() + 1);
            near.set(near.get() + u32::from(matches!(shown, Shows::Near | Shows::This)));
            unfit.set(unfit.get() + u32::from(shown == Shows::Unfit));
            is_shrinking.set(shown == Shows::This);
        }
        if shown == Shows::This { Err(TestCaseError::fail("found")) } else { Ok(()) }
    };
    let mut runner = TestRunner::new_with_rng(config, rng(effort.seed, question));
    let found = match runner.run(scenes, test) {
        Err(TestError::Fail(_, scene)) => Some(tidied(scene, |scene| shows(scene) == Shows::This)),
        Ok(()) | Err(TestError::Abort(_)) => None,
    };
    Searched { cases: cases.get(), near: near.get(), unfit: unfit.get(), found }
}

/// Random numbers of one question.
pub fn rng(seed: u64, question: &str) -> TestRng {
    let mut bytes = [0; 32];
    for (number, part) in bytes.chunks_mut(8).enumerate() {
        let mut hasher = SipHasher13::new_with_keys(seed, number as u64);
        hasher.write(question.as_bytes());
        part.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// Far more than any scene has.
const MOST_STEPS: u32 = 100_000;

//! What a change of policies does: which requests change answer, and for whom.
//!
//! In: a tenant before and after. Out: for each kind of request, the smallest example of what is newly allowed and of
//! what is newly denied, found by search or by proof; and of the people in the directory, who gains and who loses
//! what. Kinds of request that no change bears on are not looked at: their answers cannot change.

mod changes;
mod compare;
mod people;

pub use changes::{Change, Changes};
pub use people::{Impact, People};

use rayon::prelude::*;

use self::compare::Comparison;
use super::proof::Prover;
use super::scene::Scene;
use super::search::Effort;
use super::shape::Environment;
use super::verify::{FoundBy, Laid};
use crate::decide::Answer;

/// Which way an answer changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    Allowed,
    Denied,
}

impl Direction {
    pub const BOTH: [Self; 2] = [Self::Allowed, Self::Denied];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "newly allowed",
            Self::Denied => "newly denied",
        }
    }
}

/// What became of one kind of request, one way.
#[derive(Debug)]
pub struct Difference {
    pub environment: Environment,
    pub direction: Direction,
    /// How many requests were tried.
    pub cases: u32,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub enum Outcome {
    /// A request whose answer changed, the smallest.
    Changed(Box<Example>),
    /// For no possible request does it.
    ProvedNone,
    /// None of those tried did; and why there is no proof, if one was wanted.
    NoneFound(Option<String>),
}

/// A request whose answer changed.
#[derive(Clone, Debug)]
pub struct Example {
    pub scene: Scene,
    /// `None` where it could not be asked.
    pub before: Option<Answer>,
    pub after: Option<Answer>,
    pub found_by: FoundBy,
}

/// What a change of one tenant does.
#[derive(Debug)]
pub struct Diff {
    pub changes: Changes,
    /// Every kind of request that a change bears on, both ways.
    pub differences: Vec<Difference>,
    pub people: People,
}

impl Diff {
    /// Whether anything that is possible, or anyone who is there, changed this way.
    pub fn has(&self, direction: Direction) -> bool {
        let shown = |difference: &Difference| {
            difference.direction == direction && matches!(difference.outcome, Outcome::Changed(_))
        };
        self.differences.iter().any(shown) || self.people.impacts.iter().any(|impact| impact.direction == direction)
    }
}

/// Compares a tenant before and after.
pub fn diff(before: &Laid<'_>, after: &Laid<'_>, effort: Effort, prover: Option<&Prover>) -> Diff {
    let changes = Changes::between(before, after);
    let comparison = Comparison { before, after, changes: &changes, effort, prover };
    let mut environments: Vec<&Environment> =
        before.shape.environments.iter().chain(&after.shape.environments).collect();
    environments.sort();
    environments.dedup();
    let concerned: Vec<&Environment> =
        environments.into_iter().filter(|environment| comparison.is_concerned(environment)).collect();
    let questions = concerned.iter().flat_map(|environment| Direction::BOTH.map(|direction| (*environment, direction)));
    let questions: Vec<_> = questions.collect();
    let differences =
        questions.par_iter().map(|(environment, direction)| comparison.of(environment, *direction)).collect();
    let people = people::people(before, after, &changes, &concerned);
    Diff { changes, differences, people }
}

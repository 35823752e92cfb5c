//! Decisions in rounds, so that two tenants can take turns: the next hundred requests, asked for the first time, then
//! again beside plain Cedar over the least that each needs.

use std::time::Duration;

use cedargate::bench::{Answered, Candidate, Draw};

use crate::error::BarError;
use crate::world::World;

/// Asks about one tenant, never the same twice.
pub struct Series<'a> {
    world: &'a World,
    draw: Draw<'a>,
    candidates: std::vec::IntoIter<Candidate>,
}

/// What a round came to, in microseconds: means of the deciles. About half of the requests carry a context, whose
/// times are others, and a median would fall between the two.
#[derive(Clone, Copy, Debug, Default)]
pub struct Round {
    pub cold: f64,
    pub warm: f64,
    /// The median all the same.
    pub warm_p50: f64,
    /// Plain Cedar over the determining policies.
    pub minimal: f64,
    /// Policies of a slice.
    pub policies: f64,
}

impl<'a> Series<'a> {
    /// Requests that follow the tenant's own grants and policies.
    pub fn drawn(world: &'a World, count: usize) -> Result<Self, BarError> {
        let mut draw = Draw::from(&world.files, true)?;
        let candidates = draw.candidates(count).into_iter();
        Ok(Self { world, draw, candidates })
    }

    /// These requests.
    pub fn of(world: &'a World, candidates: Vec<Candidate>) -> Result<Self, BarError> {
        Ok(Self { world, draw: Draw::from(&world.files, true)?, candidates: candidates.into_iter() })
    }

    /// The next so many, answered for the first time.
    pub fn answered(&mut self, count: usize) -> Result<Vec<Answered>, BarError> {
        Ok(self.next(count)?.0)
    }

    /// A round of so many, with the answers, which plain Cedar also gives.
    pub fn round(&mut self, count: usize) -> Result<(Round, Vec<Answered>), BarError> {
        let (answered, cold) = self.next(count)?;
        let warm = self.world.subject().warm(&answered, LONG)?;
        #[expect(clippy::cast_precision_loss, reason = "a slice has few policies")]
        let policies = median(answered.iter().map(|one| one.answer.work.policies as f64));
        let (warm_p50, minimal) = (warm.latencies.percentile(50.0), warm.minimal.midmean());
        let warm = warm.latencies.midmean();
        Ok((Round { cold, warm, warm_p50, minimal, policies }, answered))
    }

    fn next(&mut self, count: usize) -> Result<(Vec<Answered>, f64), BarError> {
        let some: Vec<_> = self.candidates.by_ref().take(count).collect();
        let cold = self.world.subject().ask(&mut self.draw, &some, None, LONG)?;
        Ok((cold.answered, cold.latencies.midmean()))
    }
}

/// The median of one number of each round.
pub fn median_of(rounds: &[Round], of: fn(&Round) -> f64) -> f64 {
    median(rounds.iter().map(of))
}

/// The middle one; not a number where there is none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What is asked is counted, not timed.
const LONG: Duration = Duration::from_secs(60);

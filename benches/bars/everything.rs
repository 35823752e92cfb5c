//! Plain Cedar over everything, at a size at which that can still be waited for.

use std::time::Duration;

use cedargate::bench::shown;

use crate::error::BarError;
use crate::lab::Lab;
use crate::line::{Bar, Line, microseconds};
use crate::rounds::{Series, median, median_of};

pub fn measure(lab: &Lab) -> Result<Vec<Line>, BarError> {
    let scale = &lab.scale;
    let world = lab.world(&lab.tree("middle", &scale.middle)?)?;
    let mut series = Series::drawn(&world, scale.requests * (ROUNDS + 1))?;
    let mut of_large = Series::drawn(lab.large()?, scale.requests * (ROUNDS + 1))?;
    let (mut rounds, mut large, mut full) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (ours, answered) = series.round(scale.requests)?;
        let at_large = of_large.round(scale.requests)?.0;
        let theirs = world.subject().full(&answered, PATIENCE)?.midmean();
        // The first is for the machine to get warm.
        if round > 0 {
            rounds.push(ours);
            large.push(at_large);
            full.push(theirs);
        }
    }
    world.stop(lab)?;
    let full = median(full.into_iter());
    let (cold, warm) = (median_of(&rounds, |round| round.cold), median_of(&rounds, |round| round.warm));
    let (grants, most) = (scale.middle.grants, scale.large.grants);
    let what = format!("plain Cedar over everything at {grants} grants / ours at {most}, slice kept");
    let ours = microseconds(median_of(&large, |round| round.warm));
    Ok(vec![Line::ratio(what, microseconds(full), ours, Bar::AtLeast(1000.0)).beside(format!(
        "ours at {grants} grants, the very same requests: {} µs ({} ×), with the slice cut anew {} µs ({} ×)",
        shown(warm),
        shown(full / warm),
        shown(cold),
        shown(full / cold)
    ))])
}

const ROUNDS: usize = 5;
/// For each round; twenty requests are asked however long it takes.
const PATIENCE: Duration = Duration::from_secs(1);

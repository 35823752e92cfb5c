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
    let (mut rounds, mut full) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (ours, answered) = series.round(scale.requests)?;
        let theirs = world.subject().full(&answered, PATIENCE)?.percentile(50.0);
        // The first is for the machine to get warm.
        if round > 0 {
            rounds.push(ours);
            full.push(theirs);
        }
    }
    world.stop(lab)?;
    let full = median(full.into_iter());
    let (cold, warm) = (median_of(&rounds, |round| round.cold), median_of(&rounds, |round| round.warm));
    let grants = scale.middle.grants;
    let what = format!("plain Cedar over everything at {grants} grants / ours, the same requests, slice kept");
    Ok(vec![Line::ratio(what, microseconds(full), microseconds(warm), Bar::AtLeast(1000.0)).beside(format!(
        "with the slice cut anew ours take {} µs: {} × faster",
        shown(cold),
        shown(full / cold)
    ))])
}

const ROUNDS: usize = 5;
/// For each round; twenty requests are asked however long it takes.
const PATIENCE: Duration = Duration::from_secs(1);

//! Decisions in process: a million grants against a hundred, and against the least that anybody's engine could do.

use cedargate::bench::generate::Spec;
use cedargate::bench::shown;

use crate::error::BarError;
use crate::lab::Lab;
use crate::line::{Bar, Line, microseconds};
use crate::rounds::{Round, Series, median_of};

pub fn measure(lab: &Lab) -> Result<Vec<Line>, BarError> {
    let (of_large, of_small) = in_turns(lab)?;
    let large = |of: fn(&Round) -> f64| microseconds(median_of(&of_large, of));
    let small = |of: fn(&Round) -> f64| microseconds(median_of(&of_small, of));
    let (many, few) = (lab.scale.large.grants, lab.scale.small.grants);
    let minimal = large(|round| round.minimal);
    Ok(vec![
        Line::ratio(
            format!("decision in process, slice kept: at {many} grants / at {few}"),
            large(|round| round.warm),
            small(|round| round.warm),
            Bar::AtMost(1.5),
        )
        .beside(format!(
            "medians, which jump between requests with and without a context: {} µs at {many} grants, {} µs at {few}",
            shown(large(|round| round.warm_p50).value),
            shown(small(|round| round.warm_p50).value),
        ))
        .beside(format!(
            "the requests are alike: policies in a slice (median) {} and {}, plain Cedar over the determining ones {} \
             and {} µs",
            median_of(&of_large, |round| round.policies),
            median_of(&of_small, |round| round.policies),
            shown(minimal.value),
            shown(small(|round| round.minimal).value),
        )),
        Line::ratio(
            format!("the same, slice cut anew: at {many} grants / at {few}"),
            large(|round| round.cold),
            small(|round| round.cold),
            Bar::AtMost(1.5),
        ),
        Line::ratio(
            format!("decision at {many} grants, slice kept / plain Cedar over the determining policies only"),
            large(|round| round.warm),
            minimal,
            Bar::AtMost(2.0),
        ),
        Line::ratio(
            "the same, slice cut anew / plain Cedar over them",
            large(|round| round.cold),
            minimal,
            Bar::AtMost(8.0),
        ),
    ])
}

/// The large tenant in turns with small ones, several since each is its own case.
fn in_turns(lab: &Lab) -> Result<(Vec<Round>, Vec<Round>), BarError> {
    let scale = &lab.scale;
    let (mut of_large, mut of_small) = (Vec::new(), Vec::new());
    let seeds = usize::try_from(scale.seeds).unwrap_or(1) + 1;
    let mut large = Series::drawn(lab.large()?, scale.requests * scale.rounds * seeds)?;
    // The first round of all is for the machine to get warm.
    for seed in 0..=scale.seeds {
        let spec = Spec { seed, ..scale.small.clone() };
        let world = lab.world(&lab.tree(&format!("small-{seed}"), &spec)?)?;
        let mut small = Series::drawn(&world, scale.requests * scale.rounds)?;
        for _ in 0..scale.rounds {
            let rounds = (large.round(scale.requests)?.0, small.round(scale.requests)?.0);
            if seed > 0 {
                of_large.push(rounds.0);
                of_small.push(rounds.1);
            }
        }
        world.stop(lab)?;
    }
    Ok((of_large, of_small))
}

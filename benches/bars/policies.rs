//! Hand-written policies whose scopes name a principal or a resource: many against few, the same people and models.
//!
//! Half of them name a user each, half a model each. Every request is about a user and a model that have one, so that
//! in both trees two policies determine the answer.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use cedar_policy::EntityUid;
use cedargate::bench::generate::{GENERATED_TENANT, Spec};
use cedargate::bench::{Answered, Candidate, Who};
use cedargate::model::EntityRef;

use crate::error::BarError;
use crate::lab::Lab;
use crate::line::{Bar, Line, microseconds};
use crate::rounds::{Round, Series, median_of};
use crate::scale::spec;

pub fn measure(lab: &Lab) -> Result<Vec<Line>, BarError> {
    let (few, many) = (lab.scale.few_policies, lab.scale.many_policies);
    let (of_few, of_many) = in_turns(lab, few, many)?;
    let line = |what: &str, of: fn(&Round) -> f64| {
        let (over, under) = (microseconds(median_of(&of_many, of)), microseconds(median_of(&of_few, of)));
        let what = format!("decision{what}: {many} hand-written policies that name someone or something / {few}");
        Line::ratio(what, over, under, Bar::AtMost(1.5))
    };
    Ok(vec![line(", slice kept", |round| round.warm), line(", slice cut anew", |round| round.cold)])
}

fn in_turns(lab: &Lab, few: usize, many: usize) -> Result<(Vec<Round>, Vec<Round>), BarError> {
    let users = many.div_ceil(2);
    // Four in five are models.
    let people = spec(0, users, users * 4 / 3);
    let [few_world, many_world] = [tree(lab, &people, few)?, tree(lab, &people, many)?].map(|tree| lab.world(&tree));
    let (few_world, many_world) = (few_world?, many_world?);
    let of = |world, count| Series::of(world, candidates(count / 2, lab.scale.requests * (ROUNDS + 1))?);
    let (mut of_few, mut of_many) = (of(&few_world, few)?, of(&many_world, many)?);
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for number in 0..=ROUNDS {
        for (series, rounds) in [(&mut of_few, &mut few), (&mut of_many, &mut many)] {
            let (round, answered) = series.round(lab.scale.requests)?;
            two_policies_each(&answered)?;
            // The first is for the machine to get warm.
            rounds.extend((number > 0).then_some(round));
        }
    }
    few_world.stop(lab)?;
    many_world.stop(lab)?;
    Ok((few, many))
}

fn two_policies_each(answered: &[Answered]) -> Result<(), BarError> {
    let other = answered.iter().find(|one| one.answer.policies.len() != 2);
    other.map_or(Ok(()), |one| Err(BarError::Wrong(format!("{:?}", one.answer))))
}

/// The people's tree with so many policies.
fn tree(lab: &Lab, people: &Spec, count: usize) -> Result<PathBuf, BarError> {
    let tree = lab.tree(&format!("policies-{count}"), people)?;
    let folder = tree.join("policies").join(GENERATED_TENANT).join("named");
    fs::create_dir_all(&folder).map_err(BarError::file(&folder))?;
    for start in (0..count / 2).step_by(PAIRS_OF_A_FILE) {
        let file = folder.join(format!("{start}.cedar"));
        write_pairs(&file, start..(start + PAIRS_OF_A_FILE).min(count / 2))?;
    }
    Ok(tree)
}

fn write_pairs(file: &Path, numbers: impl Iterator<Item = usize>) -> Result<(), BarError> {
    let mut text = String::new();
    for number in numbers {
        let (user, model) = (user(number), model(number));
        // A string takes whatever is written to it.
        let _ = writeln!(text, "permit (principal == {user}, action == {ACTION}, resource);");
        let _ = writeln!(text, "permit (principal, action == {ACTION}, resource == {model});");
    }
    fs::write(file, text).map_err(BarError::file(file))
}

/// Pairs of one of the first so many users and models, none of them twice.
fn candidates(of: usize, count: usize) -> Result<Vec<Candidate>, BarError> {
    let action: EntityUid = ACTION.parse().map_err(|_| BarError::Wrong(format!("{ACTION} is no action")))?;
    let pair = |at: usize| {
        let (user_at, model_at) = (at * 7919 % of, (at * 7919 + at / of + 1) % of);
        Candidate { who: Who::Known(user(user_at)), action: action.clone(), resource: model(model_at) }
    };
    Ok((0..count.min(of * of)).map(pair).collect())
}

fn user(number: usize) -> EntityRef {
    EntityRef::new("User", format!("user-{number}@bench.example"))
}

fn model(number: usize) -> EntityRef {
    EntityRef::new("Model", format!("model-{number}"))
}

const ACTION: &str = "Action::\"viewModel\"";
const PAIRS_OF_A_FILE: usize = 500;
const ROUNDS: usize = 20;

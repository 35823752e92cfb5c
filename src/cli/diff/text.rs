//! A difference for people at a terminal.

use super::{Told, shortened};
use crate::cli::report::{counted, say as line};
use crate::decide::Answer;
use crate::workbench::diff::{Direction, Example, Impact, Outcome};
use crate::workbench::scene::{as_case, as_cedar};
use crate::workbench::trees::OpenedTree;
use crate::workbench::verify::FoundBy;

pub(super) fn say(told: &Told<'_>) {
    line(format!("{}: {}", told.tenant, told.summary()));
    for direction in Direction::BOTH {
        line(format!("  {}: {}", direction.as_str(), told.certainty(direction)));
        let examples = told.found.differences.iter().filter(|difference| difference.direction == direction);
        let examples: Vec<_> = examples
            .filter_map(|difference| match &difference.outcome {
                Outcome::Changed(example) => Some((difference, example)),
                _ => None,
            })
            .collect();
        for (difference, example) in examples.iter().take(told.examples) {
            let by = match example.found_by {
                FoundBy::Search => format!("found in {}", counted(difference.cases as usize, "request")),
                FoundBy::Proof => "by proof".to_owned(),
            };
            line(format!("    {}  ({by})", difference.environment));
            say_example(told, example);
        }
        let rest: Vec<_> = examples.iter().skip(told.examples).map(|(one, _)| one.environment.to_string()).collect();
        if !rest.is_empty() {
            line(format!("    and: {}", rest.join("; ")));
        }
    }
    if let Some(reason) = told.unproved() {
        line(format!("  not all was proved: {reason}"));
    }
    say_people(told);
}

fn say_example(told: &Told<'_>, example: &Example) {
    as_cedar(&example.scene).into_iter().for_each(|text| line(format!("      {text}")));
    line(format!("      before     {}", answered(example.before.as_ref(), told.old)));
    line(format!("      after      {}", answered(example.after.as_ref(), told.new)));
    if let Some(after) = example.after.as_ref().filter(|_| told.as_cases) {
        line("      as a case:");
        let case = as_case(&example.scene, "what changed", after.decision);
        case.lines().for_each(|text| line(format!("        {text}")));
    }
}

/// An answer with the policies that determine it.
pub(super) fn answered(answer: Option<&Answer>, tree: &OpenedTree) -> String {
    let Some(answer) = answer else { return "could not be asked".to_owned() };
    let policies: Vec<_> =
        answer.policies.iter().map(|policy| format!("{} at {}", policy.id, tree.shown(&policy.source))).collect();
    let by = if policies.is_empty() { String::new() } else { format!(" by {}", policies.join(", ")) };
    format!("{} ({}){by}", answer.decision.as_str(), answer.reason.as_str())
}

fn say_people(told: &Told<'_>) {
    let people = &told.found.people;
    if people.asked == 0 {
        return;
    }
    let of = if people.left_out == 0 { String::new() } else { format!(", of {}", people.asked + people.left_out) };
    line(format!(
        "  people: {} of someone and something asked about{of}, with no context",
        counted(people.asked, "pair")
    ));
    for impact in people.impacts.iter().take(told.examples) {
        line(format!("    {}", impact_text(impact)));
    }
    if people.impacts.len() > told.examples {
        line(format!("    … {} more", people.impacts.len() - told.examples));
    }
    if people.impacts.is_empty() {
        line("    nobody gains or loses anything");
    }
}

/// `jane@acme.com loses invokeModel on 3: Model::"gpt-4o", …`
pub(super) fn impact_text(impact: &Impact) -> String {
    let verb = if impact.direction == Direction::Allowed { "gains" } else { "loses" };
    let count = impact.resources.len();
    format!("{} {verb} {} on {count}: {}", impact.principal, impact.action, shortened(&impact.resources))
}

//! A difference as Markdown, for a comment on a pull request.

use super::Told;
use super::text::{answered, impact_text};
use crate::cli::report::say as line;
use crate::workbench::diff::{Direction, Outcome};
use crate::workbench::scene::as_cedar;

pub(super) fn say(told: &Told<'_>) {
    line(format!("### `{}`", told.tenant));
    line("");
    line(told.summary());
    line("");
    line("| | |");
    line("|---|---|");
    for direction in Direction::BOTH {
        line(format!("| **{}** | {} |", direction.as_str(), told.certainty(direction)));
    }
    line("");
    if let Some(reason) = told.unproved() {
        line(format!("Not all was proved: {reason}."));
        line("");
    } else if !told.is_proving {
        line("Random search only, without a solver.");
        line("");
    }
    for direction in Direction::BOTH {
        let examples = told.found.differences.iter().filter(|difference| difference.direction == direction);
        let examples = examples.filter_map(|difference| match &difference.outcome {
            Outcome::Changed(example) => Some((difference, example)),
            _ => None,
        });
        for (difference, example) in examples.take(told.examples) {
            line(format!("<details><summary>{}: {}</summary>", direction.as_str(), difference.environment));
            line("");
            line("```");
            as_cedar(&example.scene).into_iter().for_each(line);
            line(format!("before     {}", answered(example.before.as_ref(), told.old)));
            line(format!("after      {}", answered(example.after.as_ref(), told.new)));
            line("```");
            line("");
            line("</details>");
            line("");
        }
    }
    let people = &told.found.people;
    if !people.impacts.is_empty() {
        line("**People**");
        line("");
        people.impacts.iter().take(told.examples).for_each(|impact| line(format!("- {}", impact_text(impact))));
        if people.impacts.len() > told.examples {
            line(format!("- … {} more", people.impacts.len() - told.examples));
        }
        line("");
    }
}

//! A report for people: a line for what passed, and for what did not, what differs and why.

use std::collections::BTreeSet;
use std::fmt::{Display, Formatter, Result};

use super::{GroupReport, Report, SuiteReport};
use crate::workbench::cases::judge::{CaseReport, Difference, Explained, Failure};
use crate::workbench::cases::question::GroupKind;

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        for suite in &self.suites {
            for group in &suite.groups {
                write_group(out, suite, group)?;
            }
        }
        if let Some(coverage) = &self.coverage {
            write!(out, "{coverage}")?;
        }
        let (cases, failed) = (self.cases().count(), self.failed());
        write!(out, "{cases} {}, {} passed, {failed} failed", plural(cases, "case"), cases - failed)
    }
}

fn write_group(out: &mut Formatter<'_>, suite: &SuiteReport, group: &GroupReport) -> Result {
    let passed = group.cases.iter().filter(|case| case.ok).count();
    let title = match &group.name {
        Some(name) => format!("{}: {name}", suite.name),
        None => suite.name.clone(),
    };
    if passed > 0 {
        let of = match group.kind {
            GroupKind::Cases => format!(" ({passed} {})", plural(passed, "case")),
            GroupKind::Matrix => format!(" ({passed} {} of a table)", plural(passed, "case")),
            GroupKind::List => String::new(),
        };
        writeln!(out, "ok    {title}{of}")?;
    }
    for case in &group.cases {
        let title = if group.kind == GroupKind::List { &suite.name } else { &title };
        write_failure(out, suite, title, case)?;
    }
    Ok(())
}

fn write_failure(out: &mut Formatter<'_>, suite: &SuiteReport, title: &str, case: &CaseReport) -> Result {
    let Some(failure) = &case.failure else { return Ok(()) };
    writeln!(out, "FAIL  {title}: {}", case.name)?;
    writeln!(out, "      {}:{}", suite.file, case.line)?;
    write!(out, "{failure}")
}

/// Without its first line; also what JUnit shows.
impl Display for Failure {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        if let Some(why) = &self.why {
            writeln!(out, "      why it must be so: {}", why.trim())?;
        }
        for difference in &self.differences {
            write_difference(out, difference)?;
        }
        for answer in &self.answers {
            write_answer(out, answer)?;
        }
        if self.answers_omitted > 0 {
            writeln!(out, "      and {} more", self.answers_omitted)?;
        }
        Ok(())
    }
}

fn write_difference(out: &mut Formatter<'_>, difference: &Difference) -> Result {
    match difference {
        Difference::Word { of, expected, got } => writeln!(out, "      {of}: expected {expected}, got {got}"),
        Difference::Set { of, missing, unexpected } if *of == "only" => {
            let line = |out: &mut Formatter<'_>, says: &str, ids: &BTreeSet<String>| match ids.len() {
                0 => Ok(()),
                _ => writeln!(out, "      {says}: {}", listed(ids)),
            };
            line(out, "- on the list and denied", missing)?;
            line(out, "+ not on the list and allowed", unexpected)
        }
        Difference::Set { of, missing, unexpected } => {
            writeln!(out, "      {of}:")?;
            missing.iter().try_for_each(|id| writeln!(out, "        - {id}"))?;
            unexpected.iter().try_for_each(|id| writeln!(out, "        + {id}"))
        }
    }
}

fn write_answer(out: &mut Formatter<'_>, answer: &Explained) -> Result {
    write!(out, "      {}", answer.called)?;
    match &answer.principal {
        Some(principal) if !is_same(&answer.called, principal) => write!(out, " ({principal})")?,
        _ => {}
    }
    writeln!(out, " {} {}", answer.action, answer.resource)?;
    if let Some(context) = answer.context.as_ref().filter(|context| **context != serde_json::json!({})) {
        writeln!(out, "        context {context}")?;
    }
    if !answer.external_identities.is_empty() {
        writeln!(out, "        in external identities {}", answer.external_identities.join(", "))?;
    }
    if let Some(refused) = &answer.refused {
        return writeln!(out, "        stands for nobody: {refused}");
    }
    if let (Some(decision), Some(reason)) = (answer.decision, answer.reason) {
        writeln!(out, "        is answered {}, {}", decision.as_str(), reason.as_str())?;
    }
    for policy in &answer.policies {
        let says = policy.annotations.get("reason").or_else(|| policy.annotations.get("description"));
        let says = says.map(|says| format!(": {says}")).unwrap_or_default();
        writeln!(out, "        {} by {} at {}{says}", policy.effect, policy.id, policy.source)?;
    }
    for error in &answer.errors {
        writeln!(out, "        error in {} at {}: {}", error.id, error.source, error.message)?;
    }
    for miss in &answer.near_misses {
        writeln!(out, "        no {} by {} at {}: false: {}", miss.effect, miss.id, miss.source, miss.failed)?;
    }
    Ok(())
}

/// Whether a suite calls somebody just as Cedar does.
fn is_same(called: &str, principal: &str) -> bool {
    called == principal || crate::manifest::read_entity(called) == crate::manifest::read_entity(principal)
}

/// As many as people read; JSON has all.
fn listed(ids: &BTreeSet<String>) -> String {
    let shown = ids.iter().take(MOST_LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match ids.len().saturating_sub(MOST_LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

const MOST_LISTED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let ids = |count: usize| (0..count).map(|number| format!("{number:02}")).collect();
        assert!(listed(&ids(20)).ends_with(", 18, 19"));
        assert!(listed(&ids(22)).ends_with(", 18, 19 and 2 more"));
    }
}

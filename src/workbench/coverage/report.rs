//! What was exercised, in numbers, and what was not, with its place.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result};

use cedar_policy::PolicyId;
use serde::Serialize;

use super::{Coverage, Policy};
use crate::compile::external_identity_policy_id;

/// Of all there is to exercise, how much was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CoverageReport {
    /// Of a hundred; a tree with nothing to exercise has all of it.
    pub percent: f64,
    pub exercised: usize,
    pub of: usize,
    /// What was not, by place.
    pub unexercised: Vec<Unexercised>,
}

/// One thing that no case exercised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unexercised {
    pub file: String,
    pub line: usize,
    pub kind: Kind,
    /// The policy, role or external identity.
    pub id: String,
    /// A part of a condition, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The outcome that it never had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub never: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Policy,
    Condition,
    Role,
    ExternalIdentity,
}

pub(super) fn report<'a>(all: impl IntoIterator<Item = Coverage<'a>>) -> CoverageReport {
    let mut things: BTreeMap<Unexercised, bool> = BTreeMap::new();
    let mut note = |thing: Unexercised, exercised: bool| *things.entry(thing).or_default() |= exercised;
    for coverage in all {
        for (id, policy) in &coverage.policies {
            of_policy(id, policy, &mut note);
        }
        for (name, seen) in &coverage.external_identities {
            let source = coverage.snapshot.source(&PolicyId::new(external_identity_policy_id(name)));
            let (file, line) = source.map(|source| (source.file, source.line)).unwrap_or_default();
            let kind = Kind::ExternalIdentity;
            note(Unexercised { file, line, kind, id: name.to_string(), text: None, never: None }, *seen);
        }
    }
    let (of, exercised) = (things.len(), things.values().filter(|exercised| **exercised).count());
    let unexercised = things.into_iter().filter(|(_, exercised)| !exercised).map(|(thing, _)| thing).collect();
    CoverageReport { percent: percent(exercised, of), exercised, of, unexercised }
}

fn of_policy(id: &str, policy: &Policy, note: &mut impl FnMut(Unexercised, bool)) {
    let kind = if policy.is_role { Kind::Role } else { Kind::Policy };
    let (file, line) = (policy.source.file.clone(), policy.source.line);
    note(Unexercised { file: file.clone(), line, kind, id: id.to_owned(), text: None, never: None }, policy.matched);
    let parts = policy.condition.iter().flat_map(|condition| &condition.parts);
    for part in parts.filter(|part| !part.is_constant()) {
        for (never, was_seen) in [(true, part.was_true), (false, part.was_false)] {
            let thing = Unexercised {
                file: file.clone(),
                line: part.line,
                kind: Kind::Condition,
                id: id.to_owned(),
                text: Some(part.text.clone()),
                never: Some(never),
            };
            note(thing, was_seen);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has so many policies that it would show")]
fn percent(exercised: usize, of: usize) -> f64 {
    if of == 0 { 100.0 } else { exercised as f64 * 100.0 / of as f64 }
}

impl Display for CoverageReport {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        writeln!(out, "coverage: {} % ({} of {})", self.shown_percent(), self.exercised, self.of)?;
        self.unexercised.iter().try_for_each(|thing| writeln!(out, "  {thing}"))
    }
}

impl CoverageReport {
    /// Never rounded up: 100 means all of it.
    pub fn shown_percent(&self) -> String {
        format!("{:.1}", (self.percent * 10.0).floor() / 10.0)
    }
}

impl Display for Unexercised {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let Self { file, line, kind, id, text, never } = self;
        match (kind, text, never) {
            (Kind::Condition, Some(text), Some(never)) => write!(out, "{file}:{line}: never {never}: {text}"),
            (Kind::Role, ..) => write!(out, "{file}:{line}: no case needs `{id}`"),
            (Kind::ExternalIdentity, ..) => write!(out, "{file}:{line}: nobody in a case is in `{id}`"),
            _ => write!(out, "{file}:{line}: no case makes `{id}` match"),
        }
    }
}

//! A check in, whether it holds out; and if not, what differs and why the answer is what it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::people::Refused;
use super::question::{Asks, Candidate, Check, Errors, Expected, Policies, Question};
use super::shape::At;
use crate::decide::{Answer, Decider, Decision, EvaluationError, NearMiss, QueryError, Reason, Staged, ToldPolicy};
use crate::principal::Principal;
use crate::snapshot::Snapshot;
use crate::vocabulary;

/// How one case ended.
#[derive(Clone, Debug, Serialize)]
pub struct CaseReport {
    pub name: String,
    pub line: usize,
    pub ok: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What was not as it must be.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// The author's reason for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    pub differences: Vec<Difference>,
    /// The answers, with what they are made of; of a list, those that are wrong.
    pub answers: Vec<Explained>,
    /// How many more wrong answers a list has.
    #[serde(skip_serializing_if = "is_zero")]
    pub answers_omitted: usize,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Difference {
    Word { of: &'static str, expected: String, got: String },
    Set { of: &'static str, missing: BTreeSet<String>, unexpected: BTreeSet<String> },
}

/// A question, its answer, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// How the suite calls who asks.
    pub called: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    pub action: String,
    pub resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    pub policies: Vec<Arc<ToldPolicy>>,
    pub errors: Vec<EvaluationError>,
    pub external_identities: Vec<String>,
    /// Of what the case wants to match and does not, the parts that were false; those nearest to matching first.
    pub near_misses: Vec<NearMiss>,
}

/// A question that cannot be asked, and where that is written.
pub type Unasked = (At, String);

/// Sees every decision as it is made.
pub type Watching<'a> = &'a mut dyn FnMut(&Staged<'_>, &Principal);

/// Judges checks over one snapshot.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    pub snapshot: &'a Snapshot,
    pub decider: Decider,
}

impl Judge<'_> {
    /// Puts a check to the decider.
    ///
    /// # Errors
    /// When a question does not fit the schema.
    pub fn judge(&self, check: &Check, watching: Watching<'_>) -> Result<CaseReport, Unasked> {
        let failure = match &check.asks {
            Asks::One(question, expected) => self.one(question, expected, check.at, watching)?,
            Asks::Only(candidates) => self.only(candidates, check.at, watching)?,
        };
        let failure = failure.map(|failure| Failure { why: check.why.clone(), ..failure });
        Ok(CaseReport { name: check.name.clone(), line: check.at.line, ok: failure.is_none(), failure })
    }

    fn one(
        &self,
        question: &Question,
        expected: &Expected,
        at: At,
        watching: Watching<'_>,
    ) -> Result<Option<Failure>, Unasked> {
        let principal = match &question.who {
            Ok(principal) => principal,
            Err(refused) => return Ok(judge_refused(question, refused, expected)),
        };
        let staged = self.stage(question, principal, at)?;
        watching(&staged, principal);
        let answer = staged.answer(&self.decider);
        let differences = differences(expected, &answer, principal);
        if differences.is_empty() {
            return Ok(None);
        }
        let explained = explained(question, principal, &staged, answer, expected);
        Ok(Some(Failure { why: None, differences, answers: vec![explained], answers_omitted: 0 }))
    }

    fn only(&self, candidates: &[Candidate], at: At, watching: Watching<'_>) -> Result<Option<Failure>, Unasked> {
        let (mut missing, mut unexpected, mut answers) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for Candidate { label, is_listed, question } in candidates {
            // Whoever stands for nobody may do nothing, and was told where they are listed.
            let Ok(principal) = &question.who else { continue };
            let staged = self.stage(question, principal, at)?;
            watching(&staged, principal);
            let answer = staged.answer(&self.decider);
            let expected = match (answer.decision, is_listed) {
                (Decision::Allow, true) | (Decision::Deny, false) => continue,
                (Decision::Deny, true) => Expected::decision(Decision::Allow),
                (Decision::Allow, false) => Expected::decision(Decision::Deny),
            };
            if *is_listed { &mut missing } else { &mut unexpected }.insert(label.clone());
            if answers.len() < MOST_ANSWERS {
                answers.push(explained(question, principal, &staged, answer, &expected));
            }
        }
        if missing.is_empty() && unexpected.is_empty() {
            return Ok(None);
        }
        let answers_omitted = missing.len() + unexpected.len() - answers.len();
        let differences = vec![Difference::Set { of: "only", missing, unexpected }];
        Ok(Some(Failure { why: None, differences, answers, answers_omitted }))
    }

    fn stage(&self, question: &Question, principal: &Principal, at: At) -> Result<Staged<'_>, Unasked> {
        let staged = self.decider.stage(self.snapshot, principal, &question.query, &question.entities);
        staged.map_err(|error| {
            let at = if matches!(error, QueryError::Context(_)) { question.context_at } else { at };
            (at, error.to_string())
        })
    }
}

fn judge_refused(question: &Question, refused: &Refused, expected: &Expected) -> Option<Failure> {
    if expected.refused.as_ref() == Some(&refused.slug) {
        return None;
    }
    let wanted = expected.refused.clone().or_else(|| Some(expected.decision?.as_str().to_owned()));
    let (expected, got) = (wanted.unwrap_or_else(|| "an answer".to_owned()), refused.slug.clone());
    let asked = Explained { refused: Some(refused.message.clone()), ..asked(question) };
    let differences = vec![Difference::Word { of: "token", expected, got }];
    Some(Failure { why: None, differences, answers: vec![asked], answers_omitted: 0 })
}

/// What of an answer is not as expected.
fn differences(expected: &Expected, answer: &Answer, principal: &Principal) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut word = |of: &'static str, expected: Option<&str>, got: &str| {
        if let Some(expected) = expected.filter(|expected| *expected != got) {
            found.push(Difference::Word { of, expected: expected.to_owned(), got: got.to_owned() });
        }
    };
    word("token", expected.refused.as_deref(), "accepted");
    word("decision", expected.decision.map(Decision::as_str), answer.decision.as_str());
    word("reason", expected.reason.map(Reason::as_str), answer.reason.as_str());
    let errors: BTreeSet<String> = answer.errors.iter().map(|error| error.id.clone()).collect();
    if let Some(Errors::Count(count)) = expected.errors {
        word("errors", Some(&count.to_string()), &errors.len().to_string());
    }
    let mut set = |of: &'static str, expected: &BTreeSet<String>, got: &BTreeSet<String>, is_whole: bool| {
        let missing: BTreeSet<_> = expected.difference(got).cloned().collect();
        let unexpected: BTreeSet<_> = got.difference(expected).filter(|_| is_whole).cloned().collect();
        if !missing.is_empty() || !unexpected.is_empty() {
            found.push(Difference::Set { of, missing, unexpected });
        }
    };
    let policies = answer.policies.iter().map(|policy| policy.id.clone()).collect();
    match &expected.policies {
        Some(Policies::Exactly(expected)) => set("policies", expected, &policies, true),
        Some(Policies::AtLeast(expected)) => set("policies", expected, &policies, false),
        None => {}
    }
    if let Some(expected) = &expected.external_identities {
        set("external_identities", expected, &principal.external_identities.iter().cloned().collect(), true);
    }
    if let Some(Errors::Exactly(expected)) = &expected.errors {
        set("errors", expected, &errors, true);
    }
    found
}

fn asked(question: &Question) -> Explained {
    Explained {
        called: question.called.clone(),
        principal: None,
        action: question.query.action.0.clone(),
        resource: question.query.resource.entity.to_string(),
        context: question.query.context.clone(),
        refused: None,
        decision: None,
        reason: None,
        policies: Vec::new(),
        errors: Vec::new(),
        external_identities: Vec::new(),
        near_misses: Vec::new(),
    }
}

fn explained(
    question: &Question,
    principal: &Principal,
    staged: &Staged<'_>,
    answer: Answer,
    expected: &Expected,
) -> Explained {
    let lacks = |policies: &BTreeSet<String>| -> Vec<String> {
        policies.iter().filter(|id| !answer.policies.iter().any(|policy| policy.id == **id)).cloned().collect()
    };
    let lacking = match &expected.policies {
        Some(Policies::Exactly(policies) | Policies::AtLeast(policies)) => lacks(policies),
        None => Vec::new(),
    };
    // An allow that is missing could have come from any permit.
    let lacks_permit = expected.decision == Some(Decision::Allow) && answer.reason == Reason::NotPermitted;
    let lacks_forbid =
        lacking.is_empty() && expected.reason == Some(Reason::Forbidden) && answer.reason != Reason::Forbidden;
    let mut near_misses = Vec::new();
    if lacks_permit || lacks_forbid || !lacking.is_empty() {
        near_misses = staged.explanation().near_misses;
        near_misses.retain(|miss| {
            let could = (lacks_permit && miss.effect == "permit") || (lacks_forbid && miss.effect == "forbid");
            could || lacking.contains(&miss.id)
        });
        near_misses.truncate(MOST_NEAR_MISSES);
    }
    Explained {
        principal: Some(principal.uid.to_string()),
        resource: vocabulary::uid(&question.query.resource.entity)
            .map_or_else(|_| question.query.resource.entity.to_string(), |uid| uid.to_string()),
        decision: Some(answer.decision),
        reason: Some(answer.reason),
        policies: answer.policies,
        errors: answer.errors,
        external_identities: principal.external_identities.clone(),
        near_misses,
        ..asked(question)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A list names all that are wrong, and explains so many.
const MOST_ANSWERS: usize = 5;
const MOST_NEAR_MISSES: usize = 5;

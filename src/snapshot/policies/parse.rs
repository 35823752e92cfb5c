//! One file of policies in, Cedar's policy set out; the one place where a policy's text or JSON meets Cedar's parsers.
//!
//! `*.cedar` is Cedar's language. `*.cedar.json` is Cedar's JSON: a policy set, or a single policy or template, as the
//! official tools write them. JSON gives no positions: a policy stands where its id is first a key.

use std::collections::HashMap;

use cedar_policy::PolicySet;
use cedar_policy_core::{ast, est};
use serde::de::IgnoredAny;

use crate::cedar_text::{check_conditions, on_deep_stack, parse_policies};
use crate::model::{Fault, Faults};
use crate::tree::{SourceFile, one_line};

/// What a file says, and how its policies are called.
pub(super) struct Parsed {
    pub set: PolicySet,
    pub naming: Naming,
}

/// What Cedar's ids of the policies of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// `policy0`, `policy1`, … in order: the places of policies in a text.
    Places,
    /// The keys of a JSON policy set, which its author chose.
    Keys,
}

/// Parses a file of policies.
///
/// # Errors
/// Every fault of it.
pub(super) fn parse(file: &SourceFile) -> Result<Parsed, Faults> {
    if file.relative.ends_with(JSON) {
        // JSON's own reader goes 128 levels deep, and no deeper.
        let parsed = on_deep_stack(|| parse_json(file))?;
        check_conditions(file, parsed.set.as_ref())?;
        return Ok(parsed);
    }
    Ok(Parsed { set: parse_policies(file)?.into(), naming: Naming::Places })
}

fn parse_json(file: &SourceFile) -> Result<Parsed, Fault> {
    let unread = |error: serde_json::Error| json_fault(file, &error);
    let members: HashMap<String, IgnoredAny> = serde_json::from_str(&file.text).map_err(unread)?;
    let wrong = |error: &dyn miette::Diagnostic| file.fault_at(0, one_line(error));
    if !members.contains_key("effect") {
        let set: est::PolicySet = serde_json::from_str(&file.text).map_err(unread)?;
        let set = ast::PolicySet::try_from(set).map_err(|error| wrong(&error))?;
        return Ok(Parsed { set: set.into(), naming: Naming::Keys });
    }
    let policy: est::Policy = serde_json::from_str(&file.text).map_err(unread)?;
    let first = ast::PolicyID::from_string("policy0");
    let template = policy.try_into_ast_policy_or_template(Some(first)).map_err(|error| wrong(&error))?;
    let mut set = ast::PolicySet::new();
    let added = match ast::StaticPolicy::try_from(template.clone()) {
        Ok(policy) => set.add_static(policy).map_err(|error| wrong(&error)),
        Err(_) => set.add_template(template).map_err(|error| wrong(&error)),
    };
    added.map(|()| Parsed { set: set.into(), naming: Naming::Places })
}

/// A fault of JSON, with the place that its reader tells.
pub(super) fn json_fault(file: &SourceFile, error: &serde_json::Error) -> Fault {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    // serde_json counts columns from 0 where nothing was read yet.
    Fault { file: file.name.clone(), line: error.line().max(1), column: error.column().max(1), message }
}

/// Where a policy of a JSON file stands: where its id is a key, else at the beginning.
pub(super) fn key_offset(text: &str, id: &str) -> usize {
    let Ok(key) = serde_json::to_string(id) else { return 0 };
    let is_key = |at: &usize| text.get(at + key.len()..).is_some_and(|rest| rest.trim_start().starts_with(':'));
    text.match_indices(&key).map(|(at, _)| at).find(is_key).unwrap_or(0)
}

const JSON: &str = ".json";

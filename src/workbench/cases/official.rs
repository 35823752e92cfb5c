//! Cases as the official command line keeps them, for `cedar run-tests`: a JSON list of requests with entities,
//! decision, reasons and a number of errors.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::shape::{At, Placed};
use super::written::WrittenDecision;
use crate::model::{Fault, Faults, Lines};
use crate::tree::SourceFile;

/// One case of the list.
#[derive(Clone, Debug)]
pub struct OfficialCase {
    pub at: At,
    pub name: Option<String>,
    pub request: OfficialRequest,
    pub entities: OfficialEntities,
    pub decision: WrittenDecision,
    /// Policies that must be among the determining ones.
    pub reason: Vec<String>,
    pub errors: usize,
}

/// A request with uids as Cedar writes them.
#[derive(Clone, Debug, Deserialize)]
pub struct OfficialRequest {
    pub principal: String,
    pub action: String,
    pub resource: String,
    #[serde(default)]
    pub context: Map<String, Value>,
}

/// Entities, or the file beside this one that has them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OfficialEntities {
    File(String),
    Inline(Vec<Value>),
}

#[derive(Deserialize)]
struct Case {
    name: Option<String>,
    request: OfficialRequest,
    entities: OfficialEntities,
    decision: WrittenDecision,
    reason: Vec<String>,
    num_errors: usize,
}

/// Reads a file; `None` when it holds something else.
///
/// # Errors
/// Every fault, when it holds cases and these have faults.
pub(super) fn read(file: &SourceFile) -> Result<Option<Vec<OfficialCase>>, Faults> {
    let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(&file.text) else { return Ok(None) };
    let looks_like_one = |text: &&RawValue| {
        let members = serde_json::from_str::<Map<String, Value>>(text.get()).unwrap_or_default();
        ["decision", "entities"].iter().any(|name| members.contains_key(*name)) && !members.contains_key("uid")
    };
    if list.is_empty() || !list.iter().any(looks_like_one) {
        return Ok(None);
    }
    let (lines, mut cases, mut faults) = (Lines::of(&file.text), Vec::new(), Faults::default());
    for raw in list {
        // The text is a part of the file's.
        let offset = (raw.get().as_ptr() as usize).saturating_sub(file.text.as_ptr() as usize);
        let (line, column) = lines.position(offset);
        match serde_json::from_str::<Case>(raw.get()) {
            Ok(Case { name, request, entities, decision, reason, num_errors: errors }) => {
                let at = At { line, column };
                cases.push(OfficialCase { at, name, request, entities, decision, reason, errors });
            }
            Err(error) => {
                let text = error.to_string();
                let message = text.split(" at line ").next().unwrap_or_default().to_owned();
                let line = line + error.line().saturating_sub(1);
                faults.push(Fault { file: file.name.clone(), line, column: error.column().max(1), message });
            }
        }
    }
    faults.or(Some(cases))
}

impl OfficialCase {
    /// Something of this case and its place.
    pub(super) fn placed<T>(&self, value: T) -> Placed<T> {
        Placed { value, at: self.at }
    }
}

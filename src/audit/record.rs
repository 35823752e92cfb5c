//! What is kept of a decision.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::decide::{AccessQuery, Answer, Decision, EvaluationError, Reason};
use crate::model::{Generation, Revision, TenantId};

/// One decision, as it was made; put into words only on the writer's side of the queue.
#[derive(Clone, Debug)]
pub struct DecisionRecord {
    pub time: DateTime<Utc>,
    pub decision_id: String,
    pub request_id: Arc<str>,
    pub tenant: TenantId,
    pub generation: Generation,
    pub revision: Revision,
    /// The caller key's name, or `token` for someone who asked about themselves.
    pub caller: String,
    pub principal: EntityUid,
    /// The principal as it was built, or as the directory has it; `None` when nobody knows it.
    pub entity: Option<Entity>,
    pub external_identities: Vec<String>,
    pub query: Arc<AccessQuery>,
    pub answer: Answer,
    pub elapsed_us: u64,
}

/// Claims whose values are not written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask(BTreeSet<String>);

impl Mask {
    pub fn of(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// A claim path is masked by its own name and by the name of any object it lies in.
    fn covers(&self, path: &str) -> bool {
        let mut end = path.len();
        loop {
            let Some(prefix) = path.get(..end) else { return false };
            if self.0.contains(prefix) {
                return true;
            }
            match prefix.rfind('/') {
                Some(shorter) => end = shorter,
                None => return false,
            }
        }
    }
}

impl DecisionRecord {
    /// Adds the record as one line of JSON.
    pub fn write_line(&self, out: &mut Vec<u8>, mask: &Mask) {
        let resource = &self.query.resource;
        let line = Line {
            time: self.time.to_rfc3339_opts(SecondsFormat::Micros, true),
            decision_id: &self.decision_id,
            request_id: &self.request_id,
            tenant: self.tenant.as_str(),
            generation: self.generation,
            revision: self.revision,
            caller: &self.caller,
            principal: self.principal_line(mask),
            external_identities: &self.external_identities,
            request: RequestLine {
                action: &self.query.action.0,
                resource: ResourceLine {
                    entity_type: &resource.entity.entity_type,
                    id: &resource.entity.id,
                    attributes: &resource.attributes,
                    parents: resource.parents.iter().map(ToString::to_string).collect(),
                },
                context: self.query.context.as_ref(),
            },
            decision: self.answer.decision,
            reason: self.answer.reason,
            policies: self.answer.policies.iter().map(|policy| policy.id.as_str()).collect(),
            errors: &self.answer.errors,
            elapsed_us: self.elapsed_us,
        };
        // Writing into memory does not fail, and no map here has keys that are not strings.
        let _ = serde_json::to_writer(&mut *out, &line);
        out.push(b'\n');
    }

    /// The principal's uid with the attributes, tags and parents that it was built with.
    fn principal_line(&self, mask: &Mask) -> PrincipalLine {
        let built = self.entity.as_ref().and_then(|entity| entity.to_json_value().ok());
        let mut built = match built {
            Some(Value::Object(members)) => members,
            _ => Map::new(),
        };
        let mut member = |name| {
            let mut value = built.remove(name);
            if let Some(Value::Object(members)) = &mut value {
                hide(members, "", mask);
                if let Some(Value::Object(claims)) = members.get_mut("claims") {
                    hide(claims, "", mask);
                }
            }
            value
        };
        PrincipalLine {
            uid: self.principal.to_string(),
            attributes: member("attrs"),
            parents: member("parents"),
            tags: member("tags"),
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    decision_id: &'a str,
    request_id: &'a str,
    tenant: &'a str,
    generation: Generation,
    revision: Revision,
    caller: &'a str,
    principal: PrincipalLine,
    external_identities: &'a [String],
    request: RequestLine<'a>,
    decision: Decision,
    reason: Reason,
    policies: Vec<&'a str>,
    errors: &'a [EvaluationError],
    elapsed_us: u64,
}

#[derive(Serialize)]
struct PrincipalLine {
    uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parents: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Value>,
}

#[derive(Serialize)]
struct RequestLine<'a> {
    action: &'a str,
    resource: ResourceLine<'a>,
    context: Option<&'a Value>,
}

#[derive(Serialize)]
struct ResourceLine<'a> {
    #[serde(rename = "type")]
    entity_type: &'a str,
    id: &'a str,
    attributes: &'a Map<String, Value>,
    parents: Vec<String>,
}

/// Hides what is masked, also where a typed claim is an object of its own.
fn hide(members: &mut Map<String, Value>, above: &str, mask: &Mask) {
    if mask.0.is_empty() {
        return;
    }
    for (name, value) in members {
        let path = format!("{above}{name}");
        if mask.covers(&path) {
            *value = Value::from(MASKED);
        } else if let Value::Object(inner) = value {
            hide(inner, &format!("{path}/"), mask);
        }
    }
}

const MASKED: &str = "***";

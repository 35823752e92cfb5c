//! What is kept of a decision.

use std::sync::Arc;

use cedar_policy::Entity;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use ulid::Ulid;

use super::described::Descriptions;
use crate::decide::{AccessQuery, Decision, EvaluationError, Reason};
use crate::model::{Generation, Revision, TenantId};
use crate::principal::Principal;

/// One decision, as it was made; put into words only on the writer's side of the queue.
#[derive(Clone, Debug)]
pub struct DecisionRecord {
    pub time: DateTime<Utc>,
    pub decision_id: Ulid,
    pub request_id: Arc<str>,
    pub tenant: TenantId,
    pub generation: Generation,
    pub revision: Revision,
    /// The caller key's name, or `token` for someone who asked about themselves.
    pub caller: String,
    pub principal: Arc<Principal>,
    /// What the directory has of a principal that no token made.
    pub known: Option<Entity>,
    pub query: AccessQuery,
    pub decision: Decision,
    pub reason: Reason,
    /// The ids of the determining ones.
    pub policies: Vec<String>,
    pub errors: Vec<EvaluationError>,
    pub elapsed_us: u64,
}

impl DecisionRecord {
    /// Adds the record as one line of JSON.
    pub(super) fn write_line(&self, out: &mut Vec<u8>, descriptions: &mut Descriptions) {
        let resource = &self.query.resource;
        let line = Line {
            time: self.time.to_rfc3339_opts(SecondsFormat::Micros, true),
            decision_id: self.decision_id.to_string(),
            request_id: &self.request_id,
            tenant: self.tenant.as_str(),
            generation: self.generation,
            revision: self.revision,
            caller: &self.caller,
            principal: &descriptions.describe(self),
            external_identities: &self.principal.external_identities,
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
            decision: self.decision,
            reason: self.reason,
            policies: &self.policies,
            errors: &self.errors,
            elapsed_us: self.elapsed_us,
        };
        // Writing into memory does not fail, and no map here has keys that are not strings.
        let _ = serde_json::to_writer(&mut *out, &line);
        out.push(b'\n');
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    decision_id: String,
    request_id: &'a str,
    tenant: &'a str,
    generation: Generation,
    revision: Revision,
    caller: &'a str,
    principal: &'a RawValue,
    external_identities: &'a [String],
    request: RequestLine<'a>,
    decision: Decision,
    reason: Reason,
    policies: &'a [String],
    errors: &'a [EvaluationError],
    elapsed_us: u64,
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

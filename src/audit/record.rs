//! What is kept of a decision.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use crate::decide::{AccessQuery, Answer};
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
    /// The record as one JSON line, without its end.
    pub fn to_line(&self, mask: &Mask) -> String {
        let policies: Vec<_> = self.answer.policies.iter().map(|policy| policy.id.as_str()).collect();
        let resource = &self.query.resource;
        let parents: Vec<_> = resource.parents.iter().map(ToString::to_string).collect();
        json!({
            "time": self.time.to_rfc3339_opts(SecondsFormat::Micros, true),
            "decision_id": self.decision_id,
            "request_id": &*self.request_id,
            "tenant": self.tenant.as_str(),
            "generation": self.generation.to_string(),
            "revision": self.revision.0,
            "caller": self.caller,
            "principal": self.principal_json(mask),
            "external_identities": self.external_identities,
            "request": {
                "action": self.query.action.0,
                "resource": {
                    "type": resource.entity.entity_type,
                    "id": resource.entity.id,
                    "attributes": resource.attributes,
                    "parents": parents,
                },
                "context": self.query.context,
            },
            "decision": self.answer.decision.as_str(),
            "reason": self.answer.reason.as_str(),
            "policies": policies,
            "errors": self.answer.errors,
            "elapsed_us": self.elapsed_us,
        })
        .to_string()
    }

    /// The principal's uid with the attributes, tags and parents that it was built with.
    fn principal_json(&self, mask: &Mask) -> Value {
        let uid = self.principal.to_string();
        let built = self.entity.as_ref().and_then(|entity| entity.to_json_value().ok());
        let Some(Value::Object(built)) = built else { return json!({"uid": uid}) };
        let mut out = Map::from_iter([("uid".to_owned(), Value::from(uid))]);
        for (member, mut value) in built.into_iter().filter(|(member, _)| member != "uid") {
            if let Value::Object(members) = &mut value {
                hide(members, "", mask);
                if let Some(Value::Object(claims)) = members.get_mut("claims") {
                    hide(claims, "", mask);
                }
            }
            let member = if member == "attrs" { "attributes".to_owned() } else { member };
            out.insert(member, value);
        }
        Value::Object(out)
    }
}

/// Hides what is masked, also where a typed claim is an object of its own.
fn hide(members: &mut Map<String, Value>, above: &str, mask: &Mask) {
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

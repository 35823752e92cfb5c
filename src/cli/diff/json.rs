//! A difference for programs.

use serde_json::{Value, json};

use super::Told;
use crate::cli::verify::scene_json;
use crate::decide::Answer;
use crate::workbench::diff::{Difference, Direction, Outcome};
use crate::workbench::verify::FoundBy;

pub(super) fn told(told: &Told<'_>) -> Value {
    let changes = &told.found.changes;
    let people = &told.found.people;
    json!({
        "tenant": told.tenant,
        "changes": {
            "policies": changes.policies.iter().map(|change| &change.id).collect::<Vec<_>>(),
            "roles": changes.roles,
            "grants_added": changes.grants_added,
            "grants_removed": changes.grants_removed,
            "entities": changes.entities.len(),
            "identity_providers": changes.providers,
            "schema": changes.is_schema_changed,
        },
        "newly_allowed": of(told, Direction::Allowed),
        "newly_denied": of(told, Direction::Denied),
        "people": {
            "asked": people.asked,
            "left_out": people.left_out,
            "impacts": people.impacts.iter().map(|impact| json!({
                "principal": impact.principal,
                "change": impact.direction.as_str(),
                "action": impact.action,
                "resources": impact.resources,
            })).collect::<Vec<_>>(),
        },
    })
}

fn of(told: &Told<'_>, direction: Direction) -> Vec<Value> {
    let all = told.found.differences.iter().filter(|difference| difference.direction == direction);
    all.map(difference).collect()
}

fn difference(difference: &Difference) -> Value {
    let environment = &difference.environment;
    let mut told = json!({
        "action": environment.action,
        "principal_type": environment.principal,
        "resource_type": environment.resource,
        "requests": difference.cases,
    });
    let more = match &difference.outcome {
        Outcome::Changed(example) => json!({
            "result": "changed",
            "found_by": if example.found_by == FoundBy::Proof { "proof" } else { "search" },
            "example": scene_json(&example.scene),
            "before": example.before.as_ref().map(answer),
            "after": example.after.as_ref().map(answer),
        }),
        Outcome::ProvedNone => json!({"result": "proved_none"}),
        Outcome::NoneFound(reason) => json!({"result": "none_found", "not_proved": reason}),
    };
    if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
        told.extend(more);
    }
    told
}

fn answer(answer: &Answer) -> Value {
    json!({
        "decision": answer.decision,
        "reason": answer.reason,
        "policies": answer.policies.iter().map(|policy| policy.id.clone()).collect::<Vec<_>>(),
    })
}

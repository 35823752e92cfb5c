//! Invariants and findings for programs.

use serde_json::{Value, json};

use crate::model::TenantId;
use crate::workbench::checks::Finding;
use crate::workbench::proof::Proof;
use crate::workbench::scene::Scene;
use crate::workbench::verify::{Example, Verified};

pub(super) fn told(tenant: &TenantId, verified: &[Verified<'_>], findings: &[Finding]) -> Value {
    let invariants: Vec<_> = verified.iter().map(invariant).collect();
    json!({"tenant": tenant, "invariants": invariants, "findings": findings.iter().map(finding).collect::<Vec<_>>()})
}

fn finding(finding: &Finding) -> Value {
    json!({
        "kind": finding.kind.as_str(),
        "policy": finding.policy,
        "source": finding.source.to_string(),
        "other": finding.other.as_ref().map(|(id, _)| id),
        "proved": finding.is_proved,
        "example": finding.example.as_ref().map(scene_json),
    })
}

fn invariant(one: &Verified<'_>) -> Value {
    let proof = one.proof.as_ref().map(|proof| match proof {
        Proof::Holds { questions, took } => {
            json!({"result": "holds", "questions": questions, "seconds": took.as_secs_f64()})
        }
        Proof::Refuted { took, .. } => json!({"result": "refuted", "seconds": took.as_secs_f64()}),
        Proof::Unknown { reason, took } => {
            json!({"result": "unknown", "reason": reason, "seconds": took.as_secs_f64()})
        }
    });
    json!({
        "claim": one.invariant.claim.as_str(),
        "name": one.invariant.name,
        "source": one.invariant.source.to_string(),
        "holds": one.broken_by.is_none(),
        "requests": one.cases,
        "about": one.matched,
        "seconds": one.took.as_secs_f64(),
        "proof": proof,
        "example": one.broken_by.as_ref().map(example_json),
    })
}

fn example_json(example: &Example) -> Value {
    let mut told = scene_json(&example.scene);
    let answer = json!({
        "decision": example.answer.decision,
        "reason": example.answer.reason,
        "policies": example.answer.policies.iter().map(|policy| policy.id.clone()).collect::<Vec<_>>(),
    });
    if let (Some(told), Value::Object(answer)) = (told.as_object_mut(), answer) {
        told.extend(answer);
    }
    told
}

/// A scene for programs: what a case of `cases/` has.
pub(in crate::cli) fn scene_json(scene: &Scene) -> Value {
    json!({
        "principal": scene.principal.to_string(),
        "action": scene.action_id(),
        "resource": scene.resource.to_string(),
        "context": scene.context,
        "entities": scene.entities.iter().map(|(uid, entity)| entity.to_json(uid)).collect::<Vec<_>>(),
    })
}

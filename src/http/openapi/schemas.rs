//! The shapes: those of facts from the types that read them, the others as they are answered.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::reference;
use crate::directory::{
    CollaboratorDocument, ExternalIdentityDocument, ProviderDocument, ResourceDocument, RoleDocument, TeamDocument,
    TokenDocument, UserDocument, VirtualAccountDocument,
};

/// Every schema by its name.
pub(super) fn schemas() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut generator = settings.into_generator();
    let mut all = Map::new();
    facts::<ProviderDocument>(&mut all, &mut generator, "IdentityProvider", "identity-provider");
    facts::<ExternalIdentityDocument>(&mut all, &mut generator, "ExternalIdentity", "external-identity");
    facts::<UserDocument>(&mut all, &mut generator, "User", "user");
    facts::<TeamDocument>(&mut all, &mut generator, "Team", "team");
    facts::<VirtualAccountDocument>(&mut all, &mut generator, "VirtualAccount", "virtual-account");
    facts::<RoleDocument>(&mut all, &mut generator, "Role", "role");
    facts::<ResourceDocument>(&mut all, &mut generator, "Resource", "resource");
    facts::<CollaboratorDocument>(&mut all, &mut generator, "Collaborator", "collaborator");
    facts::<TokenDocument>(&mut all, &mut generator, "Token", "token");
    all.remove("TokenBody");
    for (name, schema) in others() {
        all.insert(name.to_owned(), schema);
    }
    for (name, left_out) in [("GrantOnResource", "resource"), ("GrantToSubject", "subject")] {
        let grant = all.get("CollaboratorBody").cloned().unwrap_or_default();
        all.insert(name.to_owned(), without(grant, left_out));
    }
    all
}

/// A fact as it is given, and as it is answered: with its type, id and revision.
fn facts<T: JsonSchema>(all: &mut Map<String, Value>, generator: &mut SchemaGenerator, name: &str, kind: &str) {
    let mut given = generator.root_schema_for::<T>().to_value();
    if let Some(properties) = given.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("type".to_owned(), json!({"const": kind}));
    }
    let mut answered = given.clone();
    if let Some(members) = answered.as_object_mut() {
        members.remove("additionalProperties");
        members.insert("required".to_owned(), json!(["type", "id", "revision"]));
        if let Some(properties) = members.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("id".to_owned(), json!({"type": "string"}));
            properties.insert("revision".to_owned(), revision());
        }
    }
    all.insert(format!("{name}Body"), given);
    all.insert(name.to_owned(), answered);
}

fn without(mut schema: Value, member: &str) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.get_mut("properties").and_then(Value::as_object_mut).map(|properties| properties.remove(member));
        if let Some(required) = members.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| name != member);
        }
    }
    schema
}

fn revision() -> Value {
    json!({"type": "integer", "minimum": 0, "description": "Counts the changes of a tenant."})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties})
}

fn closed(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
}

/// What was removed though a policy, an entities file or an attribute names it.
fn still_named() -> Value {
    let by = json!({"type": "array", "items": text()});
    json!({"type": "array", "items": object(&["type", "id", "by"], json!({"type": text(), "id": text(), "by": by}))})
}

fn others() -> Vec<(&'static str, Value)> {
    let seconds = json!({"type": "integer", "minimum": 1, "maximum": 316_224_000});
    let named = json!({"anyOf": [text(), closed(&["type", "id"], json!({"type": text(), "id": text()}))]});
    let parents = json!({"type": "array", "items": named});
    let described = json!({"type": text(), "id": text(), "attributes": {"type": "object"}, "parents": parents});
    let entity = json!({"anyOf": [text(), closed(&["type", "id"], described)]});
    let change = json!({
        "type": text(), "id": text(),
        "before": {"type": ["object", "null"]}, "after": {"type": ["object", "null"]},
    });
    let mut entry = change.clone();
    if let Some(members) = entry.as_object_mut() {
        members.insert("revision".to_owned(), revision());
        members.insert("at".to_owned(), json!({"type": "string", "format": "date-time"}));
        members.insert("actor".to_owned(), text());
        members.insert("reason".to_owned(), json!({"type": ["string", "null"]}));
        members.insert("request_id".to_owned(), json!({"type": ["string", "null"]}));
    }
    let asked = json!({
        "token": text(), "principal": named, "action": named, "resource": entity, "context": {"type": "object"},
        "explain": {"type": "boolean"}, "unknown": {"enum": ["refuse", "drop"]},
    });
    let mut question = asked.clone();
    if let Some(members) = question.as_object_mut() {
        members.insert("tenant".to_owned(), text());
        members.insert("at_least".to_owned(), revision());
    }
    let item = closed(&["action", "resource"], asked);
    let policy = object(
        &["id", "effect", "source"],
        json!({"id": text(), "effect": {"enum": ["permit", "forbid"]}, "source": text()}),
    );
    vec![
        (
            "Problem",
            object(
                &["type", "title", "status", "detail", "instance"],
                json!({
                    "type": text(), "title": text(), "status": {"type": "integer"}, "detail": text(), "instance": text(),
                    "operation": {"type": "integer", "minimum": 0},
                }),
            ),
        ),
        ("Tenant", object(&["id", "name", "revision"], json!({"id": text(), "name": text(), "revision": revision()}))),
        ("TenantBody", closed(&["name"], json!({"name": {"type": "string", "minLength": 1, "maxLength": 255}}))),
        (
            "DryRun",
            object(
                &["dry_run", "revision", "changes", "policies"],
                json!({
                    "dry_run": {"const": true}, "revision": revision(),
                    "changes": {"type": "array", "items": object(&["type", "id", "before", "after"], change)},
                    "policies": {"type": "array", "items": {"type": "object"}}, "still_named": still_named(),
                }),
            ),
        ),
        ("HistoryEntry", object(&["type", "id", "revision", "at", "actor"], entry)),
        (
            "TokenTerms",
            closed(
                &[],
                json!({
                    "label": {"type": "string", "maxLength": 50}, "audience": {"type": "string", "minLength": 1, "maxLength": 50}, "expires_in_seconds": seconds.clone(), "rotate_every_seconds": seconds,
                }),
            ),
        ),
        ("Rotation", closed(&[], json!({"grace_seconds": {"type": "integer", "minimum": 0, "maximum": 316_224_000}}))),
        (
            "NewToken",
            object(&["id", "token", "revision"], json!({"id": text(), "token": text(), "revision": revision()})),
        ),
        (
            "FetchedKeys",
            object(
                &["keys"],
                json!({"keys": object(
                    &["jwks_uri", "keys", "kids", "fetches", "skipped"],
                    json!({
                        "jwks_uri": text(), "keys": {"type": "integer"}, "kids": {"type": "array", "items": text()},
                        "fetched_at": {"type": "string", "format": "date-time"}, "fetches": {"type": "integer"},
                        "skipped": {"type": "array", "items": text()},
                    }),
                )}),
            ),
        ),
        (
            "Batch",
            closed(
                &["operations"],
                json!({"operations": {"type": "array", "maxItems": 20_000, "items": {"type": "object"}}}),
            ),
        ),
        (
            "BatchMade",
            object(
                &["revision", "changes"],
                json!({"revision": revision(), "changes": {"type": "integer"}, "still_named": still_named()}),
            ),
        ),
        ("Question", closed(&["action", "resource"], question)),
        (
            "Questions",
            closed(
                &["requests"],
                json!({
                    "tenant": text(), "token": text(), "principal": named, "at_least": revision(),
                    "requests": {"type": "array", "items": item},
                }),
            ),
        ),
        (
            "Decision",
            object(
                &["decision", "reason", "policies", "errors", "principal", "generation", "revision"],
                json!({
                    "decision": {"enum": ["allow", "deny"]},
                    "reason": {"enum": ["permitted", "forbidden", "not_permitted", "policy_error"]},
                    "policies": {"type": "array", "items": policy}, "errors": {"type": "array"}, "principal": text(),
                    "external_identities": {"type": "array", "items": text()}, "generation": text(), "revision": revision(),
                    "decision_id": text(), "dropped": {"type": "array", "items": text()},
                }),
            ),
        ),
        (
            "Decisions",
            object(
                &["results"],
                json!({"results": {"type": "array", "items": {"anyOf": [
                    reference("Decision"), object(&["error"], json!({"error": reference("Problem")})),
                ]}}}),
            ),
        ),
    ]
}

//! `GET /openapi.json`: every route, what it takes and what it answers, in OpenAPI 3.1.
//!
//! The shapes come from the types that read them; `operations` lists the routes, and a test holds that list against
//! the router, so that neither has what the other lacks.

mod operations;
mod schemas;

use std::sync::LazyLock;

use axum::Json;
use serde_json::{Map, Value, json};

use operations::{Operation, operations};

/// The document; the same for everyone.
pub(super) async fn openapi() -> Json<&'static Value> {
    Json(&DOCUMENT)
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let path = paths.entry(operation.path.clone()).or_insert_with(|| json!({}));
        if let Some(members) = path.as_object_mut() {
            members.insert(operation.method.to_owned(), described(&operation));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "cedargate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Decisions by Cedar, and the directory that they are made from.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas::schemas(),
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Cedargate-Key"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    })
}

fn described(operation: &Operation) -> Value {
    let mut parameters: Vec<Value> = parts(&operation.path).map(path_parameter).collect();
    parameters.extend(operation.query.iter().map(|(name, schema, description)| {
        json!({"name": name, "in": "query", "schema": schema, "description": description})
    }));
    if operation.is_change {
        for (name, description) in [
            ("If-Match", "The revision that what is changed must still be of, as an earlier `ETag` said it."),
            ("X-Cedargate-Reason", "Why, for the history."),
        ] {
            let schema = json!({"type": "string", "pattern": "^[ -~]*$", "maxLength": 200});
            parameters.push(json!({"name": name, "in": "header", "schema": schema, "description": description}));
        }
    }
    let mut responses: Map<String, Value> = operation
        .problems
        .iter()
        .map(|status| {
            let content = json!({"application/problem+json": {"schema": reference("Problem")}});
            (status.to_string(), json!({"description": "See `type` and `detail`.", "content": content}))
        })
        .collect();
    for (status, schema) in &operation.answers {
        let media = if operation.path == "/metrics" { "application/openmetrics-text" } else { "application/json" };
        let mut content = json!({media: {"schema": schema}});
        // A status may be an answer's or a problem's.
        if let (true, Some(media)) = (operation.problems.contains(status), content.as_object_mut()) {
            media.insert("application/problem+json".to_owned(), json!({"schema": reference("Problem")}));
        }
        responses.insert(status.to_string(), json!({"description": operation.summary, "content": content}));
    }
    let mut described = json!({
        "operationId": operation.id(),
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": parameters,
        "responses": responses,
        "security": operation.security(),
    });
    if let (Some((schema, example)), Some(members)) = (&operation.body, described.as_object_mut()) {
        let content = json!({"application/json": {"schema": schema, "example": example}});
        members.insert("requestBody".to_owned(), json!({"required": operation.is_body_needed, "content": content}));
    }
    described
}

/// The names in braces of a path.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}})
}

/// A schema by its name.
fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

#[cfg(test)]
mod tests;

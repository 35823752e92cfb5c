//! JSON Schemas by which editors complete and check YAML and TOML: manifests, cases and the configuration.
//!
//! In: the types that read those files. Out: texts, equal for equal types; they are kept in `schema/`, and a test says
//! that they are these.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::cases::written::WrittenSuite;
use crate::config::RawConfig;
use crate::directory::{
    ExternalIdentityDocument, ProviderDocument, ResourceDocument, RoleDocument, TeamDocument, UserDocument,
    VirtualAccountDocument,
};

/// Every schema by the name of its file.
pub fn schemas() -> [(&'static str, Value); 3] {
    [
        ("cases.schema.json", generator().root_schema_for::<WrittenSuite>().to_value()),
        ("config.schema.json", generator().root_schema_for::<RawConfig>().to_value()),
        ("manifests.schema.json", manifests()),
    ]
}

/// Draft 7 is what every editor knows.
fn generator() -> SchemaGenerator {
    SchemaSettings::draft07().with(|settings| settings.transforms.push(Box::new(without_widths))).into_generator()
}

/// `uint64` and the like are Rust's words, and validators warn of formats that they do not know.
fn without_widths(schema: &mut schemars::Schema) {
    schema.remove("format");
    schemars::transform::transform_subschemas(&mut without_widths, schema);
}

/// One document of a manifest: `type` says which members it has.
fn manifests() -> Value {
    let kinds = [
        kind::<ProviderDocument>("identity-provider"),
        kind::<ExternalIdentityDocument>("external-identity"),
        kind::<UserDocument>("user"),
        kind::<TeamDocument>("team"),
        kind::<VirtualAccountDocument>("virtual-account"),
        kind::<RoleDocument>("role"),
        with_collaborators(kind::<ResourceDocument>("resource")),
        with_collaborators(kind::<TenantDocument>("tenant")),
    ];
    let names: Vec<_> = kinds.iter().map(|(name, _)| *name).collect();
    let branches: Vec<_> = kinds
        .iter()
        .map(|(name, schema)| json!({"if": {"properties": {"type": {"const": name}}}, "then": schema}))
        .collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "cedargate manifest",
        "description": "One thing of a tenant's directory. A file may hold many documents.",
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": names, "description": "What this document declares."}},
        "allOf": branches,
    })
}

/// The roles on the tenant itself hold for all that is in it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TenantDocument {}

/// Who has which role on this, and on what is in it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "says in the JSON Schema what a manifest holds")]
struct Collaborator {
    /// `user:EMAIL`, `team:NAME`, `virtual-account:NAME` or `external-identity:NAME`.
    subject: String,
    /// A role for this type of resource, or `admin` and the like on the tenant.
    role: String,
}

fn plain<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
        settings.transforms.push(Box::new(without_widths));
    });
    settings.into_generator().root_schema_for::<T>().to_value()
}

fn kind<T: JsonSchema>(name: &'static str) -> (&'static str, Value) {
    let mut schema = plain::<T>();
    if let Some(members) = schema.as_object_mut() {
        let required = members.entry("required").or_insert_with(|| json!([]));
        if let Some(required) = required.as_array_mut() {
            required.insert(0, "type".into());
        }
        let properties = members.entry("properties").or_insert_with(|| json!({}));
        if let Some(properties) = properties.as_object_mut() {
            properties.insert("type".to_owned(), json!({"const": name}));
        }
    }
    (name, schema)
}

fn with_collaborators((name, mut schema): (&'static str, Value)) -> (&'static str, Value) {
    let list = json!({"type": "array", "items": plain::<Collaborator>(), "description": "Who has which role on it."});
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("collaborators".to_owned(), list);
    }
    (name, schema)
}

/// A schema as its file has it.
pub fn as_file(schema: &Value) -> String {
    // Values are always JSON.
    let text = serde_json::to_string_pretty(&sorted(schema)).unwrap_or_default();
    text + "\n"
}

/// Members in the order of their names, whatever features a build of `serde_json` has.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut names: Vec<_> = members.iter().collect();
            names.sort_by_key(|(name, _)| *name);
            names.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

//! A scene in words: as Cedar for people to read, and as a case that `cedargate test` keeps.

use serde_json::Value;

use super::{Scene, SceneEntity, as_entity, as_extension};
use crate::decide::Decision;
use crate::model::EntityRef;

/// The scene as lines: who asks, what they ask, and every entity that is not as the directory has it.
pub fn as_cedar(scene: &Scene) -> Vec<String> {
    let mut lines = vec![
        format!("principal  {}{}", scene.principal, described(scene, &scene.principal)),
        format!("action     {}", scene.action),
        format!("resource   {}{}", scene.resource, described(scene, &scene.resource)),
    ];
    if !scene.context.is_empty() {
        lines.push(format!("context    {}", cedar_text(&Value::Object(scene.context.clone()))));
    }
    let others = scene.entities.iter().filter(|(uid, _)| **uid != scene.principal && **uid != scene.resource);
    lines.extend(others.map(|(uid, entity)| format!("where      {uid}{}", entity_text(entity))));
    lines
}

fn described(scene: &Scene, uid: &EntityRef) -> String {
    scene.entities.get(uid).map(entity_text).unwrap_or_default()
}

fn entity_text(entity: &SceneEntity) -> String {
    let mut text = String::new();
    if !entity.parents.is_empty() {
        let parents: Vec<_> = entity.parents.iter().map(ToString::to_string).collect();
        text.push_str(&format!(" in [{}]", parents.join(", ")));
    }
    if !entity.attributes.is_empty() {
        text.push_str(&format!(" {}", cedar_text(&Value::Object(entity.attributes.clone()))));
    }
    if !entity.tags.is_empty() {
        text.push_str(&format!(" tags {}", cedar_text(&Value::Object(entity.tags.clone()))));
    }
    text
}

/// A value as Cedar's own syntax has it.
pub fn cedar_text(value: &Value) -> String {
    if let Some(uid) = as_entity(value) {
        return uid.to_string();
    }
    if let Some((function, argument)) = as_extension(value) {
        return format!("{function}({})", quoted(argument));
    }
    match value {
        Value::String(text) => quoted(text),
        Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(cedar_text).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| format!("{}: {}", key(name), cedar_text(value));
            let members: Vec<_> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

fn key(name: &str) -> String {
    let is_plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && name.chars().next().is_some_and(|letter| !letter.is_ascii_digit());
    if is_plain { name.to_owned() } else { quoted(name) }
}

/// The scene as a case in YAML, to be kept with the others below `cases/`.
pub fn as_case(scene: &Scene, name: &str, expect: Decision) -> String {
    let mut lines = vec![
        format!("- name: {}", Value::from(name)),
        format!("  principal: {}", flow(&Value::from(scene.principal.to_string()))),
        format!("  action: {}", plain(&scene.action_id())),
        format!("  resource: {}", flow(&Value::from(scene.resource.to_string()))),
    ];
    if !scene.context.is_empty() {
        lines.push(format!("  context: {}", flow(&Value::Object(scene.context.clone()))));
    }
    if !scene.entities.is_empty() {
        lines.push("  entities:".to_owned());
        lines.extend(scene.entities.iter().map(|(uid, entity)| format!("    - {}", flow(&entity.to_json(uid)))));
    }
    lines.push(format!("  expect: {}", expect.as_str()));
    lines.join("\n")
}

/// A name that YAML reads as just that stands as it is.
fn plain(name: &str) -> String {
    let is_word = key(name) == name && !NOT_TEXTS.contains(&name.to_ascii_lowercase().as_str());
    if is_word { name.to_owned() } else { Value::from(name).to_string() }
}

/// JSON is YAML too; a text stands in single quotes where that spares its own.
fn flow(value: &Value) -> String {
    match value.as_str() {
        Some(text) if text.contains('"') && !text.contains('\'') && !text.contains('\n') => format!("'{text}'"),
        _ => value.to_string(),
    }
}

/// Words that some readers of YAML take for something else.
const NOT_TEXTS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

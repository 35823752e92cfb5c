//! Schema files in, one checked schema out.
//!
//! The identity part joins unless it was switched off; a `Claims` type is added when no file declares one.

use cedar_policy::{Schema, SchemaFragment, Validator};
use miette::Diagnostic;
use serde_json::Value;

use super::data_types::read_claim_types;
use super::{Actions, EntityTypes, LoadedSchema};
use crate::cedar_text::{Language, check_types, on_deep_stack, scan};
use crate::digest::Digester;
use crate::model::{Fault, Faults, Generation};
use crate::tree::SourceFile;
use crate::vocabulary;

/// Whether the product's identity types are part of the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    #[default]
    Included,
    /// cedargate is a plain Cedar decision server over the users' own schema.
    LeftOut,
}

/// All files together as one schema.
///
/// # Errors
/// Every file that does not parse, or what does not fit together.
pub fn load_schema(files: &[SourceFile], identity: Identity) -> Result<LoadedSchema, Faults> {
    let mut faults = Faults::default();
    let mut fragments = Vec::new();
    let mut warnings = Vec::new();
    for file in files {
        match parse(file) {
            Ok((fragment, found)) => {
                fragments.push(fragment);
                warnings.extend(found);
            }
            Err(fault) => faults.push(fault),
        }
    }
    faults.or(())?;
    if identity == Identity::Included {
        fragments.extend(identity_fragments(&fragments)?);
    }
    check_expansion(files, &fragments)?;
    let schema =
        Schema::from_schema_fragments(fragments.iter().cloned()).map_err(|error| Faults::from(place(files, &error)))?;
    let claim_types = read_claim_types(&schema);
    let text = fragments.iter().map(render).collect::<Result<Vec<_>, _>>()?.join("\n");
    let actions =
        Actions::of(&schema).map_err(|error| Faults::from(Fault::of_file("schema", crate::tree::one_line(&*error))))?;
    let types = EntityTypes::of(&schema);
    let validator = Validator::new(schema.clone());
    let digest = digest(files, identity);
    Ok(LoadedSchema { schema, validator, identity, types, actions, digest, claim_types, warnings, text })
}

/// Types that would become too large or too deep are refused before Cedar puts them in each other's places.
fn check_expansion(files: &[SourceFile], fragments: &[SchemaFragment]) -> Result<(), Faults> {
    let in_json = |fragment: &SchemaFragment| {
        let json = fragment.clone().to_json_value();
        json.map_err(|error| Faults::from(Fault::of_file("schema", crate::tree::one_line(&error))))
    };
    let fragments = fragments.iter().map(in_json).collect::<Result<Vec<_>, _>>()?;
    check_types(&fragments).map_err(|message| place_of_mention(files, message).into())
}

/// Equal texts give equal schemas.
fn digest(files: &[SourceFile], identity: Identity) -> Generation {
    let mut digester = Digester::default();
    digester.add(if identity == Identity::Included { "included" } else { "left out" });
    for file in files {
        digester.add(&file.relative);
        digester.add(&file.text);
    }
    digester.finish()
}

fn parse(file: &SourceFile) -> Result<(SchemaFragment, Vec<String>), Fault> {
    let language = if file.relative.ends_with(".json") { Language::Json } else { Language::Schema };
    scan(&file.text, language).map_err(|beyond| file.fault_at(beyond.offset, beyond.message))?;
    on_deep_stack(|| parse_here(file))
}

fn parse_here(file: &SourceFile) -> Result<(SchemaFragment, Vec<String>), Fault> {
    if file.relative.ends_with(".json") {
        let fragment = SchemaFragment::from_json_str(&file.text).map_err(|error| json_fault(file, &error))?;
        return Ok((fragment, Vec::new()));
    }
    let (fragment, warnings) =
        SchemaFragment::from_cedarschema_str(&file.text).map_err(|error| file.fault_of(&error))?;
    Ok((fragment, warnings.map(|warning| file.fault_of(&warning).to_string()).collect()))
}

/// serde_json says "at line L column C" at the end of its message, and nowhere else.
fn json_fault(file: &SourceFile, error: &cedar_policy::SchemaError) -> Fault {
    let mut fault = file.fault_of(error);
    if let Some((message, place)) = fault.message.rsplit_once(" at line ") {
        let mut numbers = place.split(|letter: char| !letter.is_ascii_digit()).filter_map(|digits| digits.parse().ok());
        if let (Some(line), Some(column)) = (numbers.next(), numbers.next()) {
            // Columns count from 0 where nothing was read yet.
            fault =
                Fault { file: fault.file.clone(), line, column: usize::max(column, 1), message: message.to_owned() };
        }
    }
    fault
}

/// The identity part, without what the files declare just so themselves, as an exported schema does.
fn identity_fragments(written: &[SchemaFragment]) -> Result<Vec<SchemaFragment>, Faults> {
    let written: Vec<Value> = written.iter().map(|file| file.clone().to_json_value().unwrap_or_default()).collect();
    let declared = |kind: &str, name: &str| {
        let mut found = written.iter().filter_map(|file| file.get("")?.get(kind)?.get(name));
        found.next().cloned()
    };
    let mut own = vec![vocabulary::IDENTITY_SCHEMA.to_owned()];
    if declared("commonTypes", vocabulary::CLAIMS_TYPE).is_none() {
        own.push(format!("type {} = {{}};", vocabulary::CLAIMS_TYPE));
    }
    let failed = |error: String| Faults::from(Fault::of_file("the identity schema", error));
    let parse = |text: &str| {
        let parsed = SchemaFragment::from_cedarschema_str(text).map(|(fragment, _)| fragment);
        parsed.map_err(|error| failed(error.to_string()))
    };
    own.iter()
        .map(|text| {
            // Written out and read again, as what `export` wrote was.
            let text = parse(text).and_then(|fragment| render(&fragment))?;
            let fragment = parse(&text)?;
            let mut json = fragment.to_json_value().map_err(|error| failed(error.to_string()))?;
            for kind in ["entityTypes", "actions", "commonTypes"] {
                if let Some(all) = json.get_mut("").and_then(|own| own.get_mut(kind)).and_then(Value::as_object_mut) {
                    all.retain(|name, declaration| declared(kind, name).as_ref() != Some(declaration));
                }
            }
            SchemaFragment::from_json_value(json).map_err(|error| failed(error.to_string()))
        })
        .collect()
}

/// Where an error of the joined schema comes from: the file whose text stands at the error's span.
fn place(files: &[SourceFile], error: &dyn Diagnostic) -> Fault {
    let message = crate::tree::one_line(error);
    let label = error.labels().and_then(|mut labels| labels.next());
    let (Some(label), Some(source)) = (label, error.source_code()) else {
        return place_of_mention(files, message);
    };
    let span = label.inner();
    let Ok(contents) = source.read_span(span, 1, 1) else {
        return Fault::of_file("schema", message);
    };
    let around = String::from_utf8_lossy(contents.data()).into_owned();
    let owner = files.iter().find(|file| !around.is_empty() && file.text.contains(&around));
    match owner {
        Some(file) => file.fault_at(span.offset(), message),
        None => Fault::of_file("the identity schema", message),
    }
}

/// Some errors only name what they are about: it is looked for in the files, as a whole word.
fn place_of_mention(files: &[SourceFile], message: String) -> Fault {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mentions = message.split(['"', '`']).skip(1).step_by(2).filter(|name| !name.is_empty());
    for name in mentions {
        for file in files {
            let found = file.text.match_indices(name).map(|(offset, _)| offset).find(|offset| {
                let before = file.text.get(..*offset).and_then(|text| text.chars().next_back());
                let after = file.text.get(offset + name.len()..).and_then(|text| text.chars().next());
                !before.is_some_and(is_part) && !after.is_some_and(is_part)
            });
            if let Some(offset) = found {
                return file.fault_at(offset, message);
            }
        }
    }
    Fault::of_file("schema", message)
}

fn render(fragment: &SchemaFragment) -> Result<String, Faults> {
    fragment.to_cedarschema().map_err(|error| Fault::of_file("schema", error.to_string()).into())
}

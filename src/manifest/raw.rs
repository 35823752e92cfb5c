//! YAML text in, documents as written out: every value with its place, nothing checked but the shape.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::Place;
use super::as_written::{AsWritten, WithPlaces, read_yaml};
use crate::model::{Fault, Faults};
use crate::tree::SourceFile;

/// One YAML document. Which members belong to which `type` is for `declare` to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDocument {
    #[serde(rename = "type")]
    pub kind: Spanned<String>,
    pub name: Option<Spanned<String>>,
    pub email: Option<Spanned<WithPlaces>>,
    pub active: Option<Spanned<bool>>,
    pub config: Option<Spanned<WithPlaces>>,
    pub claims: Option<Spanned<WithPlaces>>,
    pub users: Option<Spanned<WithPlaces>>,
    pub external_identities: Option<Spanned<WithPlaces>>,
    pub identity_provider: Option<Spanned<String>>,
    pub members: Option<Spanned<Vec<Spanned<String>>>>,
    pub managers: Option<Spanned<Vec<Spanned<String>>>>,
    pub identity_provider_mapping: Option<Spanned<Vec<Spanned<RawMapping>>>>,
    pub resource_type: Option<Spanned<String>>,
    pub actions: Option<Spanned<Vec<Spanned<String>>>>,
    pub resource: Option<Spanned<String>>,
    pub parents: Option<Spanned<Vec<Spanned<String>>>>,
    pub attributes: Option<Spanned<BTreeMap<String, AsWritten>>>,
    pub collaborators: Option<Spanned<Vec<Spanned<RawCollaborator>>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMapping {
    pub identity_provider: Spanned<String>,
    pub value: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCollaborator {
    pub subject: Spanned<String>,
    pub role: Spanned<String>,
}

/// A document and the file it stands in.
#[derive(Debug)]
pub(super) struct Document {
    pub file: String,
    /// How many lines of the file stand before it.
    first_line: usize,
    pub raw: RawDocument,
}

impl Document {
    /// Where a value of this document stands.
    pub(super) fn place<T>(&self, value: &Spanned<T>) -> Place {
        self.at(value.referenced)
    }

    /// Where a part of a value stands, or as much of it as there is.
    pub(super) fn place_of(&self, value: &Spanned<WithPlaces>, path: &str) -> Place {
        self.at(value.value.place_of(path).unwrap_or(value.referenced))
    }

    pub(super) fn at(&self, location: Location) -> Place {
        Place {
            file: self.file.clone(),
            line: self.first_line + usize::try_from(location.line()).unwrap_or(0),
            column: usize::try_from(location.column()).unwrap_or(0),
        }
    }
}

/// Reads every document of every file; one that cannot be read does not hide the others.
pub(super) fn read_documents(files: &[SourceFile]) -> (Vec<Document>, Faults) {
    let mut documents = Vec::new();
    let mut faults = Faults::default();
    for file in files {
        for (first_line, text) in split_documents(&file.text) {
            if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
                continue;
            }
            match read_yaml::<RawDocument>(&text) {
                Ok(raw) => documents.push(Document { file: file.name.clone(), first_line, raw }),
                Err(error) => faults.push(yaml_fault(file, first_line, &error)),
            }
        }
    }
    (documents, faults)
}

/// The documents of a YAML stream with the number of lines before each. A line that starts with `---` is a
/// document's start wherever it stands (YAML 1.2 §9.1.2): scalars cannot hold one.
pub(crate) fn split_documents(text: &str) -> Vec<(usize, String)> {
    let mut documents = vec![(0, String::new())];
    for (number, line) in text.lines().enumerate() {
        let starts = line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        if starts {
            documents.push((number, String::new()));
        }
        if let Some((_, document)) = documents.last_mut() {
            if starts {
                document.push_str("   ");
                document.push_str(line.get(3..).unwrap_or_default());
            } else {
                document.push_str(line);
            }
            document.push('\n');
        }
    }
    documents
}

/// What the YAML reader says of a document, with its place in the file.
pub(crate) fn yaml_fault(file: &SourceFile, first_line: usize, error: &serde_saphyr::Error) -> Fault {
    let plain = error.without_snippet();
    let (line, column) = plain
        .location()
        .map_or((1, 1), |at| (usize::try_from(at.line()).unwrap_or(1), usize::try_from(at.column()).unwrap_or(1)));
    let text = plain.to_string();
    // The reader repeats the place, and speaks to programmers of its options.
    let said = ASIDES.iter().fold(text.as_str(), |text, aside| text.split(aside).next().unwrap_or(text));
    let message = said.lines().next().unwrap_or("is not valid YAML").to_owned();
    Fault { file: file.name.clone(), line: first_line + line, column, message }
}

/// Where a message of the YAML reader stops being of use to whoever wrote the file.
const ASIDES: [&str; 3] = [" at line ", ", set DuplicateKeyPolicy", "; use from_str_multiple"];

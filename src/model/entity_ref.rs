//! A Cedar entity named by type and id, without knowing Cedar: `Model::"gpt-4o"`.
//!
//! Three ways to write one: Cedar's own (`Model::"gpt-4o"`, with escapes), the manifests' short form
//! (`Model::gpt-4o`, everything after the last `::` of the type taken as it stands), and `{type, id}`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An entity's type and id. The id is exact bytes, of any characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityRef {
    #[serde(rename = "type")]
    pub entity_type: String,
    pub id: String,
}

impl EntityRef {
    pub fn new(entity_type: impl Into<String>, id: impl Into<String>) -> Self {
        Self { entity_type: entity_type.into(), id: id.into() }
    }

    /// The manifests' short form: identifiers joined by `::`, then the id as it stands, as in
    /// `Model::gpt-4o` or `Acme::Model::gpt-4o`. An id that itself holds `::` after identifiers is taken to
    /// begin after the first segment that is not followed by one starting upper-case.
    pub fn parse_short(text: &str) -> Option<Self> {
        let mut end_of_type = None;
        let mut start = 0;
        while let Some(found) = text.get(start..)?.find("::") {
            let segment = text.get(start..start + found)?;
            if !is_identifier(segment) {
                break;
            }
            end_of_type = Some(start + found);
            start += found + 2;
            let next = text.get(start..)?;
            if !next.starts_with(|letter: char| letter.is_ascii_uppercase()) || !next.contains("::") {
                break;
            }
        }
        let end = end_of_type?;
        let id = text.get(end + 2..)?;
        (!id.is_empty() && !id.starts_with('"')).then(|| Self::new(text.get(..end).unwrap_or_default(), id))
    }
}

fn is_identifier(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// Cedar's spelling, escaped so that Cedar reads it back.
impl fmt::Display for EntityRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}::\"{}\"", self.entity_type, self.id.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_form_splits_type_from_id() {
        let cases = [
            ("Model::gpt-4o", Some(("Model", "gpt-4o"))),
            ("Acme::Model::gpt-4o", Some(("Acme::Model", "gpt-4o"))),
            ("McpTool::github/create::issue", Some(("McpTool", "github/create::issue"))),
            ("Model::A", Some(("Model", "A"))),
            ("gpt-4o", None),
            ("Model::", None),
            ("my-type::x", None),
        ];
        for (text, expected) in cases {
            let got = EntityRef::parse_short(text);
            assert_eq!(got, expected.map(|(kind, id)| EntityRef::new(kind, id)), "{text}");
        }
    }
}

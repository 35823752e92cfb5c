//! Faults of a bundle that was only just compiled, told of the manifests that it was compiled from: its own files may not
//! even be there.
//!
//! In: faults that name `compiled/collaborators.json:12`. Out: the same of `manifests/resources.yaml:61`.

use serde_json::Value;

use crate::bundle::StoredBundle;
use crate::model::{DeclaredPlaces, EntityRef, Fault, Faults};

/// What is needed to find the declaration of a line of the bundle.
#[derive(Clone, Copy)]
pub(super) struct Relocate<'a> {
    pub bundle: &'a StoredBundle,
    pub folder: &'a str,
    pub places: &'a DeclaredPlaces,
}

impl<'a> Relocate<'a> {
    pub fn faults(self, faults: Faults) -> Faults {
        Faults(self.all(faults.0))
    }

    /// Each fault, or warning, at the place that its author wrote.
    pub fn all(self, faults: Vec<Fault>) -> Vec<Fault> {
        if self.places.is_empty() {
            return faults;
        }
        let mut moved: Vec<Fault> = faults.into_iter().map(|fault| self.fault(fault)).collect();
        moved.sort();
        moved.dedup();
        moved
    }

    fn fault(self, fault: Fault) -> Fault {
        let message = self.message(&fault.message);
        let own = fault.file.strip_prefix(self.folder).and_then(|rest| rest.strip_prefix('/'));
        match own.and_then(|file| self.declaration(file, fault.line)) {
            Some((file, line)) => Fault { file: file.to_owned(), line, column: 1, message },
            None => Fault { message, ..fault },
        }
    }

    /// A message with every place of the bundle that it names.
    fn message(self, message: &str) -> String {
        let mut told = String::new();
        let mut rest = message;
        while let Some((before, after)) = rest.split_once(self.folder) {
            told.push_str(before);
            let named = after.strip_prefix('/').and_then(|after| after.split_once(':'));
            let place = named.and_then(|(file, after)| {
                let digits = after.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(after.len());
                let (line, after) = after.split_at_checked(digits)?;
                Some((self.declaration(file, line.parse().ok()?)?, after))
            });
            match place {
                Some(((file, line), after)) => {
                    told.push_str(&format!("{file}:{line}"));
                    rest = after;
                }
                None => {
                    told.push_str(self.folder);
                    rest = after;
                }
            }
        }
        told + rest
    }

    /// Where the thing is declared that a line of a file of the bundle is about.
    fn declaration(self, file: &str, line: usize) -> Option<(&'a str, usize)> {
        let text = self.bundle.text(file).ok()??;
        if file.ends_with(".cedar") {
            let annotated = text.lines().take(line).filter_map(|line| line.trim().strip_prefix("@id(\""));
            return self.places.get(annotated.last()?.strip_suffix("\")")?);
        }
        let item: Value = serde_json::from_str(text.lines().nth(line.checked_sub(1)?)?.trim_end_matches(',')).ok()?;
        if let Some(id) = item.get("link_id").and_then(Value::as_str) {
            return self.places.get(id);
        }
        let entity: EntityRef = serde_json::from_value(item.get("uid")?.clone()).ok()?;
        self.places.get(&entity.to_string())
    }
}

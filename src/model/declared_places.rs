//! Where in the manifests each compiled thing is declared: grants, identities and roles by their policy's id, entities by
//! `Type::"id"`. Sixteen bytes each, since a tenant may have a million.

use std::collections::HashMap;

use super::entity_hash::id_hash;

/// Places in manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredPlaces {
    files: Vec<String>,
    /// By the hash of what is declared; two of one hash would only be told for one another.
    places: Box<[(u64, u32, u32)]>,
}

/// Collects places.
#[derive(Debug, Default)]
pub struct PlacesBuilder {
    numbers: HashMap<String, u32>,
    files: Vec<String>,
    places: Vec<(u64, u32, u32)>,
}

impl PlacesBuilder {
    pub fn add(&mut self, declared: &str, file: &str, line: usize) {
        let number = match self.numbers.get(file) {
            Some(number) => *number,
            None => {
                // A tree holds far fewer files than four billion.
                let number = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
                self.files.push(file.to_owned());
                self.numbers.insert(file.to_owned(), number);
                number
            }
        };
        self.places.push((id_hash(0, declared), number, u32::try_from(line).unwrap_or(u32::MAX)));
    }

    pub fn finish(mut self) -> DeclaredPlaces {
        // Stable: of two, the first stays.
        self.places.sort_by_key(|(hash, ..)| *hash);
        self.places.dedup_by_key(|(hash, ..)| *hash);
        DeclaredPlaces { files: self.files, places: self.places.into() }
    }
}

impl DeclaredPlaces {
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// File and line of a declaration.
    pub fn get(&self, declared: &str) -> Option<(&str, usize)> {
        if self.is_empty() {
            return None;
        }
        let hash = id_hash(0, declared);
        let at = self.places.binary_search_by_key(&hash, |(hash, ..)| *hash).ok()?;
        let (_, file, line) = *self.places.get(at)?;
        Some((self.files.get(file as usize)?.as_str(), line as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_declaration_of_a_thing_is_its_place() {
        let mut places = PlacesBuilder::default();
        for (declared, file, line) in [("a", "x.yaml", 3), ("b", "y.yaml", 5), ("a", "y.yaml", 9)] {
            places.add(declared, file, line);
        }
        let places = places.finish();
        assert_eq!(
            [places.get("a"), places.get("b"), places.get("c")],
            [Some(("x.yaml", 3)), Some(("y.yaml", 5)), None]
        );
    }
}

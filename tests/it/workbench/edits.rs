//! The wrong edits of `tests/fixtures/wrong_edits.json`, each made to a copy of the sample.

use serde::Deserialize;

use crate::support::TestTree;
use crate::support::tree::{copy, repository};

/// One edit of one file: text in another's place, or all from there on gone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    pub name: String,
    file: String,
    from: String,
    to: Option<String>,
    #[serde(default)]
    delete_from_here: bool,
}

pub fn edits() -> Vec<Edit> {
    serde_json::from_str(include_str!("../../fixtures/wrong_edits.json")).unwrap()
}

pub fn named(name: &str) -> Edit {
    edits().into_iter().find(|edit| edit.name == name).unwrap_or_else(|| panic!("no edit `{name}`"))
}

impl Edit {
    /// The sample with the edit in it.
    pub fn tree(&self) -> TestTree {
        let tree = TestTree::new();
        copy(&repository().join("policies"), &tree.policies());
        self.make(&tree);
        tree
    }

    /// Makes the edit in a copy of the sample.
    pub fn make(&self, tree: &TestTree) {
        tree.edit(&self.file, |text| {
            let (before, after) =
                text.split_once(&self.from).unwrap_or_else(|| panic!("{} has no {:?}", self.file, self.from));
            match &self.to {
                Some(to) if !self.delete_from_here => format!("{before}{to}{after}"),
                None if self.delete_from_here => before.to_owned(),
                _ => panic!("`{}` says two things, or none", self.name),
            }
        });
    }
}

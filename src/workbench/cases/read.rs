//! The texts of case files in, suites out; or every fault with file, line and column.

use super::official::{self, OfficialCase};
use super::shape::{At, Placed};
use super::written::WrittenSuite;
use crate::manifest::{read_yaml, split_documents, yaml_fault};
use crate::model::{Fault, Faults};
use crate::tree::SourceFile;

/// One suite, and the file that it stands in.
#[derive(Clone, Debug)]
pub struct Suite {
    /// As people know it: `policies/acme/cases/models.yaml`.
    pub file: String,
    pub name: String,
    /// The tenant that it names itself.
    pub tenant: Option<Placed<String>>,
    pub body: Body,
}

/// What a suite is made of.
#[derive(Clone, Debug)]
pub enum Body {
    Own(Box<WrittenSuite>),
    /// In the format of the official `cedar run-tests`.
    Official(Vec<OfficialCase>),
}

impl Suite {
    /// A fault at a place of this suite.
    pub fn fault(&self, at: At, message: impl Into<String>) -> Fault {
        Fault { file: self.file.clone(), line: at.line, column: at.column, message: message.into() }
    }
}

/// Reads files. What is JSON and no list of the official format's cases is passed over, unless it is `named` on its
/// own: key sets stand beside cases.
///
/// # Errors
/// Every fault of every file.
pub fn read_suites(files: &[(SourceFile, Named)]) -> Result<Vec<Suite>, Faults> {
    let mut suites = Vec::new();
    let mut faults = Faults::default();
    for (file, named) in files {
        if file.name.ends_with(".json") {
            match official::read(file) {
                Ok(Some(cases)) => suites.push(suite(file, None, None, Body::Official(cases))),
                Ok(None) if *named == Named::No => {}
                Ok(None) => faults.push(Fault::of_file(&file.name, NOT_OFFICIAL)),
                Err(found) => faults.extend(found),
            }
            continue;
        }
        for (first_line, document) in split_documents(&file.text) {
            if document.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
                continue;
            }
            // Every place is then the file's own.
            let text = format!("{}{document}", "\n".repeat(first_line));
            match read_yaml::<WrittenSuite>(&text) {
                Ok(written) if written.kind.value == KIND => {
                    let (name, tenant) = (written.name.clone(), written.tenant.clone());
                    suites.push(suite(file, name, tenant, Body::Own(Box::new(written))));
                }
                Ok(written) => {
                    let message = format!("`{}` is not a type of case file: write `{KIND}`", written.kind.value);
                    let At { line, column } = written.kind.at;
                    faults.push(Fault { file: file.name.clone(), line, column, message });
                }
                Err(error) => faults.push(yaml_fault(file, 0, &error)),
            }
        }
    }
    faults.or(suites)
}

/// Whether someone asked for just this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    Yes,
    No,
}

fn suite(file: &SourceFile, name: Option<String>, tenant: Option<Placed<String>>, body: Body) -> Suite {
    let of_file = || {
        let name = file.relative.rsplit('/').next().unwrap_or(&file.relative);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
    };
    Suite { file: file.name.clone(), name: name.unwrap_or_else(of_file), tenant, body }
}

const KIND: &str = "cases";
const NOT_OFFICIAL: &str =
    "is not a list of cases as `cedar run-tests` reads them: objects with `request`, `entities` and `decision`";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<Suite>, Vec<String>> {
        let file = SourceFile { name: name.into(), relative: name.into(), text: text.into() };
        let faults = |faults: Faults| faults.0.iter().map(ToString::to_string).collect();
        read_suites(&[(file, Named::No)]).map_err(faults)
    }

    #[test]
    fn a_file_holds_one_suite_a_document_named_after_the_file_or_by_itself() {
        let suites =
            read("models.yaml", "# one\ntype: cases\n---\ntype: cases\nname: other\n---\n# nothing\n").unwrap();
        let names: Vec<_> = suites.iter().map(|suite| suite.name.as_str()).collect();
        assert_eq!(names, ["models", "other"]);
    }

    #[test]
    fn a_fault_names_its_line_in_the_file_whatever_document_it_is_in() {
        let faults = read(
            "a.yaml",
            "type: cases\n---\ntype: cases\ncases:\n  - {principal: a, action: b, resource: c, expect: alow}\n\
             ---\ntype: cases\ncases:\n  - principal: {provder: okta}\n---\ntype: case\n---\ntype: cases\nfly: 1\n",
        )
        .unwrap_err();
        assert_eq!(faults.len(), 4, "{faults:#?}");
        for (fault, (at, says)) in faults.iter().zip([
            ("a.yaml:5:", "`alow`"),
            ("a.yaml:9:", "provder"),
            ("a.yaml:11:7: ", "`case` is not a type of case file: write `cases`"),
            ("a.yaml:14:", "fly"),
        ]) {
            assert!(fault.starts_with(at) && fault.contains(says), "{fault} is not {at} {says}");
        }
    }

    #[test]
    fn the_same_name_twice_is_a_fault() {
        let faults = read("a.yaml", "type: cases\nprincipals:\n  jane: User::a\n  jane: User::b\n").unwrap_err();
        assert!(faults[0].starts_with("a.yaml:4:"), "{faults:?}");
    }
}

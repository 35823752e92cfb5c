//! Manifests: the directory as YAML files.
//!
//! In: the texts of a tenant's `manifests/`, the schema and the default roles. Out: a `DirectoryState` in which
//! every name refers to something, or every fault with file, line and column.

mod as_written;
mod check;
mod declare;
mod field;
mod provider;
mod raw;
mod refer;
mod roles;
mod write;

pub(crate) use as_written::read_yaml;
pub use as_written::{AsWritten, Members};
pub use check::{Checked, OpenParent, check_manifests, syntax_faults};
pub(crate) use declare::{check_entity, read_entity, uri_refusal};
pub use field::DocumentError;
pub(crate) use field::{bounded, conditions, named, plain_star};
pub use provider::ProviderDocument;
pub(crate) use raw::{split_documents, yaml_fault};
pub(crate) use roles::action_refusal;
pub use roles::{DefaultRoles, read_default_roles};
pub use write::{WriteError, write_documents};

/// Where something stands in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub file: String,
    pub line: usize,
    pub column: usize,
}

impl Place {
    pub(crate) fn fault(&self, message: impl Into<String>) -> crate::model::Fault {
        crate::model::Fault { file: self.file.clone(), line: self.line, column: self.column, message: message.into() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

#[cfg(test)]
mod tests;

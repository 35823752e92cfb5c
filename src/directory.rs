//! The directory: the source of truth for providers, people, roles, resources and grants, and its history.
//!
//! In: checked changes, each applied whole or not at all, with who made it and why. Out: the next revision; any
//! earlier one can be read again. `fact` has the vocabulary, `document` its JSON form, `store` the trait that every
//! backend keeps and `contract` the one suite that says what keeping it means; `edit` decides which changes hold
//! together. Only the backends know databases.

mod chain;
mod document;
mod edit;
mod fact;
mod manifests;
mod memory;
mod order;
mod progress;
mod sqlite;
mod state;
mod store;

#[cfg(test)]
mod contract;

pub use document::{
    CollaboratorDocument, Document, DocumentError, ExternalIdentityDocument, MappingDocument, ProviderDocument,
    ResourceDocument, RoleDocument, TeamDocument, TokenDocument, UserDocument, VirtualAccountDocument, document_of,
    read_document, read_key, read_subject, resource_id, shown_id, shown_subject,
};
pub use edit::{Edit, EditError, Editor, Operation, Planned, Refusal, Rules};
pub use fact::{Fact, FactKey, Kind, collaborator_key};
pub use manifests::{Extent, MANIFEST_FILES, everything, kept_beyond, manifests_of, operations_towards};
pub use memory::MemoryDirectory;
pub use order::Turn;
pub use progress::{Progress, PublishOutcome, Standing, TenantProgress};
pub use sqlite::{Copied, CopyError, MOST_WAITING, SqliteDirectory, begin_epoch, copy_database, settle_unused};
pub use state::{facts_of, state_of};
pub use store::{
    Answer, Author, Change, Changes, Directory, Entry, History, KeptAdminKey, KeptSigningKey, Listing, Lives, Part,
    Recorded, Secrets, StoreError, TenantHead, Trace,
};

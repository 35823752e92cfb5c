//! Administering over HTTP: a noun a kind of fact, each with the same verbs.
//!
//! In: documents with the manifests' fields, as JSON. Out: the same with `id` and `revision`. What a change comes to,
//! and who may make it, is for `admin` to say.

mod answer;
mod asking;
mod batch;
mod caller;
mod grants;
mod history;
mod members;
mod objects;
mod patch;
mod refresh;
mod tenants;
mod tokens;

pub(super) use asking::Asked;
pub(super) use batch::batch;
pub(super) use grants::{granted, granting};
pub(super) use history::history;
pub(super) use members::member;
pub(super) use objects::{noun, one};
pub(super) use refresh::refresh;
pub(super) use tenants::{all_tenants, one_tenant};
pub(super) use tokens::{public_keys, rotation, token, tokens};

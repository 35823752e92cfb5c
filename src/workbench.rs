//! The workbench: what a policy author runs before a change ships, on their own machine and in CI.
//!
//! In: a tenant's snapshot, assembled as the server assembles it. Out: what the policies do, found out by cases, by
//! random search and by proof. Every answer here is the server's decider's.
//!
//! | question | module |
//! |---|---|
//! | Do the policies decide as these cases say, and what does no case exercise? | [`cases`], [`coverage`] |
//! | Does what must hold, hold? | [`invariant`], [`verify`]; without an invariant, [`checks`] |
//! | What does a change do, and to whom? | [`diff`], over two [`trees`] |
//! | Which past answers would be others? | [`replay`] |
//!
//! Search and proof stand on a [`scene`]: one request with the entities that it is about. [`shape`] says what the schema
//! lets there be, [`policies`] which policies may match which kind of request, [`generate`] makes scenes that come near
//! to what policies ask, [`search`] looks for one that shows something and shrinks it, [`proof`] asks a solver.
//! [`library`] offers it all to people's own tests, [`editor`] the files' JSON Schemas to their editors.

pub mod cases;
pub mod coverage;

pub mod invariant;
pub mod verify;

pub mod checks;

pub mod diff;
pub mod trees;
pub mod unknown;

pub mod replay;

pub mod generate;
pub mod policies;
pub mod proof;
pub mod scene;
pub mod search;
pub mod shape;

pub mod editor;
pub mod library;

pub use library::{Tenant, any_claims, any_entities, any_request};

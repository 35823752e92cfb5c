//! The workbench: what a policy author runs before a change ships, on their own machine and in CI.
//!
//! In: a tenant's snapshot, assembled as the server assembles it. Out: what the policies do, found out by cases, by
//! random search and by proof. Every answer here is the server's decider's.
//!
//! `scene` is one request with the entities that it is about, `shape` what the schema lets there be, `generate` makes
//! scenes that come near to what policies ask, `search` looks for one that breaks something and shrinks it.

pub mod cases;
pub mod checks;
pub mod coverage;
pub mod diff;
pub mod editor;
pub mod generate;
pub mod invariant;
pub mod library;
pub mod policies;
pub mod proof;
pub mod replay;
pub mod scene;
pub mod search;
pub mod shape;
pub mod trees;
pub mod verify;

pub use library::{Tenant, any_claims, any_entities, any_request};

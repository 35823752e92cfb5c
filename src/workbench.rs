//! The workbench: what a policy author runs before a change ships, on their own machine and in CI.
//!
//! In: a tenant's snapshot, assembled as the server assembles it. Out: what the policies do, found out by cases, by
//! random search and by proof. Every answer here is the server's decider's.

pub mod cases;
pub mod coverage;
pub mod editor;

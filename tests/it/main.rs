//! The integration tests: the real thing on port 0, each with its own folder, its own issuers and a manual clock.
//! One binary, since each one more costs a minute of linking.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "what helps a test fails as tests do; the lints' own exception is for `#[test]` functions only"
)]

mod admin;
mod architecture;
mod audit;
mod authorize;
mod cedar_cli;
mod changing_under_load;
mod claims;
mod cli;
mod copied;
mod corpus;
mod durable;
mod editor;
mod export;
mod fuzz;
mod isolation;
mod keys;
mod killed;
mod links;
mod listen;
mod manifests_applied;
mod oidc_provider;
mod promises;
mod reload;
mod sample;
mod schemathesis;
mod shadow;
mod slow_tenant;
mod stop;
mod support;
mod workbench;

//! The integration tests: the real thing on port 0, each with its own folder, its own issuers and a manual clock.
//! One binary, since each one more costs a minute of linking.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic, also in the functions that tests share"
)]

mod cedar_cli;
mod oidc_provider;
mod sample;
mod support;

//! The integration tests: the real thing on port 0, each with its own folder, its own issuers and a manual clock.
//! One binary, since each one more costs a minute of linking.

mod export;
mod sample;
mod support;

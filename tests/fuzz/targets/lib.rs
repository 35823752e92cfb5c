//! The fuzz targets: bytes of a stranger in, nothing out, and a panic where a promise does not hold.
//!
//! One target for each door by which text comes in. `cargo test` runs them over mutated seeds (`tests/it/fuzz.rs`),
//! `cargo fuzz` over what libFuzzer finds (`fuzz_targets/`). Each says in its own file what it promises.

mod bundle;
mod claims;
mod ground;
mod http_body;
mod manifests;
mod policy_text;
mod token;

pub use bundle::bundle;
pub use claims::claims;
pub use http_body::http_body;
pub use manifests::manifests;
pub use policy_text::policy_text;
pub use token::token;

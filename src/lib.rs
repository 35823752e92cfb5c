//! cedargate
pub mod assemble;
pub mod authn;
pub mod bundle;
pub mod clock;
pub mod compile;
pub mod manifest;
pub mod model;
pub mod schema;
pub mod snapshot;
pub mod tree;
pub mod vocabulary;

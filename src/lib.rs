//! cedargate
pub mod authn;
pub mod clock;
pub mod model;

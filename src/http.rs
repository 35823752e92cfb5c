//! The outer door: HTTP in, HTTP out. The only place that knows axum, and `problem` the only one that knows
//! status codes.

mod admin;
mod around;
mod authorize;
mod bearer;
mod caller;
mod degraded;
mod health;
mod limits;
mod openapi;
mod problem;
mod request_id;
mod router;
mod state;
mod status;

pub(crate) use authorize::RawRequest;
pub use problem::refused_head;
pub use router::{ops_router, router};
pub use state::{AppState, DefaultTenant, Limits, Readiness, Served};

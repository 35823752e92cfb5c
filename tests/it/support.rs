//! What every integration test starts from: `TestServer`, `TestIssuer`, and a tree of one's own.

pub mod admin;
pub mod endpoint;
pub mod issuer;
pub mod load;
pub mod process;
pub mod server;
pub mod third_party;
pub mod tree;
pub mod wire;

pub use admin::AdminClient;
pub use endpoint::KeyEndpoint;
pub use issuer::TestIssuer;
pub use load::Load;
pub use process::ServerProcess;
pub use server::{Reply, TestServer};
pub use tree::TestTree;
pub use wire::Wire;

use std::future::Future;
use std::time::Duration;

/// Waits for a condition; fails the test when it does not come true in time. Never a fixed sleep.
pub async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The time at which every manual clock starts: 2026-01-09T10:00:00Z.
pub const START: i64 = 1_767_952_800;
const PATIENCE: Duration = Duration::from_secs(30);

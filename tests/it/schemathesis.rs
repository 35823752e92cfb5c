//! The OpenAPI document against the running server, by PyPI `schemathesis`: no answer is a fault of ours, and every
//! one is what the document says.
//!
//! Switched on by `CEDARGATE_TEST_SCHEMATHESIS=<its executable>`, as `.ci/run` does.

use std::process::Command;

use serde_json::json;

use crate::support::server::CALLER_KEY;
use crate::support::{ServerProcess, TestTree, eventually, third_party};

#[tokio::test]
async fn no_request_that_the_document_allows_or_forbids_is_answered_otherwise_than_it_says() {
    let Some(program) = third_party::place_of("CEDARGATE_TEST_SCHEMATHESIS", "schemathesis") else { return };
    let tree = TestTree::new();
    let server = ServerProcess::start(&tree, "http.request_timeout_seconds = 60\n");
    assert!(server.post("/tenants", &json!({"name": "acme"})).await.unwrap().status().is_success());
    let loaded = || async { !server.status("acme").await["revision"].is_null() };
    eventually("the tenant serves", loaded).await;
    let url = format!("{}/openapi.json", server.url);
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
    let output = Command::new(program)
        .args(["run", &url, "--url", &server.url, "--checks", checks, "--phases", "examples,coverage,fuzzing"])
        // Not ready while a tenant that was just made is being loaded: that is what it is for.
        .args(["--exclude-path", "/ready"])
        // One worker: two that parse Python at once fail now and then on Python 3.11 (its issue 106905).
        .args(["--max-examples", "20", "--workers", "1", "--seed", "1"])
        .args(["-H", &format!("X-Cedargate-Key: {CALLER_KEY}")])
        .current_dir(tree.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Tested: "), "{said}");
    println!("{}", said.lines().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n"));
}

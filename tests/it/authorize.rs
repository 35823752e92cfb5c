//! `POST /authorize` and `/authorize/batch` in every status of the contract, over HTTP.

mod answers;
mod batch;
mod bearer;
mod callers;
mod clock;
mod contexts;
mod describing;
mod errors;
mod limits;
mod questions;
mod resources;
mod tokens;

use serde_json::{Value, json};

use crate::support::server::CALLER_KEY;
use crate::support::{Reply, TestServer};

/// Jane asks; `with` adds to the question and wins over it.
async fn ask_with(server: &TestServer, with: Value) -> Reply {
    let mut body = json!({"token": server.jane(), "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    server.post("/authorize", body).await
}

/// The same by a caller with a key: what is said of the resource counts, and explanations are given.
async fn ask_keyed(server: &TestServer, with: Value) -> Reply {
    let mut body = json!({"token": server.jane(), "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    server.post_with("/authorize", body, &[("x-cedargate-key", CALLER_KEY)]).await
}

/// A problem of this status and slug, in the form that every problem has.
#[track_caller]
fn assert_problem(reply: &Reply, status: u16, slug: &str) {
    assert_eq!((reply.status, reply.slug()), (status, slug), "{}", reply.body);
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    assert_eq!(reply.body["status"], status);
    assert_eq!(reply.body["instance"], reply.headers["x-request-id"].to_str().unwrap());
    for member in ["title", "detail"] {
        assert!(reply.body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {}", reply.body);
    }
    assert!(reply.body.get("decision").is_none(), "{}", reply.body);
}

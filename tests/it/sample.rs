//! The sample tenant answers every one of its example requests as its authors say, over HTTP.

use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::server::CALLER_KEY;

/// The examples: who (by claims or by name), what, and the expected decision with its determining policies.
pub const REQUESTS: &str = include_str!("../fixtures/acme_requests.json");

#[tokio::test]
async fn the_sample_answers_its_example_requests() {
    let server = TestServer::start().await;
    let requests: Vec<Value> = serde_json::from_str(REQUESTS).unwrap();
    assert!(requests.len() >= 30);
    for request in requests {
        let mut body = json!({"action": request["action"], "resource": request["resource"]});
        if let Some(context) = request.get("context") {
            body["context"] = context.clone();
        }
        let reply = if let Some(principal) = request.get("principal") {
            body["principal"] = principal.clone();
            server.post_with("/authorize", body, &[("x-cedargate-key", CALLER_KEY)]).await
        } else {
            let issuer = if request["provider"] == "okta" { &server.okta } else { &server.github };
            body["token"] = issuer.token(request["claims"].clone()).into();
            server.post("/authorize", body).await
        };
        assert_eq!(reply.status, 200, "{request}: {}", reply.body);
        let ids: Vec<_> = reply.body["policies"].as_array().unwrap().iter().map(|policy| &policy["id"]).collect();
        assert_eq!(reply.body["decision"], request["decision"], "{request}: {}", reply.body);
        assert_eq!(json!(ids), request["policies"], "{request}");
        assert_eq!(reply.body["principal"], request["uid"], "{request}");
    }
}

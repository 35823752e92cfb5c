//! From claims to answers: who a token is, and what its claims change.

use serde_json::json;

use crate::support::{START, TestServer, eventually};

const MODEL: &str = r#"Model::"gpt-4o""#;

#[tokio::test]
async fn a_fraction_of_a_second_in_a_date_is_taken_as_the_number_it_is() {
    let server = TestServer::start().await;
    #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch fit a float exactly")]
    let start = START as f64;
    let lee = |exp: f64| {
        let claims =
            json!({"sub": "00u2", "email": "lee@acme.com", "amr": ["mfa"], "auth_time": start + 0.75, "exp": exp});
        server.okta.token(claims)
    };
    let manage = async |token: String, time: &str| {
        let context = json!({"time": {"__extn": {"fn": "datetime", "arg": time}}});
        let body = json!({"token": token, "action": "manageModel", "resource": MODEL, "context": context});
        server.post("/authorize", body).await
    };
    let soon = manage(lee(start + 3600.5), "2026-01-09T12:00:00Z").await;
    assert_eq!((soon.status, &soon.body["decision"]), (200, &json!("allow")), "{}", soon.body);
    // The sign-in is remembered: a policy that reads `auth_time` finds the number.
    let late = manage(lee(start + 3600.5), "2026-01-10T08:00:00Z").await;
    assert_eq!(late.body["policies"][0]["id"], "platform/recent-sign-in-to-manage", "{}", late.body);
    let expired = manage(lee(start - 31.5), "2026-01-09T12:00:00Z").await;
    assert_eq!((expired.status, expired.slug()), (401, "token-expired"));
}

#[tokio::test]
async fn an_email_that_the_issuer_does_not_vouch_for_is_nobody_of_the_directory() {
    let server = TestServer::start().await;
    for (verified, principal, decision) in [
        (json!(true), r#"User::"jane@acme.com""#, "allow"),
        (json!("true"), r#"User::"jane@acme.com""#, "allow"),
        (json!(null), r#"User::"jane@acme.com""#, "allow"),
        (json!(false), r#"ExternalSubject::"okta|00u1""#, "deny"),
        (json!("false"), r#"ExternalSubject::"okta|00u1""#, "deny"),
    ] {
        let token = server.okta.token(json!({"sub": "00u1", "email": "Jane@ACME.com", "email_verified": verified}));
        let reply = server.ask(&token, "viewModel", MODEL).await;
        assert_eq!(reply.body["principal"], principal, "email_verified: {verified}");
        assert_eq!(reply.body["decision"], decision, "email_verified: {verified}");
    }
}

#[tokio::test]
async fn a_deactivated_user_is_refused_and_has_no_grants() {
    let server = TestServer::start().await;
    let token = server.okta.token(json!({"sub": "00u5", "email": "sofia@acme.com"}));
    let ask = async || server.ask(&token, "invokeModel", MODEL).await;
    assert_eq!(ask().await.body["decision"], "allow");
    server.tree.edit("policies/acme/manifests/people.yaml", |text| {
        text.replace("email: sofia@acme.com", "email: sofia@acme.com\nactive: false")
    });
    eventually("she is refused", || async { ask().await.slug() == "user-deactivated" }).await;
    assert_eq!(ask().await.status, 403);
    // Not by name either: neither her own grants nor her team's.
    for (action, resource) in [("invokeModel", MODEL), ("viewApplication", r#"Application::"chat""#)] {
        let vouched = server.vouch(r#"User::"sofia@acme.com""#, action, resource).await;
        assert_eq!(vouched.body["reason"], "not_permitted", "{}", vouched.body);
    }
}

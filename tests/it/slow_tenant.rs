//! One tenant's decisions take as long as its policies make them take; the others' do not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::server::{CALLER_KEY, issuers};
use crate::support::{Reply, TestServer, TestTree};

/// Patterns that are tried at every place of a text.
fn patterns(count: usize) -> String {
    let pattern = "a".repeat(900);
    let one = |number| {
        format!(
            "@id(\"slow{number}\") forbid (principal, action == Action::\"viewModel\", resource) when {{ context has user_agent && context.user_agent like \"*{pattern}{number}*b\" }};\n"
        )
    };
    (0..count).map(one).collect()
}

/// Tenant `acme` is the sample, tenant `evil` has nothing but slow policies.
async fn server(timeout_seconds: u64) -> TestServer {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    tree.write("policies/evil/slow.cedar", &patterns(20));
    TestServer::over(tree, okta, github, |raw| {
        raw.http.request_timeout_seconds = timeout_seconds;
        raw.tenants.default = Some("acme".into());
    })
    .await
}

async fn ask(client: &reqwest::Client, url: &str, tenant: &str, text: &str) -> (u16, Duration) {
    let body = json!({"tenant": tenant, "principal": "User::\"jane@acme.com\"", "action": "viewModel",
        "resource": "Model::\"gpt-4o\"", "context": {"user_agent": text}});
    let begun = Instant::now();
    let reply = client.post(format!("{url}/authorize")).header("x-cedargate-key", CALLER_KEY).json(&body);
    let reply = reply.send().await.unwrap();
    let status = reply.status().as_u16();
    reply.bytes().await.unwrap();
    (status, begun.elapsed())
}

/// How long one slow question takes here, once it is decided apart.
async fn slow_question(server: &TestServer, text: &str) -> Duration {
    // The first is still decided where it was asked.
    for _ in 0..2 {
        ask(&server.client, &server.url, "evil", text).await;
    }
    ask(&server.client, &server.url, "evil", text).await.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_of_slow_policies_does_not_delay_another() {
    let server = server(60).await;
    let text = "a".repeat(8 * 1024);
    let alone = slow_question(&server, &text).await;
    let evil: Vec<_> = (0..6)
        .map(|_| {
            let (client, url, text) = (server.client.clone(), server.url.clone(), text.clone());
            tokio::spawn(async move {
                loop {
                    ask(&client, &url, "evil", &text).await;
                }
            })
        })
        .collect();
    let mut latencies = Vec::new();
    let until = Instant::now() + (alone * 6).max(Duration::from_secs(3));
    while Instant::now() < until {
        let (status, took) = ask(&server.client, &server.url, "acme", "curl").await;
        assert_eq!(status, 200);
        latencies.push(took);
    }
    latencies.sort();
    let p99 = latencies[latencies.len() * 99 / 100];
    println!("a slow question {alone:?}; another tenant beside six of them: p99 {p99:?} of {}", latencies.len());
    assert!(latencies.len() > 20, "{latencies:?}");
    assert!(p99 < alone / 4 || p99 < Duration::from_millis(50), "p99 {p99:?}, alone {alone:?}");
    evil.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_that_a_request_may_take_holds_for_slow_decisions() {
    let server = server(1).await;
    let text = "a".repeat(8 * 1024);
    let alone = slow_question(&server, &text).await;
    // Together they would take far longer than one may.
    let count = (Duration::from_secs(4).as_millis() / alone.as_millis().max(1) + 4).min(200);
    let all: Vec<_> = (0..count)
        .map(|_| {
            let (client, url, text) = (server.client.clone(), server.url.clone(), text.clone());
            tokio::spawn(async move { ask(&client, &url, "evil", &text).await })
        })
        .collect();
    let mut timed_out = 0;
    for one in all {
        let (status, took) = one.await.unwrap();
        assert!(status == 200 || status == 503, "{status}");
        timed_out += usize::from(status == 503);
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
    assert!(timed_out > 0, "{count} questions of {alone:?}");
}

async fn view(server: &TestServer, with: Value) -> Reply {
    let mut body =
        json!({"principal": "User::\"jane@acme.com\"", "action": "viewModel", "resource": "Model::\"gpt-4o\""});
    body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    server.post_with("/authorize", body, &[("x-cedargate-key", CALLER_KEY)]).await
}

#[tokio::test]
async fn a_text_that_is_too_long_to_be_matched_is_a_deny_that_names_it() {
    let server = TestServer::configured(|raw| raw.decisions.max_string_bytes = 100).await;
    let (fits, long) = ("a".repeat(100), "a".repeat(101));
    let described = |tier: &str| json!({"resource": {"type": "Model", "id": "gpt-4o", "attributes": {"tier": tier}}});
    assert_eq!(view(&server, json!({"context": {"user_agent": fits}})).await.body["decision"], "allow");
    assert_eq!(view(&server, described(&fits)).await.body["decision"], "allow");
    for (with, field) in [
        (json!({"context": {"user_agent": long}}), "`context.user_agent`"),
        (described(&long), "`resource.attributes.tier`"),
        (
            json!({"action": "callTool", "resource": "McpTool::\"t\"", "context": {"arguments": {"path": long}}}),
            "`context.arguments.path`",
        ),
    ] {
        let answer = view(&server, with).await;
        assert_eq!((answer.status, &answer.body["decision"]), (200, &json!("deny")), "{}", answer.body);
        assert_eq!((&answer.body["reason"], &answer.body["policies"]), (&json!("policy_error"), &json!([])));
        let error = &answer.body["errors"][0];
        assert_eq!(error["id"], "decisions.max_string_bytes");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(field) && message.contains("101 bytes") && message.contains("100"), "{message}");
    }
    // So is a claim: a token's texts are matched against patterns too.
    let token = server.okta.token(json!({"sub": "00u1", "email": "jane@acme.com", "nickname": long}));
    let answer = server.ask(&token, "viewModel", "Model::\"gpt-4o\"").await;
    assert_eq!((&answer.body["decision"], &answer.body["reason"]), (&json!("deny"), &json!("policy_error")));
    assert!(answer.body["errors"][0]["message"].as_str().unwrap().contains("nickname"), "{}", answer.body);
    assert_eq!(server.ask(&server.jane(), "viewModel", "Model::\"gpt-4o\"").await.body["decision"], "allow");
}

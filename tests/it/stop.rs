//! The end of the running binary: not ready first, requests under way are answered, every decision is in the log,
//! and the exit code is 0.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::{TcpStream, UnixStream};

use crate::support::server::{CALLER_KEY, issuers};
use crate::support::{ServerProcess, TestTree, Wire, eventually};

fn body() -> Value {
    let request = json!({"action": "viewModel", "resource": "Model::\"gpt-4o\""});
    json!({"tenant": "acme", "principal": "User::\"jane@acme.com\"", "requests": [request, request]})
}

async fn start(stop_delay_milliseconds: u32) -> (TestTree, ServerProcess) {
    start_with(stop_delay_milliseconds, "").await
}

async fn start_with(stop_delay_milliseconds: u32, more: &str) -> (TestTree, ServerProcess) {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let log = tree.path().join("decisions.log");
    let settings = format!(
        "{more}http.stop_delay_milliseconds = {stop_delay_milliseconds}\naudit = {{sink = \"file\", path = {log:?}, when_full = \"block\"}}\n"
    );
    let server = ServerProcess::start(&tree, &settings);
    (tree, server)
}

async fn stops_gracefully(signal: &str) {
    let (tree, mut server) = start(1000).await;
    let answered = Arc::new(Mutex::new(BTreeSet::new()));
    let asking: Vec<_> = (0..3)
        .map(|_| {
            let (client, url) = (reqwest::Client::new(), format!("{}/authorize/batch", server.url));
            let answered = Arc::clone(&answered);
            tokio::spawn(async move {
                // Until the server takes no more connections; whatever it took, it must answer.
                while let Ok(response) =
                    client.post(&url).header("x-cedargate-key", CALLER_KEY).json(&body()).send().await
                {
                    assert_eq!(response.status(), 200);
                    let answer: Value = response.json().await.unwrap();
                    let ids = answer["results"].as_array().unwrap().iter();
                    answered
                        .lock()
                        .unwrap()
                        .extend(ids.map(|result| result["decision_id"].as_str().unwrap().to_owned()));
                }
            })
        })
        .collect();
    eventually("requests are answered", || async { answered.lock().unwrap().len() > 10 }).await;
    assert_eq!(server.get("/ready").await.unwrap().status(), 200);

    server.signal(signal);
    eventually("the server is not ready", || async { server.get("/ready").await.unwrap().status() == 503 }).await;
    let before = answered.lock().unwrap().len();
    let still = server.post("/authorize/batch", &body()).await.unwrap();
    assert_eq!(still.status(), 200, "requests are taken while load balancers turn away");
    eventually("others are answered too", || async { answered.lock().unwrap().len() > before }).await;
    assert_eq!(server.exit_code().await, Some(0));
    for task in asking {
        task.await.unwrap();
    }
    let log = fs::read_to_string(tree.path().join("decisions.log")).unwrap();
    let logged: BTreeSet<_> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["decision_id"].as_str().unwrap().to_owned())
        .collect();
    let answered = answered.lock().unwrap();
    assert!(answered.is_subset(&logged), "{} answers, {} lines", answered.len(), logged.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_server_is_first_not_ready_and_leaves_a_complete_log() {
    stops_gracefully("TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_server_stops_as_a_terminated_one_does() {
    stops_gracefully("INT").await;
}

#[tokio::test]
async fn a_request_under_way_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("http.sock");
    let (_tree, mut server) = start_with(0, &format!("http.unix_socket = {socket:?}\n")).await;
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let mut under_way = [Wire::tcp(&server.url).await, Wire::unix(&socket).await];
    let body = body();
    let text = body.to_string();
    let (beginning, rest) = text.split_at(text.len() / 2);
    for wire in &mut under_way {
        wire.begin_post("/authorize/batch", &body).await;
        wire.send(beginning).await;
    }
    server.signal("TERM");
    eventually("no new connection is taken", || async {
        TcpStream::connect(&address).await.is_err() && UnixStream::connect(&socket).await.is_err()
    })
    .await;
    for mut wire in under_way {
        wire.send(rest).await;
        let (status, head, _) = wire.answer().await;
        assert_eq!(status, 200, "{head}");
        assert!(head.contains("connection: close"), "{head}");
        wire.is_closed().await;
    }
    assert_eq!(server.exit_code().await, Some(0));
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_keep_the_server() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let settings =
        "http.stop_delay_milliseconds = 0\nhttp.drain_timeout_seconds = 1\nhttp.request_timeout_seconds = 600\n";
    let mut server = ServerProcess::start(&tree, settings);
    let mut wire = Wire::tcp(&server.url).await;
    wire.send("POST /authorize HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{").await;
    assert_eq!(server.get("/live").await.unwrap().status(), 200);
    server.signal("TERM");
    assert_eq!(server.exit_code().await, Some(0));
}

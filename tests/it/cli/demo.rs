//! `demo --json`: one line, and everything that it names works.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use reqwest::Client;
use serde_json::{Value, json};

use crate::support::eventually;

/// A demo that runs until it is told to end, or until the test does.
struct Demo {
    child: Child,
    stdout: BufReader<ChildStdout>,
    shown: Value,
    client: Client,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cedargate"))
            .args(["demo", "--json", "--bind", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let shown = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Self { child, stdout, shown, client: Client::new() }
    }

    fn text(&self, member: &str) -> &str {
        self.shown[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {}", self.shown))
    }

    async fn authorize(&self, body: Value) -> (u16, Value) {
        let url = format!("{}/authorize", self.text("base_url"));
        let reply = self.client.post(url).header("x-cedargate-key", self.text("caller_key")).json(&body);
        let reply = reply.send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap())
    }

    async fn ask(&self, token: &str, action: &str) -> (u16, Value) {
        self.authorize(json!({"token": token, "action": action, "resource": "Model::\"gpt-4o\""})).await
    }

    async fn mint(&self, body: Value) -> String {
        let reply = self.client.post(self.text("mint_url")).json(&body).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{body}");
        reply.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned()
    }

    /// Asks it to end, and gives its exit code and what else it wrote.
    fn terminate(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

#[tokio::test]
async fn the_demo_shows_everything_on_one_line_and_all_of_it_works() {
    let demo = Demo::start();
    for member in ["base_url", "tenant", "provider", "issuer", "jwks_uri", "mint_url", "policies_dir", "manifests_dir"]
    {
        assert!(!demo.text(member).is_empty());
    }
    assert!(demo.text("caller_key").starts_with("cgcaller_") && demo.text("admin_key").starts_with("cgadmin_"));
    assert_eq!(demo.text("tenant"), "acme");

    for (name, token) in demo.shown["tokens"].as_object().unwrap() {
        let (status, answer) = demo.ask(token.as_str().unwrap(), "viewModel").await;
        let expected = if name == "expired" { 401 } else { 200 };
        assert_eq!(status, expected, "{name}: {answer}");
    }
    let jane = demo.shown["tokens"]["jane"].as_str().unwrap();
    let (_, answer) = demo.ask(jane, "viewModel").await;
    assert_eq!(answer["decision"], "allow", "{answer}");
    let (status, answer) = demo
        .authorize(
            json!({"principal": "User::\"jane@acme.com\"", "action": "viewModel", "resource": "Model::\"gpt-4o\""}),
        )
        .await;
    assert_eq!((status, &answer["decision"]), (200, &json!("allow")));

    let status = reqwest::get(format!("{}/status", demo.text("ops_url"))).await.unwrap();
    let status: Value = status.json().await.unwrap();
    assert!(status["tenants"]["acme"]["generation"].is_string(), "{status}");
    mint_signs_any_claims(&demo).await;
    an_edit_changes_the_answer(&demo, jane).await;

    let folder = std::path::PathBuf::from(demo.text("policies_dir"));
    assert_eq!(demo.terminate(), (Some(0), String::new()));
    assert!(!folder.exists(), "the temporary folder goes with the demo");
}

async fn mint_signs_any_claims(demo: &Demo) {
    for algorithm in
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
    {
        let token = demo.mint(json!({"claims": {"sub": "00u5"}, "alg": algorithm})).await;
        let (status, answer) = demo.ask(&token, "viewModel").await;
        assert_eq!(
            (status, &answer["principal"]),
            (200, &json!("ExternalSubject::\"okta|00u5\"")),
            "{algorithm}: {answer}"
        );
    }
    let twice = r#"{"claims": {"sub": "a", "sub": "b"}}"#;
    for body in [r#"[{"sub": "00u5"}, "RS256"]"#, twice, r#"{"claims": [["sub", "a"]]}"#, "{", "null"] {
        let reply = demo.client.post(demo.text("mint_url")).body(body).send().await.unwrap();
        assert_eq!(reply.status(), 400, "{body}");
    }
    let claims = json!({"sub": "00u1", "email": "jane@acme.com"});
    let (_, answer) = demo.ask(&demo.mint(json!({"claims": claims})).await, "viewModel").await;
    assert_eq!(answer["decision"], "allow", "{answer}");
    for (claim, slug) in
        [("iss", "token-issuer"), ("aud", "token-audience"), ("exp", "token-expired"), ("sub", "token-subject")]
    {
        let mut claims = claims.clone();
        claims[claim] = Value::Null;
        let (status, problem) = demo.ask(&demo.mint(json!({"claims": claims})).await, "viewModel").await;
        assert_eq!((status, problem["type"].as_str()), (401, Some(&*format!("urn:cedargate:problem:{slug}"))));
    }
}

async fn an_edit_changes_the_answer(demo: &Demo, jane: &str) {
    assert_eq!(demo.ask(jane, "invokeModel").await.1["decision"], "deny");
    let manifest = std::path::Path::new(demo.text("manifests_dir")).join("resources.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let edited = text.replacen("{subject: team:ml, role: viewer}", "{subject: team:ml, role: user}", 1);
    assert_ne!(text, edited);
    std::fs::write(&manifest, edited).unwrap();
    eventually("the edit is in force", || async { demo.ask(jane, "invokeModel").await.1["decision"] == "allow" }).await;
}

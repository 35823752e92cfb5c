//! The provider as a process: started on port 0, spoken to as its clients do, gone with the test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::tree::repository;

/// A running provider. What its discovery document says is what the tests go by.
pub struct RealProvider {
    pub issuer: String,
    pub jwks_uri: String,
    token_endpoint: String,
    client: reqwest::Client,
    process: Child,
}

/// Who asks for a token.
#[derive(Clone, Copy, Debug)]
pub enum Client {
    Ci,
    Reporting,
}

impl Client {
    fn id(self) -> &'static str {
        match self {
            Self::Ci => "ci-client",
            Self::Reporting => "reporting",
        }
    }
}

impl RealProvider {
    pub async fn start(modules: &Path) -> Self {
        let mut process = Command::new("node")
            .arg(repository().join("tests/third-party/oidc-provider/server.mjs"))
            .arg(modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node runs");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).expect("the provider says where it listens");
        let issuer = ready["issuer"].as_str().unwrap().to_owned();
        let client = reqwest::Client::new();
        let url = format!("{issuer}/.well-known/openid-configuration");
        let discovered: Value = client.get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!(discovered["issuer"], issuer);
        let endpoint = |name: &str| discovered[name].as_str().unwrap().to_owned();
        let (jwks_uri, token_endpoint) = (endpoint("jwks_uri"), endpoint("token_endpoint"));
        Self { issuer, jwks_uri, token_endpoint, client, process }
    }

    /// An access token for a resource (RFC 8707), which becomes its audience.
    pub async fn token(&self, client: Client, resource: &str, scope: &str) -> String {
        self.ask_for_token(client, &format!("&resource={resource}&scope={}", scope.replace(' ', "+"))).await
    }

    /// An access token for no resource: not a JWT.
    pub async fn opaque_token(&self, client: Client) -> String {
        self.ask_for_token(client, "").await
    }

    /// Has the provider made anew with new keys in front; of the old ones only the last stay. Answers every `kid`
    /// that is published now.
    pub async fn rotate(&self) -> Vec<Value> {
        let answer = self.client.post(format!("{}/rotate", self.issuer)).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["kids"].as_array().unwrap().clone()
    }

    async fn ask_for_token(&self, client: Client, more: &str) -> String {
        let request = self
            .client
            .post(&self.token_endpoint)
            .basic_auth(client.id(), Some(format!("{}-secret", client.id())))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("grant_type=client_credentials{more}"));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }
}

impl Drop for RealProvider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A token's header.
pub fn header(token: &str) -> Value {
    decoded(token.split('.').next().unwrap())
}

/// The token with another value of one claim, under the signature that it had.
pub fn with_claim(token: &str, claim: &str, value: Value) -> String {
    let parts: Vec<_> = token.split('.').collect();
    let mut claims = decoded(parts[1]);
    assert_ne!(claims[claim], value);
    claims[claim] = value;
    format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(json!(claims).to_string()), parts[2])
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

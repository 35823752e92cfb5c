//! The built `cedargate serve` as a child process over a tree, with the machine's own clock, and signals to it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use cedargate::authn::hash_key;
use cedargate::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::server::CALLER_KEY;
use super::{TestIssuer, TestTree, eventually};

pub struct ServerProcess {
    child: Child,
    pub url: String,
    pub ops_url: String,
    pub client: reqwest::Client,
    log: Arc<Mutex<String>>,
}

impl ServerProcess {
    /// Starts it with these settings (TOML) beside the tests' own, and waits until it listens.
    pub fn start(tree: &TestTree, settings: &str) -> Self {
        let key = hash_key(CALLER_KEY);
        let config = format!(
            "callers.keys = [{{name = \"test\", hash = \"{key}\", may = [\"vouch\", \"administer\"]}}]\n{settings}"
        );
        let path = tree.path().join("cedargate.toml");
        fs::write(&path, config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_cedargate"))
            .env("CEDARGATE_OPS__BIND", "127.0.0.1:0")
            .env("CEDARGATE_KEYS__ALLOW_HOSTS", "[\"127.0.0.0/8\"]")
            .args(["serve", "--bind", "127.0.0.1:0", "--config"])
            .arg(path)
            .arg("--policies")
            .arg(tree.policies())
            .arg("--schema")
            .arg(tree.path().join("schema"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (say, said) = mpsc::channel();
        let log: Arc<Mutex<String>> = Arc::default();
        let kept = Arc::clone(&log);
        // Read to the end, so that the server never waits for its own log.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().extend([line.as_str(), "\n"]);
                for says in ["operations are answered address=", "listening address="] {
                    if let Some((_, address)) = line.split_once(says) {
                        let _ = say.send(format!("http://{}", address.trim()));
                    }
                }
            }
        });
        let next = || said.recv_timeout(Duration::from_secs(60)).unwrap();
        let (ops_url, url): (String, String) = (next(), next());
        wait_until_loaded(ops_url.trim_start_matches("http://"));
        Self { child, url, ops_url, client: reqwest::Client::new(), log }
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// What it says on standard output; until this is taken and read, its pipe fills.
    pub fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    pub async fn get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.client.get(format!("{}{path}", self.url)).send().await
    }

    /// `GET` of the listener for operations.
    pub async fn ops_text(&self, path: &str) -> String {
        self.client.get(format!("{}{path}", self.ops_url)).send().await.unwrap().text().await.unwrap()
    }

    /// What `/status` says of a tenant.
    pub async fn status(&self, tenant: &str) -> Value {
        let all: Value = serde_json::from_str(&self.ops_text("/status").await).unwrap();
        all["tenants"][tenant].clone()
    }

    /// `POST` as the caller that may vouch.
    pub async fn post(&self, path: &str, body: &Value) -> reqwest::Result<reqwest::Response> {
        self.client.post(format!("{}{path}", self.url)).header("x-cedargate-key", CALLER_KEY).json(body).send().await
    }

    /// `POST /authorize` about a named principal: status and body.
    pub async fn vouch(&self, principal: &str, action: &str, resource: &str) -> (u16, Value) {
        let body = json!({"tenant": "acme", "principal": principal, "action": action, "resource": resource});
        let response = self.post("/authorize", &body).await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// How much memory it has, where `/proc` tells.
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }

    /// The names of its threads, where `/proc` tells.
    pub fn threads(&self) -> Vec<String> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok()).collect()
    }

    /// How large a file it may write from now on, where `prlimit` can say so; `None` is any size.
    pub fn limit_file_size(&self, bytes: Option<u64>) {
        let bytes = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let pid = self.child.id().to_string();
        let limited = Command::new("prlimit").arg(format!("--fsize={bytes}:unlimited")).args(["--pid", &pid]).status();
        assert!(limited.unwrap().success());
    }

    /// Sends `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end; its exit code.
    pub async fn exit_code(&mut self) -> Option<i32> {
        let child = std::sync::Mutex::new(&mut self.child);
        eventually("the server ends", || async { child.lock().unwrap().try_wait().unwrap().is_some() }).await;
        self.child.wait().unwrap().code()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a server that listens has loaded its tree; one that never gets ready is for its test to judge.
fn wait_until_loaded(address: &str) {
    for _ in 0..1_000 {
        let mut answer = String::new();
        let asked = TcpStream::connect(address).and_then(|mut connection| {
            connection.write_all(b"GET /ready HTTP/1.1\r\nHost: ops\r\nConnection: close\r\n\r\n")?;
            connection.read_to_string(&mut answer)
        });
        if asked.is_ok() && answer.starts_with("HTTP/1.1 200") {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A token that the machine's own clock finds valid.
pub fn token_for_now(issuer: &TestIssuer, mut claims: Value) -> String {
    let now = SystemClock.now().timestamp();
    claims["iat"] = now.into();
    claims["exp"] = (now + 3600).into();
    issuer.token(claims)
}

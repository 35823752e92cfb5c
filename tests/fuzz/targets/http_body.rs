//! The body of a request, at one of three doors: a question, many questions, changes of a directory. The answer has a
//! status that the API's own document names, and never one for a fault of ours; what is no success is a problem, and a
//! question that is answered has a decision.
//!
//! The first byte of an input chooses the door; `{jane}` in the rest is a token that holds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use cedargate::app::App;
use cedargate::authn::hash_key;
use cedargate::authn::jwks::KeySet;
use cedargate::authn::mint::{SigningKey, jwks};
use cedargate::config::{Config, Permission, RawCallerKey, RawConfig};
use cedargate::http::router;
use cedargate::model::SigningAlgorithm;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::ground::{NOW, clock, on_small_thread, repository};

pub fn http_body(bytes: &[u8]) {
    let Some((door, body)) = bytes.split_first() else { return };
    let (server, door) = (&*SERVER, &DOORS[usize::from(*door) % DOORS.len()]);
    let body = with_token(body, &server.jane);
    on_small_thread(|| judge(server, door, body));
}

fn judge(server: &Server, door: &Door, body: Vec<u8>) {
    let (status, answer) = server.post(door.address, body);
    let documented = server.documented(door.route);
    assert!(documented.contains(&status), "{}: {status} is not documented: {answer}", door.route);
    match status {
        200..300 => assert!((door.is_answer)(&answer), "{}: {answer}", door.route),
        // A revision that is asked for may still come; nothing else may be unavailable here.
        503 => assert_eq!(answer["type"], format!("{PROBLEM}revision-not-live"), "{answer}"),
        400..500 => assert!(is_problem(&answer) && answer["status"] == status, "{}: {answer}", door.route),
        _ => panic!("{}: {status}: {answer}", door.route),
    }
}

fn is_problem(answer: &Value) -> bool {
    let kind = answer["type"].as_str().unwrap_or_default();
    kind.strip_prefix(PROBLEM).is_some_and(|slug| !slug.is_empty()) && answer["detail"].is_string()
}

fn is_decided(answer: &Value) -> bool {
    ["allow", "deny"].iter().any(|decision| answer["decision"] == *decision)
}

/// Where a body goes.
struct Door {
    /// As the API's document has it.
    route: &'static str,
    address: &'static str,
    /// Whether this is how a success looks.
    is_answer: fn(&Value) -> bool,
}

const DOORS: [Door; 3] = [
    Door { route: "/tenants/{tenant}/authorize", address: "/tenants/acme/authorize", is_answer: is_decided },
    Door {
        route: "/tenants/{tenant}/authorize/batch",
        address: "/tenants/acme/authorize/batch",
        is_answer: |answer| {
            let mut results = answer["results"].as_array().unwrap().iter();
            results.all(|result| is_decided(result) || is_problem(&result["error"]))
        },
    },
    Door {
        route: "/tenants/{tenant}/batch",
        // The directory stays as it is, so that an input means the same each time.
        address: "/tenants/beta/batch?dry_run=true",
        is_answer: |answer| answer.is_object() && answer["type"].is_null(),
    },
];

/// The server's router, with a tenant of files and one of a database; nothing listens to the network for it.
struct Server {
    runtime: Runtime,
    router: Router,
    /// The API's document.
    document: Value,
    jane: String,
    _app: Mutex<App>,
    _dir: TempDir,
}

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

impl Server {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        for folder in ["policies", "schema"] {
            copy(&repository().join(folder), &dir.path().join(folder));
        }
        let runtime = Runtime::new().unwrap();
        let config = Config::try_from(settings(dir.path())).unwrap();
        let app = runtime.block_on(App::start(config, clock())).unwrap();
        let key = SigningKey::generate(SigningAlgorithm::ES256, "okta-1").unwrap();
        let keys = KeySet::parse(jwks([&key]).to_string().as_bytes()).unwrap();
        app.ask().verifier.keys().hold(NOWHERE, keys);
        let claims = json!({
            "iss": "https://acme.okta.com", "aud": "api://gateway", "sub": "00u1", "exp": NOW + 3600,
            "email": "jane@acme.com",
        });
        let jane = key.sign(&claims).unwrap();
        let router = router(app.state());
        let document = Value::Null;
        let mut server = Self { runtime, router, document, jane, _app: Mutex::new(app), _dir: dir };
        server.document = server.send(Request::get("/openapi.json"), Vec::new()).1;
        server.fill();
        server
    }

    /// Makes tenant `beta`, with something in it.
    fn fill(&self) {
        let operations: Vec<_> = facts().into_iter().map(|fact| json!({"put": fact})).collect();
        let question =
            json!({"principal": "User::\"jane@acme.com\"", "action": "viewModel", "resource": "Model::\"m\""});
        self.post("/tenants", json!({"name": "beta"}).to_string().into());
        while self.post("/tenants/beta/batch", json!({"operations": operations}).to_string().into()).0 != 200
            || self.post("/tenants/beta/authorize", question.to_string().into()).0 != 200
        {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn post(&self, address: &str, body: Vec<u8>) -> (u16, Value) {
        self.send(Request::post(address), body)
    }

    fn send(&self, request: axum::http::request::Builder, body: Vec<u8>) -> (u16, Value) {
        let request = request.header("host", "localhost").header("x-cedargate-key", CALLER_KEY);
        let request = request.body(Body::from(body)).unwrap();
        self.runtime.block_on(async {
            let response = TowerToHyperService::new(self.router.clone()).call(request).await.unwrap();
            let status = response.status().as_u16();
            let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            (status, serde_json::from_slice(&body).unwrap())
        })
    }

    /// The statuses that the API's document names for a route.
    fn documented(&self, route: &str) -> BTreeSet<u16> {
        let answers = self.document["paths"][route]["post"]["responses"].as_object().unwrap();
        answers.keys().map(|status| status.parse().unwrap()).collect()
    }
}

fn settings(dir: &Path) -> RawConfig {
    let mut raw = RawConfig::default();
    raw.http.bind = "127.0.0.1:0".into();
    raw.ops.bind = Some("off".into());
    // Long enough for nothing: an input that asks for a revision that never comes is not to hold up the others.
    raw.http.at_least_timeout_milliseconds = 10;
    raw.http.request_timeout_seconds = 120;
    raw.watch.poll_seconds = 3600;
    raw.policies.dir = Some(dir.join("policies"));
    raw.schema.dir = Some(dir.join("schema"));
    let may = vec![Permission::Vouch, Permission::Administer];
    raw.callers.keys.push(RawCallerKey { name: "fuzz".into(), hash: hash_key(CALLER_KEY), may, tenants: None });
    raw
}

/// What is in the directory of tenant `beta`.
fn facts() -> Vec<Value> {
    vec![
        json!({"type": "user", "email": "jane@acme.com"}),
        json!({"type": "user", "email": "lee@acme.com"}),
        json!({"type": "team", "name": "ml", "members": ["jane@acme.com"], "managers": ["lee@acme.com"]}),
        json!({"type": "virtual-account", "name": "ci"}),
        json!({"type": "resource", "resource": "Model::m"}),
        json!({"type": "collaborator", "resource": "Model::m", "subject": "team:ml", "role": "user"}),
    ]
}

/// A folder with all below it, but for what is compiled; the keys of its providers are nowhere to be fetched.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != "compiled") {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            let text = fs::read_to_string(entry.path()).unwrap();
            let text = text.replace("https://acme.okta.com/oauth2/v1/keys", NOWHERE);
            let text = text.replace("https://token.actions.githubusercontent.com/.well-known/jwks", NOWHERE);
            fs::write(target, text).unwrap();
        }
    }
}

fn with_token(body: &[u8], token: &str) -> Vec<u8> {
    let mut whole = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.windows(PLACE.len()).position(|part| part == PLACE) {
        whole.extend_from_slice(&rest[..at]);
        whole.extend_from_slice(token.as_bytes());
        rest = &rest[at + PLACE.len()..];
    }
    whole.extend_from_slice(rest);
    whole
}

const PLACE: &[u8] = b"{jane}";
const PROBLEM: &str = "urn:cedargate:problem:";
const CALLER_KEY: &str = "cgcaller_fuzz-key";
/// Of this machine, which keys are not fetched from.
const NOWHERE: &str = "http://127.0.0.1:9/keys";

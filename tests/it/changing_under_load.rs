//! Under load, with a change every 50 ms: no request fails, none mixes generations, and memory stays flat.
//!
//! Each change turns two facts at once, in one file, and every request asks about both. Five seconds of it in
//! `cargo test`, thirty where `CEDARGATE_TEST_SOAK` is set.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::server::{CALLER_KEY, issuers};
use crate::support::{ServerProcess, TestTree, eventually};

const ASKERS: usize = 3;
const BETWEEN_CHANGES: Duration = Duration::from_millis(50);
/// So many changes without a pause; the last is a good one.
const A_BURST: usize = 10;

/// What one generation says: the version of the policies, and whether the grants are there.
type Said = (u64, bool);

/// What was asked for and what came back, of all askers.
#[derive(Default)]
struct Seen {
    /// Versions that can be published; others are broken.
    good: Mutex<BTreeSet<u64>>,
    generations: Mutex<BTreeMap<String, Said>>,
    stop: AtomicBool,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_every_50_ms_fails_no_request_mixes_no_generation_and_takes_no_memory() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let seen = Arc::new(Seen::default());
    seen.good.lock().unwrap().insert(0);
    replace(&tree, POLICIES, &policies(0, true));
    replace(&tree, MANIFEST, &manifest(true));
    let server = ServerProcess::start(&tree, "watch.debounce_milliseconds = 5\n");
    eventually("the tenant is loaded", || async { server.status("acme").await["generation"].is_string() }).await;
    let askers: Vec<_> = (0..ASKERS).map(|_| tokio::spawn(ask(server.url.clone(), Arc::clone(&seen)))).collect();

    let seconds = seconds();
    let (start, mut version, mut granted, mut bursts) = (Instant::now(), 0, true, 0);
    let memory = Mutex::new(Vec::new());
    let look = || {
        assert!(askers.iter().all(|asker| !asker.is_finished()), "a request failed");
        memory.lock().unwrap().extend(server.resident_bytes().map(|bytes| (start.elapsed(), bytes)));
    };
    while start.elapsed() < Duration::from_secs(seconds) {
        let mut tick = tokio::time::interval(BETWEEN_CHANGES);
        for change in 0..A_BURST {
            tick.tick().await;
            look();
            version += 1;
            match change % 5 {
                // What follows a broken file does not serve either, until it is whole again.
                2 => replace(&tree, POLICIES, &policies(version, false)),
                1 | 3 => {
                    granted = !granted;
                    replace(&tree, MANIFEST, &manifest(granted));
                }
                _ => {
                    seen.good.lock().unwrap().insert(version);
                    replace(&tree, POLICIES, &policies(version, true));
                }
            }
        }
        // Nothing is read while it is being written, so now and then there has to be a moment in which nothing is.
        eventually("what was written last is answered", || async {
            look();
            seen.generations.lock().unwrap().values().any(|said| *said == (version, granted))
        })
        .await;
        bursts += 1;
    }
    seen.stop.store(true, Ordering::SeqCst);
    let mut answered = 0;
    for asker in askers {
        answered += asker.await.unwrap();
    }
    let generations = seen.generations.lock().unwrap().len();
    println!("{answered} answers of {generations} generations after {bursts} bursts of changes in {seconds} s");
    assert!(generations >= bursts && answered > seconds, "{answered} answers of {generations} generations");
    stays_flat(&memory.into_inner().unwrap(), Duration::from_secs(seconds));
}

/// Asks about all four facts, one batch after another, until it is told to stop; how often it was answered.
async fn ask(url: String, seen: Arc<Seen>) -> u64 {
    let client = reqwest::Client::new();
    let question =
        |model: &str| json!({"principal": USER, "action": "viewModel", "resource": format!("Model::\"{model}\"")});
    let questions = ["soak-a", "soak-c", "soak-b", "soak-d"].map(question);
    let body = json!({"requests": questions});
    let (mut answered, mut latest) = (0, 0);
    while !seen.stop.load(Ordering::SeqCst) {
        let request = client.post(format!("{url}/authorize/batch")).header("x-cedargate-key", CALLER_KEY).json(&body);
        let response = request.send().await.unwrap();
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        assert_eq!(status, 200, "{answer}");
        let results = answer["results"].as_array().unwrap();
        let generation = results[0]["generation"].as_str().unwrap();
        assert!(results.iter().all(|result| result["generation"] == generation), "a torn batch: {answer}");
        let version = |result: &Value, name: &str| -> u64 {
            let id = result["policies"][0]["id"].as_str().unwrap_or_else(|| panic!("{answer}"));
            id.strip_prefix(name).unwrap().parse().unwrap()
        };
        let (of_a, of_b) = (version(&results[0], "soak-a-"), version(&results[2], "soak-b-"));
        assert_eq!(of_a, of_b, "half a change: {answer}");
        assert_eq!(results[1]["decision"], results[3]["decision"], "half a change: {answer}");
        assert!(seen.good.lock().unwrap().contains(&of_a), "version {of_a} was never fit to be published");
        assert!(of_a >= latest, "version {of_a} after {latest}");
        latest = of_a;
        let said = (of_a, results[1]["decision"] == "allow");
        let of_generation = *seen.generations.lock().unwrap().entry(generation.to_owned()).or_insert(said);
        assert_eq!(of_generation, said, "one generation said two things");
        answered += 1;
        // The server shares its cores with the askers.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    answered
}

/// Nothing is kept of what was replaced: after the first part, memory grows no more.
fn stays_flat(memory: &[(Duration, u64)], all: Duration) {
    if memory.is_empty() {
        eprintln!("memory is not looked at: there is no /proc here");
        return;
    }
    let most = |from: Duration, to: Duration| {
        memory.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, bytes)| *bytes).max().unwrap_or_default()
    };
    let (before, after) = (most(all / 5, all / 2), most(all * 3 / 4, all * 100));
    println!("resident: {} KiB, then {} KiB", before / 1024, after / 1024);
    assert!(after <= before + before / 16 + SLACK, "memory grew from {before} to {after} bytes");
}

fn policies(version: u64, is_good: bool) -> String {
    let policy = |name: &str| {
        let action = if is_good { "viewModel" } else { "noSuchAction" };
        format!(
            "@id(\"soak-{name}-{version}\")\npermit (principal == {USER}, action == Action::\"{action}\", resource == Model::\"soak-{name}\");\n"
        )
    };
    policy("a") + &policy("b")
}

fn manifest(granted: bool) -> String {
    let grants = if granted { "collaborators: [{subject: 'user:soak@acme.com', role: viewer}]\n" } else { "" };
    let model = |name: &str| format!("---\ntype: resource\nresource: Model::soak-{name}\n");
    let mut text = "type: user\nemail: soak@acme.com\n".to_owned();
    ["a", "b"].iter().for_each(|name| text += &model(name));
    ["c", "d"].iter().for_each(|name| text += &(model(name) + grants));
    text
}

/// Whole or not at all, as a careful writer does it.
fn replace(tree: &TestTree, name: &str, text: &str) {
    tree.write("beside", text);
    fs::rename(tree.path().join("beside"), tree.path().join(name)).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a test's own setting, which no configuration has a place for")]
fn seconds() -> u64 {
    if std::env::var("CEDARGATE_TEST_SOAK").is_ok() { 30 } else { 5 }
}

const POLICIES: &str = "policies/acme/soak.cedar";
const MANIFEST: &str = "policies/acme/manifests/soak.yaml";
const USER: &str = "User::\"soak@acme.com\"";
/// What an allocator may keep for itself.
const SLACK: u64 = 2 * 1024 * 1024;

//! `replay`: a log that a server wrote, against the tree that it was decided by and against others.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cedargate::config::{RawAuditSink, RawConfig};
use serde_json::{Value, json};

use super::{Ran, cedargate};
use crate::support::server::{CALLER_KEY, issuers};
use crate::support::tree::copy;
use crate::support::{TestServer, TestTree};

const MODEL: &str = r#"Model::"gpt-4o""#;
const JANE: &str = r#"User::"jane@acme.com""#;

/// The sample's server with a log, and what was asked of it.
struct Asked {
    server: TestServer,
}

impl Asked {
    async fn start(change: impl FnOnce(&mut RawConfig)) -> Self {
        let (okta, github) = issuers().await;
        let tree = TestTree::sample(&okta, &github);
        let path = tree.path().join("decisions.log");
        let server = TestServer::over(tree, okta, github, |raw| {
            raw.audit.sink = RawAuditSink::File;
            raw.audit.path = Some(path);
            change(raw);
        })
        .await;
        Self { server }
    }

    /// Jane by token, the partner by token, and someone vouched for; with contexts and described resources.
    async fn ask_all(&self) {
        let described = json!({"type": "Model", "id": "o'new \"one\"", "attributes": {"tier": "gold"}, "parents": ["Workspace::\"research\""]});
        let night = json!({"time": {"__extn": {"fn": "datetime", "arg": "2026-01-09T23:00:00Z"}}});
        for token in [self.server.jane(), self.server.partner()] {
            for action in ["viewModel", "invokeModel", "editModel"] {
                self.ask(json!({"token": token, "action": action, "resource": MODEL})).await;
                self.ask(json!({"token": token, "action": action, "resource": described, "context": night})).await;
            }
        }
        for principal in [JANE, r#"User::"nobody@acme.com""#, r#"VirtualAccount::"ci""#] {
            let reply = self.server.vouch(principal, "viewModel", MODEL).await;
            assert_eq!(reply.status, 200, "{}", reply.body);
        }
    }

    async fn ask(&self, body: Value) {
        let reply = self.server.post_with("/authorize", body, &[("x-cedargate-key", CALLER_KEY)]).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }

    /// Stops the server, so that its log is whole.
    async fn done(mut self) -> TestTree {
        self.server.stop().await;
        self.server.tree
    }
}

async fn logged() -> TestTree {
    let asked = Asked::start(|_| {}).await;
    asked.ask_all().await;
    asked.done().await
}

/// Another tree beside it, with one file changed.
fn candidate(tree: &TestTree, file: &str, change: impl FnOnce(String) -> String) -> String {
    let name = "candidate";
    copy(&tree.policies(), &tree.path().join(name).join("policies"));
    let file = format!("{name}/policies/acme/{file}");
    let before = fs::read_to_string(tree.path().join(&file)).unwrap_or_default();
    let after = change(before.clone());
    assert_ne!(before, after, "the change must be one");
    tree.write(&file, &after);
    name.to_owned()
}

fn replay(tree: &TestTree, arguments: &[&str]) -> Ran {
    cedargate(tree.path(), &[&["replay", "--json"][..], arguments].concat())
}

fn with_stdin(tree: &TestTree, arguments: &[&str], input: &[u8]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    let command = command.arg("replay").args(arguments).current_dir(tree.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[tokio::test]
async fn the_tree_that_decided_gives_every_answer_again() {
    let tree = logged().await;
    for principals in ["logged", "directory"] {
        let ran = replay(&tree, &["decisions.log", "--strict", "--principals", principals]);
        let report = ran.json();
        assert_eq!((ran.code, &report["ok"]), (0, &json!(true)), "{report}");
        assert_eq!((&report["lines"], &report["decided"], &report["same"]), (&json!(15), &json!(15), &json!(15)));
        assert_eq!(report["differences"], json!([]));
        assert_eq!(ran.stderr, "", "no bar where there is no terminal");
    }
    // The same of a copy of the tree, which has no bundle of its own.
    let candidate = candidate(&tree, "grants/none.cedar", |_| "// nothing\n".to_owned());
    let ran = replay(&tree, &["decisions.log", "--strict", "--candidate", &candidate]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
}

#[tokio::test]
async fn a_forbid_more_is_newly_denied_with_an_example_and_where_it_stands() {
    let tree = logged().await;
    let forbid =
        "@id(\"no-views\") forbid (principal is ExternalSubject, action == Action::\"viewModel\", resource);\n";
    let candidate = candidate(&tree, "guardrails/new.cedar", |_| forbid.to_owned());
    let ran = replay(&tree, &["decisions.log", "--candidate", &candidate]);
    let report = ran.json();
    assert_eq!((ran.code, &report["ok"]), (4, &json!(false)), "{report}");
    assert_eq!((&report["newly_denied"], &report["newly_allowed"]), (&json!(1), &json!(0)), "{report}");
    let difference = &report["differences"][0];
    assert_eq!(
        (&difference["change"], &difference["action"], &difference["count"]),
        (&json!("newly_denied"), &json!("viewModel"), &json!(1))
    );
    assert_eq!(
        (&difference["principal_type"], &difference["resource_type"], &difference["tenant"]),
        (&json!("ExternalSubject"), &json!("Model"), &json!("acme"))
    );
    assert_eq!(difference["policies_now"], json!(["no-views"]));
    let example = &difference["example"];
    assert_eq!((&example["file"], &example["line"]), (&json!("decisions.log"), &json!(7)));
    assert_eq!(example["principal"], r#"ExternalSubject::"okta|00u9""#);
    assert_eq!((&example["before"]["reason"], &example["now"]["reason"]), (&json!("permitted"), &json!("forbidden")));
    assert_eq!(example["now"]["policies"][0]["source"], "candidate/policies/acme/guardrails/new.cedar:1");
    let granted = example["before"]["policies"][0]["source"].as_str().unwrap();
    assert!(granted.starts_with("candidate/policies/acme/manifests/"), "{granted}");

    for (fail_on, code) in [("any", 4), ("deny", 4), ("allow", 0), ("none", 0)] {
        let ran = replay(&tree, &["decisions.log", "--candidate", &candidate, "--fail-on", fail_on]);
        assert_eq!(ran.code, code, "{fail_on}");
    }
    // A candidate that is the policies folder alone; and the tree itself when it became that.
    let folder = format!("{candidate}/policies");
    assert_eq!(replay(&tree, &["decisions.log", "--candidate", &folder]).json()["newly_denied"], 1);
    assert_eq!(replay(&tree, &["decisions.log", "--policies", &folder]).json()["newly_denied"], 1);
    let text = cedargate(tree.path(), &["replay", "decisions.log", "--candidate", &candidate]);
    assert_eq!(text.code, 4);
    for part in [
        "newly denied: 1 × viewModel by ExternalSubject on Model in acme",
        "no-views (candidate/policies",
        "decisions.log:7",
    ] {
        assert!(text.stdout.contains(part), "{part} is not in {}", text.stdout);
    }
    assert_eq!(text.stderr, "");
}

#[tokio::test]
async fn a_lost_condition_of_an_external_identity_is_seen_in_those_who_come_in_by_it() {
    let asked = Asked::start(|_| {}).await;
    let server = &asked.server;
    // Only the department is a partner's.
    let outsider = server.okta.token(json!({"sub": "00u8", "department": "research"}));
    asked.ask(json!({"token": outsider, "action": "viewModel", "resource": MODEL})).await;
    asked.ask(json!({"token": server.partner(), "action": "viewModel", "resource": MODEL})).await;
    let tree = asked.done().await;
    let wider = candidate(&tree, "manifests/external-identities.yaml", |text| {
        text.replace("  realm_access/roles: partner\n", "")
    });
    let report = replay(&tree, &["decisions.log", "--candidate", &wider]).json();
    assert_eq!((&report["newly_allowed"], &report["same"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!(report["differences"][0]["example"]["principal"], r#"ExternalSubject::"okta|00u8""#);

    let narrower = candidate(&tree, "manifests/external-identities.yaml", |text| {
        text.replace("[engineering, research]", "[engineering]")
    });
    let report = replay(&tree, &["decisions.log", "--candidate", &narrower]).json();
    assert_eq!((&report["newly_denied"], &report["same"]), (&json!(1), &json!(1)), "{report}");
}

#[tokio::test]
async fn a_person_is_as_logged_or_as_the_directory_has_them_now() {
    let tree = logged().await;
    let left =
        candidate(&tree, "manifests/people.yaml", |text| text.replace("members: [jane@acme.com]", "members: []"));
    let as_logged = replay(&tree, &["decisions.log", "--candidate", &left]).json();
    assert_eq!((&as_logged["newly_denied"], &as_logged["same"]), (&json!(0), &json!(15)), "{as_logged}");
    let now = replay(&tree, &["decisions.log", "--candidate", &left, "--principals", "directory"]).json();
    assert!(now["newly_denied"].as_u64().unwrap() >= 2, "{now}");
    assert_eq!(now["differences"][0]["principal_type"], "User");
}

#[tokio::test]
async fn what_is_masked_is_decided_only_where_no_policy_reads_it() {
    let asked = Asked::start(|raw| raw.audit.mask = vec!["email".to_owned(), "acr".to_owned()]).await;
    let server = &asked.server;
    let token = server.okta.token(json!({"sub": "00u1", "email": "jane@acme.com", "acr": "gold"}));
    for action in ["viewModel", "invokeModel"] {
        asked.ask(json!({"token": token, "action": action, "resource": MODEL})).await;
    }
    asked.ask(json!({"token": server.partner(), "action": "viewModel", "resource": MODEL})).await;
    let tree = asked.done().await;
    let report = replay(&tree, &["decisions.log", "--strict"]).json();
    assert_eq!((&report["same"], &report["masked"]), (&json!(3), &json!(2)), "nothing reads them: {report}");

    let reading = "forbid (principal, action == Action::\"invokeModel\", resource) unless { principal has email && principal.email like \"*@acme.com\" };\n";
    let reads = candidate(&tree, "guardrails/email.cedar", |_| reading.to_owned());
    let report = replay(&tree, &["decisions.log", "--candidate", &reads]).json();
    assert_eq!((&report["same"], &report["decided"]), (&json!(2), &json!(2)), "{report}");
    let not_decided = &report["not_decided"][0];
    assert_eq!((&not_decided["kind"], &not_decided["count"]), (&json!("masked"), &json!(1)), "{report}");
    assert_eq!(not_decided["examples"][0]["line"], 2);
    assert!(not_decided["examples"][0]["message"].as_str().unwrap().contains("`email`"), "{not_decided}");
}

#[tokio::test]
async fn lines_that_are_no_decisions_are_counted_and_named_and_end_nothing() {
    let tree = logged().await;
    let good = tree.read("decisions.log");
    let first = good.lines().next().unwrap();
    let bad = [
        "nonsense".to_owned(),
        String::new(),
        "{\"time\": \"now\"}".to_owned(),
        first.replace("\"acme\"", "\"elsewhere\""),
        first.replace("viewModel", "noSuchAction"),
        first.replace("\"decision\":\"", "\"decision\":\"per"),
        first[..first.len() / 2].to_owned(),
    ]
    .join("\n");
    tree.write("bad.log", &bad);
    let ran = replay(&tree, &["decisions.log", "bad.log"]);
    let report = ran.json();
    assert_eq!(ran.code, 0, "{report}");
    assert_eq!(
        (&report["lines"], &report["decided"], &report["same"]),
        (&json!(21), &json!(15), &json!(15)),
        "{report}"
    );
    let kinds: Vec<_> = report["not_decided"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| (found["kind"].as_str().unwrap(), found["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(kinds, [("not-a-record", 2), ("not-json", 2), ("unknown-action", 1), ("unknown-tenant", 1)]);
    let named = &report["not_decided"][1]["examples"];
    assert_eq!((&named[0]["file"], &named[0]["line"], &named[1]["line"]), (&json!("bad.log"), &json!(1), &json!(7)));

    let ran = replay(&tree, &["bad.log"]);
    assert_eq!((ran.code, &ran.json()["ok"]), (3, &json!(false)), "not one is a decision");
    let ran = replay(&tree, &["decisions.log", "gone.log"]);
    assert_eq!(ran.code, 3);
    assert!(ran.json()["faults"][0]["message"].as_str().unwrap().contains("cannot be read"), "{}", ran.stdout);
    tree.write("empty.log", "");
    assert_eq!(replay(&tree, &["empty.log"]).code, 0);
    assert_eq!(replay(&tree, &["decisions.log", "--tenant", "elsewhere"]).code, 3);
    let ran = replay(&tree, &["decisions.log", "bad.log", "--tenant", "acme"]);
    assert_eq!(ran.json()["of_other_tenants"], 1, "{}", ran.stdout);
    tree.write("policies/acme/broken.cedar", "permit (principal, action, resource) when {");
    let ran = replay(&tree, &["decisions.log"]);
    assert_eq!((ran.code, ran.json()["faults"][0]["line"].clone()), (3, json!(1)), "{}", ran.stdout);
}

#[tokio::test]
async fn several_files_rotated_ones_and_standard_input_are_one_log() {
    let tree = logged().await;
    let text = tree.read("decisions.log");
    let lines: Vec<_> = text.lines().collect();
    tree.write("log", &lines[10..].join("\n"));
    tree.write("log.1", &(lines[5..10].join("\n") + "\n"));
    tree.write("log.2", &(lines[..5].join("\n") + "\n"));
    let whole = replay(&tree, &["decisions.log"]).json();
    assert_eq!(replay(&tree, &["log.2", "log.1", "log"]).json()["same"], 15);
    assert_eq!(replay(&tree, &["--rotated", "log"]).json(), whole);
    assert_eq!(replay(&tree, &["log"]).json()["same"], 5);
    let ran = with_stdin(&tree, &["--json", "-"], text.as_bytes());
    assert_eq!(ran.json(), whole);
    // The oldest comes first: the example is the first of the whole log.
    let forbid = "forbid (principal, action == Action::\"viewModel\", resource);\n";
    let denied = candidate(&tree, "guardrails/new.cedar", |_| forbid.to_owned());
    let report = replay(&tree, &["--rotated", "log", "--candidate", &denied]).json();
    assert_eq!(report["differences"][0]["example"]["file"], "log.2", "{report}");
    let broken: PathBuf = tree.path().join("candidate/policies/acme/broken.cedar");
    fs::write(broken, "permit").unwrap();
    assert_eq!(replay(&tree, &["log", "--candidate", &denied]).code, 3);
}

/// Run by hand: `LINES=5000000 cargo test --test it --  --ignored a_large_log --nocapture`, and again with a release
/// build.
#[tokio::test]
#[ignore = "takes as long as its log is"]
async fn a_large_log_takes_no_more_memory_than_a_small_one() {
    let tree = logged().await;
    let text = tree.read("decisions.log");
    let wanted: usize = std::env::var_os("LINES").map_or(200_000, |lines| lines.to_str().unwrap().parse().unwrap());
    let mut peaks = Vec::new();
    for lines in [wanted / 10, wanted] {
        let mut file = std::io::BufWriter::new(fs::File::create(tree.path().join("large.log")).unwrap());
        for (number, line) in text.lines().cycle().take(lines).enumerate() {
            // Each thousandth person comes anew.
            let subject = format!("00u9-{}", number % 1009 + number / 1000);
            writeln!(file, "{}", line.replace("00u9", &subject)).unwrap();
        }
        file.into_inner().unwrap();
        let (report, peak, seconds) = measured(&tree);
        assert_eq!(report["lines"], lines, "{report}");
        assert_eq!(report["decided"], lines, "{report}");
        let _ = writeln!(std::io::stderr(), "{lines} lines: {:.0} a second, {} MB", lines as f64 / seconds, peak >> 20);
        peaks.push(peak);
    }
    assert!(peaks[1] < peaks[0] + (32 << 20), "{peaks:?}");
}

/// The report, the most memory that it took, and how long.
fn measured(tree: &TestTree) -> (Value, u64, f64) {
    let started = std::time::Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    command.args(["replay", "--json", "large.log"]).current_dir(tree.path()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let highest =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(highest.unwrap_or(0_u64) * 1024);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let output = child.wait_with_output().unwrap();
    (serde_json::from_slice(&output.stdout).unwrap(), peak, started.elapsed().as_secs_f64())
}

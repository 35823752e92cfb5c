//! `test`: what it prints, how it ends, and that it runs again when something changes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use cedargate::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::{Ran, cedargate, cedargate_with, sample};
use crate::support::server::issuers;
use crate::support::{TestIssuer, TestTree};

const WRONG: &str = "type: cases
name: mine
cases:
  - {name: right, principal: User::jane@acme.com, action: viewModel, resource: Model::gpt-4o, expect: allow}
  - {name: <wrong>, principal: User::jane@acme.com, action: invokeModel, resource: Model::gpt-4o, expect: allow}
";

fn test(tree: &TestTree, more: &[&str]) -> Ran {
    cedargate(tree.path(), &[&["test"], more].concat())
}

#[test]
fn the_samples_cases_pass_and_leave_nothing_unexercised() {
    let ran = test(&sample(), &["--min-coverage", "100"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("coverage: 100.0 %"), "{}", ran.stdout);
    assert!(ran.stdout.trim_end().ends_with("passed, 0 failed"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("warning"), "{}", ran.stdout);
}

#[test]
fn a_case_that_fails_is_4_and_says_what_differs_for_people_programs_and_build_servers() {
    let tree = sample();
    tree.write("policies/acme/cases/mine.yaml", WRONG);
    let ran = test(&tree, &["--filter", "mine"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    for line in [
        "ok    mine (1 case)",
        "FAIL  mine: <wrong>",
        "      policies/acme/cases/mine.yaml:5",
        "      decision: expected allow, got deny",
        "2 cases, 1 passed, 1 failed",
    ] {
        assert!(ran.stdout.lines().any(|found| found == line), "{}\n lacks {line}", ran.stdout);
    }

    let ran = test(&tree, &["--filter", "mine", "--json", "--junit", "out.xml"]);
    let shown = ran.json();
    assert_eq!((ran.code, &shown["ok"]), (4, &json!(false)));
    assert_eq!((&shown["cases"], &shown["passed"], &shown["failed"]), (&json!(2), &json!(1), &json!(1)));
    let cases = &shown["suites"][0]["groups"][0]["cases"];
    assert_eq!(cases[0], json!({"name": "right", "line": 4, "ok": true}));
    assert_eq!(cases[1]["differences"], json!([{"of": "decision", "expected": "allow", "got": "deny"}]));
    assert!(!cases[1]["answers"][0]["near_misses"].as_array().unwrap().is_empty(), "{shown}");
    let junit = tree.read("out.xml");
    assert!(
        junit.contains("<testsuite name=\"mine\" file=\"policies/acme/cases/mine.yaml\" tests=\"2\" failures=\"1\"")
    );
    assert!(junit.contains("<testcase name=\"&lt;wrong&gt;\" classname=\"mine\""), "{junit}");
    assert!(junit.contains("<failure message=\"decision: expected allow, got deny\">"), "{junit}");
}

#[test]
fn a_policy_that_says_something_else_fails_a_case_of_the_sample() {
    let tree = sample();
    tree.edit("policies/acme/guardrails/budgets.cedar", |text| {
        text.replace("tokens_requested > ", "tokens_requested >= ")
    });
    let ran = test(&tree, &[]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stdout.contains("FAIL  models: as many tokens as the model allows"), "{}", ran.stdout);
    assert!(ran.stdout.contains("forbid by acme/token-budget at policies/acme/guardrails/budgets.cedar:3"));
}

#[test]
fn what_cannot_be_run_is_3_and_nothing_is_run() {
    let tree = sample();
    tree.write("policies/acme/cases/mine.yaml", &WRONG.replace("action: viewModel", "action: veiwModel"));
    let ran = test(&tree, &["--json"]);
    let fault = &ran.json()["faults"][0];
    assert_eq!((ran.code, &fault["file"]), (3, &json!("policies/acme/cases/mine.yaml")));
    assert_eq!((&fault["line"], &fault["column"]), (&json!(4), &json!(59)));
    tree.write("policies/acme/cases/mine.yaml", "type: cases\ncase: []\n");
    let ran = test(&tree, &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    assert!(ran.stderr.starts_with("policies/acme/cases/mine.yaml:2:1: "), "{}", ran.stderr);
    tree.remove("policies/acme/cases/mine.yaml");
    tree.write("policies/acme/broken.cedar", "permit (");
    let ran = test(&tree, &[]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.starts_with("policies/acme/broken.cedar:1:"), "{}", ran.stderr);
}

#[test]
fn nothing_to_run_is_an_error_that_says_where_cases_go() {
    let tree = sample();
    for (arguments, says) in [
        (&["--filter", "no such name"][..], "--filter: no case has `no such name` in its name"),
        (&["--tenant", "globex"], "policies: there are no cases: write them in policies/globex/cases/*.yaml"),
        (&["elsewhere"], "elsewhere: there is no such file or folder"),
    ] {
        let ran = test(&tree, arguments);
        assert_eq!((ran.code, ran.stderr.trim()), (3, says), "{arguments:?}");
    }
    fs::remove_dir_all(tree.path().join("policies/acme/cases")).unwrap();
    let ran = test(&tree, &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    assert!(ran.stderr.contains("there are no cases: write them in policies/<tenant>/cases/*.yaml"), "{}", ran.stderr);
}

#[test]
fn cases_of_elsewhere_are_about_the_tenant_that_they_or_the_command_line_name() {
    let tree = sample();
    tree.write("policies/globex/nothing.cedar", "permit (principal, action, resource);");
    let case = "cases:\n  - {principal: User::x, action: viewModel, resource: Model::y, expect: allow}\n";
    tree.write("mine/a.yaml", &format!("type: cases\n{case}"));
    let ran = test(&tree, &["mine"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.starts_with("mine/a.yaml: whose policies decide?"), "{}", ran.stderr);
    assert_eq!(test(&tree, &["mine", "--tenant", "globex"]).code, 0);
    assert_eq!(test(&tree, &["mine/a.yaml", "--tenant", "acme"]).code, 4);
    assert_eq!(test(&tree, &["mine", "--tenant", "initech"]).code, 3);
    tree.write("mine/a.yaml", &format!("type: cases\ntenant: globex\n{case}"));
    assert_eq!(test(&tree, &["mine"]).code, 0);
    // A tenant's own folder says it.
    tree.write("policies/globex/cases/a.yaml", &format!("type: cases\n{case}"));
    assert_eq!(test(&tree, &["--tenant", "globex"]).code, 0);
    assert_eq!(test(&tree, &["policies/globex/cases/a.yaml"]).code, 0);
}

#[test]
fn too_little_coverage_is_4_and_says_what_was_not_exercised() {
    let tree = sample();
    fs::remove_file(tree.path().join("policies/acme/cases/tools.yaml")).unwrap();
    let ran = test(&tree, &["--min-coverage", "95"]);
    assert_eq!(ran.code, 4, "{}", ran.stdout);
    for line in [
        "  policies/acme/guardrails/tools.cedar:5: no case makes `acme/protected-branches` match",
        "  policies/acme/guardrails/agents.cedar:14: never true: context.agent has servers",
    ] {
        assert!(ran.stdout.lines().any(|found| found == line), "{}\n lacks {line}", ran.stdout);
    }
    assert!(ran.stdout.contains("%, less than 95 %"), "{}", ran.stdout);
    let shown = test(&tree, &["--min-coverage", "95", "--json"]).json();
    assert_eq!((&shown["ok"], &shown["failed"]), (&json!(false), &json!(0)));
    let unexercised = shown["coverage"]["unexercised"].as_array().unwrap();
    let part = json!({
        "kind": "condition", "id": "acme/agents-keep-to-their-servers", "file": "policies/acme/guardrails/agents.cedar",
        "line": 14, "text": "context.agent has servers", "never": true,
    });
    assert!(unexercised.contains(&part), "{unexercised:#?}");
    assert_eq!(test(&tree, &["--min-coverage", "50"]).code, 0);
    for wrong in ["101", "-1", "much"] {
        assert_eq!(test(&tree, &[&format!("--min-coverage={wrong}")]).code, 64, "{wrong}");
    }
}

#[test]
fn the_official_command_lines_own_sample_is_read() {
    let tree = TestTree::new();
    fs::remove_dir_all(tree.path().join("schema")).unwrap();
    tree.write(
        "schema/photos.cedarschema",
        "entity User; entity Album; entity Photo in [Album]; action view appliesTo {principal: User, resource: Photo};",
    );
    tree.write("policies/t/p.cedar", "permit (principal == User::\"a\", action, resource in Album::\"trip\");");
    let case = |photo: &str, decision: &str, reason: Value| {
        json!({
            "request": {
                "principal": "User::\"a\"", "action": "Action::\"view\"", "resource": format!("Photo::\"{photo}\""),
                "context": {},
            },
            "entities": [{"uid": {"type": "Photo", "id": "in"}, "attrs": {}, "parents": [{"type": "Album", "id": "trip"}]}],
            "decision": decision, "reason": reason, "num_errors": 0,
        })
    };
    let cases = json!([case("in", "allow", json!(["policy0"])), case("out", "deny", json!([]))]);
    tree.write("tests.json", &cases.to_string());
    let plain = [("CEDARGATE_SCHEMA__IDENTITY", "false")];
    let ran = cedargate_with(tree.path(), &["test", "tests.json"], &plain);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    tree.write("tests.json", &json!([case("out", "allow", json!([]))]).to_string());
    assert_eq!(cedargate_with(tree.path(), &["test", "tests.json"], &plain).code, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_the_suite_does_not_bring_are_fetched() {
    let (okta, github) = issuers().await;
    let tree = TestTree::sample(&okta, &github);
    let now = SystemClock.now().timestamp();
    let token = okta.token(json!({"sub": "00u1", "email": "jane@acme.com", "iat": now, "exp": now + 600}));
    let case = format!(
        "type: cases\nname: tokens\ncases:\n  - {{principal: {{token: {token}}}, action: viewModel, resource: \
         Model::gpt-4o, expect: {{decision: allow, policies: [collaborator/Model/gpt-4o/viewer/Team/ml]}}}}\n"
    );
    tree.write("policies/acme/cases/tokens.yaml", &case);
    let ran = test(&tree, &["--filter", "tokens"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    cannot_be_fetched(&okta, &tree);
}

fn cannot_be_fetched(okta: &TestIssuer, tree: &TestTree) {
    okta.go_down();
    let ran = test(tree, &["--filter", "tokens"]);
    assert_eq!(ran.code, 3, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("bring its provider's keys with `keys: {PROVIDER: FILE}`"), "{}", ran.stderr);
}

#[test]
fn it_watches_policies_and_cases() {
    let tree = sample();
    tree.write("policies/acme/cases/mine.yaml", WRONG);
    let mut watching = Watching::start(&tree, &["--filter", "mine"]);
    assert_eq!(watching.next_summary(), "2 cases, 1 passed, 1 failed");
    tree.edit("policies/acme/cases/mine.yaml", |text| {
        text.replace(
            "invokeModel, resource: Model::gpt-4o, expect: allow",
            "invokeModel, resource: Model::gpt-4o, expect: deny",
        )
    });
    assert_eq!(watching.next_summary(), "2 cases, 2 passed, 0 failed");
    tree.write("policies/acme/all.cedar", "@id(\"all\") permit (principal, action, resource);");
    assert_eq!(watching.next_summary(), "2 cases, 1 passed, 1 failed");
    tree.write("policies/acme/cases/mine.yaml", "type: case\n");
    tree.write("policies/acme/cases/mine.yaml", WRONG);
    assert_eq!(watching.next_summary(), "2 cases, 2 passed, 0 failed");
}

struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(tree: &TestTree, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
        command.args(["test", "--watch"]).args(more).current_dir(tree.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (say, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = say.send(line);
            }
        });
        Self { child, lines }
    }

    /// The last line of the next run, which begins with a separator.
    fn next_summary(&mut self) -> String {
        let mut has_begun = false;
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60)).expect("the next run");
            has_begun |= line.starts_with("-- ");
            if line.ends_with("failed") && line.contains("cases, ") {
                assert!(has_begun, "{line}");
                return line;
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

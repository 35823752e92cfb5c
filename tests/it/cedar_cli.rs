//! The official Cedar command line, given the four files of `export`, answers as `authorize` does.
//!
//! Switched on by `CEDARGATE_TEST_CEDAR_CLI=<path of cedar>` (crate `cedar-policy-cli`), as `.ci/run` does.

mod cedar;
mod ours;

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};

use crate::sample::REQUESTS;
use crate::support::tree::repository;
use crate::support::{TestTree, third_party};
use cedar::Cedar;
use ours::{About, Cedargate};

#[test]
fn the_official_command_line_answers_the_sample_requests_as_authorize_does() {
    let Some(cedar) = command_line() else { return };
    let requests: Vec<Value> = serde_json::from_str(REQUESTS).unwrap();
    let answers = compare_all(&cedar, &Cedargate::over(repository()), &requests);
    assert!(answers.len() >= 30);
}

#[test]
fn the_official_command_line_reads_ids_of_any_characters_as_they_are() {
    let Some(cedar) = command_line() else { return };
    let tree = TestTree::new();
    tree.write("policies/acme/manifests/all.yaml", MANIFESTS);
    // Three without `@id`, in a file whose name has every character that a string escapes.
    tree.write("policies/acme/it's \"quoted\" \\ 🌲/étage.cedar", UNNAMED_POLICIES);
    tree.write("policies/acme/named.cedar", NAMED_POLICIES);
    let ask = |principal: &str, action: &str, resource: &str| json!({"principal": principal, "action": action, "resource": resource});
    let mut requests = Vec::new();
    for model in
        [r#"Model::"it's \"quoted\" \\ 🌲::x""#, r#"Model::"two\nlines\tand a % / slash""#, r#"Model::"plain""#]
    {
        for action in ["viewModel", "invokeModel"] {
            requests.push(ask(r#"User::"o'brien+\"x\"@acme.com""#, action, model));
            requests.push(ask(r#"User::"jane@acme.com""#, action, model));
        }
    }
    let answers = compare_all(&cedar, &Cedargate::over(tree.path()), &requests);
    let allowed = answers.iter().filter(|answer| answer.decision == "allow").count();
    assert!((3..requests.len() - 3).contains(&allowed), "{allowed} of {} are allowed", requests.len());
    let determining: BTreeSet<_> = answers.iter().flat_map(|answer| &answer.policies).map(String::as_str).collect();
    for id in IDS {
        assert!(determining.contains(id), "{id:?} is none of {determining:#?}");
    }
}

/// Asks both about every request, two at a time, and hands back the answers that they agree on, in our words.
fn compare_all(cedar: &Cedar, ours: &Cedargate, requests: &[Value]) -> Vec<cedar::Answer> {
    let half = requests.len().div_ceil(2);
    thread::scope(|scope| {
        let workers: Vec<_> =
            requests.chunks(half).map(|part| scope.spawn(move || compare(cedar, ours, part))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

fn compare(cedar: &Cedar, ours: &Cedargate, requests: &[Value]) -> Vec<cedar::Answer> {
    let dir = tempfile::TempDir::new().unwrap();
    let mut exported = None;
    let mut answers = Vec::new();
    for request in requests {
        let about = About::of(request);
        if exported.as_ref() != Some(&about) {
            ours.export(&about, dir.path());
            cedar.validate(dir.path());
            exported = Some(about.clone());
        }
        let (principal, expected) = ours.authorize(&about, request);
        if let Some(decision) = request.get("decision") {
            assert_eq!(expected.decision, *decision, "{request}");
        }
        let found = cedar.authorize(dir.path(), &principal, request);
        assert_eq!(found, expected.printed(), "{request}");
        answers.push(expected);
    }
    answers
}

fn command_line() -> Option<Cedar> {
    third_party::place_of("CEDARGATE_TEST_CEDAR_CLI", "the `cedar` command line").map(Cedar)
}

const MANIFESTS: &str = r#"
type: user
email: jane@acme.com
---
type: user
email: o'brien+"x"@acme.com
---
type: resource
resource: Model::plain
collaborators:
  - {subject: user:jane@acme.com, role: user}
---
type: resource
resource: "Model::it's \"quoted\" \\ 🌲::x"
collaborators:
  - {subject: user:jane@acme.com, role: viewer}
  - {subject: "user:o'brien+\"x\"@acme.com", role: manager}
---
type: resource
resource: "Model::two\nlines\tand a % / slash"
collaborators:
  - {subject: "user:o'brien+\"x\"@acme.com", role: editor}
"#;

const UNNAMED_POLICIES: &str = r#"
// Comments stay out of the way.
forbid (principal, action == Action::"manageModel", resource == Model::"plain");

@description("of the second, with an annotation and no id")
@shadow
permit (principal == User::"o'brien+\"x\"@acme.com", action == Action::"viewModel", resource == Model::"plain");

forbid (principal, action == Action::"invokeModel", resource == Model::"it's \"quoted\" \\ 🌲::x");
"#;

const NAMED_POLICIES: &str = r#"
@id("an id\nof two lines, \"quoted\", with \\, \u{1f332} and '")
permit (principal == User::"jane@acme.com", action == Action::"viewModel", resource == Model::"two\nlines\tand a % / slash");
"#;

/// Of each kind one, as it is and not escaped: without `@id`, with it, a grant.
const IDS: [&str; 3] = [
    "it's \"quoted\" \\ 🌲/étage.cedar#1",
    "an id\nof two lines, \"quoted\", with \\, 🌲 and '",
    "collaborator/Model/two%0Alines%09and a %25 %2F slash/editor/User/o'brien+\"x\"@acme.com",
];

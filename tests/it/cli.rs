//! The binary as a child process: exit codes, what goes to standard output, and each verb's work.

mod asking;
mod backup;
mod bench;
mod cases;
mod check;
mod compile;
mod config;
mod demo;
mod diff;
mod formatting;
mod manifests;
mod replay;
mod verify;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::TestTree;
use crate::support::tree::{copy, repository};

/// How a run ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Standard output, which must be one line of JSON and nothing else.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{}{}", self.stdout, self.stderr);
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

pub fn cedargate(dir: &Path, arguments: &[&str]) -> Ran {
    cedargate_with(dir, arguments, &[])
}

fn cedargate_with(dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    let output = command.args(arguments).envs(environment.iter().copied()).current_dir(dir).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The sample as it ships; verbs are run in it and find `policies` and `schema`.
fn sample() -> TestTree {
    let tree = TestTree::new();
    copy(&repository().join("policies"), &tree.policies());
    tree
}

#[test]
fn what_is_not_a_command_line_is_64_and_help_is_0() {
    let tree = TestTree::new();
    for arguments in [
        &[][..],
        &["fly"],
        &["check", "--fly"],
        &["authorize", "--tenant", "acme", "--action", "viewModel", "--resource", "Model::\"a\""],
        &["authorize", "--tenant", "acme", "--claims", "f", "--action", "a", "--resource", "r"],
        &["authorize", "--tenant", "acme", "--token", "t", "--principal", "p", "--action", "a", "--resource", "r"],
        &["export", "--tenant", "acme"],
        &["token"],
    ] {
        let ran = cedargate(tree.path(), arguments);
        assert_eq!(ran.code, 64, "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["check", "--help"]] {
        assert_eq!(cedargate(tree.path(), arguments).code, 0, "{arguments:?}");
    }
}

#[test]
fn a_key_comes_with_its_hash_and_a_prefix() {
    let tree = TestTree::new();
    let (one, other) = (cedargate(tree.path(), &["key", "--json"]), cedargate(tree.path(), &["key", "--json"]));
    let (one, other) = (one.json(), other.json());
    assert!(one["key"].as_str().unwrap().starts_with("cgcaller_"), "{one}");
    assert_ne!(one["key"], other["key"]);
    let hash = cedargate::authn::hash_key(one["key"].as_str().unwrap());
    assert_eq!(one["hash"], hash);
}

#[test]
fn what_fails_for_no_fault_of_the_input_is_1() {
    let tree = sample();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = cedargate(tree.path(), &["serve", "--bind", &address, "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.json()["error"].as_str().unwrap().contains(&address), "{}", ran.stdout);
}

//! `diff`: of folders and of git revisions, how it ends, and what it says to people, programs and pull requests.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{Ran, cedargate, sample};
use crate::support::TestTree;
use crate::support::third_party::place_of;
use crate::workbench::edits::named;

/// Enough for these mistakes, and few enough for a debug build.
const QUICK: [&str; 3] = ["--cases", "40", "--no-proof"];

const SMALLER_BUDGET: &str = "off by one: a budget's limit itself is refused";
const LATER_NIGHT: &str = "off by one: night starts a moment late";

fn diff(tree: &TestTree, more: &[&str]) -> Ran {
    cedargate(tree.path(), &[&["diff"], &QUICK[..], more].concat())
}

fn path(tree: &TestTree) -> &str {
    tree.path().to_str().unwrap()
}

/// Of what `--json` says, the differences that were found one way.
fn changed(report: &Value, way: &str) -> Vec<Value> {
    let all = report["tenants"][0][way].as_array().unwrap();
    all.iter().filter(|one| one["result"] == "changed").cloned().collect()
}

fn git(dir: &Path, arguments: &[&str]) {
    let author = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
    let ran = Command::new("git").args(author).args(arguments).current_dir(dir).output().unwrap();
    assert!(ran.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// The sample in a repository of its own, committed once.
fn repository() -> TestTree {
    let tree = sample();
    git(tree.path(), &["init", "--quiet", "--initial-branch", "main"]);
    commit(&tree, "the sample");
    tree
}

fn commit(tree: &TestTree, what: &str) {
    git(tree.path(), &["add", "--all"]);
    git(tree.path(), &["commit", "--quiet", "--message", what]);
}

#[test]
fn two_folders_that_decide_alike_are_0() {
    let (old, new) = (sample(), sample());
    new.edit("policies/acme/guardrails/budgets.cedar", |text| format!("// Only a remark.\n{text}"));
    let ran = diff(&old, &[path(&old), path(&new), "--fail-on", "any"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("acme: nothing changed that decides\n"), "{}", ran.stdout);
    let report = diff(&old, &[path(&old), path(&new), "--json"]);
    assert_eq!((report.code, &report.json()["ok"]), (0, &json!(true)));
}

#[test]
fn what_is_newly_allowed_is_4_with_the_smallest_request_and_both_answers() {
    let (old, new) = (sample(), named(LATER_NIGHT).tree());
    let ran = diff(&old, &[path(&old), path(&new), "--as-cases"]);
    assert_eq!(ran.code, 4, "{}{}", ran.stdout, ran.stderr);
    for line in [
        "acme: 1 policy changed (acme/gold-models-at-night)",
        "  newly denied: nothing found in 3 kinds, by 40 random requests of each",
        "      action     Action::\"invokeModel\"",
        "      as a case:",
    ] {
        assert!(ran.stdout.lines().any(|found| found == line), "{}\n lacks {line}", ran.stdout);
    }
    assert!(
        ran.stdout.contains("      before     deny (forbidden) by acme/gold-models-at-night at "),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("      after      allow (permitted) by "), "{}", ran.stdout);
    let ran = diff(&old, &[path(&old), path(&new), "--json"]);
    let report = ran.json();
    assert_eq!((ran.code, &report["ok"], &report["old"]), (4, &json!(false), &json!(path(&old))));
    let found = changed(&report, "newly_allowed");
    assert!(!found.is_empty() && changed(&report, "newly_denied").is_empty(), "{report}");
    for one in found {
        assert_eq!((&one["found_by"], &one["action"]), (&json!("search"), &json!("Action::\"invokeModel\"")));
        assert_eq!((&one["before"]["decision"], &one["after"]["decision"]), (&json!("deny"), &json!("allow")));
        assert_eq!(one["before"]["policies"], json!(["acme/gold-models-at-night"]));
        assert_eq!(one["example"]["action"], "invokeModel");
    }
}

#[test]
fn what_fails_is_what_was_asked_to() {
    let (old, more, less) = (sample(), named(LATER_NIGHT).tree(), named(SMALLER_BUDGET).tree());
    for (new, fail_on, code) in [
        (&more, "allow", 4),
        (&more, "any", 4),
        (&more, "none", 0),
        (&less, "allow", 0),
        (&less, "any", 4),
        (&less, "none", 0),
    ] {
        let ran = diff(&old, &[path(&old), path(new), "--fail-on", fail_on, "--json"]);
        assert_eq!(ran.code, code, "{fail_on}: {}", ran.stdout);
        assert_eq!(ran.json()["ok"], code == 0);
    }
    for arguments in [&[][..], &["a", "b", "--fail-on", "all"], &["a", "b", "--json", "--markdown"], &["a", "b", "c"]] {
        let ran = cedargate(old.path(), &[&["diff"], arguments].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{arguments:?}");
    }
}

#[test]
fn the_people_who_gain_and_lose_are_named_with_what() {
    let (old, new) = (sample(), named("a wrong role: those who may look may manage").tree());
    let ran = diff(&old, &[path(&old), path(&new)]);
    assert_eq!(ran.code, 4, "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains("\n    User::\"jane@acme.com\" gains manageModel on 1: Model::\"gpt-4o\"\n"),
        "{}",
        ran.stdout
    );
    // The same the other way round.
    let ran = diff(&old, &[path(&new), path(&old), "--fail-on", "any", "--json"]);
    let report = ran.json();
    let impacts = report["tenants"][0]["people"]["impacts"].as_array().unwrap();
    let lost = json!({
        "principal": "User::\"jane@acme.com\"", "change": "newly denied", "action": "manageModel",
        "resources": ["Model::\"gpt-4o\""],
    });
    assert!(impacts.contains(&lost), "{report}");
    assert!(impacts.iter().all(|impact| impact["change"] == "newly denied"), "{report}");
    let text = diff(&old, &[path(&new), path(&old), "--fail-on", "none"]).stdout;
    assert!(text.contains("User::\"jane@acme.com\" loses manageModel on 1: "), "{text}");
}

#[test]
fn revisions_of_a_repository_are_compared_and_so_is_the_tree_as_it_lies() {
    let tree = repository();
    named(LATER_NIGHT).make(&tree);
    // Not committed: against the last commit, and the other way round.
    let ran = diff(&tree, &["HEAD"]);
    assert_eq!(ran.code, 4, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("acme: 1 policy changed (acme/gold-models-at-night)\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains(" at policies/acme/guardrails/hours.cedar:5\n"), "{}", ran.stdout);
    let back = diff(&tree, &["policies", "HEAD", "--json"]).json();
    assert!(changed(&back, "newly_allowed").is_empty() && !changed(&back, "newly_denied").is_empty(), "{back}");
    commit(&tree, "a mistake");
    assert_eq!(diff(&tree, &["HEAD", "--fail-on", "any"]).code, 0);
    git(tree.path(), &["tag", "mistake"]);
    for (old, new, code) in
        [("HEAD~1", "HEAD", 4), ("mistake", "main", 0), ("HEAD", "HEAD~1", 0), ("main^", "mistake", 4)]
    {
        let ran = diff(&tree, &[old, new]);
        assert_eq!(ran.code, code, "{old} {new}: {}{}", ran.stdout, ran.stderr);
    }
    // Neither the work tree nor the index is touched.
    let status = Command::new("git").args(["status", "--porcelain"]).current_dir(tree.path()).output().unwrap();
    assert_eq!(String::from_utf8(status.stdout).unwrap(), "");
}

#[test]
fn a_tree_may_lie_anywhere_in_its_repository() {
    let tree = TestTree::new();
    git(tree.path(), &["init", "--quiet"]);
    let inner = sample();
    let deeper = tree.path().join("deploy/auth z");
    crate::support::tree::copy(inner.path(), &deeper);
    commit(&tree, "the sample");
    let file = "deploy/auth z/policies/acme/guardrails/budgets.cedar";
    tree.edit(file, |text| text.replace("context.tokens_requested >", "context.tokens_requested - 1 >"));
    let ran = cedargate(&deeper, &[&["diff"], &QUICK[..], &["HEAD"]].concat());
    assert_eq!(ran.code, 4, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("acme: 1 policy changed (acme/token-budget)\n"), "{}", ran.stdout);
}

#[test]
fn what_is_no_tree_is_3_and_says_so() {
    let tree = repository();
    for (name, says) in [
        ("no-such-revision", "`no-such-revision` is neither a folder nor a git revision of the tree"),
        ("--output=/tmp/x", "`--output=/tmp/x` is neither a folder nor a git revision of the tree"),
        ("HEAD:policies", "`HEAD:policies` is neither a folder nor a git revision of the tree"),
    ] {
        let ran = diff(&tree, &["--", name]);
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{name}");
        assert!(ran.stderr.contains(says), "{name}: {}", ran.stderr);
        let ran = cedargate(tree.path(), &["diff", "--json", "--", name]);
        assert_eq!((ran.code, ran.json()["faults"].as_array().unwrap().len()), (3, 1), "{name}");
    }
    let alone = sample();
    let ran = diff(&alone, &["HEAD"]);
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert!(ran.stderr.contains("is not in a git repository, so `HEAD` cannot be a revision of it"), "{}", ran.stderr);
    // A revision from before there was a tree.
    let late = TestTree::new();
    git(late.path(), &["init", "--quiet"]);
    late.write("README", "first\n");
    git(late.path(), &["add", "README"]);
    git(late.path(), &["commit", "--quiet", "--message", "first"]);
    late.write("policies/acme/own.cedar", "permit (principal, action, resource);\n");
    let ran = diff(&late, &["HEAD"]);
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert!(ran.stderr.contains("`HEAD` has no `policies`"), "{}", ran.stderr);
    // Faults of a revision are told as its author knows the file.
    tree.write("policies/acme/broken.cedar", "permit (");
    commit(&tree, "broken");
    tree.remove("policies/acme/broken.cedar");
    let ran = diff(&tree, &["HEAD"]);
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert!(ran.stderr.starts_with("policies/acme/broken.cedar:1:9: "), "{}", ran.stderr);
}

#[test]
fn a_tenant_that_is_new_allows_what_nobody_allowed_before() {
    let (old, new) = (sample(), sample());
    new.write("policies/globex/own.cedar", "permit (principal, action == Action::\"viewModel\", resource);\n");
    let ran = diff(&old, &[path(&old), path(&new)]);
    assert_eq!(ran.code, 4, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("globex is new: whatever its policies allow is newly allowed\n"), "{}", ran.stdout);
    let report = diff(&old, &[path(&old), path(&new), "--json", "--fail-on", "none"]);
    assert_eq!(report.code, 0, "{}", report.stdout);
    assert_eq!(report.json()["tenants"][1], json!({"tenant": "globex", "is": "new"}));
    // One that is gone allows nothing.
    assert_eq!(diff(&old, &[path(&new), path(&old)]).code, 0);
    let ran = diff(&old, &[path(&new), path(&old), "--fail-on", "any"]);
    assert_eq!(ran.code, 4, "{}", ran.stdout);
    assert!(ran.stdout.contains("globex is gone: all is denied\n"), "{}", ran.stdout);
    let only = diff(&old, &[path(&old), path(&new), "--tenant", "acme", "--json"]);
    assert_eq!((only.code, only.json()["tenants"].as_array().unwrap().len()), (0, 1), "{}", only.stdout);
    // Who names it asks about it, though it was not there before.
    let ran = diff(&old, &[path(&old), path(&new), "--tenant", "globex"]);
    assert_eq!(ran.code, 4, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(diff(&old, &[path(&old), path(&new), "--tenant", "initech"]).code, 3);
}

#[test]
fn markdown_is_a_comment_for_a_pull_request() {
    let (old, new) = (sample(), named("a wrong role: those who may look may manage").tree());
    let ran = diff(&old, &[path(&old), path(&new), "--markdown", "--examples", "1"]);
    assert_eq!(ran.code, 4, "{}{}", ran.stdout, ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "### `acme`");
    for line in ["| | |", "|---|---|", "**People**", "</details>", "Random search only, without a solver."] {
        assert!(lines.contains(&line), "{}\n lacks {line}", ran.stdout);
    }
    assert!(lines.iter().any(|line| line.starts_with("| **newly allowed** | ")), "{}", ran.stdout);
    assert_eq!(lines.iter().filter(|line| line.starts_with("<details><summary>")).count(), 1, "{}", ran.stdout);
    assert_eq!(lines.iter().filter(|line| **line == "```").count(), 2);
    assert!(lines.iter().any(|line| line.starts_with("- … ")), "{}", ran.stdout);
}

#[test]
fn a_proof_that_was_asked_for_and_cannot_be_is_1() {
    let (old, new) = (sample(), named(LATER_NIGHT).tree());
    let arguments = ["diff", path(&old), path(&new), "--cases", "1", "--solver", "/nonexistent"];
    let ran = cedargate(old.path(), &[&arguments[..], &["--prove"]].concat());
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("there is no solver `/nonexistent` that runs. Install cvc5"), "{}", ran.stderr);
    let ran = cedargate(old.path(), &[&arguments[..], &["--fail-on", "none"]].concat());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn proof_alone_finds_what_changed_and_that_nothing_else_did() {
    let Some(solver) = place_of("CEDARGATE_TEST_CVC5", "the cvc5 solver") else { return };
    let solver = solver.to_str().unwrap();
    let old = sample();
    for (edit, way, other) in [
        (LATER_NIGHT, "newly_allowed", "newly_denied"),
        (SMALLER_BUDGET, "newly_denied", "newly_allowed"),
        ("a dropped condition: every model is closed at night", "newly_denied", "newly_allowed"),
        ("a widened network: twice the addresses at night", "newly_allowed", "newly_denied"),
        ("a shortened list: production is not protected", "newly_allowed", "newly_denied"),
    ] {
        let new = named(edit).tree();
        let arguments = ["diff", path(&old), path(&new), "--cases", "0", "--prove", "--solver", solver, "--json"];
        let report = cedargate(old.path(), &arguments).json();
        let found = changed(&report, way);
        assert!(!found.is_empty() && found.iter().all(|one| one["found_by"] == "proof"), "{edit}: {report}");
        // A time is one that people read.
        assert!(!report.to_string().contains("offset"), "{edit}: {report}");
        // The decider confirmed it.
        for one in found {
            let (before, after) = (&one["before"]["decision"], &one["after"]["decision"]);
            let allowed = if way == "newly_allowed" { after } else { before };
            assert!(before != after && allowed == "allow", "{edit}: {one}");
        }
        let others = report["tenants"][0][other].as_array().unwrap();
        assert!(!others.is_empty() && others.iter().all(|one| one["result"] == "proved_none"), "{edit}: {report}");
    }
}

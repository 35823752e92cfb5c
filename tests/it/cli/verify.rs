//! `verify`: what it prints and how it ends, that what it found is a case which `test` keeps, and proof.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Ran, cedargate, cedargate_with, sample};
use crate::support::TestTree;
use crate::support::third_party::place_of;
use crate::workbench::edits::named;

/// Enough for the sample's mistakes, and few enough for a debug build.
const CASES: [&str; 2] = ["--cases", "60"];

const NO_OWNER: &str = "@never(\"nobody opens what has no owner\")\npermit (principal, action == \
                        Action::\"viewPrompt\", resource)\nunless { resource has owner };\n";

fn verify(tree: &TestTree, more: &[&str]) -> Ran {
    cedargate(tree.path(), &[&["verify"], &CASES[..], more].concat())
}

/// One invariant of what `--json` says.
#[track_caller]
fn invariant<'a>(report: &'a Value, name: &str) -> &'a Value {
    let all = report["tenants"][0]["invariants"].as_array().unwrap();
    all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no `{name}` in {report}"))
}

/// Where the tests' solver is, if the environment says so.
fn solver() -> Option<PathBuf> {
    place_of("CEDARGATE_TEST_CVC5", "the cvc5 solver")
}

#[test]
fn the_samples_invariants_hold_and_its_policies_are_sound() {
    let tree = sample();
    let ran = verify(&tree, &["--strict"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("acme\n  holds   @"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("BROKEN") && !ran.stdout.contains("warning"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
    let ran = verify(&tree, &["--json"]);
    let report = ran.json();
    assert_eq!((ran.code, &report["ok"], &report["tenants"][0]["tenant"]), (0, &json!(true), &json!("acme")));
    let all = report["tenants"][0]["invariants"].as_array().unwrap();
    assert!(all.len() >= 10, "{report}");
    for one in all {
        assert_eq!((&one["holds"], &one["requests"]), (&json!(true), &json!(60)), "{one}");
        assert!(one["about"].as_u64() > Some(0) && one["example"].is_null() && one["proof"].is_null(), "{one}");
    }
    assert!(!tree.policies().join("acme/compiled").exists(), "verify writes nothing");
}

/// The lines below `as a case:`, as they stand in a file of cases.
fn case_of(printed: &str) -> String {
    let lines = printed.lines().skip_while(|line| line.trim() != "as a case:").skip(1);
    let case: Vec<&str> = lines.take_while(|line| line.starts_with("            ")).collect();
    assert!(case.len() >= 5, "{printed}");
    format!("type: cases\nname: found\ncases:\n{}\n", case.join("\n"))
}

#[test]
fn a_broken_invariant_is_4_with_a_case_that_fails_until_the_policy_is_mended() {
    for (edit, invariant_name) in [
        ("off by one: one token over the budget passes", "no request for more tokens than the model allows"),
        ("a removed forbid: outsiders may manage", "outsiders manage or administer nothing"),
        ("a dropped exception: the platform team is shut out", ""),
    ] {
        let tree = sample();
        let edit = named(edit);
        if invariant_name.is_empty() {
            // An `@always` of our own, which that edit breaks.
            let text = "@always(\"the platform team's Sam pushes\")\npermit (principal in Team::\"platform\", action \
                        == Action::\"callTool\", resource == McpTool::\"github.push_files\")\nunless { context has \
                        ip || context has agent || context has time };\n";
            tree.write("policies/acme/invariants/mine.cedar", text);
            assert_eq!(verify(&tree, &["--filter", "pushes"]).code, 0);
        }
        let invariant_name = if invariant_name.is_empty() { "the platform team's Sam pushes" } else { invariant_name };
        edit.make(&tree);
        let ran = verify(&tree, &["--filter", invariant_name]);
        assert_eq!(ran.code, 4, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("\n  BROKEN  @"), "{}", ran.stdout);
        let report = verify(&tree, &["--filter", invariant_name, "--json"]);
        assert_eq!((report.code, &report.json()["ok"]), (4, &json!(false)));
        let report = report.json();
        let found = invariant(&report, invariant_name);
        assert_eq!(found["holds"], false);
        let is_never = found["claim"] == "never";
        assert_eq!(found["example"]["decision"], if is_never { "allow" } else { "deny" }, "{found}");

        tree.write("policies/acme/cases/found.yaml", &case_of(&ran.stdout));
        let tested = cedargate(tree.path(), &["test", "--filter", "found"]);
        assert_eq!(tested.code, 4, "{}{}{}", ran.stdout, tested.stdout, tested.stderr);
        let differs = if is_never { "expected deny, got allow" } else { "expected allow, got deny" };
        assert!(tested.stdout.contains(differs), "{}", tested.stdout);
        let mended = sample();
        mended.write("policies/acme/cases/found.yaml", &case_of(&ran.stdout));
        let tested = cedargate(mended.path(), &["test", "--filter", "found"]);
        assert_eq!(tested.code, 0, "{}{}", tested.stdout, tested.stderr);
        assert!(tested.stdout.contains("1 passed"), "{}", tested.stdout);
    }
}

#[test]
fn only_what_a_filter_names_is_verified() {
    let tree = sample();
    named("a removed forbid: outsiders may manage").make(&tree);
    let report = verify(&tree, &["--json", "--filter", "budget", "--filter", "tokens"]);
    assert_eq!(report.code, 0, "{}", report.stdout);
    let names = report.json()["tenants"][0]["invariants"].clone();
    assert_eq!(names.as_array().unwrap().len(), 1, "{names}");
    assert_eq!(names[0]["name"], "no request for more tokens than the model allows");
    // A filter that names none says so, and does not say that all is well.
    let ran = verify(&tree, &["--filter", "no such words"]);
    assert_eq!(ran.code, 3, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("--filter: no invariant has `no such words` in its words"), "{}", ran.stderr);
}

#[test]
fn what_is_wrong_with_a_policy_in_itself_is_told_and_fails_only_where_that_is_wanted() {
    let tree = sample();
    let never = "@id(\"acme/no-such-time\")\nforbid (principal, action == Action::\"viewModel\", resource)\nwhen { \
                 context has time && context.time.toTime() > duration(\"25h\") };\n";
    tree.write("policies/acme/guardrails/never.cedar", never);
    let ran = verify(&tree, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(ran.stdout.contains("check   acme/no-such-time matches no request"), "{}", ran.stdout);
    assert!(ran.stdout.contains("never-matches at policies/acme/guardrails/never.cedar:1"), "{}", ran.stdout);
    let ran = verify(&tree, &["--strict", "--json"]);
    assert_eq!(ran.code, 4, "{}", ran.stdout);
    let finding = &ran.json()["tenants"][0]["findings"][0];
    assert_eq!((&finding["kind"], &finding["policy"]), (&json!("never-matches"), &json!("acme/no-such-time")));
    assert_eq!(finding["proved"], false);
}

#[test]
fn a_tree_or_an_invariant_with_faults_is_3_and_each_has_its_place() {
    let tree = sample();
    tree.write("policies/acme/invariants/a.cedar", "// first\n  permit (principal, action, resource);\n");
    tree.write("policies/acme/invariants/b.cedar", "permit (");
    let ran = verify(&tree, &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    assert!(ran.stderr.contains("policies/acme/invariants/a.cedar:2:3: an invariant says"), "{}", ran.stderr);
    assert!(ran.stderr.contains("policies/acme/invariants/b.cedar:1:9: "), "{}", ran.stderr);
    let faults = verify(&tree, &["--json"]).json()["faults"].clone();
    assert_eq!(faults.as_array().unwrap().len(), 2, "{faults}");
    assert_eq!((&faults[0]["line"], &faults[0]["column"]), (&json!(2), &json!(3)));
    tree.remove("policies/acme/invariants/a.cedar");
    tree.remove("policies/acme/invariants/b.cedar");
    assert_eq!(verify(&tree, &["--tenant", "nobody"]).code, 3);
    tree.write("policies/acme/broken.cedar", "permit (");
    assert_eq!(verify(&tree, &[]).code, 3);
    for arguments in [&["--cases", "many"][..], &["--seed"], &["--fly"], &["invariant"]] {
        let ran = cedargate(tree.path(), &[&["verify"], arguments].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{arguments:?}");
    }
}

#[test]
fn a_tenant_without_invariants_is_told_where_they_go_and_an_invariant_about_nothing_is_pointed_at() {
    let tree = TestTree::new();
    tree.write("policies/acme/own.cedar", "forbid (principal, action, resource) when { context has ip };\n");
    let ran = verify(&tree, &[]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("write some in policies/acme/invariants/*.cedar"), "{}", ran.stdout);
    let nothing = "@never(\"nothing\")\npermit (principal, action == Action::\"viewModel\", resource)\nwhen { \
                   context has tokens_requested && context.tokens_requested > 1 && context.tokens_requested < 2 };\n";
    tree.write("policies/acme/invariants/a.cedar", nothing);
    let ran = verify(&tree, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(ran.stdout.contains("warning: no request was about it"), "{}", ran.stdout);
}

#[test]
fn the_same_seed_shows_the_same() {
    let tree = sample();
    tree.write("policies/acme/invariants/mine.cedar", NO_OWNER);
    let shown = |seed: &str| {
        let report = verify(&tree, &["--filter", "opens", "--json", "--seed", seed]).json();
        let found = invariant(&report, "nobody opens what has no owner");
        (found["requests"].clone(), found["about"].clone(), found["example"].clone())
    };
    let first = shown("7");
    assert!(!first.2.is_null());
    assert_eq!(first, shown("7"));
}

#[test]
fn without_a_solver_a_proof_fails_with_what_to_install_and_search_tells_what_it_found() {
    let tree = sample();
    let nowhere = ["--prove", "--solver", "/nonexistent", "--filter", "outsiders"];
    let ran = verify(&tree, &nowhere);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("there is no solver `/nonexistent` that runs. Install cvc5"), "{}", ran.stderr);
    assert!(ran.stderr.contains("apt install cvc5"), "{}", ran.stderr);
    assert!(ran.stdout.contains("60 requests of"), "{}", ran.stdout);
    let ran = verify(&tree, &[&nowhere[..], &["--json"]].concat());
    assert_eq!((ran.code, &ran.json()["ok"]), (1, &json!(false)));
    // The variable names it as well, and the flag wins.
    let arguments = ["verify", "--cases", "1", "--prove", "--filter", "outsiders"];
    let ran = cedargate_with(tree.path(), &arguments, &[("CVC5", "/not/here")]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("`/not/here`"), "{}", ran.stderr);
    // What search finds broken is no less broken.
    named("a removed forbid: outsiders may manage").make(&tree);
    assert_eq!(verify(&tree, &nowhere).code, 4);
}

#[test]
fn the_samples_invariants_are_proved() {
    let Some(solver) = solver() else { return };
    let solver = solver.to_str().unwrap();
    let ran = cedargate(sample().path(), &["verify", "--prove", "--cases", "1", "--solver", solver, "--json"]);
    let report = ran.json();
    assert_eq!(ran.code, 0, "{report}{}", ran.stderr);
    for one in report["tenants"][0]["invariants"].as_array().unwrap() {
        assert_eq!(one["proof"]["result"], "holds", "{one}");
        assert!(one["proof"]["questions"].as_u64() > Some(0), "{one}");
    }
}

#[test]
fn proof_alone_finds_what_a_wrong_edit_breaks() {
    let Some(solver) = solver() else { return };
    let solver = solver.to_str().unwrap();
    for (edit, name) in [
        ("off by one: one token over the budget passes", "no request for more tokens than the model allows"),
        ("off by one: night starts a moment late", "gold models at night answer the company's network only"),
        ("a widened network: twice the addresses at night", "gold models at night answer the company's network only"),
        ("a removed forbid: outsiders may manage", "outsiders manage or administer nothing"),
        ("a dropped condition: releases from any branch", "a pipeline deploys from no branch but main"),
        ("a wrong threshold: five days for twelve hours", "nobody manages twelve hours after they signed in"),
    ] {
        let tree = named(edit).tree();
        let arguments = ["verify", "--prove", "--cases", "0", "--solver", solver, "--filter", name];
        let ran = cedargate(tree.path(), &[&arguments[..], &["--json"]].concat());
        let report = ran.json();
        let found = invariant(&report, name);
        assert_eq!((ran.code, &found["requests"]), (4, &json!(0)), "{edit}: {found}");
        assert_eq!(found["proof"]["result"], "refuted", "{edit}: {found}");
        // The decider was asked: it is a case.
        let printed = cedargate(tree.path(), &arguments).stdout;
        assert!(printed.contains("refuted by proof"), "{printed}");
        tree.write("policies/acme/cases/found.yaml", &case_of(&printed));
        let tested = cedargate(tree.path(), &["test", "--filter", "found"]);
        assert_eq!(tested.code, 4, "{edit}: {printed}{}{}", tested.stdout, tested.stderr);
    }
}

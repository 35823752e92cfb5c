//! `bench`: every promised number is there, of a made-up tenant and of a real tree, and what is missing is named.

use std::fs;

use serde_json::Value;

use super::{Ran, cedargate, sample};
use crate::support::TestTree;

const PROMISED: [&str; 9] = [
    "decide_warm_p50",
    "decide_cold_p50",
    "cedar_minimal_p50",
    "cedar_full_p50",
    "http_rps",
    "http_p99",
    "bare_rps",
    "load_seconds",
    "resident_bytes",
];

#[track_caller]
fn report(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report = ran.json();
    assert_eq!(report.as_object().unwrap().len(), 3, "{report}");
    for name in ["cpu", "os", "version"] {
        assert_ne!(report["machine"][name], "", "{name}");
    }
    assert!(report["machine"]["cores"].as_u64() > Some(0));
    let results = report["results"].as_array().unwrap();
    for result in results {
        // The system counts CPU time in steps of ten milliseconds: a short run may take none.
        let may_be_none = result["name"].as_str().unwrap().ends_with("_cpu");
        let value = result["value"].as_f64().unwrap();
        assert!((value > 0.0 || may_be_none) && result["unit"].is_string(), "{result}");
    }
    for name in PROMISED.iter().chain(["http_log_rps"].iter()) {
        assert_eq!(results.iter().filter(|result| result["name"] == *name).count(), 1, "{name}");
    }
    report
}

#[test]
fn a_made_up_tenant_is_measured_whole() {
    let tree = TestTree::new();
    let size = "grants=2000,users=300,resources=200";
    let ran =
        cedargate(tree.path(), &["bench", "--generate", size, "--seconds", "0.3", "--connections", "4", "--json"]);
    let report = report(&ran);
    let sizes = &report["sizes"];
    assert_eq!([&sizes["grants"], &sizes["users"], &sizes["resources"]], [2000, 300, 200], "{sizes}");
    assert!(sizes["policies"].as_u64() > Some(2000), "{sizes}");
}

#[test]
fn a_real_tenant_is_measured_and_its_tree_left_alone() {
    let tree = sample();
    let ran = cedargate(tree.path(), &["bench", "--seconds", "0.05", "--connections", "2", "--json"]);
    assert_eq!(report(&ran)["sizes"]["grants"], 19);
    assert!(!tree.policies().join("acme/compiled").exists());
}

#[test]
fn plain_cedar_is_measured_too_and_names_what_no_request_can_be_made_without() {
    let tree = TestTree::new();
    fs::remove_dir_all(tree.path().join("schema")).unwrap();
    let schema = "entity Group; entity Person in [Group]; entity Door;\n\
                  action open appliesTo { principal: Person, resource: Door, context: { badge: Bool } };";
    tree.write("schema/doors.cedarschema", schema);
    tree.write(
        "policies/hq/grants.cedar",
        "permit (principal in Group::\"staff\", action, resource == Door::\"front\") when { context.badge };",
    );
    tree.write("cedargate.toml", "schema.identity = false\n");
    let bench = |more: &[&str]| {
        let short = ["bench", "--config", "cedargate.toml", "--seconds", "0.05", "--connections", "2"];
        cedargate(tree.path(), &[&short, more].concat())
    };
    let ran = bench(&["--json"]);
    assert_eq!(ran.code, 1);
    let missing = "no request can be made: no file knows anybody who could ask: an entity of type Person";
    assert_eq!(ran.json()["error"], missing);

    let person =
        r#"[{"uid": {"type": "Person", "id": "p"}, "attrs": {}, "parents": [{"type": "Group", "id": "staff"}]}]"#;
    tree.write("policies/hq/people.entities.json", person);
    let ran = bench(&[]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("the context does not fit the schema") && ran.stderr.contains("`--context`"),
        "{}",
        ran.stderr
    );

    report(&bench(&["--json", "--context", "{\"badge\": true}"]));

    tree.write("policies/hq/grants.cedar", "permit (principal, action, resource) when { nonsense };");
    let ran = bench(&[]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("policies/hq/grants.cedar:1:"), "{}", ran.stderr);
}

#[test]
fn a_made_up_tenant_can_be_kept() {
    let tree = TestTree::new();
    let size = "grants=50,users=20,resources=10";
    let ran = cedargate(tree.path(), &["bench", "--generate", size, "--into", "made"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran = cedargate(&tree.path().join("made"), &["check"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran = cedargate(tree.path(), &["bench", "--generate", size, "--into", "made"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, "cedargate: `made` is not empty\n"));
    for wrong in [&["--generate", "grants=1"][..], &["--generate", size, "--tenant", "acme"], &["--into", "x"]] {
        assert_eq!(cedargate(tree.path(), &[&["bench"], wrong].concat()).code, 64, "{wrong:?}");
    }
}

//! `plan`, `apply` and `pull`: manifests against a database.

use serde_json::{Value, json};

use super::{Ran, cedargate, sample};
use crate::support::TestTree;

/// Runs a verb about `acme` and a folder of manifests.
fn verb(tree: &TestTree, name: &str, folder: &str, more: &[&str]) -> Ran {
    let arguments = [&[name, "--tenant", "acme", "-f", folder], more].concat();
    cedargate(tree.path(), &arguments)
}

fn changes(ran: &Ran) -> Vec<Value> {
    ran.json()["changes"].as_array().unwrap().clone()
}

const SAMPLE: &str = "policies/acme/manifests";

#[test]
fn what_is_planned_is_what_is_applied_and_then_there_is_nothing_more_to_do() {
    let tree = sample();
    let planned = verb(&tree, "plan", SAMPLE, &["--json"]);
    assert_eq!(planned.code, 4, "{}", planned.stderr);
    assert!(changes(&planned).iter().all(|change| change["action"] == "create"));
    let dry = verb(&tree, "apply", SAMPLE, &["--dry-run", "--json"]);
    assert_eq!((dry.code, changes(&dry)), (0, changes(&planned)));

    let applied = verb(&tree, "apply", SAMPLE, &["--json", "--reason", "to begin with"]);
    assert_eq!((applied.code, changes(&applied)), (0, changes(&planned)), "{}", applied.stderr);
    for extent in [&[][..], &["--prune"]] {
        let again = verb(&tree, "apply", SAMPLE, &[extent, &["--json"]].concat());
        assert_eq!(again.code, 0);
        assert_eq!(again.json(), json!({"ok": true, "changes": [], "revision": applied.json()["revision"]}));
        assert_eq!(verb(&tree, "plan", SAMPLE, extent).code, 0);
    }
}

#[test]
fn what_pull_writes_is_nothing_to_apply() {
    let tree = sample();
    assert_eq!(verb(&tree, "apply", SAMPLE, &[]).code, 0);
    let pulled = verb(&tree, "pull", "pulled", &["--json"]);
    assert_eq!(pulled.code, 0, "{}", pulled.stderr);
    let again = verb(&tree, "apply", "pulled", &["--prune", "--json"]);
    assert_eq!((again.code, changes(&again)), (0, Vec::new()), "{}", again.stderr);
    // Another directory becomes the same by it.
    let other =
        cedargate(tree.path(), &["apply", "--tenant", "acme", "-f", "pulled", "--database", "other.db", "--json"]);
    assert_eq!(other.code, 0, "{}", other.stderr);
    let same = cedargate(
        tree.path(),
        &["plan", "--tenant", "acme", "-f", SAMPLE, "--database", "other.db", "--prune", "--json"],
    );
    assert_eq!((same.code, changes(&same)), (0, Vec::new()));
}

#[test]
fn a_tenant_can_be_pulled_as_it_was() {
    let tree = sample();
    let first = verb(&tree, "apply", SAMPLE, &["--json"]).json()["revision"].clone();
    assert_eq!(verb(&tree, "pull", "before", &[]).code, 0);
    tree.edit(&format!("{SAMPLE}/people.yaml"), |text| text.replace("members: [jane@acme.com]", "members: []"));
    let second = verb(&tree, "apply", SAMPLE, &["--json"]);
    assert_eq!(changes(&second).len(), 1, "{}", second.stdout);
    assert_eq!(changes(&second)[0]["before"]["members"], json!(["jane@acme.com"]));
    assert_eq!(verb(&tree, "pull", "then", &["--at", &first.to_string()]).code, 0);
    assert_eq!(verb(&tree, "pull", "now", &[]).code, 0);
    let people = |folder: &str| tree.read(&format!("{folder}/people.yaml"));
    assert_eq!(people("then"), people("before"));
    assert_ne!(people("then"), people("now"));
    let ahead = verb(&tree, "pull", "ahead", &["--at", "99"]);
    assert_eq!(ahead.code, 3);
    assert!(ahead.stderr.contains("there is no 99 yet"), "{}", ahead.stderr);
}

#[test]
fn what_manifests_leave_out_stays_unless_it_is_pruned() {
    let tree = sample();
    assert_eq!(verb(&tree, "apply", SAMPLE, &[]).code, 0);
    tree.edit(&format!("{SAMPLE}/tenant.yaml"), |text| {
        text.lines().filter(|line| !line.contains("lee@acme.com")).collect::<Vec<_>>().join("\n")
    });
    assert_eq!(verb(&tree, "plan", SAMPLE, &[]).code, 0);
    let pruned = verb(&tree, "plan", SAMPLE, &["--prune"]);
    assert_eq!(pruned.code, 4);
    assert_eq!(pruned.stdout.lines().next().unwrap(), "- collaborator user:lee@acme.com is admin of Tenant::acme");
    let applied = verb(&tree, "apply", SAMPLE, &["--prune", "--json"]);
    let gone = changes(&applied);
    assert_eq!((gone.len(), &gone[0]["action"], &gone[0]["after"]), (1, &json!("delete"), &Value::Null));
}

#[test]
fn faults_of_manifests_have_their_place_and_nothing_is_applied() {
    let tree = sample();
    assert_eq!(verb(&tree, "apply", SAMPLE, &[]).code, 0);
    tree.write(&format!("{SAMPLE}/more.yaml"), "type: team\nname: new\n---\ntype: team\nname: new\n");
    let ran = verb(&tree, "apply", SAMPLE, &[]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("more.yaml:5:7: team `new` is already declared"), "{}", ran.stderr);
    tree.remove(&format!("{SAMPLE}/more.yaml"));
    assert_eq!(verb(&tree, "plan", SAMPLE, &[]).code, 0);
    for (arguments, said) in [
        (&["plan", "--tenant", "acme", "-f", "nowhere"][..], "nowhere: is not a folder"),
        (&["pull", "--tenant", "globex", "-f", "out"], "there is no tenant `globex`"),
        (&["pull", "--tenant", "acme", "-f", "schema"], "is not a file that `pull` writes"),
    ] {
        let ran = cedargate(tree.path(), arguments);
        assert!(ran.code != 0 && ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
    }
}

//! `plan`, `apply` and `pull`: manifests against a database.

use serde_json::{Value, json};

use super::{Ran, cedargate, sample};
use crate::support::TestTree;

/// Runs a verb about `acme` and a folder of manifests.
fn verb(tree: &TestTree, name: &str, folder: &str, more: &[&str]) -> Ran {
    let create: &[&str] = if name == "apply" { &["--create"] } else { &[] };
    let more = &[more, create].concat();
    let arguments = [&[name, "--tenant", "acme", "-f", folder], more.as_slice()].concat();
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
        assert_eq!(
            again.json(),
            json!({"ok": true, "changes": [], "kept": [], "revision": applied.json()["revision"]})
        );
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
    let other = cedargate(
        tree.path(),
        &["apply", "--tenant", "acme", "-f", "pulled", "--database", "other.db", "--json", "--create"],
    );
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
fn collaborators_that_are_written_out_are_all_there_are() {
    let tree = sample();
    assert_eq!(verb(&tree, "apply", SAMPLE, &[]).code, 0);
    tree.edit(&format!("{SAMPLE}/tenant.yaml"), |text| {
        text.lines().filter(|line| !line.contains("lee@acme.com")).collect::<Vec<_>>().join("\n")
    });
    let planned = verb(&tree, "plan", SAMPLE, &[]);
    assert_eq!(planned.code, 4);
    assert_eq!(planned.stdout.lines().next().unwrap(), "- collaborator user:lee@acme.com is admin of Tenant::acme");
    let applied = verb(&tree, "apply", SAMPLE, &["--json"]);
    let gone = changes(&applied);
    assert_eq!((gone.len(), &gone[0]["action"], &gone[0]["after"]), (1, &json!("delete"), &Value::Null));
    assert_eq!(verb(&tree, "plan", SAMPLE, &[]).code, 0);
}

#[test]
fn a_role_that_a_manifest_lowers_is_lowered() {
    let tree = sample();
    let manifest = |role: &str| {
        format!(
            "type: user\nemail: jo@x.io\n---\ntype: resource\nresource: Model::m1\ncollaborators:\n  - {{subject: user:jo@x.io, role: {role}}}\n"
        )
    };
    tree.write("mine/a.yaml", &manifest("manager"));
    assert_eq!(verb(&tree, "apply", "mine", &[]).code, 0);
    tree.write("mine/a.yaml", &manifest("viewer"));
    let planned = verb(&tree, "plan", "mine", &["--json"]);
    assert_eq!((planned.code, changes(&planned).len()), (4, 2), "{}", planned.stdout);
    assert_eq!(verb(&tree, "apply", "mine", &[]).code, 0);
    let pulled = verb(&tree, "pull", "pulled", &[]);
    assert_eq!(pulled.code, 0);
    let text = tree.read("pulled/resources.yaml");
    assert!(text.contains("viewer") && !text.contains("manager"), "{text}");
}

#[test]
fn what_the_directory_has_beyond_the_manifests_is_told_and_stays_unless_it_is_pruned() {
    let tree = sample();
    let with = "type: user\nemail: jo@x.io\n---\ntype: team\nname: old\n---\ntype: resource\nresource: Model::m1\n\
                collaborators:\n  - {subject: user:jo@x.io, role: viewer}\n";
    tree.write("mine/a.yaml", with);
    assert_eq!(verb(&tree, "apply", "mine", &[]).code, 0);
    tree.write("mine/a.yaml", "type: user\nemail: jo@x.io\n---\ntype: resource\nresource: Model::m1\n");
    let planned = verb(&tree, "plan", "mine", &[]);
    assert_eq!(planned.code, 4, "{}", planned.stdout);
    for line in [
        "1 grant on Model::m1 is not in the manifests: kept; `--prune` takes it",
        "team old is not in the manifests: kept; `--prune` takes it",
    ] {
        assert!(planned.stdout.lines().any(|found| found == line), "{line}: {}", planned.stdout);
    }
    let told = verb(&tree, "plan", "mine", &["--json"]);
    assert_eq!(told.json()["kept"].as_array().unwrap().len(), 2, "{}", told.stdout);
    let applied = verb(&tree, "apply", "mine", &[]);
    assert_eq!(applied.code, 0);
    assert!(applied.stdout.contains("1 grant on Model::m1"), "{}", applied.stdout);
    assert_eq!(verb(&tree, "apply", "mine", &["--prune"]).code, 0);
    let after = verb(&tree, "plan", "mine", &["--json"]);
    assert_eq!((after.code, &after.json()["kept"]), (0, &json!([])));
}

#[test]
fn what_a_policy_names_is_pruned_only_when_that_is_asked_for() {
    let tree = sample();
    tree.write("mine/a.yaml", "type: team\nname: suspended\n---\ntype: team\nname: other\n");
    let new = |verb: &str, more: &[&str]| {
        let arguments = [&[verb, "--tenant", "acme", "-f", "mine", "--database", "own.db"], more].concat();
        cedargate(tree.path(), &arguments)
    };
    assert_eq!(new("apply", &["--create"]).code, 0);
    tree.write("policies/acme/hand.cedar", "\nforbid (principal in Team::\"suspended\", action, resource);\n");
    tree.write("mine/a.yaml", "type: team\nname: other\n");
    let planned = new("plan", &["--prune"]);
    assert_eq!(planned.code, 4);
    assert!(planned.stdout.contains("hand.cedar:2"), "{}", planned.stdout);
    let refused = new("apply", &["--prune"]);
    assert_eq!(refused.code, 3, "{}", refused.stdout);
    assert!(refused.stderr.contains("hand.cedar:2") && refused.stderr.contains("suspended"), "{}", refused.stderr);
    assert_eq!(new("apply", &["--prune", "--cascade"]).code, 0);
}

#[test]
fn a_tenant_that_is_mistyped_is_not_made() {
    let tree = sample();
    assert_eq!(verb(&tree, "apply", SAMPLE, &[]).code, 0);
    let of = |verb: &str, more: &[&str]| {
        cedargate(tree.path(), &[&[verb, "--tenant", "acmee", "-f", SAMPLE], more].concat())
    };
    for more in [&[][..], &["--dry-run"]] {
        let refused = of("apply", more);
        assert_eq!(refused.code, 3);
        let said = "there is no tenant `acmee` (did you mean `acme`?): `--create` makes it";
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    let planned = of("plan", &[]);
    assert_eq!(planned.code, 4);
    assert!(planned.stderr.contains("did you mean `acme`?"), "{}", planned.stderr);
    assert!(!of("plan", &["--create"]).stderr.contains("did you mean"));
    assert_eq!(of("apply", &["--create"]).code, 0);
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

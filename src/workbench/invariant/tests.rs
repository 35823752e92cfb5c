//! Faults of invariants with their places, and that an invariant never decides anything.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::assemble::test_tenant::TestTenant;
use crate::assemble::{Layout, assemble_all};
use crate::clock::{Clock, ManualClock};
use crate::decide::{AccessQuery, ActionName, Decider, Decision, ResourceQuery};
use crate::model::TenantId;
use crate::principal::Principal;
use crate::snapshot::Snapshot;
use crate::tree::TreeDirs;

const SCHEMA: &str = "entity Doc in [Tenant] = { owner?: String };\n\
    action read, write appliesTo { principal: [User, ExternalSubject], resource: Doc, context: { hour?: Long } };\n";

fn file(name: &str, text: &str) -> SourceFile {
    SourceFile { name: format!("policies/acme/invariants/{name}"), relative: name.to_owned(), text: text.to_owned() }
}

fn read(files: &[(&str, &str)]) -> Result<Vec<Invariant>, Vec<String>> {
    let files: Vec<_> = files.iter().map(|(name, text)| file(name, text)).collect();
    let told = |fault: &Fault| fault.to_string().replace("policies/acme/invariants/", "");
    read_invariants(&files, &TestTenant::over(SCHEMA).schema).map_err(|faults| faults.0.iter().map(told).collect())
}

#[test]
fn an_invariant_says_what_must_hold_of_which_requests() {
    let never = "@never(\"outsiders write nothing\")\npermit (principal is ExternalSubject, action == \
                 Action::\"write\", resource);\n";
    let always = "// Whoever asks.\n@always(\"all read\") @id(\"mine\")\npermit (principal, action == \
                  Action::\"read\", resource is Doc)\nunless { context has hour };\n";
    let found = read(&[("a.cedar", never), ("b.cedar", always)]).unwrap();
    let said: Vec<_> = found.iter().map(|one| (one.claim, one.name.as_str(), one.source.to_string())).collect();
    assert_eq!(
        said,
        [
            (Claim::Never, "outsiders write nothing", "policies/acme/invariants/a.cedar:1".to_owned()),
            (Claim::Always, "all read", "policies/acme/invariants/b.cedar:2".to_owned()),
        ]
    );
    let schema = TestTenant::over(SCHEMA).schema;
    let shape = Shape::of(&schema);
    let about = |one: &Invariant| -> Vec<String> {
        one.environments(&shape, &schema).iter().map(ToString::to_string).collect()
    };
    assert_eq!(about(&found[0]), ["Action::\"write\" by ExternalSubject on Doc"]);
    let reads = ["Action::\"read\" by ExternalSubject on Doc", "Action::\"read\" by User on Doc"];
    assert_eq!(about(&found[1]), reads);
}

#[test]
fn every_fault_has_its_place_and_says_what_to_write() {
    let permit = "permit (principal, action, resource);";
    for (text, at, says) in [
        (format!("\n  {permit}"), "a.cedar:2:3: ", "write `@never(\"…\")` or `@always(\"…\")` above it"),
        (format!("@id(\"a\")\n{permit}"), "a.cedar:1:1: ", "write `@never(\"…\")` or `@always(\"…\")` above it"),
        (format!("@never(\"a\")\n@always(\"a\")\n{permit}"), "a.cedar:1:1: ", "is either `@never` or `@always`"),
        (format!("// no\n @never(\" \")\n{permit}"), "a.cedar:2:2: ", "say in words what must hold"),
        (format!("@always\n{permit}"), "a.cedar:1:1: ", "say in words what must hold"),
        (
            "@never(\"a\")\n  forbid (principal, action, resource);".to_owned(),
            "a.cedar:1:1: ",
            "an invariant begins with `permit`",
        ),
        (
            "\n   @never(\"a\")\npermit (principal == ?principal, action, resource);".to_owned(),
            "a.cedar:2:4: ",
            "an invariant has no slots",
        ),
        (
            format!("@never(\"a\") {permit}\n  @always(\"a\") {permit}"),
            "a.cedar:2:3: ",
            "`a` is said already at policies/acme/invariants/a.cedar:1",
        ),
        (
            "@never(\"a\")\npermit (principal, action == Action::\"read\", resource)\nwhen { resource.ownr == \"x\" };"
                .to_owned(),
            "a.cedar:3:8: ",
            "`ownr`",
        ),
        ("@never(\"a\")\npermit (principal, action, resource)".to_owned(), "a.cedar:2:37: ", "unexpected end"),
    ] {
        let faults = read(&[("a.cedar", &text)]).unwrap_err();
        let [fault] = faults.as_slice() else { panic!("{text}: {faults:#?}") };
        let says = says.replace("policies/acme/invariants/", "");
        assert!(fault.starts_with(at) && fault.contains(&says), "{text}\n{fault}\nis not {at}{says}");
    }
}

#[test]
fn all_faults_of_all_files_are_told_at_once() {
    let permit = "permit (principal, action, resource);\n";
    let faults = read(&[
        ("a.cedar", &format!("{permit}@never(\"one\") {permit}@never(\"\") {permit}")),
        ("b.cedar", "permit"),
        ("c.cedar", &format!("@always(\"one\") {permit}")),
    ]);
    let places: Vec<_> = faults.unwrap_err().iter().map(|fault| fault.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(places, ["a.cedar:1:1", "a.cedar:3:1", "b.cedar:1:7", "c.cedar:1:1"]);
}

#[test]
fn what_must_hold_is_no_policy_and_is_told_to_move() {
    for claim in ["never", "always"] {
        let text = format!("// here\n  @{claim}(\"a\")\npermit (principal, action, resource);");
        let expected =
            ["policies/acme/rules/own.cedar:2:3: says what must hold of policies and is none itself: move it to \
                         `invariants/`"];
        assert_eq!(TestTenant::over(SCHEMA).policy("rules/own.cedar", &text).faults(), expected);
        let platform = TestTenant::over(SCHEMA).platform_policy("own.cedar", &text).faults();
        assert_eq!(platform.len(), 1, "{platform:?}");
        assert!(platform[0].starts_with("policies/platform/own.cedar:2:3: says what must hold"), "{platform:?}");
    }
}

/// A tree with one more file, assembled as the server assembles it.
fn tree_with(name: &str, text: &str) -> Snapshot {
    let dir = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("schema/test.cedarschema", SCHEMA);
    write("policies/acme/own.cedar", "permit (principal == User::\"ann\", action == Action::\"read\", resource);");
    write(name, text);
    let dirs = TreeDirs { policies: dir.path().join("policies"), schema: dir.path().join("schema") };
    let layout = Layout::of(dirs);
    let (_, everything) = assemble_all(&layout, ManualClock::at(0).now());
    let acme = TenantId::parse("acme").unwrap();
    everything.unwrap().tenants.remove(&acme).unwrap().unwrap().snapshot
}

fn allows(snapshot: &Snapshot, action: &str) -> bool {
    let query = AccessQuery {
        action: ActionName(action.to_owned()),
        resource: ResourceQuery::named(crate::model::EntityRef::new("Doc", "d")),
        context: Some(Value::Object(serde_json::Map::new())),
        explain: false,
    };
    let ann = Principal::named("User::\"ann\"".parse().unwrap());
    Decider::default().decide(snapshot, &ann, &query).unwrap().decision == Decision::Allow
}

#[test]
fn what_stands_among_the_invariants_never_decides() {
    for text in ["permit (principal, action, resource);", "@always(\"all\") permit (principal, action, resource);"] {
        for folder in ["platform", "acme"] {
            for name in ["invariants/a.cedar", "invariants/deeper/a.cedar"] {
                let snapshot = tree_with(&format!("policies/{folder}/{name}"), text);
                assert!(allows(&snapshot, "read") && !allows(&snapshot, "write"), "{folder}/{name}: {text}");
            }
        }
    }
    let forbid = "@never(\"a\") forbid (principal, action, resource);";
    assert!(allows(&tree_with("policies/acme/invariants/a.cedar", forbid), "read"));
    // The same text where policies stand decides.
    let snapshot = tree_with("policies/platform/a.cedar", "permit (principal, action, resource);");
    assert!(allows(&snapshot, "write"));
}

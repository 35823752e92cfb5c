//! `check`: valid, or every fault of every kind of file, each with its place.

use serde_json::Value;

use super::{cedargate, sample};
use crate::support::TestTree;
use crate::support::tree::copy;

/// One fault in each kind of file: what is written, and where the fault is.
const FAULTS: [(&str, &str, u64, u64); 5] = [
    ("policies/acme/broken.cedar", "// first\npermit (\n  principle, action, resource);\n", 3, 3),
    (
        "policies/acme/typo.cedar",
        "permit (principal, action == Action::\"viewModel\", resource)\nwhen { resource.teir == \"gold\" };\n",
        2,
        8,
    ),
    (
        "policies/acme/more.entities.json",
        "[\n  {\"uid\": {\"type\": \"Model\", \"id\": \"x\"}, \"attrs\": {\"tier\": 1}, \"parents\": []}\n]\n",
        2,
        3,
    ),
    ("policies/acme/manifests/more.yaml", "type: external-identity\nname: night\nidentity_provider: nobody\n", 3, 20),
    ("policies/globex/broken.cedar", "permit (principal, action, resource", 1, 36),
];

fn faults(ran: &super::Ran) -> Vec<Value> {
    ran.json()["faults"].as_array().unwrap().clone()
}

#[track_caller]
fn assert_found(faults: &[Value], file: &str, line: u64, column: Option<u64>) {
    let found = faults.iter().any(|fault| {
        fault["file"].as_str().unwrap().ends_with(file)
            && fault["line"] == line
            && column.is_none_or(|column| fault["column"] == column)
            && fault["column"].as_u64() > Some(0)
            && !fault["message"].as_str().unwrap().is_empty()
    });
    assert!(found, "{file}:{line}:{column:?} not in {faults:#?}");
}

#[test]
fn the_sample_is_valid() {
    let tree = sample();
    let ran = cedargate(tree.path(), &["check"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("valid") && ran.stdout.contains("acme"), "{}", ran.stdout);
    let ran = cedargate(tree.path(), &["check", "--json"]);
    assert_eq!((ran.code, &ran.json()["ok"]), (0, &Value::Bool(true)));
    assert_eq!(ran.json()["faults"], serde_json::json!([]));
    assert!(!tree.policies().join("acme/compiled").exists(), "check writes nothing");
}

#[test]
fn every_fault_is_listed_with_file_line_and_column() {
    let tree = sample();
    for (file, text, ..) in FAULTS {
        tree.write(file, text);
    }
    let ran = cedargate(tree.path(), &["check", "--json"]);
    assert_eq!((ran.code, &ran.json()["ok"]), (3, &Value::Bool(false)));
    let found = faults(&ran);
    for (file, _, line, _) in FAULTS {
        assert_found(&found, file, line, None);
    }
    let ran = cedargate(tree.path(), &["check"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    for (file, _, line, _) in FAULTS {
        assert!(ran.stderr.contains(&format!("{file}:{line}:")), "{file}:{line}: {}", ran.stderr);
    }
}

#[test]
fn each_kind_of_file_says_where_its_fault_is() {
    for (file, text, line, column) in FAULTS {
        let tree = sample();
        tree.write(file, text);
        let ran = cedargate(tree.path(), &["check", "--json"]);
        assert_eq!(ran.code, 3, "{file}");
        assert_found(&faults(&ran), file, line, Some(column));
    }
}

#[test]
fn a_fault_of_the_schema_or_of_the_platform_is_listed_beside_the_tenants() {
    let tree = sample();
    tree.write("schema/more.cedarschema", "entity Boat;\n\nentity Boot in [Harbour];\n");
    tree.write("policies/platform/broken.cedar", "forbid (principal, action, resource)\nwhen {");
    tree.write("policies/acme/broken.cedar", "permit (\n");
    tree.write("policies/acme/manifests/more.yaml", "type: team\nnom: night\n");
    let ran = cedargate(tree.path(), &["check", "--json"]);
    assert_eq!(ran.code, 3);
    let found = faults(&ran);
    assert_found(&found, "schema/more.cedarschema", 3, Some(17));
    assert!(found.iter().any(|fault| fault["file"].as_str().unwrap().ends_with("platform/broken.cedar")), "{found:#?}");
    assert!(found.iter().any(|fault| fault["file"].as_str().unwrap().ends_with("acme/broken.cedar")), "{found:#?}");
    assert_found(&found, "acme/manifests/more.yaml", 2, None);
}

#[test]
fn an_id_that_is_there_twice_names_both_places() {
    let tree = sample();
    tree.write("policies/acme/twice.cedar", "@id(\"acme/token-budget\")\npermit (principal, action, resource);\n");
    let ran = cedargate(tree.path(), &["check"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("policies/acme/twice.cedar:1:"), "{}", ran.stderr);
    assert!(ran.stderr.contains("policies/acme/guardrails/budgets.cedar"), "{}", ran.stderr);
}

#[test]
fn a_provider_that_takes_tokens_meant_for_others_is_a_warning() {
    let tree = sample();
    tree.edit("policies/acme/manifests/identity-providers.yaml", |text| text.replace("  audience: cedargate\n", ""));
    let ran = cedargate(tree.path(), &["check", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    let warnings = ran.json()["warnings"].to_string();
    assert!(warnings.contains("identity-providers.yaml") && warnings.contains("github"), "{warnings}");
}

#[test]
fn folders_can_be_elsewhere() {
    let (tree, empty) = (sample(), TestTree::new());
    let (policies, schema) = (tree.policies(), tree.path().join("schema"));
    let folders = ["--policies", policies.to_str().unwrap(), "--schema", schema.to_str().unwrap()];
    let ran = cedargate(empty.path(), &[&["check", "--json"][..], &folders].concat());
    assert_eq!((ran.code, &ran.json()["tenants"]), (0, &serde_json::json!(["acme"])));
    let ran = cedargate(empty.path(), &["check", "--policies", "nowhere", "--json"]);
    assert_eq!(ran.code, 3);
    assert_eq!(ran.json()["faults"][0]["file"], "nowhere");
}

#[test]
fn a_candidate_is_checked_as_well_if_there_is_one() {
    let tree = sample();
    copy(&tree.policies(), &tree.path().join("next"));
    tree.write("cedargate.toml", "policies.candidate = \"next\"\n");
    let check =
        |arguments: &[&str]| cedargate(tree.path(), &[&["check", "--config", "cedargate.toml"], arguments].concat());
    let ran = check(&[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.ends_with("valid: the candidate with 1 tenant(s): acme\n"), "{}", ran.stdout);
    assert_eq!(check(&["--json"]).json()["candidate"]["tenants"], serde_json::json!(["acme"]));
    tree.write("next/acme/broken.cedar", "\n  permit (principal, action, resource)\n");
    let ran = check(&["--json"]);
    let fault = &ran.json()["faults"][0];
    assert_eq!((ran.code, &fault["file"]), (3, &serde_json::json!("next/acme/broken.cedar")), "{fault}");
    assert_eq!(cedargate(tree.path(), &["check", "--json"]).json().get("candidate"), None);
}

#[test]
fn a_folder_or_a_schema_that_is_not_there_is_a_fault_that_says_what_to_do() {
    let tree = sample();
    let told = |arguments: &[&str]| {
        let ran = cedargate(tree.path(), arguments);
        assert_eq!(ran.code, 3, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        ran.stderr
    };
    for verb in ["check", "serve"] {
        assert!(told(&[verb, "--policies", "typo"]).contains("typo: there is no such folder"), "{verb}");
        assert!(!tree.path().join("typo").exists(), "{verb}");
    }
    assert!(told(&["serve", "--schema", "typo"]).contains("typo: there is no such folder"));
    std::fs::create_dir(tree.path().join("empty")).unwrap();
    for schema in ["typo", "empty"] {
        let said = told(&["check", "--schema", schema]);
        assert!(said.contains("there is no schema") && said.contains("cedargate schema infer"), "{said}");
    }
}

#[test]
fn a_name_that_nothing_declares_is_a_warning_with_its_place_and_strict_fails_on_it() {
    let tree = sample();
    let ran = cedargate(tree.path(), &["check", "--strict", "--json"]);
    assert_eq!(ran.code, 0, "the sample names nothing that there is not: {}", ran.stdout);
    tree.write(
        "policies/acme/slips.cedar",
        "forbid (principal in Team::\"mll\", action, resource)\nwhen {\n  principal.hasTag(\"departmnt\") && \
         principal != User::\"jnae@acme.com\" && !(principal in ExternalIdentity::\"partner-integratoin\")\n};\n",
    );
    tree.write(
        "policies/acme/invariants/slips.cedar",
        "@never(\"a name that there is not\")\npermit (principal == VirtualAccount::\"c1\", action, resource);\n",
    );
    tree.write(
        "policies/acme/cases/slips.yaml",
        "type: cases\ncases:\n  - principal: User::jnae@acme.com\n    action: viewModel\n    resource: Model::gpt-4o\n    \
         expect: {decision: deny, policies: [acme/token-budgit]}\n",
    );
    tree.write("policies/platform/named.cedar", "forbid (principal in Team::\"nobody-has-it\", action, resource);\n");
    let ran = cedargate(tree.path(), &["check", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    let warnings = ran.json()["warnings"].as_array().unwrap().clone();
    for (file, line, column, message) in [
        ("acme/slips.cedar", 1, 22, "Team::\"mll\" is not declared (did you mean `Team::\"ml\"`?)"),
        ("acme/slips.cedar", 3, 20, "the tag `departmnt` (did you mean `department`?)"),
        (
            "acme/slips.cedar",
            3,
            49,
            "User::\"jnae@acme.com\" is not declared (did you mean `User::\"jane@acme.com\"`?)",
        ),
        ("acme/slips.cedar", 3, 0, "(did you mean `ExternalIdentity::\"partner-integration\"`?)"),
        (
            "invariants/slips.cedar",
            2,
            22,
            "VirtualAccount::\"c1\" is not declared (did you mean `VirtualAccount::\"ci\"`?)",
        ),
        ("cases/slips.yaml", 3, 16, "nobody knows User::\"jnae@acme.com\" (did you mean"),
        ("cases/slips.yaml", 6, 0, "there is no policy `acme/token-budgit` (did you mean `acme/token-budget`?)"),
        ("platform/named.cedar", 1, 22, "Team::\"nobody-has-it\" is not declared"),
    ] {
        let found = warnings.iter().any(|warning| {
            warning["file"].as_str().unwrap().ends_with(file)
                && warning["line"] == line
                && (column == 0 || warning["column"] == column)
                && warning["message"].as_str().unwrap().contains(message)
        });
        assert!(found, "{file}:{line}:{column}: {message} is none of {warnings:#?}");
    }
    assert_eq!(warnings.len(), 8, "{warnings:#?}");
    let ran = cedargate(tree.path(), &["check", "--strict"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("8 warnings"), "{}", ran.stderr);
    // What one tenant has, the platform's policies may name.
    tree.write("policies/globex/manifests/teams.yaml", "type: team\nname: nobody-has-it\n");
    let ran = cedargate(tree.path(), &["check", "--json"]);
    assert!(!ran.stdout.contains("nobody-has-it"), "{}", ran.stdout);
}

#[test]
fn a_fault_of_what_manifests_compile_to_cites_the_manifests() {
    let tree = sample();
    tree.write(
        "policies/acme/twice.entities.json",
        "[{\"uid\": {\"type\": \"Team\", \"id\": \"ml\"}, \"attrs\": {}, \"parents\": []}]",
    );
    tree.write(
        "policies/acme/taken.cedar",
        "@id(\"collaborator/Model/gpt-4o/viewer/Team/ml\")\nforbid (principal, action, resource);\n",
    );
    let ran = cedargate(tree.path(), &["check", "--json"]);
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert!(!ran.stdout.contains("acme/compiled"), "{}", ran.stdout);
    let mut cited = 0;
    for fault in faults(&ran) {
        let text =
            format!("{}:{}: {}", fault["file"].as_str().unwrap(), fault["line"], fault["message"].as_str().unwrap());
        let Some((_, rest)) = text.split_once("acme/manifests/") else { continue };
        let (file, rest) = rest.split_once(':').unwrap();
        let line: usize = rest.split([':', ' ']).next().unwrap().trim_matches('`').parse().unwrap();
        let written = tree.read(&format!("policies/acme/manifests/{file}"));
        assert!(written.lines().nth(line - 1).unwrap().contains("ml"), "{text}");
        cited += 1;
    }
    assert_eq!(cited, 2, "{}", ran.stdout);
}

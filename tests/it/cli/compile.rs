//! `compile` and `export`: what they write, and when they write nothing.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::{cedargate, sample};

const BUNDLE: [&str; 8] = [
    "bundle.json",
    "collaborators.json",
    "deactivated.json",
    "entities.json",
    "external-identities.cedar",
    "providers.json",
    "roles.cedar",
    "tokens.json",
];

fn files(dir: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect()
}

fn compiled(ran: &super::Ran) -> Value {
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    ran.json()["tenants"][0].clone()
}

#[test]
fn compile_writes_the_bundle_and_a_second_run_nothing() {
    let tree = sample();
    let first = compiled(&cedargate(tree.path(), &["compile", "--json"]));
    assert_eq!((&first["tenant"], &first["revision"]), (&json!("acme"), &json!(1)));
    let folder = tree.policies().join("acme/compiled");
    let written = files(&folder);
    assert_eq!(written.keys().collect::<Vec<_>>(), BUNDLE);
    assert_eq!(first["written"].as_array().unwrap().len(), BUNDLE.len());
    let times = || BUNDLE.map(|name| std::fs::metadata(folder.join(name)).unwrap().modified().unwrap());
    let before = times();
    let second = compiled(&cedargate(tree.path(), &["compile", "--json"]));
    assert_eq!((&second["revision"], &second["written"]), (&json!(1), &json!([])));
    assert_eq!(second["generation"], first["generation"]);
    assert_eq!((times(), files(&folder)), (before, written));
}

#[test]
fn the_revision_moves_when_the_directory_changes_and_only_then() {
    let tree = sample();
    let compile = || compiled(&cedargate(tree.path(), &["compile", "--json"]));
    compile();
    tree.edit("policies/acme/manifests/people.yaml", |text| text + "\n# A remark.\n");
    assert_eq!(compile()["written"], json!([]));
    tree.edit("policies/acme/manifests/people.yaml", |text| text + "---\ntype: user\nemail: new@acme.com\n");
    let changed = compile();
    assert_eq!(changed["revision"], 2);
    assert_eq!(changed["written"], json!(["entities.json", "bundle.json"]));
    assert_eq!(compile()["revision"], 2);
}

#[test]
fn a_fault_leaves_the_bundle_as_it_was() {
    let tree = sample();
    compiled(&cedargate(tree.path(), &["compile", "--json"]));
    let before = files(&tree.policies().join("acme/compiled"));
    tree.edit("policies/acme/manifests/tenant.yaml", |text| text.replace("lee@acme.com", "ghost@acme.com"));
    let ran = cedargate(tree.path(), &["compile", "--json"]);
    assert_eq!(ran.code, 3);
    assert!(ran.json()["faults"][0]["file"].as_str().unwrap().ends_with("tenant.yaml"), "{}", ran.stdout);
    assert_eq!(files(&tree.policies().join("acme/compiled")), before);
    assert_eq!(cedargate(tree.path(), &["compile", "--tenant", "globex"]).code, 3);
}

#[test]
fn the_bundle_goes_where_the_configuration_says() {
    let tree = sample();
    tree.write("cedargate.toml", "[bundle]\ndir = \"bundles\"\n");
    compiled(&cedargate(tree.path(), &["compile", "--json", "--config", "cedargate.toml"]));
    assert_eq!(files(&tree.path().join("bundles/acme")).len(), BUNDLE.len());
    assert!(!tree.policies().join("acme/compiled").exists());
}

#[test]
fn export_writes_the_four_files_that_the_cedar_cli_takes() {
    let tree = sample();
    let ran = cedargate(tree.path(), &["export", "--tenant", "acme", "--out", "out", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["ok"], true);
    let files = files(&tree.path().join("out"));
    let names = ["entities.json", "links.json", "policies.cedar", "schema.cedarschema"];
    assert_eq!(files.keys().collect::<Vec<_>>(), names);
    let (schema, warnings) = cedar_policy::Schema::from_cedarschema_str(&files["schema.cedarschema"]).unwrap();
    assert_eq!(warnings.count(), 0);
    cedar_policy::Entities::from_json_str(&files["entities.json"], Some(&schema)).unwrap();
    let policies: cedar_policy::PolicySet = files["policies.cedar"].parse().unwrap();
    let links: Vec<Value> = serde_json::from_str(&files["links.json"]).unwrap();
    assert!(links.len() > 10 && policies.templates().count() > 10);
    for link in &links {
        for member in ["template_id", "link_id", "args"] {
            assert!(link.get(member).is_some(), "{link}");
        }
    }
    assert_eq!(cedargate(tree.path(), &["export", "--tenant", "globex", "--out", "out"]).code, 3);
}

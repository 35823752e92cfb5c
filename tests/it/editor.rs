//! The JSON Schemas of `schema/`: they are what the types say, and what people write fits them, as a validator that
//! others wrote judges it. `CEDARGATE_TEST_BLESS=1 cargo test --test it editor` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cedargate::workbench::editor::{as_file, schemas};
use serde_json::{Value, json};
use walkdir::WalkDir;

use crate::support::TestTree;
use crate::support::tree::repository;

#[test]
fn the_schemas_are_what_the_types_that_read_the_files_say() {
    for (name, schema) in schemas() {
        let (path, expected) = (repository().join("schema").join(name), as_file(&schema));
        if is_to_be_written() {
            fs::write(&path, &expected).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap() == expected,
            "schema/{name} is not what is generated: run with CEDARGATE_TEST_BLESS=1 and commit it"
        );
    }
}

#[test]
fn every_manifest_and_case_of_the_sample_fits_its_schema() {
    let mut documents = 0;
    for (folder, schema) in [("manifests", "manifests.schema.json"), ("cases", "cases.schema.json")] {
        for (name, document) in documents_below(&repository().join("policies/acme").join(folder)) {
            let faults = faults(schema, &document);
            assert!(faults.is_empty(), "{name}: {faults:#?}");
            documents += 1;
        }
    }
    assert!(documents >= 40, "{documents}");
}

#[test]
fn what_the_readers_refuse_is_refused() {
    for (schema, document) in [
        ("manifests.schema.json", json!({"type": "user"})),
        ("manifests.schema.json", json!({"type": "usr", "email": "a@b.c"})),
        ("manifests.schema.json", json!({"email": "a@b.c"})),
        ("manifests.schema.json", json!({"type": "user", "email": "a@b.c", "name": "a"})),
        ("manifests.schema.json", json!({"type": "tenant", "collaborators": [{"subject": "user:a@b.c"}]})),
        ("manifests.schema.json", json!({"type": "tenant", "name": "acme"})),
        ("cases.schema.json", json!({"type": "cases", "case": []})),
        ("cases.schema.json", json!({"type": "case"})),
        ("cases.schema.json", json!({"cases": []})),
        (
            "cases.schema.json",
            json!({"type": "cases", "cases": [{"principal": "a", "action": "b", "resource": "c", "expect": "alow"}]}),
        ),
        ("cases.schema.json", json!({"type": "cases", "cases": [{"principal": "a", "action": "b", "resource": "c"}]})),
        ("cases.schema.json", json!({"type": "cases", "principals": {"a": {"provder": "okta"}}})),
        ("config.schema.json", json!({"http": {"bnd": "127.0.0.1:1"}})),
        ("config.schema.json", json!({"audit": {"sink": "printer"}})),
    ] {
        assert!(!faults(schema, &document).is_empty(), "{schema}: {document}");
    }
    for document in [
        json!({"http": {"bind": "127.0.0.1:1"}, "callers": {"keys": [{"name": "a", "hash": "b", "may": ["vouch"]}]}}),
        json!({}),
    ] {
        assert_eq!(faults("config.schema.json", &document), [""; 0], "{document}");
    }
}

/// Every member that the schema offers is one that the reader of manifests takes, and no kind is missing.
#[test]
fn a_manifest_with_every_member_that_the_schema_offers_is_valid() {
    let tree = TestTree::new();
    tree.write("policies/acme/manifests/all.yaml", EVERY_MEMBER);
    let ran = super::cli::cedargate(tree.path(), &["check"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut offered: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for branch in schema("manifests.schema.json")["allOf"].as_array().unwrap() {
        let kind = branch["if"]["properties"]["type"]["const"].as_str().unwrap();
        let members = branch["then"]["properties"].as_object().unwrap().keys().cloned();
        offered.insert(kind.to_owned(), members.collect());
        assert_eq!(branch["then"]["additionalProperties"], false, "{kind}");
    }
    for (_, document) in documents_below(&tree.policies()) {
        assert_eq!(faults("manifests.schema.json", &document), [""; 0], "{document}");
        let mut written: Vec<_> = document.as_object().unwrap().keys().cloned().collect();
        written.sort();
        let offered = offered.remove(document["type"].as_str().unwrap()).unwrap();
        assert_eq!(written, offered, "{document}");
    }
    assert!(offered.is_empty(), "{offered:?}");
}

const EVERY_MEMBER: &str = "
type: identity-provider
name: okta
config:
  {jwks_uri: https://acme.okta.com/keys, issuer: https://acme.okta.com, audience: [a, b], algorithms: [RS256],
   audience_claims: [aud, client_id], authorized_parties: web, token_types: [at+jwt, JWT], kind: access,
   required_claims: {token_use: access, scope: {glob: 'gateway:*'}}, max_lifetime: 3600, max_age: 7200}
claims: {unique_id: [sub, azp], email: email, virtual_account: client_id, teams: groups}
email: {claim: email, trust: domains, domains: [acme.com], verified_claim: xms_edov}
users: either
external_identities: most-specific
---
type: external-identity
name: partners
identity_provider: okta
claims: {department: [engineering, 1, true], realm/roles: partner, ref: {not: {any: [{prefix: x}, {suffix: z}]}}}
---
type: user
email: jane@acme.com
active: true
---
type: team
name: ml
members: [jane@acme.com]
managers: [jane@acme.com]
identity_provider_mapping: [{identity_provider: okta, value: ml}]
---
type: virtual-account
name: ci
identity_provider_mapping: [{identity_provider: okta, value: ci}]
---
type: role
name: tester
resource_type: Model
actions: [viewModel]
---
type: resource
resource: Model::gpt
parents: [ModelProvider::openai]
attributes: {tier: gold}
collaborators: [{subject: team:ml, role: tester}]
---
type: tenant
collaborators: [{subject: 'user:jane@acme.com', role: admin}]
";

fn schema(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(repository().join("schema").join(name)).unwrap()).unwrap()
}

fn faults(name: &str, document: &Value) -> Vec<String> {
    let validator = jsonschema::draft7::new(&schema(name)).unwrap();
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Every YAML document below a folder, with where it is.
fn documents_below(folder: &Path) -> Vec<(String, Value)> {
    let files = WalkDir::new(folder).sort_by_file_name().into_iter().map(|entry| entry.unwrap().into_path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    let read = |path: std::path::PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let name = path.display().to_string();
        documents.into_iter().map(move |document| (name.clone(), document))
    };
    files.flat_map(read).collect()
}

#[expect(clippy::disallowed_methods, reason = "a switch of the tests, not a setting of the product")]
fn is_to_be_written() -> bool {
    std::env::var("CEDARGATE_TEST_BLESS").is_ok()
}

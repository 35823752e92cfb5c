//! Symbolic links, pipes and other names that are no plain files: nothing leads out of a tenant's folder, nothing stops
//! the reader, and nothing is passed over in silence.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use cedargate::bundle::Bundle;
use cedargate::model::{Fault, TenantId};
use cedargate::tree::{Tree, TreeDirs, read_cases, read_invariants, read_tree};

use crate::cli::cedargate;
use crate::support::server::issuers;
use crate::support::{TestServer, TestTree, eventually};

const GUARD: &str = "forbid (principal, action, resource);\n";
const SECRET: &str = "hunter2-of-the-other-tenant";

/// Tenants `ta` and `tb`, and a file outside of the tree.
fn two_tenants() -> TestTree {
    let tree = TestTree::new();
    tree.write("policies/ta/guard.cedar", GUARD);
    tree.write("policies/tb/guard.cedar", "@id(\"of-tb\")\nforbid (principal, action, resource);\n");
    tree.write("policies/tb/manifests/teams.yaml", "type: team\nname: ml\n");
    tree.write("policies/tb/cases/a.yaml", SECRET);
    tree.write("policies/tb/invariants/a.cedar", SECRET);
    tree.write("policies/tb/compiled/bundle.json", SECRET);
    tree.write("outside/secret", SECRET);
    tree
}

fn read(tree: &TestTree) -> Tree {
    read_tree(&TreeDirs { policies: tree.policies(), schema: tree.path().join("schema") })
}

fn faults(tree: &TestTree, tenant: &str) -> Vec<String> {
    let read = read(tree);
    let folder = &read.tenants.unwrap()[&TenantId::parse(tenant).unwrap()];
    folder.as_ref().err().map(|faults| faults.0.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

fn warnings(tree: &TestTree, tenant: &str) -> Vec<String> {
    let read = read(tree);
    let folder = &read.tenants.unwrap()[&TenantId::parse(tenant).unwrap()];
    folder.as_ref().unwrap().warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_link_out_of_a_tenants_folder_is_a_fault_that_quotes_nothing() {
    let outside = [
        ("x", "../tb"),
        ("x.cedar", "../tb/guard.cedar"),
        ("deep/x.cedar", "../../../outside/secret"),
        ("entities.json", "../../outside/secret"),
        ("links.json", "../../outside/secret"),
        ("manifests", "../tb/manifests"),
        ("manifests/w.yaml", "../../../outside/secret"),
        ("manifests/w.yaml", "/etc/hostname"),
        ("compiled", "../tb/compiled"),
        ("compiled/bundle.json", "../../tb/compiled/bundle.json"),
        ("README.md", "../../outside/secret"),
        ("sideways.cedar", "../../policies/ta/../tb/guard.cedar"),
        ("chain.cedar", "chain/next.cedar"),
        ("device.cedar", "/dev/zero"),
        ("root", "/"),
        ("up", ".."),
    ];
    for (name, target) in outside {
        let tree = two_tenants();
        let path = tree.policies().join("ta").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if name == "chain.cedar" {
            fs::create_dir_all(tree.policies().join("ta/chain")).unwrap();
            symlink("../../../outside/secret", tree.policies().join("ta/chain/next.cedar")).unwrap();
        }
        symlink(target, &path).unwrap();
        let found = faults(&tree, "ta");
        let own = |fault: &String| fault.contains(&format!("/ta/{name}: ")) && fault.contains("leads out of");
        assert!(found.iter().any(own), "{name} -> {target}: {found:?}");
        let ran = cedargate(tree.path(), &["check", "--json"]);
        assert_eq!(ran.code, 3, "{name}: {}", ran.stdout);
        assert!(!ran.stdout.contains("hunter2"), "{name}: {}", ran.stdout);
    }
}

#[test]
fn a_link_inside_a_tenants_folder_is_what_it_leads_to() {
    let tree = two_tenants();
    let ta = tree.policies().join("ta");
    tree.write("policies/ta/..2026_11_28/mounted.cedar", GUARD);
    symlink("..2026_11_28", ta.join("..data")).unwrap();
    symlink("..data/mounted.cedar", ta.join("mounted.cedar")).unwrap();
    symlink(ta.join("guard.cedar"), ta.join("absolute.cedar")).unwrap();
    let read = read(&tree);
    let folder = read.tenants.unwrap().remove(&TenantId::parse("ta").unwrap()).unwrap().unwrap();
    let names: Vec<_> = folder.policies.iter().map(|file| file.relative.as_str()).collect();
    assert_eq!(names, ["absolute.cedar", "guard.cedar", "mounted.cedar"]);
    assert_eq!(folder.warnings, []);
}

#[test]
fn the_folders_that_the_operator_names_may_be_links() {
    let tree = two_tenants();
    let at = |name: &str| tree.path().join(name);
    for folder in ["policies", "schema"] {
        fs::rename(at(folder), at(&format!("checkout-{folder}"))).unwrap();
        symlink(format!("checkout-{folder}"), at(folder)).unwrap();
    }
    fs::create_dir(at("volume")).unwrap();
    fs::rename(at("policies/ta"), at("volume/ta")).unwrap();
    symlink("../volume/ta", at("policies/ta")).unwrap();
    assert_eq!(faults(&tree, "ta"), [""; 0]);
    assert_eq!(cedargate(tree.path(), &["check"]).code, 0);
    tree.write("outside/x.cedar", GUARD);
    symlink("../../outside/x.cedar", at("volume/ta/x.cedar")).unwrap();
    assert!(faults(&tree, "ta")[0].contains("policies/ta/x.cedar: is a link that leads out of"));
}

#[test]
fn cases_and_invariants_are_not_read_through_a_link_that_leads_out() {
    let tree = two_tenants();
    let ta = TenantId::parse("ta").unwrap();
    for folder in ["cases", "invariants"] {
        symlink(format!("../tb/{folder}"), tree.policies().join("ta").join(folder)).unwrap();
    }
    for faults in [read_cases(&tree.policies(), &ta).unwrap_err(), read_invariants(&tree.policies(), &ta).unwrap_err()]
    {
        assert!(faults.to_string().contains("leads out of") && !faults.to_string().contains("hunter2"), "{faults}");
    }
    assert_eq!(warnings(&tree, "ta").len(), 2, "they stop no decision");
}

#[test]
fn pipes_sockets_and_what_is_too_deep_are_named_and_never_waited_for() {
    let tree = two_tenants();
    let ta = tree.policies().join("ta");
    let deep = vec!["d"; 17].join("/");
    tree.write(&format!("policies/ta/{deep}/x.cedar"), GUARD);
    assert!(Command::new("mkfifo").arg(ta.join("pipe.cedar")).status().unwrap().success());
    let _socket = UnixListener::bind(ta.join("socket.cedar")).unwrap();
    symlink("pipe.cedar", ta.join("link.cedar")).unwrap();
    for (name, text) in [
        ("notes.txt", ""),
        ("night.cedar.bak", GUARD),
        ("schema.cedarschema", ""),
        ("roles.yaml", ""),
        ("cases/a.toml", ""),
        ("invariants/b.yaml", ""),
        ("two\nlines", ""),
        ("README.md", ""),
        ("LICENSE", ""),
        (".gitignore", ""),
    ] {
        tree.write(&format!("policies/ta/{name}"), text);
    }
    let found = warnings(&tree, "ta");
    let expected = [
        "/cases/a.toml: is not read",
        "d/d: is not read: folders are nested more than 16 deep",
        "/invariants/b.yaml: is not read",
        "/link.cedar: is not read: it is a named pipe",
        "/night.cedar.bak: is not read: policies are read from",
        "/notes.txt: is not read",
        "/pipe.cedar: is not read: it is a named pipe",
        "/roles.yaml: is not read: manifests belong in `manifests/`",
        "/schema.cedarschema: is not read: a schema belongs in the schema folder",
        "/socket.cedar: is not read: it is a socket",
        "/two\\nlines: is not read",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (warning, expected) in found.iter().zip(expected) {
        assert!(warning.contains(expected), "{expected}: {found:#?}");
    }
}

#[test]
fn a_pipe_in_place_of_a_bundle_is_a_fault_and_not_waited_for() {
    let tree = two_tenants();
    fs::create_dir_all(tree.policies().join("ta/compiled")).unwrap();
    let pipe = tree.policies().join("ta/compiled/bundle.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(faults(&tree, "ta")[0].contains("named pipe"));
    assert!(cedargate::bundle::read_bundle(pipe.parent().unwrap()).is_err(), "even past the look at the folder");
}

#[test]
fn a_bundle_is_never_written_through_a_link_that_leads_out() {
    let tree = two_tenants();
    let compiled = tree.policies().join("ta/compiled");
    symlink("../tb/compiled", &compiled).unwrap();
    let error = cedargate::bundle::publish(&compiled, &Bundle::default()).unwrap_err();
    assert!(error.to_string().contains("leads out of"), "{error}");
    assert_eq!(tree.read("policies/tb/compiled/bundle.json"), SECRET);
}

#[test]
fn what_stands_beside_the_tenants_and_in_the_schemas_folder_is_told() {
    let tree = two_tenants();
    tree.write("policies/stray.txt", "");
    tree.write("schema/roles.yaml", "");
    tree.write("policies/platform/notes.txt", "");
    let told: Vec<_> = read(&tree).warnings.iter().map(|warning| warning.file.clone()).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for (file, name) in told.iter().zip(["policies/platform/notes.txt", "policies/stray.txt", "schema/roles.yaml"]) {
        assert!(file.ends_with(name), "{told:?}");
    }
    tree.write("policies/entities.json", "[]");
    assert!(read(&tree).faults.to_string().contains("belongs in a tenant's folder"));
}

#[tokio::test]
async fn a_running_server_quotes_nothing_of_what_a_link_leads_to_and_serves_the_other_tenant() {
    let tree = two_tenants();
    fs::remove_dir_all(tree.policies().join("tb/compiled")).unwrap();
    tree.write("policies/ta/left.txt", "");
    let (okta, github) = issuers().await;
    let server = TestServer::over(tree, okta, github, |_| {}).await;
    let handle = |tenant: &str| server.tenants.get(tenant).unwrap();
    let told = |warning: &Fault| warning.file.ends_with("ta/left.txt");
    assert!(handle("ta").snapshot().unwrap().warnings.iter().any(told));
    fs::create_dir(server.tree.policies().join("ta/manifests")).unwrap();
    symlink("../../../outside/secret", server.tree.policies().join("ta/manifests/w.yaml")).unwrap();
    eventually("the link is a fault", || async { !handle("ta").last_reload().ok }).await;
    let errors = format!("{:?}", handle("ta").last_reload().errors);
    assert!(errors.contains("leads out of") && !errors.contains("hunter2"), "{errors}");
    assert!(handle("tb").last_reload().ok);
}

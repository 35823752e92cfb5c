//! Configuration: its faults with their places, and what wins over what.

use super::{cedargate, cedargate_with, sample};
use crate::support::TestTree;

#[test]
fn an_unknown_key_is_a_fault_with_line_and_column() {
    let tree = sample();
    tree.write("cedargate.toml", "[http]\nbind = \"127.0.0.1:1\"\nbnid = \"x\"\n");
    let ran = cedargate(tree.path(), &["check", "--config", "cedargate.toml", "--json"]);
    assert_eq!(ran.code, 3);
    let fault = &ran.json()["faults"][0];
    assert_eq!((&fault["file"], &fault["line"], &fault["column"]), (&"cedargate.toml".into(), &3.into(), &1.into()));
    assert!(fault["message"].as_str().unwrap().contains("bnid"), "{fault}");
    let ran = cedargate(tree.path(), &["check", "--config", "cedargate.toml"]);
    assert!(ran.stderr.starts_with("cedargate.toml:3:1: "), "{}", ran.stderr);
}

#[test]
fn a_value_of_the_wrong_type_or_a_contradiction_is_a_fault() {
    let tree = sample();
    for (text, says) in [
        ("[http]\nmax_batch = \"many\"\n", "cedargate.toml:2:13: "),
        ("[http\n", "cedargate.toml:1:"),
        ("[http]\nbind = \"nowhere\"\n", "http.bind"),
        ("[audit]\nsink = \"file\"\n", "audit.path"),
        ("[keys]\nmin_refresh_seconds = 100\nmax_refresh_seconds = 10\n", "keys.min_refresh_seconds"),
        ("[[callers.keys]]\nname = \"a\"\nhash = \"md5:1\"\n", "callers.keys"),
    ] {
        tree.write("cedargate.toml", text);
        let ran = cedargate(tree.path(), &["check", "--config", "cedargate.toml"]);
        assert_eq!(ran.code, 3, "{text}");
        assert!(ran.stderr.contains(says), "{text}: {}", ran.stderr);
    }
    assert_eq!(cedargate(tree.path(), &["check", "--config", "nowhere.toml"]).code, 3);
}

#[test]
fn a_fault_of_the_environment_names_the_variable() {
    let tree = sample();
    for variable in ["CEDARGATE_HTTP__BNID", "CEDARGATE_HTTP", "CEDARGATE_HTTP__MAX_BATCH"] {
        let ran = cedargate_with(tree.path(), &["check", "--json"], &[(variable, "x")]);
        assert_eq!(ran.code, 3, "{variable}");
        assert!(ran.json()["faults"][0]["file"].as_str().unwrap().contains(variable), "{}", ran.stdout);
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let tree = TestTree::new();
    for name in ["by-file", "by-environment", "by-flag"] {
        tree.write(&format!("{name}/{name}/x.cedar"), "permit (principal, action, resource);");
    }
    tree.write("cedargate.toml", "[policies]\ndir = \"by-file\"\n");
    let file = ["--config", "cedargate.toml"];
    let environment = [("CEDARGATE_POLICIES__DIR", "by-environment")];
    let tenants = |arguments: &[&str], environment: &[(&str, &str)]| {
        let ran = cedargate_with(tree.path(), &[&["check", "--json"], arguments].concat(), environment);
        assert_eq!(ran.code, 0, "{}", ran.stdout);
        ran.json()["tenants"][0].as_str().unwrap_or("none").to_owned()
    };
    assert_eq!(tenants(&[], &[]), "none");
    assert_eq!(tenants(&file, &[]), "by-file");
    assert_eq!(tenants(&file, &environment), "by-environment");
    assert_eq!(tenants(&[&file[..], &["--policies", "by-flag"]].concat(), &environment), "by-flag");
}

#[test]
fn the_servers_address_follows_the_same_order() {
    let tree = sample();
    // None of these can be had, so that each run ends and says which one it tried.
    let taken: Vec<_> = (0..3).map(|_| std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap()).collect();
    let address = |index: usize| taken[index].local_addr().unwrap().to_string();
    tree.write("cedargate.toml", &format!("[http]\nbind = \"{}\"\n", address(0)));
    let (environment, flag) = (address(1), address(2));
    let serve = ["serve", "--config", "cedargate.toml"];
    for (arguments, environment, tried) in [
        (&serve[..], &[][..], address(0)),
        (&serve, &[("CEDARGATE_HTTP__BIND", environment.as_str())], address(1)),
        (&[&serve[..], &["--bind", &flag]].concat(), &[("CEDARGATE_HTTP__BIND", environment.as_str())], address(2)),
    ] {
        let ran = cedargate_with(tree.path(), arguments, environment);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(&tried), "{tried}: {}", ran.stderr);
    }
}

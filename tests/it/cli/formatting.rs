//! `fmt`: what is formatted stays, what is not is named and rewritten, what does not parse is a fault.

use serde_json::json;

use super::{cedargate, sample};

const UGLY: &str = "permit(principal,action,resource)when{true};";

#[test]
fn the_sample_is_formatted() {
    let tree = sample();
    let ran = cedargate(tree.path(), &["fmt", "--check", "--json"]);
    assert_eq!((ran.code, ran.json()), (0, json!({"ok": true, "changed": []})));
}

#[test]
fn check_names_what_is_not_formatted_and_fmt_rewrites_it() {
    let tree = sample();
    tree.write("policies/acme/ugly.cedar", UGLY);
    let ran = cedargate(tree.path(), &["fmt", "--check", "--json"]);
    assert_eq!((ran.code, ran.json()), (4, json!({"ok": false, "changed": ["policies/acme/ugly.cedar"]})));
    assert_eq!(tree.read("policies/acme/ugly.cedar"), UGLY);
    let ran = cedargate(tree.path(), &["fmt", "--json"]);
    assert_eq!((ran.code, ran.json()), (0, json!({"ok": true, "changed": ["policies/acme/ugly.cedar"]})));
    assert_ne!(tree.read("policies/acme/ugly.cedar"), UGLY);
    assert_eq!(cedargate(tree.path(), &["fmt", "--check"]).code, 0);
}

#[test]
fn what_does_not_parse_is_a_fault_with_its_place() {
    let tree = sample();
    tree.write("policies/acme/broken.cedar", "permit (\n  principle, action, resource);\n");
    for arguments in [&["fmt"][..], &["fmt", "--check"]] {
        let ran = cedargate(tree.path(), arguments);
        assert_eq!(ran.code, 3);
        assert!(ran.stderr.contains("policies/acme/broken.cedar:2:3: "), "{}", ran.stderr);
    }
}

#[test]
fn compiled_policies_are_left_alone() {
    let tree = sample();
    assert_eq!(cedargate(tree.path(), &["compile"]).code, 0);
    tree.edit("policies/acme/compiled/roles.cedar", |text| text + UGLY);
    assert_eq!(cedargate(tree.path(), &["fmt", "--check"]).code, 0);
}

//! What cases exercise of policies and of their conditions, and what they do not.

use cedar_policy::Policy as CedarPolicy;
use cedar_policy_core::ast;

use super::*;

/// The parts of a condition with their lines.
fn parts(policy: &str) -> Vec<(String, usize)> {
    let policy = CedarPolicy::parse(None, policy).unwrap();
    let policy: &ast::Policy = policy.as_ref();
    let condition = Condition::of(policy.non_scope_constraints().unwrap());
    condition.parts.iter().map(|part| (part.text.clone(), part.line)).collect()
}

#[test]
fn a_condition_falls_into_the_parts_that_its_author_wrote() {
    for (conditions, expected) in [
        (
            "when { context.a && context.b && context.c && context.d }",
            &["context.a", "context.b", "context.c", "context.d"][..],
        ),
        ("when { context.a || context.b || !(context.c) }", &["context.a", "context.b", "context.c"]),
        ("when { context.a > 1 && context.b != 2 }", &["context.a > 1", "context.b != 2"]),
        ("unless { context.a > 1 } unless { context.b == 2 }", &["context.a > 1", "context.b == 2"]),
        ("unless { context.a }", &["context.a"]),
        ("when { !(context.a == 1) && !(context.b >= 1) }", &["context.a == 1", "context.b >= 1"]),
        ("when { principal is User in Team::\"a\" && context.b }", &["principal is User in Team::\"a\"", "context.b"]),
        ("when { principal is User && principal in Team::\"a\" }", &["principal is User", "principal in Team::\"a\""]),
        ("when { if context.a then context.b else !context.c }", &["context.a", "context.b", "context.c"]),
        (
            "when { context has a.b && context.a.b.contains(\"x\") }",
            &["context has a.b", "context.a.b.contains(\"x\")"],
        ),
        ("when { [context.a && context.b].contains(true) }", &["[context.a && context.b].contains(true)"]),
        (
            "when { (context.a || context.b) && (context.c || context.d) }",
            &["context.a", "context.b", "context.c", "context.d"],
        ),
    ] {
        let found: Vec<_> = parts(&format!("permit (principal, action, resource) {conditions};"))
            .into_iter()
            .map(|part| part.0)
            .collect();
        assert_eq!(found, expected, "{conditions}");
    }
    let lines =
        parts("permit (principal, action, resource)\nwhen { context.a\n  && context.b }\nunless { context.c };");
    assert_eq!(lines.iter().map(|part| part.1).collect::<Vec<_>>(), [2, 3, 4]);
}

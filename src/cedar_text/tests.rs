//! Texts at the bounds and beyond them: read on a thread with little stack, as on any other.

use cedar_policy_core::ast::ExprKind;

use super::*;

fn file(text: impl Into<String>) -> SourceFile {
    SourceFile { name: "a.cedar".to_owned(), relative: "a.cedar".to_owned(), text: text.into() }
}

fn policy(condition: &str) -> SourceFile {
    file(format!("permit (principal, action, resource) when {{ {condition} }};"))
}

/// What a small thread makes of a text: it dies where the text is followed without room for it.
fn parse(file: SourceFile) -> Result<usize, String> {
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    let parsed =
        small.spawn(move || parse_policies(&file).map(|set| depth_of(&set)).map_err(|faults| faults.to_string()));
    parsed.unwrap().join().unwrap()
}

fn depth_of(set: &ast::PolicySet) -> usize {
    fn depth(expression: &Expr) -> usize {
        1 + match expression.expr_kind() {
            ExprKind::And { left, right } | ExprKind::Or { left, right } => depth(left).max(depth(right)),
            _ => 0,
        }
    }
    set.policies().filter_map(|policy| policy.non_scope_constraints().map(depth)).max().unwrap_or(0)
}

fn nested(open: &str, core: &str, close: &str, times: usize) -> String {
    format!("{}{core}{}", open.repeat(times), close.repeat(times))
}

#[test]
fn brackets_and_ifs_nest_so_deep_and_no_deeper() {
    for (open, core, close, fits) in [
        ("(", "true", ")", 64),
        ("(a || ", "true", ")", 64),
        ("[", "1", "]", 64),
        ("{a: ", "1", "}", 64),
        ("if true then ", "1", " else 2", 64),
        ("if ", "true", " then true else false", 64),
        ("if true then 1 else ", "3", "", 64),
        ("if (true) then (", "1", ") else 2", 32),
        ("principal.a(", "1", ")", 64),
        ("ip(", "1", ")", 64),
        ("context[", "1", "]", 64),
    ] {
        let within = scan(&policy(&nested(open, core, close, fits)).text, Language::Policies);
        assert_eq!(within, Ok(()), "{open}");
        let beyond = parse(policy(&nested(open, core, close, fits + 1))).unwrap_err();
        assert!(beyond.contains("a.cedar:1:") && beyond.contains("more than 64 brackets and `if`s"), "{beyond}");
        let far = parse(policy(&nested(open, core, close, 100_000))).unwrap_err();
        assert!(far.contains("more than 64"), "{far}");
    }
}

#[test]
fn an_if_ends_where_an_outer_one_goes_on() {
    // Each is over before the next begins: never more than three at once.
    let one = "if (if a then b else c) then if a then b else c else if a then b else c";
    let many = format!("[{}]", vec![one; 500].join(", "));
    assert_eq!(scan(&policy(&many).text, Language::Policies), Ok(()));
    let clauses = "when { if true then true else false } ".repeat(100);
    assert_eq!(scan(&format!("permit (principal, action, resource) {clauses};"), Language::Policies), Ok(()));
}

#[test]
fn a_chain_of_ten_thousand_terms_is_shallow() {
    for join in ["||", "&&"] {
        let term = "principal == User::\"x\"";
        let chain = vec![term; 10_000].join(&format!(" {join} "));
        assert_eq!(parse(policy(&chain)).unwrap(), 15);
        assert!(parse(policy(&format!("({chain}) == true"))).is_ok());
        // Written from the other end.
        let nested = vec![term; 60].join(&format!(" {join} ("));
        assert!(parse(policy(&format!("{nested}{}", ")".repeat(59)))).unwrap() < 10);
    }
    let clauses = "when { context.a } ".repeat(10_000);
    assert_eq!(parse(file(format!("permit (principal, action, resource) {clauses};"))).unwrap(), 15);
}

#[test]
fn what_is_too_much_in_a_row_is_a_fault() {
    for (text, says) in [
        (vec!["true"; 20_002].join(" || "), "terms of `&&` and `||`"),
        (format!("context{}", ".a".repeat(257)), "accesses or sums in a row"),
        (format!("context{}", "[\"a\"]".repeat(257)), "accesses or sums in a row"),
        (format!("1{} == 2", " + 1".repeat(100_000)), "accesses or sums in a row"),
        (format!("1{} == 2", " * 1".repeat(100_000)), "accesses or sums in a row"),
        (format!("1{} == 2", " - 1".repeat(100_000)), "accesses or sums in a row"),
        (format!("\"a\" like \"{}\"", "a".repeat(1_100)), "a pattern of more than 1024 bytes"),
        (format!("\"{}\" == \"\"", "a".repeat(1_100_000)), "a policy of more than 1048576 bytes"),
        ("!!!!!true".to_owned(), "chain more the 4"),
        (nested("(", "1", " + 1 + 1 + 1 + 1 + 1)", 60) + " == 2", "more than 256 operations deep"),
    ] {
        let fault = parse(policy(&text)).unwrap_err();
        assert!(fault.contains(says) && fault.contains("a.cedar:1:"), "{says}: {fault}");
    }
}

#[test]
fn what_strings_and_comments_hold_does_not_count() {
    let text = format!("\"{0}\\\"{0}\" == \"\" // {0} if if if\n", "(".repeat(1_000));
    assert!(parse(policy(&text)).is_ok());
}

#[test]
fn balancing_keeps_the_order_of_terms_and_their_places() {
    let terms: Vec<_> = (0..100).map(|number| format!("context.a == {number}")).collect();
    let set = parse_policies(&policy(&terms.join(" && "))).unwrap();
    let policy = set.policies().next().unwrap();
    let condition = policy.non_scope_constraints().unwrap();
    let mut found = Vec::new();
    crate::mismatch::conjuncts(condition, &mut found);
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), terms);
    assert!(found.windows(2).all(|pair| pair[0].source_loc().unwrap().start() < pair[1].source_loc().unwrap().start()));
}

mod types {
    use cedar_policy::SchemaFragment;

    use super::*;

    fn check(text: &str) -> Result<(), String> {
        scan(text, Language::Schema).map_err(|beyond| beyond.message)?;
        let (fragment, _) = SchemaFragment::from_cedarschema_str(text).unwrap();
        check_types(&[fragment.to_json_value().unwrap()])
    }

    fn steps(count: usize, step: impl Fn(usize) -> String) -> String {
        let steps: String = (1..=count).map(|number| format!("type T{number} = {};\n", step(number - 1))).collect();
        format!("type T0 = {{a: Long}};\n{steps}entity A {{t: T{count}}};")
    }

    #[test]
    fn types_in_types_are_bounded_in_depth_and_in_size() {
        assert_eq!(check(&steps(20, |before| format!("{{a: T{before}}}"))), Ok(()));
        assert!(check(&steps(3_000, |before| format!("{{a: T{before}}}"))).unwrap_err().contains("more than 64 steps"));
        assert!(check(&steps(3_000, |before| format!("Set<T{before}>"))).unwrap_err().contains("more than 64 steps"));
        let doubling = check(&steps(40, |before| format!("{{a: T{before}, b: T{before}}}"))).unwrap_err();
        assert!(doubling.contains("comes to more than 100000 parts"), "{doubling}");
        let nested = format!("entity A {{a: {}}};", super::nested("{a: ", "Long", "}", 2_000));
        assert!(check(&nested).unwrap_err().contains("more than 64 brackets"));
        let sets = format!("entity A {{a: {}}};", super::nested("Set<", "Long", ">", 2_000));
        assert!(check(&sets).unwrap_err().contains("more than 64 brackets"));
    }

    #[test]
    fn a_type_made_of_itself_is_left_to_cedar() {
        assert_eq!(check("type A = {b: B}; type B = {a: A}; entity C {a: A};"), Ok(()));
        assert_eq!(check("namespace N { type A = {b: Long}; entity C {a: A, b: N::A}; }"), Ok(()));
    }
}

//! Texts that nobody would write but to do harm: a fault with its place or a policy that decides, on any thread.

use std::fmt::Write;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use super::*;
use crate::decide::{AccessQuery, ActionName, Answer, Decider, Decision, ForbidErrors, ResourceQuery};
use crate::principal::Principal;

const HOSTILE: &str = "
entity Box in [Box, Tenant] = { size?: Long, next: Box };
action look appliesTo {
  principal: [User, VirtualAccount, ExternalSubject], resource: Box, context: { ip: ipaddr, a: Bool, n: Long },
};
";

thread_local! {
    static OVER: TestTenant = TestTenant::over(HOSTILE);
}

fn over() -> TestTenant {
    OVER.with(Clone::clone)
}

/// On a thread with as little stack as a careless caller gives.
fn on_small_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(512 * 1024).spawn(work).unwrap().join().unwrap()
}

fn answer(tenant: TestTenant, user: String, forbid_errors: ForbidErrors) -> Answer {
    on_small_thread(move || {
        let snapshot = tenant.snapshot().unwrap();
        let principal = Principal::named(format!("User::\"{user}\"").parse().unwrap());
        let decider = Decider { forbid_errors, ..Decider::default() };
        let context = json!({"ip": {"__extn": {"fn": "ip", "arg": "10.0.0.1"}}, "a": true, "n": 1});
        let query = AccessQuery {
            action: ActionName("look".into()),
            resource: ResourceQuery::named(EntityRef::new("Box", "b")),
            context: Some(context),
            explain: true,
        };
        decider.decide(&snapshot, &principal, &query).unwrap()
    })
}

#[test]
fn a_forbid_of_ten_thousand_terms_forbids_whom_it_names_and_nobody_else() {
    let names: Vec<_> = (0..10_000).map(|number| format!("principal == User::\"{number}\"")).collect();
    let text = format!(
        "permit (principal, action == Action::\"look\", resource);\n\
         forbid (principal, action == Action::\"look\", resource) when {{ {} }};",
        names.join(" || ")
    );
    let known = r#"[{"uid": {"type": "Box", "id": "b"}, "attrs": {"next": {"__entity": {"type": "Box", "id": "b"}}}, "parents": []}]"#;
    let tenant = over().policy("a.cedar", &text).entities("b.entities.json", known);
    for forbid_errors in [ForbidErrors::Deny, ForbidErrors::Skip] {
        for (user, expected) in
            [("0", Decision::Deny), ("5000", Decision::Deny), ("9999", Decision::Deny), ("jane", Decision::Allow)]
        {
            let answer = answer(tenant.clone(), user.to_owned(), forbid_errors);
            assert_eq!((answer.decision, answer.errors.len()), (expected, 0), "{user}");
        }
    }
}

#[test]
fn a_long_chain_is_type_checked_to_its_end() {
    for (first, last) in [("1", "true"), ("context.n", "context.a"), ("context.a", "context.n")] {
        let middle = vec!["context.a"; 9_998].join(" || ");
        let text = format!(
            "permit (principal, action == Action::\"look\", resource) when {{ {first} || {middle} || {last} }};"
        );
        let faults = over().policy("a.cedar", &text).faults();
        assert!(faults.iter().any(|fault| fault.contains("expected Bool but saw Long")), "{first}: {faults:?}");
    }
}

#[test]
fn ifs_that_double_the_validation_are_a_fault_at_once() {
    for (test, count) in [("context has ip", 40), ("context has ip", 60), ("true", 50), ("!false", 60)] {
        let nested = format!("{}context.a{}", format!("if {test} then ").repeat(count), " else false".repeat(count));
        let text = format!("permit (principal, action == Action::\"look\", resource)\nwhen {{ {nested} }};");
        let started = Instant::now();
        let faults = over().policy("a.cedar", &text).faults();
        let is_told = faults.iter().any(|fault| fault.starts_with("policies/acme/a.cedar:1:1: its `if`s"));
        // Cedar itself takes a test that is a literal away.
        assert!(is_told || faults.is_empty() && test != "context has ip", "{test}: {faults:?}");
        assert!(started.elapsed() < Duration::from_secs(20), "{test}");
    }
}

#[test]
fn ifs_whose_tests_can_be_either_are_as_long_as_the_bound_lets_them() {
    let chain: String = (0..60).fold(String::new(), |mut chain, number| {
        write!(chain, "if context.n == {number} then context.a else ").unwrap();
        chain
    });
    let text = format!("permit (principal, action == Action::\"look\", resource) when {{ {chain} false }};");
    assert_eq!(over().policy("a.cedar", &text).faults(), Vec::<String>::new());
}

#[test]
fn hostile_texts_are_faults_or_policies_and_end_nothing() {
    let cases = times();
    let config = Config { cases: 10_000 * cases, failure_persistence: None, ..Config::default() };
    // A million of them are made sooner than they are read.
    let (sender, texts) = std::sync::mpsc::sync_channel::<String>(1_000);
    // One small thread for all of them: a thread for each is most of the time.
    let reader = std::thread::Builder::new().stack_size(512 * 1024).spawn(move || {
        let (mut valid, mut refused) = (0_u32, 0_u32);
        for text in texts {
            let faults = over().policy("a.cedar", &text).faults();
            if faults.is_empty() { valid += 1 } else { refused += 1 }
        }
        (valid, refused)
    });
    let mut runner = TestRunner::new(config);
    let ran = runner.run(&text(), |text| {
        sender.send(text).unwrap();
        Ok(())
    });
    drop(sender);
    ran.unwrap();
    let (valid, refused) = reader.unwrap().join().unwrap();
    // A property over texts that are all refused, or all fine, would say nothing.
    assert!(valid > 100 && refused > 1_000, "{valid} valid, {refused} refused");
}

/// Policies whose conditions nest and join anything in anything, some with brackets missing.
fn text() -> impl Strategy<Value = String> {
    (condition(), 0..20_usize, 0..40_u8).prop_map(|(condition, cut, spoil)| {
        let mut text = format!("permit (principal, action == Action::\"look\", resource) when {{ {condition} }};");
        match spoil {
            0 => text.truncate(text.len().saturating_sub(cut)),
            1 => text = text.replacen(')', "", cut),
            2 => text = text.repeat(cut.clamp(1, 3)),
            3 => text = text.replace("when", "unless"),
            _ => {}
        }
        text
    })
}

fn condition() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "true",
        "context.a",
        "context has ip",
        "resource.next in resource",
        "principal == resource.next.owner",
        "context.n == 1",
        "context.ip.isLoopback()",
        "[]",
        "{}",
        "1",
        "\"a\" like \"*\"",
        "principal has email",
        "-1 < 2",
        "resource has next.next.size",
    ]);
    let times = prop_oneof![8 => 1..4_usize, 2 => 4..70_usize, 1 => 70..400_usize];
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(5, 24, 3, move |inner| {
        let wraps = prop::sample::select(vec![
            ("(", ")"), ("!(", ")"), ("[", "]"), ("{a: ", "}"), ("if context has ip then ", " else false"),
            ("if context.a then ", " else true"), ("(true && ", ")"), ("(", " || context.a)"), ("", " && context.a"),
            ("context.a || ", ""), ("", ".next"), ("", "[\"a\"]"), ("", " + 1"), ("ip(", ")"), ("-(", ")"),
            ("if ", " then true else false"), ("", " in [resource]"), ("(", ") == true"), ("", ".contains(1)"),
        ]);
        let joins = prop::sample::select(vec![" && ", " || ", " == ", " in ", ", ", " + ", " < "]);
        prop_oneof![
            3 => (inner.clone(), wraps, times.clone())
                .prop_map(|(inner, (open, close), times)| format!("{}{inner}{}", open.repeat(times), close.repeat(times))),
            1 => (prop::collection::vec(inner, 1..3), joins, times.clone())
                .prop_map(|(inner, join, times)| vec![inner.join(join); times].join(join)),
        ]
    })
    // Beyond it, one text takes seconds of an unoptimised build and shows nothing new.
    .prop_filter("short", |text| text.len() < 5_000)
}

/// How many times the usual cases are tried.
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, and no setting")]
fn times() -> u32 {
    std::env::var("CEDARGATE_TEST_CASES").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

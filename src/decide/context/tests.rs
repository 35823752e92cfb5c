//! What is read here is what Cedar reads; what is not, Cedar refuses or reads itself.

use cedar_policy::Context;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::read_context;
use crate::assemble::test_tenant::TestTenant;
use crate::decide::QueryError;
use crate::snapshot::Snapshot;

const SCHEMA: &str = r#"
entity Thing in [Tenant];
action look appliesTo { principal: [User], resource: Thing, context: {
  text: String, number?: Long, yes?: Bool, ip?: ipaddr, price?: decimal, at?: datetime, span?: duration,
  tags?: Set<String>, deep?: Set<Set<Long>>, inner?: { name: String, "odd name"?: Long, more?: { ips: Set<ipaddr> } },
  thing?: Thing, things?: Set<Thing>, __extn?: { fn?: String, arg?: String },
} };
action still appliesTo { principal: [User], resource: Thing };
"#;

thread_local! {
    static SNAPSHOT: Snapshot = TestTenant::over(SCHEMA).snapshot().unwrap();
}

fn leaf() -> impl Strategy<Value = Value> {
    let texts =
        ["", "a", "1.5", "10.0.0.1/8", "::1", "300.1.1.1", "2026-11-22", "2026-11-22T10:00:00Z", "1h30m", "-1d", "é"];
    prop_oneof![
        6 => prop::sample::select(texts.to_vec()).prop_map(Value::from),
        2 => prop_oneof![Just(i64::MAX), Just(i64::MIN), any::<i64>()].prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => prop_oneof![Just(json!(null)), Just(json!(u64::MAX)), Just(json!(1.0)), Just(json!(0.5))],
        1 => prop_oneof![
            Just(json!({"__entity": {"type": "Thing", "id": "t"}})), Just(json!({"type": "Thing", "id": "t"})),
            Just(json!({"__extn": {"fn": "ip", "arg": "10.0.0.1"}})), Just(json!({"fn": "decimal", "arg": "1.0"})),
            Just(json!({"__extn": {"fn": "unknown", "arg": "x"}})), Just(json!({"__expr": "1"})),
        ],
    ]
}

/// Values that mostly fit the member that they are given to.
fn value_of(name: &str) -> BoxedStrategy<Value> {
    let one_of = |texts: &'static [&str]| prop::sample::select(texts).prop_map(Value::from).boxed();
    let fitting = match name {
        "text" | "name" => any::<String>().prop_map(Value::from).boxed(),
        "number" | "odd name" => any::<i64>().prop_map(Value::from).boxed(),
        "yes" => any::<bool>().prop_map(Value::from).boxed(),
        "ip" => one_of(&["10.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/48", "10.0.0.1/33", "10.0.0.01"]),
        "price" => one_of(&["1.0", "-0.5", "922337203685477.5807", "922337203685477.5808", "1"]),
        "at" => one_of(&["2026-11-22", "2026-11-22T10:00:00Z", "2026-11-22T10:00:00.123+0100", "2026-13-01"]),
        "span" => one_of(&["1h", "1d2h3m4s5ms", "-1ms", "1x"]),
        "tags" => vec(value_of("text"), 0..4).prop_map(Value::from).boxed(),
        "ips" => vec(value_of("ip"), 0..4).prop_map(Value::from).boxed(),
        "deep" => vec(vec(value_of("number"), 0..3), 0..3).prop_map(|sets| json!(sets)).boxed(),
        "more" => record(&["ips"]).boxed(),
        "inner" => record(&["name", "odd name", "more"]).boxed(),
        "things" => vec(leaf(), 0..3).prop_map(Value::from).boxed(),
        _ => leaf().boxed(),
    };
    prop_oneof![15 => fitting, 1 => leaf()].boxed()
}

/// Some of the members, the first of which mostly.
fn record(names: &'static [&str]) -> impl Strategy<Value = Value> {
    let member = |(at, name): (usize, &&'static str)| {
        let name = *name;
        let there = prop::bool::weighted(if at == 0 { 0.95 } else { 0.3 });
        (there, value_of(name)).prop_map(move |(is_there, value)| is_there.then(|| (name.to_owned(), value)))
    };
    let members: Vec<_> = names.iter().enumerate().map(member).collect();
    members.prop_map(|members| Value::Object(members.into_iter().flatten().collect::<Map<_, _>>()))
}

const NAMES: &[&str] = &[
    "text", "number", "yes", "ip", "price", "at", "span", "tags", "deep", "inner", "thing", "things", "__extn", "other",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_read_here_is_what_cedar_reads(given in record(NAMES), is_still in prop::bool::weighted(0.1)) {
        SNAPSHOT.with(|snapshot| {
            let action = snapshot.schema.actions.named(if is_still { "still" } else { "look" }).unwrap();
            let schema = &snapshot.schema.schema;
            let cedars = Context::from_json_value(given.clone(), Some((schema, &action.uid)));
            match read_context(snapshot, Some(&given), action) {
                Ok(ours) => {
                    let cedars = cedars.unwrap();
                    prop_assert_eq!(&ours.context, &cedars);
                    prop_assert!(!ours.is_checked || cedars.validate(schema, &action.uid).is_ok());
                }
                Err(_) => prop_assert!(cedars.is_err()),
            }
            Ok(())
        })?;
    }
}

#[test]
fn plain_contexts_need_no_further_check_and_others_do() {
    SNAPSHOT.with(|snapshot| {
        let look = snapshot.schema.actions.named("look").unwrap();
        let is_checked = |given: Value| read_context(snapshot, Some(&given), look).unwrap().is_checked;
        assert!(is_checked(json!({"text": "a", "ip": "::1", "inner": {"name": "b", "more": {"ips": ["10.0.0.1"]}}})));
        assert!(!is_checked(json!({"text": "a", "ip": {"__extn": {"fn": "ip", "arg": "::1"}}})));
        assert!(!is_checked(json!({"text": "a", "thing": {"type": "Thing", "id": "t"}})));
        assert!(!is_checked(json!(null)), "`text` is required");
        assert!(matches!(read_context(snapshot, Some(&json!([])), look), Err(QueryError::Context(_))));
    });
}

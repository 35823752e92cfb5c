//! What is read here is what Cedar reads; what is not, Cedar refuses or reads itself.

use cedar_policy::Context;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::read_context;
use crate::assemble::test_tenant::TestTenant;
use crate::decide::fit::{Completeness, fit_members};
use crate::decide::{AccessQuery, ActionName, QueryError, ResourceQuery, drop_unknown};
use crate::model::EntityRef;
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
        "at" => one_of(&[
            "2026-11-22",
            "2026-11-22T10:00:00Z",
            "2026-11-22T10:00:00.123+0100",
            "2026-13-01",
            "2026-11-22T10:00+01:00",
        ]),
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

    /// Cedar's own reader accepts what is accepted here in the form that it is fitted to, as the same value; and what
    /// Cedar reads as it was given is read here alike, but for addresses that map another.
    #[test]
    fn what_is_read_here_is_what_cedar_reads(given in record(NAMES), is_still in prop::bool::weighted(0.1)) {
        SNAPSHOT.with(|snapshot| {
            let action = snapshot.schema.actions.named(if is_still { "still" } else { "look" }).unwrap();
            let schema = &snapshot.schema.schema;
            let by_cedar = |given: &Value| {
                let read = Context::from_json_value(given.clone(), Some((schema, &action.uid))).ok()?;
                read.validate(schema, &action.uid).is_ok().then_some(read)
            };
            let ours = read_context(snapshot, Some(&given), action);
            let is_accepted = ours.as_ref().is_ok_and(|ours| {
                ours.is_checked || ours.context.validate(schema, &action.uid).is_ok()
            });
            match by_cedar(&given) {
                Some(cedars) => prop_assert_eq!(&ours.unwrap().context, &cedars),
                None if !is_accepted => {}
                None => {
                    let members = given.as_object().unwrap();
                    let fitted = fit_members(members, &action.context, "context", Completeness::Whole).unwrap();
                    prop_assert_ne!(&fitted, members);
                    prop_assert_eq!(Some(ours.unwrap().context), by_cedar(&Value::Object(fitted)));
                }
            }
            Ok(())
        })?;
    }

    /// What is left out is told, the rest is what a question without it would have said, and no policy sees a difference.
    #[test]
    fn what_the_schema_does_not_declare_can_be_left_out(given in record(NAMES), junk in record(&["weather", "inner"])) {
        SNAPSHOT.with(|snapshot| {
            let action = snapshot.schema.actions.named("look").unwrap();
            let mut with = given.clone();
            with.as_object_mut().unwrap().insert("undeclared".into(), junk);
            if let Some(inner) = with.get_mut("inner").and_then(Value::as_object_mut) {
                inner.insert("undeclared".into(), json!(1));
            }
            let mut query = AccessQuery {
                action: ActionName("look".into()),
                resource: ResourceQuery::named(EntityRef::new("Thing", "t")),
                context: Some(with.clone()),
                explain: false,
            };
            prop_assert!(read_context(snapshot, Some(&with), action).is_err());
            let dropped = drop_unknown(snapshot, &mut query).unwrap();
            prop_assert!(dropped.contains(&"context.undeclared".to_owned()), "{:?}", dropped);
            let (ours, plain) = (query.context.unwrap(), read_context(snapshot, Some(&given), action));
            match (read_context(snapshot, Some(&ours), action), plain) {
                (Ok(ours), Ok(plain)) => prop_assert_eq!(ours.context, plain.context),
                (ours, plain) => prop_assert!(plain.is_err() || ours.is_ok()),
            }
            Ok(())
        })?;
    }
}

fn refused(given: Value) -> String {
    SNAPSHOT.with(|snapshot| {
        let look = snapshot.schema.actions.named("look").unwrap();
        match read_context(snapshot, Some(&given), look) {
            Err(error) => error.to_string(),
            Ok(read) => panic!("{given}: {:?}", read.context),
        }
    })
}

#[test]
fn a_field_that_does_not_fit_is_named_with_what_it_may_be() {
    let with = |name: &str, value: Value| {
        let mut given = json!({"text": "a"});
        given[name] = value;
        refused(given)
    };
    for (name, value, said) in [
        ("number", json!(1.5), "`context.number`: `1.5` is not a whole number (Long)"),
        ("number", json!(u64::MAX), "`context.number`: `18446744073709551615` is not a whole number (Long)"),
        ("number", json!("1"), "`context.number`: `\"1\"` is not a whole number (Long)"),
        ("text", json!(1), "`context.text`: `1` is not a text (String)"),
        ("yes", json!("true"), "`context.yes`: `\"true\"` is not `true` or `false` (Bool)"),
        ("ip", json!("10.0.0.300"), "`context.ip`: `\"10.0.0.300\"` is not an address or a range (ipaddr)"),
        ("at", json!("yesterday"), "`context.at`: `\"yesterday\"` is not a date and time (datetime)"),
        ("price", json!(1.5), "`context.price`: `1.5` is not a text with a decimal number (decimal), as `\"1.5\"`"),
        ("span", json!(3), "`context.span`: `3` is not a duration (duration), as `1h30m`"),
        ("tags", json!("a"), "`context.tags`: `\"a\"` is not a list (Set)"),
        ("tags", json!(["a", null]), "`context.tags[1]`: `null` is not a text (String)"),
        ("deep", json!([[1], [2, "b"]]), "`context.deep[1][1]`: `\"b\"` is not a whole number (Long)"),
        ("inner", json!([]), "`context.inner`: `[]` is not an object (record)"),
        ("inner", json!({}), "`context.inner.name`: is missing: it must be a text (String)"),
        ("inner", json!({"name": "a", "more": {"ips": [1]}}), "`context.inner.more.ips[0]`: `1` is not an address"),
        ("inner", json!({"name": "a", "nam": 1}), "`context.inner.nam`: is not declared by the schema"),
        ("numbr", json!(1), "`context.numbr`: is not declared by the schema (did you mean `number`?)"),
        ("weather", json!(1), "ask with `\"unknown\": \"drop\"`"),
        ("thing", json!({"type": "User", "id": "u"}), "is not an entity (Thing), as `{\"type\": \"Thing\""),
        ("thing", json!("t"), "`context.thing`: `\"t\"` is not an entity (Thing)"),
    ] {
        let message = with(name, value.clone());
        assert!(message.contains(said), "{name} {value}: {message}");
        for word in ["f64", "i64", "u64", "serde", "struct", "expected", "unit value", "SmolStr"] {
            assert!(!message.contains(word), "{message}");
        }
    }
    assert!(refused(json!({})).contains("`context.text`: is missing"));
    assert!(refused(json!(null)).contains("`context.text`: is missing"));
}

#[test]
fn gateways_notations_are_read_as_what_they_mean() {
    SNAPSHOT.with(|snapshot| {
        let look = snapshot.schema.actions.named("look").unwrap();
        let read = |given: Value| read_context(snapshot, Some(&given), look).unwrap().context;
        let extn = |function: &str, arg: &str| json!({"__extn": {"fn": function, "arg": arg}});
        for (given, plain) in [
            (json!({"text": "a", "number": null, "inner": null}), json!({"text": "a"})),
            (
                json!({"text": "a", "inner": {"name": "b", "odd name": null, "more": null}}),
                json!({"text": "a", "inner": {"name": "b"}}),
            ),
            (
                json!({"text": "a", "thing": {"type": "Thing", "id": "t"}, "number": null, "inner": {"name": "b", "more": null}}),
                json!({"text": "a", "thing": {"type": "Thing", "id": "t"}, "inner": {"name": "b"}}),
            ),
            (json!({"text": "a", "ip": "::ffff:10.1.2.3"}), json!({"text": "a", "ip": "10.1.2.3"})),
            (json!({"text": "a", "ip": extn("ip", "::ffff:10.1.2.3")}), json!({"text": "a", "ip": "10.1.2.3"})),
            (json!({"text": "a", "ip": {"fn": "ip", "arg": "::ffff:a01:203"}}), json!({"text": "a", "ip": "10.1.2.3"})),
            (json!({"text": "a", "ip": "::ffff:10.0.0.0/104"}), json!({"text": "a", "ip": "10.0.0.0/8"})),
            (
                json!({"text": "a", "inner": {"name": "b", "more": {"ips": ["::ffff:10.1.2.3", extn("ip", "::ffff:10.0.0.0/104")]}}}),
                json!({"text": "a", "inner": {"name": "b", "more": {"ips": ["10.1.2.3", "10.0.0.0/8"]}}}),
            ),
            (
                json!({"text": "a", "at": "2026-11-22T11:00:00+01:00"}),
                json!({"text": "a", "at": "2026-11-22T10:00:00Z"}),
            ),
            (
                json!({"text": "a", "at": extn("datetime", "2026-11-22T03:00-07:00")}),
                json!({"text": "a", "at": "2026-11-22T10:00:00Z"}),
            ),
        ] {
            assert_eq!(read(given.clone()), read(plain), "{given}");
        }
    });
}

#[test]
fn plain_contexts_need_no_further_check_and_others_do() {
    SNAPSHOT.with(|snapshot| {
        let look = snapshot.schema.actions.named("look").unwrap();
        let is_checked = |given: Value| read_context(snapshot, Some(&given), look).unwrap().is_checked;
        assert!(is_checked(json!({"text": "a", "ip": "::1", "inner": {"name": "b", "more": {"ips": ["10.0.0.1"]}}})));
        assert!(is_checked(json!({"text": "a", "ip": "::ffff:10.1.2.3", "number": null})));
        assert!(!is_checked(json!({"text": "a", "ip": {"__extn": {"fn": "ip", "arg": "::1"}}})));
        assert!(!is_checked(json!({"text": "a", "thing": {"type": "Thing", "id": "t"}})));
        assert!(matches!(read_context(snapshot, Some(&json!([])), look), Err(QueryError::Context(_))));
    });
}

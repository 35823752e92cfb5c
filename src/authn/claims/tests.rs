//! Claims from strangers: read strictly, looked up by path.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Claims, ClaimsError, MAX_DEPTH, MAX_MEMBERS, MAX_VALUES, NumericDate};

fn parse(json: &str) -> Result<Claims, ClaimsError> {
    Claims::parse(json.as_bytes())
}

fn nested(levels: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
}

#[test]
fn a_member_said_twice_is_refused_at_every_level() {
    for twice in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"x":{"a":1,"b":2,"a":3}}"#,
        r#"{"x":[{"y":[{"a":1,"a":2}]}]}"#,
    ] {
        assert!(matches!(parse(twice), Err(ClaimsError::Duplicate { name }) if name == "a"), "{twice}");
    }
    assert!(parse(r#"{"a":{"a":{"a":1}},"A":1}"#).is_ok());
}

#[test]
fn nesting_is_bounded_however_deep_the_text_goes() {
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    for levels in [MAX_DEPTH + 1, 200, 1_000_000] {
        assert!(matches!(parse(&nested(levels)), Err(ClaimsError::TooDeep)), "{levels}");
    }
    let arrays = format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    assert!(matches!(parse(&arrays), Err(ClaimsError::TooDeep)));
}

#[test]
fn members_and_values_are_bounded() {
    let members = |count: usize| {
        let all: Vec<_> = (0..count).map(|member| format!(r#""m{member}":1"#)).collect();
        format!("{{{}}}", all.join(","))
    };
    assert!(parse(&members(MAX_MEMBERS)).is_ok());
    assert!(matches!(parse(&members(MAX_MEMBERS + 1)), Err(ClaimsError::TooManyMembers)));
    let items = |count: usize| format!(r#"{{"a":[{}]}}"#, vec!["1"; count].join(","));
    assert!(parse(&items(MAX_VALUES - 1)).is_ok());
    assert!(matches!(parse(&items(MAX_VALUES)), Err(ClaimsError::TooManyValues)));
}

#[test]
fn what_is_not_one_json_object_is_refused() {
    for other in ["[]", "1", "null", "\"a\""] {
        assert!(matches!(parse(other), Err(ClaimsError::NotAnObject)), "{other}");
    }
    for broken in ["", "{", "{}x", "{} {}", "{\"a\":NaN}", "{\"a\":1e999}", "{'a':1}", "{\"a\":1,}", "\u{feff}{}"] {
        assert!(matches!(parse(broken), Err(ClaimsError::NotJson(_))), "{broken}");
    }
    assert!(Claims::parse(b"{\"a\":\"\xff\"}").is_err());
}

#[test]
fn claims_given_as_json_have_the_same_bounds() {
    let map = |json: &str| serde_json::from_str::<Map<String, Value>>(json).unwrap();
    assert!(Claims::from_map(map(&nested(MAX_DEPTH))).is_ok());
    assert!(matches!(Claims::from_map(map(&nested(MAX_DEPTH + 1))), Err(ClaimsError::TooDeep)));
    let wide = (0..=MAX_MEMBERS).map(|member| (member.to_string(), Value::Null)).collect();
    assert!(matches!(Claims::from_map(wide), Err(ClaimsError::TooManyMembers)));
    let long = Map::from_iter([("a".to_owned(), Value::from(vec![1; MAX_VALUES]))]);
    assert!(matches!(Claims::from_map(long), Err(ClaimsError::TooManyValues)));
}

#[test]
fn the_literal_name_wins_over_the_path() {
    let claims = parse(
        r#"{"a/b":"literal","a":{"b":"path","c":{"d":1}},"kubernetes.io/namespace":"x",
            "https://acme.com/roles":["r"],"n":null}"#,
    )
    .unwrap();
    assert_eq!(claims.get("a/b"), Some(&json!("literal")));
    assert_eq!(claims.get("a/c/d"), Some(&json!(1)));
    assert_eq!(claims.get("kubernetes.io/namespace"), Some(&json!("x")));
    assert_eq!(claims.get("https://acme.com/roles"), Some(&json!(["r"])));
    assert_eq!(claims.get("n"), Some(&Value::Null));
    for absent in ["", "/", "a/", "/a", "a/c/d/e", "a/x", "b", "https://acme.com/roles/0"] {
        assert_eq!(claims.get(absent), None, "{absent}");
    }
}

#[test]
fn a_date_is_a_number_with_or_without_a_fraction() {
    let read = |value: Value| NumericDate::read(&value).map(NumericDate::milliseconds);
    assert_eq!(read(json!(1_700_000_000)), Some(1_700_000_000_000));
    assert_eq!(read(json!(1_700_000_000.25)), Some(1_700_000_000_250));
    assert_eq!(read(json!(1.7e9)), Some(1_700_000_000_000));
    assert_eq!(read(json!(-1)), Some(-1000));
    for bad in [
        json!("1700000000"),
        json!(true),
        json!(null),
        json!([1]),
        json!({}),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!(-1e17),
    ] {
        assert_eq!(read(bad.clone()), None, "{bad}");
    }
    assert_eq!(NumericDate::read(&json!(-0.5)).unwrap().seconds(), -1);
}

mod properties {
    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map("\\PC*", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), path in "[a-z/]{0,9}") {
            if let Ok(claims) = Claims::parse(&bytes) {
                claims.get(&path);
            }
        }

        #[test]
        fn what_is_read_is_what_serde_json_reads(value in any_json()) {
            let object = json!({ "a": value });
            let expected: Value = serde_json::from_str(&object.to_string()).unwrap();
            let claims = parse(&object.to_string()).unwrap();
            prop_assert_eq!(Value::Object(claims.clone().into_map()), expected);
            prop_assert_eq!(Claims::from_map(claims.clone().into_map()).unwrap(), claims);
        }
    }
}

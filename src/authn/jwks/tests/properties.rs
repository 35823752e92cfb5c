//! Whatever good and broken keys are published side by side, exactly the good ones are taken.

use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::json;

use super::*;

static GOOD: LazyLock<[&SigningKey; 5]> = LazyLock::new(|| [&RSA, &P256, &P384, &P521, &ED]);
static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| GOOD.iter().map(|key| key.sign(&json!({})).unwrap()).collect());

/// What becomes of a good key before it is published.
#[derive(Clone, Debug)]
enum Written {
    /// The same key in other letters.
    Same(Vec<Same>),
    /// No key, which shows.
    Broken(Broken),
    /// A bit of a number is another: it may be somebody's key, but not this one.
    Another(Index),
}

#[derive(Clone, Copy, Debug)]
enum Same {
    Padded,
    Plain,
    PlainUnpadded,
    Zeros,
    NoAlgorithm,
    NullAlgorithm,
    NoUse,
    NullUse,
    Operations,
    Certificate,
    Unknown,
}

#[derive(Clone, Copy, Debug)]
enum Broken {
    Encrypts,
    OtherOperations,
    OtherAlgorithm,
    Private,
    Symmetric,
    OtherType,
    OtherCurve,
    Missing,
    NoText,
    Whitespace,
    BothAlphabets,
    Short,
    Long,
    Zero,
    Weak,
}

fn written() -> impl Strategy<Value = (usize, Written)> {
    use Broken::*;
    let same = [
        Same::Padded,
        Same::Plain,
        Same::PlainUnpadded,
        Same::Zeros,
        Same::NoAlgorithm,
        Same::NullAlgorithm,
        Same::NoUse,
        Same::NullUse,
        Same::Operations,
        Same::Certificate,
        Same::Unknown,
    ];
    let broken = [
        Encrypts,
        OtherOperations,
        OtherAlgorithm,
        Private,
        Symmetric,
        OtherType,
        OtherCurve,
        Missing,
        NoText,
        Whitespace,
        BothAlphabets,
        Short,
        Long,
        Zero,
        Weak,
    ];
    let written = prop_oneof![
        subsequence(same.to_vec(), 0..=4).prop_shuffle().prop_map(Written::Same),
        select(broken.to_vec()).prop_map(Written::Broken),
        any::<Index>().prop_map(Written::Another),
    ];
    (0..GOOD.len(), written)
}

fn numbers(jwk: &Value) -> Vec<&'static str> {
    ["n", "e", "x", "y"].into_iter().filter(|name| jwk.get(name).is_some()).collect()
}

fn octets(jwk: &Value, name: &str) -> Vec<u8> {
    let plain = jwk[name].as_str().unwrap().trim_end_matches('=').replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(plain).unwrap()
}

fn rewritten(jwk: &mut Value, write: impl Fn(Vec<u8>) -> String) {
    for name in numbers(jwk) {
        jwk[name] = write(octets(jwk, name)).into();
    }
}

fn same(jwk: &mut Value, how: Same) {
    match how {
        Same::Padded => rewritten(jwk, |octets| URL_SAFE.encode(octets)),
        Same::Plain => rewritten(jwk, |octets| STANDARD.encode(octets)),
        Same::PlainUnpadded => rewritten(jwk, |octets| STANDARD_NO_PAD.encode(octets)),
        // The point of an Ed25519 key is no number.
        Same::Zeros if jwk["kty"] == "OKP" => {}
        Same::Zeros => rewritten(jwk, |octets| URL_SAFE_NO_PAD.encode([vec![0, 0], octets].concat())),
        Same::NoAlgorithm => drop(jwk.as_object_mut().unwrap().remove("alg")),
        Same::NullAlgorithm => jwk["alg"] = Value::Null,
        Same::NoUse => drop(jwk.as_object_mut().unwrap().remove("use")),
        Same::NullUse => jwk["use"] = Value::Null,
        Same::Operations => jwk["key_ops"] = json!(["verify"]),
        Same::Certificate => jwk["x5c"] = json!(["MIIC"]),
        Same::Unknown => jwk["unknown"] = json!({"d": [1]}),
    }
}

fn broken(jwk: &mut Value, how: Broken) {
    let first = numbers(jwk)[0];
    let text = jwk[first].as_str().unwrap().to_owned();
    match how {
        Broken::Encrypts => jwk["use"] = "enc".into(),
        Broken::OtherOperations => jwk["key_ops"] = json!(["encrypt"]),
        Broken::OtherAlgorithm => jwk["alg"] = "HS256".into(),
        Broken::Private => jwk["d"] = "AQAB".into(),
        Broken::Symmetric => jwk["kty"] = "oct".into(),
        Broken::OtherType => jwk["kty"] = if jwk["kty"] == "RSA" { "EC".into() } else { "RSA".into() },
        Broken::OtherCurve if jwk["kty"] == "RSA" => jwk["n"] = URL_SAFE_NO_PAD.encode([0xff; 128]).into(),
        Broken::OtherCurve => jwk["crv"] = if jwk["crv"] == "P-256" { "P-384".into() } else { "P-256".into() },
        Broken::Missing => drop(jwk.as_object_mut().unwrap().remove(first)),
        Broken::NoText => jwk[first] = json!([text]),
        Broken::Whitespace => jwk[first] = format!("{text}\n").into(),
        Broken::BothAlphabets => jwk[first] = format!("-+{text}").into(),
        Broken::Short => jwk[first] = URL_SAFE_NO_PAD.encode([7; 5]).into(),
        Broken::Long => jwk[first] = URL_SAFE_NO_PAD.encode([7; 2000]).into(),
        Broken::Zero => jwk[first] = URL_SAFE_NO_PAD.encode([0; 32]).into(),
        Broken::Weak if jwk["kty"] == "RSA" => jwk["e"] = "AQ".into(),
        Broken::Weak => {
            let mut neutral = [0; 32];
            neutral[0] = 1;
            jwk[first] = URL_SAFE_NO_PAD.encode(neutral).into();
        }
    }
}

fn another(jwk: &mut Value, place: Index) {
    let names = numbers(jwk);
    let name = names[place.index(names.len())];
    let mut octets = octets(jwk, name);
    let bit = place.index(octets.len() * 8);
    octets[bit / 8] ^= 1 << (bit % 8);
    jwk[name] = URL_SAFE_NO_PAD.encode(octets).into();
}

proptest! {
    #[test]
    fn exactly_the_good_keys_are_taken(published in prop::collection::vec(written(), 1..12)) {
        let keys: Vec<Value> = published.iter().enumerate().map(|(position, (good, written))| {
            let mut jwk = GOOD[*good].jwk();
            jwk["kid"] = format!("k{position}").into();
            match written {
                Written::Same(all) => all.iter().for_each(|how| same(&mut jwk, *how)),
                Written::Broken(how) => broken(&mut jwk, *how),
                Written::Another(place) => another(&mut jwk, *place),
            }
            jwk
        }).collect();
        let has_good = published.iter().any(|(_, written)| matches!(written, Written::Same(_)));
        let taken = match set(&keys) {
            Ok(taken) => taken,
            Err(error) => {
                prop_assert!(!has_good, "{error}");
                return Ok(());
            }
        };
        prop_assert_eq!(taken.len() + taken.skipped().len(), keys.len());
        for (position, (good, written)) in published.iter().enumerate() {
            let (key_id, key) = (format!("k{position}"), GOOD[*good]);
            let (signed, signature) = TOKENS[*good].rsplit_once('.').unwrap();
            let verified = taken.candidates(Some(&key_id), key.algorithm())
                .any(|candidate| candidate.verifies(signed.as_bytes(), signature, key.algorithm()));
            prop_assert_eq!(verified, matches!(written, Written::Same(_)), "{} {:?}", key_id, written);
            prop_assert!(!(taken.knows(&key_id) && matches!(written, Written::Broken(_))), "{} {:?}", key_id, written);
        }
    }
}

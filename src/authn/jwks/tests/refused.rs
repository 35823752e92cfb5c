//! Keys by which anybody could sign, or that are none.

use serde_json::json;

use super::*;

/// The y coordinates, little-endian, of the eight points of small order, and of the two that are also written
/// beyond the field's prime.
const SMALL_ORDER: [&str; 7] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

fn points_of_small_order() -> impl Iterator<Item = [u8; 32]> {
    SMALL_ORDER.into_iter().flat_map(|text| {
        let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
        let point: [u8; 32] = std::array::from_fn(|at| digits[2 * at] << 4 | digits[2 * at + 1]);
        let mut negative = point;
        negative[31] |= 0x80;
        [point, negative]
    })
}

fn edwards(x: &[u8]) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": "weak", "x": URL_SAFE_NO_PAD.encode(x)})
}

#[test]
fn ed25519_keys_of_small_order_are_refused_since_anybody_signs_by_them() {
    // With the neutral point as the key, the neutral point and zero are a signature over everything.
    let neutral = points_of_small_order().next().unwrap();
    let forged = URL_SAFE_NO_PAD.encode([neutral, [0; 32]].concat());
    let taken = VerifyingKey::from_jwk(&edwards(&neutral));
    let is_forged = taken.is_ok_and(|key| key.verifies(b"anything", &forged, SigningAlgorithm::EdDSA));
    assert!(!is_forged, "a signature that nobody made is taken");
    for point in points_of_small_order() {
        let told = VerifyingKey::from_jwk(&edwards(&point)).map(|_| ()).map_err(|error| error.to_string());
        assert!(told.is_err(), "{point:?}");
    }
    let set = set(&[edwards(&neutral), ED.jwk()]).unwrap();
    assert_eq!(set.len(), 1);
    assert_eq!(set.skipped(), ["key `weak`: a point of small order: anybody can sign by it"]);
}

#[test]
fn ed25519_keys_are_written_in_one_way_only() {
    // y from the prime on, up to the largest that 255 bits hold.
    for low in 0xed..=0xff_u8 {
        for high in [0x7f, 0xff] {
            let mut point = [0xff; 32];
            (point[0], point[31]) = (low, high);
            assert!(VerifyingKey::from_jwk(&edwards(&point)).is_err(), "{low:x} {high:x}");
        }
    }
}

#[test]
fn rsa_keys_have_an_odd_modulus_and_an_odd_exponent_of_at_most_32_bits() {
    let mut even = URL_SAFE_NO_PAD.decode(RSA.jwk()["n"].as_str().unwrap()).unwrap();
    *even.last_mut().unwrap() &= 0xfe;
    let told = why_skipped(&with(&RSA, json!({"n": URL_SAFE_NO_PAD.encode(even)}))).to_string();
    assert_eq!(told, "the modulus `n` is even, so it is not that of an RSA key");
    let exponent = |octets: &[u8]| with(&RSA, json!({"e": URL_SAFE_NO_PAD.encode(octets)}));
    let bad: [&[u8]; 7] = [&[0], &[1], &[2], &[1, 0, 0], &[1, 0, 0, 0, 1], &[1; 8], &[0xff; 256]];
    for bad in bad {
        let told = why_skipped(&exponent(bad)).to_string();
        assert_eq!(told, "the exponent `e` is not an odd number from 3 to 4294967295", "{bad:?}");
    }
    let good: [&[u8]; 5] = [&[3], &[17], &[1, 0, 1], &[0, 0, 1, 0, 1], &[0xff; 4]];
    for good in good {
        assert!(VerifyingKey::from_jwk(&exponent(good)).is_ok(), "{good:?}");
    }
}

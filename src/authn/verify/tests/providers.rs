//! Several providers, and providers as they are.

use serde_json::json;

use super::*;
use crate::authn::keys::test_issuer::Answer;
use crate::authn::trace::Check;

#[tokio::test]
async fn okta_and_entra_are_used_as_they_describe_themselves() {
    let (okta_key, entra_key) =
        (fresh(SigningAlgorithm::RS256, "okta-kid"), fresh(SigningAlgorithm::RS256, "entra-kid"));
    let mut entra_jwk = entra_key.jwk();
    entra_jwk.as_object_mut().unwrap().remove("alg");
    entra_jwk["x5t"] = "abc".into();
    entra_jwk["issuer"] = "https://login.microsoftonline.com/t/v2.0".into();
    let entra_keys = Answer::Body(json!({"keys": [{"kty": "NEW"}, entra_jwk]}).to_string(), None);
    let mut okta = provider("okta", &TestIssuer::serving(&[&okta_key]));
    okta.issuer = Some("https://acme.okta.com/oauth2/default".into());
    let mut entra = provider("entra", &TestIssuer::answering(entra_keys));
    entra.issuer = Some("https://login.microsoftonline.com/t/v2.0".into());
    entra.audiences = vec!["6e74172b-be56-4843-9ff4-e66a39bb12e3".into()];
    entra.claims.unique_id = vec!["oid".into()];
    let world = World::of(vec![okta.clone(), entra.clone()]).await;

    let from_okta = claims(json!({"iss": okta.issuer, "ver": 1, "scp": ["openid"], "cid": "0oa"}));
    assert_eq!(world.verify(&okta_key.sign(&from_okta).unwrap()).unwrap().provider.as_str(), "okta");
    let from_entra = claims(json!({"iss": entra.issuer, "aud": entra.audiences[0], "oid": "o-1", "ver": "2.0"}));
    let verified = world.verify(&entra_key.sign(&from_entra).unwrap()).unwrap();
    assert_eq!((verified.provider.as_str(), verified.unique_id.as_str()), ("entra", "o-1"));
}

#[tokio::test]
async fn a_key_of_another_provider_does_not_verify() {
    let (one, other) = (fresh(SigningAlgorithm::EdDSA, "one"), fresh(SigningAlgorithm::EdDSA, "other"));
    let mut second = provider("second", &TestIssuer::serving(&[&other]));
    second.issuer = Some("https://second.test".into());
    let world = World::of(vec![provider("first", &TestIssuer::serving(&[&one])), second]).await;
    // The second provider's key, and its `kid`, over the first one's issuer.
    assert_eq!(world.slug(&other.sign(&good()).unwrap()), "token-signature");
    // The second provider's key under the first one's `kid`.
    let disguised = json!({"alg": "EdDSA", "kid": "one"});
    assert_eq!(world.slug(&other.sign_with_header(&disguised, &good()).unwrap()), "token-signature");
    assert_eq!(world.slug(&other.sign_with_header(&json!({"alg": "EdDSA"}), &good()).unwrap()), "token-signature");
    // A provider that another tenant has, and this one does not.
    let tenant_of_first = &world.providers[..1];
    let foreign = other.sign(&claims(json!({"iss": "https://second.test"}))).unwrap();
    assert!(world.verify(&foreign).is_ok());
    let refused = world.verifier.verify(&foreign, tenant_of_first).unwrap_err();
    assert_eq!(refused.slug(), "token-unknown-provider");
}

#[tokio::test]
async fn a_provider_without_issuer_takes_every_issuer_that_no_other_provider_has() {
    let (any, okta) = (fresh(SigningAlgorithm::EdDSA, "any"), fresh(SigningAlgorithm::EdDSA, "okta"));
    let mut open = provider("any", &TestIssuer::serving(&[&any]));
    open.issuer = None;
    let world = World::of(vec![provider("okta", &TestIssuer::serving(&[&okta])), open]).await;
    for iss in [json!("https://whoever.test"), json!(null)] {
        let token = any.sign(&claims(json!({"iss": iss}))).unwrap();
        assert_eq!(world.verify(&token).unwrap().provider.as_str(), "any", "{iss}");
    }
    assert_eq!(world.slug(&any.sign(&good()).unwrap()), "token-signature");
    assert_eq!(world.verify(&okta.sign(&good()).unwrap()).unwrap().provider.as_str(), "okta");
    assert_eq!(world.slug(&okta.sign(&claims(json!({"iss": "https://evil.test"}))).unwrap()), "token-signature");
}

#[tokio::test]
async fn of_several_refusals_the_furthest_is_reported() {
    let (one, other) = (fresh(SigningAlgorithm::EdDSA, "one"), fresh(SigningAlgorithm::EdDSA, "other"));
    let (first, second) = (TestIssuer::serving(&[&one]), TestIssuer::serving(&[&other]));
    let world = World::of(vec![provider("first", &first), provider("second", &second)]).await;
    assert_eq!(world.slug(&other.sign(&claims(json!({"exp": 1}))).unwrap()), "token-expired");
    assert_eq!(world.slug(&one.sign(&claims(json!({"aud": "x"}))).unwrap()), "token-audience");
    let (steps, _) = world.verifier.explain(&other.sign(&good()).unwrap(), &world.providers).await;
    let keys: Vec<_> = steps.iter().filter(|step| step.name == Check::Key).collect();
    let names: Vec<_> = keys.iter().map(|step| step.provider.as_ref().unwrap().as_str()).collect();
    assert_eq!(names, ["first", "second"]);
}

#[tokio::test]
async fn candidates_of_one_key_set_are_told_apart_by_their_rules() {
    let issuer = TestIssuer::serving(&[&ED]);
    let (mut a, mut b) = (provider("a", &issuer), provider("b", &issuer));
    a.audiences = vec!["one".into()];
    b.audiences = vec!["two".into()];
    let world = World::of(vec![b, a]).await;
    let provider_of = |aud| world.verify(&ED.sign(&claims(json!({"aud": aud}))).unwrap()).unwrap().provider;
    assert_eq!(provider_of(json!("two")).as_str(), "b");
    assert_eq!(provider_of(json!(["one", "two"])).as_str(), "a", "the first by name");
}

#[tokio::test]
async fn a_provider_accepts_the_algorithms_it_lists() {
    let mut world = World::with_keys(&[&RSA, &ED]).await;
    world.providers[0].algorithms = vec![SigningAlgorithm::RS256];
    assert!(world.verify(&RSA.sign(&good()).unwrap()).is_ok());
    assert_eq!(world.slug(&ED.sign(&good()).unwrap()), "token-algorithm");
}

#[tokio::test]
async fn eddsa_and_ed25519_are_two_names_of_one_algorithm() {
    let mut listing: Vec<Vec<SigningAlgorithm>> = vec![Vec::new()];
    for text in [r#"["EdDSA"]"#, r#"["Ed25519"]"#] {
        listing.push(serde_json::from_str(text).unwrap());
    }
    for alg_of_key in ["EdDSA", "Ed25519"] {
        let mut jwk = ED.jwk();
        jwk["alg"] = alg_of_key.into();
        let issuer = TestIssuer::answering(Answer::Body(json!({"keys": [jwk]}).to_string(), None));
        let mut world = World::of(vec![provider("okta", &issuer)]).await;
        for (algorithms, alg) in listing.iter().flat_map(|one| [(one, "EdDSA"), (one, "Ed25519")]) {
            world.providers[0].algorithms.clone_from(algorithms);
            let header = json!({"alg": alg, "kid": "ed"});
            let verified = world.verify(&ED.sign_with_header(&header, &good()).unwrap()).unwrap();
            assert_eq!(verified.algorithm, Some(SigningAlgorithm::EdDSA), "{alg_of_key} {algorithms:?} {alg}");
        }
        for alg in ["ed25519", "Ed448", "ESP256"] {
            let token = ED.sign_with_header(&json!({"alg": alg, "kid": "ed"}), &good()).unwrap();
            assert_eq!(world.slug(&token), "token-algorithm", "{alg}");
        }
    }
}

#[tokio::test]
async fn a_kid_that_is_null_is_none() {
    let world = World::with_keys(&[&ED]).await;
    let token = ED.sign_with_header(&json!({"alg": "EdDSA", "kid": null}), &good()).unwrap();
    assert_eq!(world.verify(&token).unwrap().key_id.as_deref(), Some("ed"));
}

#[tokio::test]
async fn a_token_without_kid_is_checked_with_every_fitting_key() {
    let keys: Vec<_> = (0..16).map(|key| fresh(SigningAlgorithm::EdDSA, &format!("k{key}"))).collect();
    let world = World::with_keys(&[&keys.iter().collect::<Vec<_>>()[..], &[&*RSA]].concat()).await;
    let header = json!({"alg": "EdDSA"});
    let token = keys[15].sign_with_header(&header, &good()).unwrap();
    assert_eq!(world.verify(&token).unwrap().key_id.as_deref(), Some("k15"));
    assert_eq!(world.slug(&ED.sign_with_header(&header, &good()).unwrap()), "token-signature");
}

//! Keys that change, come late, or are not there.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::*;
use crate::authn::keys::test_issuer::{Answer, Gate, keys_answer};
use crate::authn::trace::Check;

#[tokio::test]
async fn a_new_key_is_accepted_at_once() {
    let (old, new) = (fresh(SigningAlgorithm::EdDSA, "old"), fresh(SigningAlgorithm::EdDSA, "new"));
    let issuer = TestIssuer::serving(&[&old]);
    let world = World::of(vec![provider("okta", &issuer)]).await;
    issuer.publish(&[&new, &old]);
    let token = new.sign(&good()).unwrap();
    assert_eq!(world.slug(&token), "token-signature");
    assert!(world.refreshing(&token).await.is_ok());
    assert!(world.verify(&token).is_ok() && world.verify(&old.sign(&good()).unwrap()).is_ok());
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test]
async fn a_new_key_is_accepted_at_once_where_keys_have_no_names() {
    let nameless = |key: &SigningKey| {
        let mut jwk = key.jwk();
        jwk.as_object_mut().unwrap().remove("kid");
        Answer::Body(json!({"keys": [jwk]}).to_string(), None)
    };
    let (old, new) = (fresh(SigningAlgorithm::EdDSA, ""), fresh(SigningAlgorithm::EdDSA, ""));
    let issuer = TestIssuer::answering(nameless(&old));
    let world = World::of(vec![provider("okta", &issuer)]).await;
    issuer.answer(nameless(&new));
    let token = new.sign_with_header(&json!({"alg": "EdDSA"}), &good()).unwrap();
    assert_eq!(world.refreshing(&token).await.unwrap().key_id, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_under_load_fails_no_request() {
    let mut keys = vec![fresh(SigningAlgorithm::EdDSA, "generation-0")];
    let issuer = TestIssuer::serving(&[&keys[0]]);
    let world = Arc::new(World::not_waiting(vec![provider("okta", &issuer)], short_interval()));
    let token = Arc::new(std::sync::Mutex::new(keys[0].sign(&good()).unwrap()));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (world, token, stop) = (Arc::clone(&world), Arc::clone(&token), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut verified = 0_u64;
                while !stop.load(Ordering::SeqCst) {
                    let token = token.lock().unwrap().clone();
                    world.refreshing(&token).await.unwrap();
                    verified += 1;
                    tokio::task::yield_now().await;
                }
                verified
            })
        })
        .collect();
    for generation in 1..=10 {
        let new = fresh(SigningAlgorithm::EdDSA, &format!("generation-{generation}"));
        let new_token = new.sign(&good()).unwrap();
        // Old keys stay published: requests with their tokens are still under way.
        keys.push(new);
        issuer.publish(&keys.iter().collect::<Vec<_>>());
        *token.lock().unwrap() = new_token;
        let (at_hand, newest) = (world.verifier.keys(), keys[generation].key_id());
        eventually("the new key", || at_hand.current(&issuer.address).is_some_and(|it| it.keys.knows(newest))).await;
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_flood_of_unknown_kids_costs_one_fetch_and_delays_no_good_token() {
    let issuer = TestIssuer::serving(&[&ED]);
    let world = Arc::new(World::of(vec![provider("okta", &issuer)]).await);
    let good_token = ED.sign(&good()).unwrap();
    let flood: Vec<_> = (0..500)
        .map(|number| {
            let world = Arc::clone(&world);
            let header = json!({"alg": "EdDSA", "kid": format!("unknown-{number}")});
            let token = ED.sign_with_header(&header, &good()).unwrap();
            tokio::spawn(async move { world.refreshing(&token).await.unwrap_err().slug() })
        })
        .collect();
    for caller in flood {
        assert_eq!(caller.await.unwrap(), "token-signature");
        assert!(world.verify(&good_token).is_ok());
    }
    assert_eq!(world.verifier.keys().fetches(), 2);
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test]
async fn a_new_key_is_accepted_though_a_fetch_under_way_still_brings_the_old_ones() {
    let new = fresh(SigningAlgorithm::EdDSA, "new");
    let issuer = TestIssuer::serving(&[&ED]);
    let world = World::not_waiting(vec![provider("okta", &issuer)], short_interval());
    assert!(world.refreshing(&ED.sign(&good()).unwrap()).await.is_ok());
    let gate = Arc::new(Gate::default());
    issuer.answer(Answer::Held(Arc::clone(&gate), crate::authn::mint::jwks([&*ED]).to_string()));
    let (verifier, providers) = (world.verifier.clone(), world.providers.clone());
    let unknown = fresh(SigningAlgorithm::EdDSA, "unknown").sign(&good()).unwrap();
    let other = tokio::spawn(async move { verifier.verify_refreshing(&unknown, &providers).await });
    eventually("the fetch", || issuer.requests() == 2).await;
    issuer.publish(&[&new, &ED]);
    let token = new.sign(&good()).unwrap();
    let waiting = world.refreshing(&token);
    gate.open();
    assert!(waiting.await.is_ok());
    assert_eq!(other.await.unwrap().unwrap_err().slug(), "token-signature");
}

#[tokio::test]
async fn a_token_that_no_newer_key_could_save_costs_no_fetch() {
    let issuer = TestIssuer::serving(&[&ED]);
    let world = World::of(vec![provider("okta", &issuer)]).await;
    let expired = ED.sign(&claims(json!({"exp": 1}))).unwrap();
    for token in [expired.as_str(), "nonsense", &ED.sign(&claims(json!({"iss": "https://x.test"}))).unwrap()] {
        assert!(world.refreshing(token).await.is_err());
    }
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test]
async fn a_key_that_another_takes_the_place_of_under_its_name_is_followed() {
    for algorithm in [SigningAlgorithm::EdDSA, SigningAlgorithm::ES256] {
        let new = fresh(algorithm, "ed");
        let issuer = TestIssuer::serving(&[&ED]);
        let world = World::of(vec![provider("okta", &issuer)]).await;
        issuer.publish(&[&new]);
        let token = new.sign(&good()).unwrap();
        assert!(world.verify(&token).is_err());
        assert_eq!(world.refreshing(&token).await.unwrap().algorithm, Some(algorithm));
        assert!(world.verify(&ED.sign(&good()).unwrap()).is_err(), "the old key is gone");
        assert_eq!(issuer.requests(), 2);
    }
}

#[tokio::test]
async fn a_flood_of_forged_tokens_costs_one_fetch_and_waits_for_no_other() {
    let issuer = TestIssuer::serving(&[&ED]);
    let world = Arc::new(World::of(vec![provider("okta", &issuer)]).await);
    let forger = fresh(SigningAlgorithm::EdDSA, "ed");
    let flood: Vec<_> = (0..500)
        .map(|number| {
            let (world, token) = (Arc::clone(&world), forger.sign(&claims(json!({"jti": number}))).unwrap());
            tokio::spawn(async move { world.refreshing(&token).await.unwrap_err().slug() })
        })
        .collect();
    for caller in flood {
        assert_eq!(caller.await.unwrap(), "token-signature");
        assert!(world.verify(&ED.sign(&good()).unwrap()).is_ok());
    }
    assert_eq!(issuer.requests(), 2);
    // The next fetch would not come to an end: nobody asks for it.
    issuer.answer(Answer::Held(Arc::default(), String::new()));
    let began = std::time::Instant::now();
    assert_eq!(world.refreshing(&forger.sign(&good()).unwrap()).await.unwrap_err().slug(), "token-signature");
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test]
async fn the_first_request_waits_for_the_first_fetch() {
    let gate = Arc::new(Gate::default());
    let body = crate::authn::mint::jwks([&*ED]).to_string();
    let issuer = TestIssuer::answering(Answer::Held(Arc::clone(&gate), body));
    let world = World::not_waiting(vec![provider("okta", &issuer)], on_loopback());
    let token = ED.sign(&good()).unwrap();
    let early = world.verify(&token).unwrap_err();
    assert!(early.is_unavailable());
    assert_eq!(early.slug(), "keys-unavailable");
    let waiting = world.refreshing(&token);
    gate.open();
    assert!(waiting.await.is_ok());
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test]
async fn while_keys_were_never_fetched_the_answer_is_unavailable() {
    let issuer = TestIssuer::answering(Answer::Status(500, String::new()));
    let world = World::not_waiting(vec![provider("okta", &issuer)], short_interval());
    let token = ED.sign(&good()).unwrap();
    assert!(world.refreshing(&token).await.unwrap_err().is_unavailable());
    issuer.answer(keys_answer(&[&ED]));
    assert!(world.refreshing(&token).await.is_ok(), "a request finds the issuer that is up again");
}

#[tokio::test]
async fn keys_that_no_waiting_brings_are_told_from_those_that_may_come() {
    let map = r#"{"k1": "-----BEGIN CERTIFICATE-----"}"#;
    for (answer, slug) in [
        (Answer::Body(map.into(), None), "keys-misconfigured"),
        (Answer::Status(404, String::new()), "keys-misconfigured"),
        (Answer::Status(503, String::new()), "keys-unavailable"),
        (Answer::Down, "keys-unavailable"),
    ] {
        let issuer = TestIssuer::answering(answer);
        let world = World::not_waiting(vec![provider("okta", &issuer)], short_interval());
        let token = ED.sign(&good()).unwrap();
        let refused = world.refreshing(&token).await.unwrap_err();
        assert_eq!(refused.slug(), slug);
        assert!(refused.is_unavailable());
        let told = refused.to_string();
        assert!(!told.contains("certificate") && !told.contains("404") && !told.contains("127.0.0.1"), "{told}");
        issuer.answer(keys_answer(&[&ED]));
        assert!(world.refreshing(&token).await.is_ok(), "once it is mended, the next token finds the keys");
    }
}

#[tokio::test]
async fn stale_keys_serve_for_three_days_and_then_the_answer_is_unavailable() {
    let issuer = TestIssuer::serving(&[&ED]);
    let world = World::of(vec![provider("okta", &issuer)]).await;
    issuer.answer(Answer::Down);
    let token = ED.sign(&claims(json!({"exp": NOW + 1_000_000}))).unwrap();
    world.clock.advance(3 * 86_400);
    assert!(world.refreshing(&token).await.is_ok());
    world.clock.advance(1);
    assert!(world.refreshing(&token).await.unwrap_err().is_unavailable());
}

#[tokio::test]
async fn one_providers_outage_hides_no_other_providers_refusal() {
    let down = provider("any", &TestIssuer::answering(Answer::Down));
    let world = World::not_waiting(vec![down, provider("okta", &TestIssuer::serving(&[&ED]))], on_loopback());
    let keys = world.verifier.keys();
    eventually("keys", || keys.current(&world.providers[1].jwks_uri).is_some()).await;
    assert!(world.verify(&ED.sign(&good()).unwrap()).is_ok());
    assert_eq!(world.slug(&ED.sign(&claims(json!({"exp": 1}))).unwrap()), "token-expired");
    let unknown = fresh(SigningAlgorithm::EdDSA, "unknown").sign(&good()).unwrap();
    assert!(world.verify(&unknown).unwrap_err().is_unavailable(), "its key may be the other provider's");
}

#[tokio::test]
async fn an_explanation_says_that_keys_were_fetched_again() {
    let new = fresh(SigningAlgorithm::EdDSA, "new");
    let issuer = TestIssuer::serving(&[&ED]);
    let world = World::of(vec![provider("okta", &issuer)]).await;
    issuer.publish(&[&new]);
    let (steps, result) = world.verifier.explain(&new.sign(&good()).unwrap(), &world.providers).await;
    assert!(result.is_ok());
    assert_eq!(steps[0].name, Check::Refetch);
    assert!(steps[0].detail.contains("has no key `new`"), "{}", steps[0].detail);
}

#[tokio::test]
async fn a_token_whose_signer_is_known_costs_no_fetch_of_another_provider() {
    let open_issuer = TestIssuer::serving(&[&fresh(SigningAlgorithm::EdDSA, "other")]);
    let mut open = provider("any", &open_issuer);
    open.issuer = None;
    let world = World::of(vec![open, provider("okta", &TestIssuer::serving(&[&ED]))]).await;
    let expired = ED.sign(&claims(json!({"exp": 1}))).unwrap();
    assert_eq!(world.refreshing(&expired).await.unwrap_err().slug(), "token-expired");
    assert_eq!(open_issuer.requests(), 1);
}

//! A token that is known is answered as if it were not: whatever happens to keys, providers and the clock between
//! two questions, verifying with what is remembered and without agree.

use std::sync::atomic::Ordering;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestError, TestRunner};

use super::*;
use crate::authn::digest_of;
use crate::authn::keys::test_issuer::{Answer, keys_answer};

/// What happens, one after the other.
#[derive(Clone, Debug)]
enum Event {
    /// A token is verified, by the one that remembers first or last.
    Verify(usize, bool),
    /// A token with one letter changed.
    Changed(usize, prop::sample::Index, u8),
    Advance(i64),
    /// The first issuer publishes these of its keys.
    Publish(usize),
    Refetch,
    Down(bool),
    /// The first provider is configured in this way.
    Configure(usize),
    /// The same again, read anew.
    Reread,
    /// The first provider's address is forgotten, and learnt again.
    Forget,
}

fn an_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (prop_oneof![prop::sample::select(&[0_usize, 0, 1, 4, 6, 7, 11][..]), 0..TOKENS], any::<bool>()).prop_map(|(token, first)| Event::Verify(token, first)),
        3 => (0..TOKENS, any::<prop::sample::Index>(), any::<u8>())
            .prop_map(|(token, place, letter)| Event::Changed(token, place, letter)),
        3 => prop::sample::select(vec![1, 40, 100, -90, 400, 5_000]).prop_map(Event::Advance),
        2 => (0..PUBLISHED.len()).prop_map(Event::Publish),
        2 => Just(Event::Refetch),
        1 => any::<bool>().prop_map(Event::Down),
        4 => (0..CONFIGURED).prop_map(Event::Configure),
        1 => Just(Event::Reread),
        1 => Just(Event::Forget),
    ]
}

const TOKENS: usize = 12;
const CONFIGURED: usize = 8;
/// Which keys the first issuer publishes: the first two are each other's successors.
const PUBLISHED: [&[usize]; 4] = [&[0], &[0, 1], &[1], &[1, 2]];
const OTHER: &str = "https://other.test";
/// How old keys may grow, in seconds.
const STALE: u64 = 4_000;

struct Actors {
    keys: Vec<SigningKey>,
    other_key: SigningKey,
    issuer: TestIssuer,
    other: TestIssuer,
    tokens: Vec<String>,
}

impl Actors {
    fn new() -> Self {
        let keys = vec![
            fresh(SigningAlgorithm::EdDSA, "first"),
            fresh(SigningAlgorithm::EdDSA, "second"),
            fresh(SigningAlgorithm::ES256, "third"),
        ];
        let other_key = fresh(SigningAlgorithm::EdDSA, "first");
        let long = |changes: Value| {
            let mut claims = claims(json!({"exp": NOW + 1_000_000, "email": "jane@acme.com"}));
            claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            claims
        };
        let sign = |key: &SigningKey, changes: Value| key.sign(&long(changes)).unwrap();
        let good = sign(&keys[0], json!({}));
        let [header, _, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
        let admin = sign(&keys[0], json!({"sub": "admin"}));
        let [_, claims, _] = admin.split('.').collect::<Vec<_>>().try_into().unwrap();
        let tokens = vec![
            good.clone(),
            sign(&keys[0], json!({"exp": NOW + 60})),
            sign(&keys[0], json!({"nbf": NOW + 100})),
            format!("{header}.{claims}.{signature}"),
            sign(&keys[1], json!({})),
            sign(&keys[2], json!({})),
            sign(&keys[0], json!({"aud": ["api://other", "api://third"]})),
            sign(&other_key, json!({"iss": OTHER, "aud": "x"})),
            // The other issuer's key has the name of the first's.
            sign(&other_key, json!({})),
            sign(&keys[0], json!({"iss": OTHER})),
            sign(&keys[0], json!({"sub": null})),
            sign(&keys[0], json!({"nbf": NOW + 20, "exp": NOW + 200})),
        ];
        assert_eq!(tokens.len(), TOKENS);
        let (issuer, other) = (TestIssuer::serving(&[&keys[0]]), TestIssuer::serving(&[&other_key]));
        Self { keys, other_key, issuer, other, tokens }
    }

    fn providers(&self, way: usize) -> Vec<IdentityProvider> {
        let mut other = provider("other", &self.other);
        (other.issuer, other.audiences) = (Some(OTHER.into()), Vec::new());
        let mut okta = provider("okta", &self.issuer);
        match way {
            1 => okta.audiences = vec!["api://other".into()],
            2 => okta.issuer = Some("https://moved.test".into()),
            3 => okta.algorithms = vec![SigningAlgorithm::ES256],
            4 => okta.claims.unique_id = vec!["email".into()],
            5 => okta.issuer = None,
            6 => okta.jwks_uri.clone_from(&self.other.address),
            7 => return vec![other],
            _ => {}
        }
        vec![okta, other]
    }

    fn verifiers(&self) -> (Verifier, Verifier, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(NOW));
        // Keys are fetched when a token lacks one and at no time of its own.
        let never = Duration::from_secs(100_000);
        let settings = Settings {
            max_stale: Duration::from_secs(STALE),
            min_retry: never,
            max_retry: never,
            default_refresh: never,
            max_refresh: never,
            ..short_interval()
        };
        let registry = Arc::new(KeyRegistry::new(settings, Arc::clone(&clock) as _));
        registry.configure(&self.addresses());
        let verifier = |remembered_bytes: usize| {
            let settings = TokenSettings { remembered_bytes, ..TokenSettings::default() };
            Verifier::new(settings, Arc::clone(&registry), Arc::clone(&clock) as _)
        };
        (verifier(1024 * 1024), verifier(0), clock)
    }

    fn addresses(&self) -> BTreeSet<String> {
        [&self.issuer, &self.other].map(|issuer| issuer.address.clone()).into()
    }

    fn publish(&self, way: usize, is_down: bool) {
        let keys: Vec<_> = PUBLISHED[way].iter().map(|key| &self.keys[*key]).collect();
        self.issuer.answer(if is_down { Answer::Down } else { keys_answer(&keys) });
    }

    async fn agree(&self, events: &[Event]) -> Result<u64, TestCaseError> {
        let (mut published, mut is_down) = (0, false);
        self.publish(published, is_down);
        self.other.publish(&[&self.other_key]);
        let (remembering, plain, clock) = self.verifiers();
        let mut configured = 0;
        let mut providers: Arc<[IdentityProvider]> = self.providers(configured).into();
        for event in events {
            match event {
                Event::Verify(token, first) => {
                    agree_on(&self.tokens[*token], &providers, &remembering, &plain, *first, event).await?;
                }
                Event::Changed(token, place, letter) => {
                    let mut changed = self.tokens[*token].clone().into_bytes();
                    let place = place.index(changed.len());
                    changed[place] = LETTERS[usize::from(*letter) % LETTERS.len()];
                    let changed = String::from_utf8(changed).unwrap();
                    // The whole one first, so that it may be known.
                    agree_on(&self.tokens[*token], &providers, &remembering, &plain, true, event).await?;
                    agree_on(&changed, &providers, &remembering, &plain, true, event).await?;
                }
                Event::Advance(seconds) => clock.advance(*seconds),
                Event::Publish(way) => published = *way,
                Event::Refetch => {
                    let keys = remembering.keys();
                    keys.refresh_for_unknown_key(&self.addresses(), None, keys.deadline()).await;
                }
                Event::Down(now) => is_down = *now,
                Event::Configure(way) => configured = *way,
                Event::Reread => {}
                Event::Forget => {
                    remembering.keys().configure(&[self.other.address.clone()].into());
                    remembering.keys().configure(&self.addresses());
                }
            }
            self.publish(published, is_down);
            if matches!(event, Event::Configure(_) | Event::Reread) {
                providers = self.providers(configured).into();
            }
        }
        Ok(remembering.known().lookups.hits.load(Ordering::Relaxed))
    }
}

/// Verifies with and without what is remembered, and again with what now is.
async fn agree_on(
    token: &str,
    providers: &Arc<[IdentityProvider]>,
    remembering: &Verifier,
    plain: &Verifier,
    first: bool,
    event: &Event,
) -> Result<(), TestCaseError> {
    let digest = digest_of(token);
    let ask = async |verifier: &Verifier| {
        let verified = verifier.verify_known(token, &digest, providers).await;
        verified.map(|verified| verified.as_ref().clone()).map_err(|error| error.slug())
    };
    let (with, without) = if first {
        let with = ask(remembering).await;
        (with, ask(plain).await)
    } else {
        let without = ask(plain).await;
        (ask(remembering).await, without)
    };
    prop_assert_eq!(&with, &without, "{:?}", event);
    prop_assert_eq!(ask(remembering).await, without, "again: {:?}", event);
    Ok(())
}

const LETTERS: &[u8] = b"AaBbZz019-_.";

#[test]
fn what_is_remembered_of_a_token_is_what_verifying_it_says() {
    let actors = Actors::new();
    let config = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(192) };
    let hits = std::cell::Cell::new(0);
    let result = TestRunner::new(config).run(&vec(an_event(), 1..40), |events| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        hits.set(hits.get() + runtime.block_on(actors.agree(&events))?);
        Ok(())
    });
    match result {
        Err(TestError::Fail(reason, events)) => panic!("{reason}\n{events:#?}"),
        other => other.unwrap(),
    }
    assert!(hits.get() > 400, "too few tokens are known when they are asked about: {}", hits.get());
}

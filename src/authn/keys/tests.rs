//! Keys as issuers serve them: good, late, broken, hostile.

mod failures;
mod now;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use reqwest::Url;

use super::fetch::check_redirect;
use super::source::{until_refresh, until_retry};
use super::test_issuer::{Answer, Gate, TestIssuer, eventually, keys_answer};
use super::{AllowedHosts, FetchError, KeyRegistry, KeyStatus, Refresh, Settings};
use crate::authn::mint::{self, SigningKey};
use crate::clock::ManualClock;
use crate::model::SigningAlgorithm;

static FIRST: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(SigningAlgorithm::ES256, "first").unwrap());
static SECOND: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(SigningAlgorithm::ES256, "second").unwrap());

const NOW: i64 = 1_700_000_000;

/// Nothing is refreshed or asked twice unless a test wants it.
fn quiet() -> Settings {
    Settings { unknown_key_interval: Duration::from_secs(3600), ..on_loopback() }
}

/// Failures are retried at once.
fn eager() -> Settings {
    let moment = Duration::from_millis(2);
    Settings { min_retry: moment, max_retry: moment, ..quiet() }
}

/// The tests' issuers are on this machine.
fn on_loopback() -> Settings {
    let allow_hosts = AllowedHosts::default().and_loopback();
    Settings { allow_hosts, unknown_key_wait: Duration::from_secs(30), ..Settings::default() }
}

struct Keys {
    registry: Arc<KeyRegistry>,
    clock: Arc<ManualClock>,
    address: String,
}

impl Keys {
    fn of(issuer: &TestIssuer, settings: Settings) -> Self {
        Self::at(&issuer.address, settings)
    }

    fn at(address: &str, settings: Settings) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let registry = Arc::new(KeyRegistry::new(settings, Arc::clone(&clock) as _));
        registry.configure(&BTreeSet::from([address.to_owned()]));
        Self { registry, clock, address: address.to_owned() }
    }

    fn status(&self) -> KeyStatus {
        self.registry.status(&self.address).unwrap()
    }

    fn have(&self, key_id: &str) -> bool {
        self.registry.current(&self.address).is_some_and(|fetched| fetched.keys.knows(key_id))
    }

    async fn until_has(&self, key_id: &str) {
        eventually(key_id, || self.have(key_id)).await;
    }

    async fn until_failed(&self) -> String {
        eventually("a failure", || self.status().last_error.is_some()).await;
        self.status().last_error.unwrap()
    }

    async fn refresh(&self) -> Refresh {
        let deadline = self.registry.deadline();
        self.registry.refresh_for_unknown_key(&BTreeSet::from([self.address.clone()]), None, deadline).await
    }

    /// Asks again, once the fetch that may be under way is done.
    async fn refetch(&self) {
        while self.refresh().await == Refresh::Joined {}
    }
}

#[tokio::test]
async fn keys_come_in_the_background_and_are_stamped_with_the_clock() {
    let issuer = TestIssuer::serving(&[&FIRST, &SECOND]);
    let keys = Keys::of(&issuer, quiet());
    keys.until_has("second").await;
    let status = keys.status();
    assert_eq!((status.keys, status.fetches), (2, 1));
    assert_eq!(status.kids, ["first", "second"]);
    assert_eq!(status.fetched_at.unwrap().timestamp(), NOW);
    assert_eq!(status.last_error, None);
    assert!(serde_json::to_value(&status).unwrap().get("last_error").is_none());
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_serves_once_it_is_up() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    let keys = Keys::at(&format!("http://{address}/keys"), eager());
    keys.until_failed().await;
    assert!(keys.registry.current(&keys.address).is_none());
    let _issuer = TestIssuer::on(TcpListener::bind(address).unwrap(), keys_answer(&[&FIRST]));
    keys.until_has("first").await;
}

#[tokio::test]
async fn an_unreachable_issuer_does_not_delay_the_others() {
    let (good, bad) = (TestIssuer::serving(&[&FIRST]), TestIssuer::answering(Answer::Held(Arc::default(), "".into())));
    let keys = Keys::of(&good, quiet());
    keys.registry.configure(&BTreeSet::from([bad.address.clone(), good.address.clone(), "nonsense".into()]));
    keys.until_has("first").await;
    assert!(keys.registry.current(&bad.address).is_none());
    eventually("the failure", || keys.registry.status("nonsense").unwrap().last_error.is_some()).await;
    assert_eq!(keys.registry.statuses().len(), 3);
}

#[tokio::test]
async fn no_broken_answer_ever_drops_good_keys() {
    let no_usable_key = r#"{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"s"}]}"#;
    let answers = [
        (Answer::Status(500, "oops".into()), "500"),
        (Answer::Status(404, mint::jwks([&*SECOND]).to_string()), "404"),
        (Answer::Status(204, String::new()), "204"),
        (Answer::Body("<html>sign in</html>".into(), None), "not JSON"),
        (Answer::Body(String::new(), None), "not JSON"),
        (Answer::Body(r#"{"keys":[]}"#.into(), None), "no usable key"),
        (Answer::Body(r#"{"error":"x"}"#.into(), None), "no `keys`"),
        (Answer::Body(no_usable_key.into(), None), "symmetric"),
        (Answer::Down, "could not be asked"),
        (Answer::Redirect("/keys".into()), "more than 3 redirects"),
        (Answer::Redirect("http://issuer.invalid/keys".into()), "without TLS"),
        (Answer::Redirect("file:///etc/passwd".into()), "not an http or https"),
        (Answer::Endless(50 << 20), "larger than 1048576 bytes"),
    ];
    for (answer, problem) in answers {
        let issuer = TestIssuer::serving(&[&FIRST]);
        let keys = Keys::of(&issuer, quiet());
        keys.until_has("first").await;
        issuer.answer(answer);
        keys.refetch().await;
        let failure = keys.until_failed().await;
        assert!(failure.contains(problem), "{failure} does not say {problem}");
        assert!(keys.have("first"), "{problem}");
        assert_eq!(keys.status().last_error_at.unwrap().timestamp(), NOW);
    }
}

#[tokio::test]
async fn a_body_of_50_megabytes_is_cut_off_early() {
    let issuer = TestIssuer::answering(Answer::Endless(50 << 20));
    let keys = Keys::of(&issuer, quiet());
    let failure = keys.until_failed().await;
    assert!(failure.contains("larger than"), "{failure}");
    // What was sent beyond the limit sits in socket buffers.
    assert!(issuer.bytes_sent() < 16 << 20, "{} bytes", issuer.bytes_sent());
}

#[tokio::test]
async fn a_redirect_loop_ends_after_three_redirects() {
    let issuer = TestIssuer::answering(Answer::Redirect("/keys".into()));
    let keys = Keys::of(&issuer, quiet());
    keys.until_failed().await;
    assert_eq!(issuer.requests(), 4);
}

#[tokio::test]
async fn a_redirect_within_bounds_is_followed() {
    let target = TestIssuer::serving(&[&FIRST]);
    let keys = Keys::of(&TestIssuer::answering(Answer::Redirect(target.address.clone())), quiet());
    keys.until_has("first").await;
}

#[tokio::test]
async fn an_issuer_that_never_answers_is_given_up() {
    let issuer = TestIssuer::answering(Answer::Held(Arc::default(), String::new()));
    let keys = Keys::of(&issuer, Settings { fetch_timeout: Duration::from_millis(20), ..quiet() });
    assert!(keys.until_failed().await.contains("no answer within 20 ms"));
}

#[tokio::test]
async fn stale_keys_serve_through_an_outage_until_they_are_too_old() {
    let issuer = TestIssuer::serving(&[&FIRST]);
    let keys = Keys::of(&issuer, quiet());
    keys.until_has("first").await;
    issuer.answer(Answer::Down);
    keys.refetch().await;
    keys.clock.advance(3 * 24 * 60 * 60);
    assert!(keys.have("first"));
    keys.clock.advance(1);
    assert!(!keys.have("first"));
}

#[tokio::test]
async fn keys_are_fetched_again_when_they_are_due() {
    let issuer = TestIssuer::answering(Answer::Body(mint::jwks([&*FIRST]).to_string(), Some("max-age=0")));
    let keys = Keys::of(&issuer, Settings { min_refresh: Duration::from_millis(2), ..quiet() });
    keys.until_has("first").await;
    issuer.publish(&[&SECOND]);
    keys.until_has("second").await;
    assert!(!keys.have("first"));
}

#[tokio::test]
async fn a_thousand_unknown_keys_at_once_cost_one_fetch() {
    let issuer = TestIssuer::serving(&[&FIRST]);
    let keys = Keys::of(&issuer, quiet());
    keys.until_has("first").await;
    let gate = Arc::new(Gate::default());
    issuer.answer(Answer::Held(Arc::clone(&gate), mint::jwks([&*SECOND]).to_string()));
    let waiting: Vec<_> = (0..1000)
        .map(|_| {
            let (registry, address) = (Arc::clone(&keys.registry), keys.address.clone());
            let deadline = registry.deadline();
            tokio::spawn(async move {
                registry.refresh_for_unknown_key(&BTreeSet::from([address]), Some("second"), deadline).await
            })
        })
        .collect();
    eventually("the fetch", || issuer.requests() == 2).await;
    gate.open();
    for caller in waiting {
        assert_ne!(caller.await.unwrap(), Refresh::Throttled);
        assert!(keys.have("second"));
    }
    assert_eq!((keys.registry.fetches(), issuer.requests()), (2, 2));
    assert_eq!(keys.refresh().await, Refresh::Throttled);
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test]
async fn after_the_interval_an_unknown_key_may_cost_another_fetch() {
    let issuer = TestIssuer::serving(&[&FIRST]);
    let keys = Keys::of(&issuer, Settings { unknown_key_interval: Duration::ZERO, ..quiet() });
    keys.until_has("first").await;
    keys.refetch().await;
    keys.refetch().await;
    assert_eq!(keys.registry.fetches(), 3);
}

#[tokio::test]
async fn a_caller_who_gives_up_ends_nobody_elses_wait() {
    let issuer = TestIssuer::serving(&[&FIRST]);
    let keys = Keys::of(&issuer, quiet());
    keys.until_has("first").await;
    let gate = Arc::new(Gate::default());
    issuer.answer(Answer::Held(Arc::clone(&gate), mint::jwks([&*SECOND]).to_string()));
    let (registry, address) = (Arc::clone(&keys.registry), keys.address.clone());
    let deadline = registry.deadline();
    let impatient =
        tokio::spawn(async move { registry.refresh_for_unknown_key(&BTreeSet::from([address]), None, deadline).await });
    eventually("the fetch", || issuer.requests() == 2).await;
    impatient.abort();
    let patient = keys.refresh();
    gate.open();
    assert_eq!(patient.await, Refresh::Joined);
    assert!(keys.have("second"));
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test]
async fn addresses_that_are_gone_are_forgotten_and_their_tasks_end() {
    let (one, other) = (TestIssuer::serving(&[&FIRST]), TestIssuer::serving(&[&SECOND]));
    let keys = Keys::of(&one, quiet());
    keys.until_has("first").await;
    let source = Arc::downgrade(&keys.registry.sources.load().get(&one.address).unwrap().source);
    keys.registry.configure(&BTreeSet::from([one.address.clone(), other.address.clone()]));
    assert!(keys.have("first"), "an address that stays keeps its keys");
    keys.registry.configure(&BTreeSet::from([other.address.clone()]));
    assert!(!keys.have("first"));
    assert_eq!(keys.refresh().await, Refresh::Throttled);
    eventually("the end of the task", || source.upgrade().is_none()).await;
}

#[tokio::test]
async fn addresses_may_be_configured_from_a_thread_outside_the_runtime() {
    let (one, other) = (TestIssuer::serving(&[&FIRST]), TestIssuer::serving(&[&SECOND]));
    let keys = Keys::of(&one, quiet());
    let (registry, address) = (Arc::clone(&keys.registry), other.address.clone());
    std::thread::spawn(move || registry.configure(&BTreeSet::from([address]))).join().unwrap();
    eventually("keys", || keys.registry.current(&other.address).is_some()).await;
}

#[test]
fn a_registry_works_without_a_runtime() {
    let keys = Keys::at("http://127.0.0.1:1/keys", Settings::default());
    assert!(keys.registry.current(&keys.address).is_none());
    assert_eq!(keys.status().fetches, 0);
}

#[test]
fn cache_control_counts_within_bounds() {
    let settings = Settings::default();
    let seconds = Duration::from_secs;
    assert_eq!(until_refresh(None, &settings), seconds(900));
    assert_eq!(until_refresh(Some(seconds(0)), &settings), seconds(60));
    assert_eq!(until_refresh(Some(seconds(300)), &settings), seconds(300));
    assert_eq!(until_refresh(Some(seconds(u64::MAX)), &settings), seconds(86_400));
}

#[test]
fn retries_back_off_up_to_a_minute() {
    let settings = Settings::default();
    let waits: Vec<_> = (1..=8).map(|failures| until_retry(failures, &settings).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(until_retry(u32::MAX, &settings).as_secs(), 60);
}

#[tokio::test]
async fn an_issuer_that_hangs_holds_few_tokens_and_not_for_long() {
    let issuer = TestIssuer::serving(&[&FIRST]);
    let wait = Duration::from_millis(200);
    let keys = Keys::of(&issuer, Settings { unknown_key_wait: wait, ..quiet() });
    keys.until_has("first").await;
    issuer.answer(Answer::Held(Arc::default(), String::new()));
    let began = std::time::Instant::now();
    let forged: Vec<_> = (0..1000)
        .map(|number| {
            let (registry, address) = (Arc::clone(&keys.registry), keys.address.clone());
            tokio::spawn(async move {
                let (deadline, key_id) = (registry.deadline(), format!("forged-{number}"));
                let refresh =
                    registry.refresh_for_unknown_key(&BTreeSet::from([address]), Some(&key_id), deadline).await;
                (refresh, tokio::time::Instant::now() >= deadline)
            })
        })
        .collect();
    let mut waited = 0;
    for token in forged {
        let (refresh, was_late) = token.await.unwrap();
        assert_eq!(refresh, Refresh::Throttled);
        waited += usize::from(was_late);
    }
    assert!(waited <= 8, "{waited} waited");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test]
async fn addresses_inside_are_not_asked_and_neither_are_those_that_a_redirect_or_a_name_leads_to() {
    let inside = TestIssuer::serving(&[&FIRST]);
    let port = Url::parse(&inside.address).unwrap().port().unwrap();
    for address in [
        inside.address.clone(),
        format!("http://localhost:{port}/keys"),
        format!("https://localhost:{port}/keys"),
        format!("https://127.0.0.1:{port}/keys"),
        format!("https://[::ffff:127.0.0.1]:{port}/keys"),
    ] {
        let keys = Keys::at(&address, Settings { allow_hosts: AllowedHosts::default(), ..eager() });
        let said = keys.until_failed().await;
        assert!(said.contains("`keys.allow_"), "{address}: {said}");
    }
    assert_eq!(inside.requests(), 0);
    // From a host that is allowed to one that is not.
    let redirecting = TestIssuer::answering(Answer::Redirect(inside.address.clone()));
    let from = Url::parse(&redirecting.address).unwrap();
    let only = AllowedHosts::parse(&[format!("127.0.0.1:{}", from.port().unwrap())]).unwrap();
    let keys = Keys::at(&redirecting.address, Settings { allow_hosts: only, ..eager() });
    let said = keys.until_failed().await;
    assert!(said.contains("without TLS"), "{said}");
    assert_eq!((inside.requests(), redirecting.requests() > 0), (0, true));
}

#[tokio::test]
async fn what_may_be_a_secret_in_an_address_is_not_in_its_status() {
    let issuer = TestIssuer::answering(Answer::Status(500, String::new()));
    let keys = Keys::at(&format!("{}?api_key=secret", issuer.address), eager());
    keys.until_failed().await;
    let status = keys.status();
    assert!(status.jwks_uri.ends_with("/keys?api_key=***"), "{}", status.jwks_uri);
    assert!(!serde_json::to_string(&status).unwrap().contains("secret"));
}

#[test]
fn a_redirect_never_leaves_tls() {
    let (tls, plain) = (Url::parse("https://x.test/k").unwrap(), Url::parse("http://127.0.0.1/k").unwrap());
    assert!(matches!(check_redirect(&tls, &plain), Err(FetchError::Downgrade)));
    assert!(check_redirect(&plain, &tls).is_ok());
    assert!(check_redirect(&tls, &tls).is_ok());
}

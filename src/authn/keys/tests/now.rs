//! Keys that an administrator asks for.

use super::*;

impl Keys {
    async fn now(&self) -> Result<(), String> {
        let addresses = BTreeSet::from([self.address.clone()]);
        let done = self.registry.refresh_now(&addresses).await.remove(&self.address).unwrap();
        done.map_err(|failure| failure.message)
    }
}

#[tokio::test]
async fn a_withdrawn_key_ends_at_once_whatever_the_intervals() {
    let issuer = TestIssuer::serving(&[&FIRST, &SECOND]);
    let keys = Keys::of(&issuer, quiet());
    keys.until_has("first").await;
    keys.refetch().await;
    for published in [&SECOND, &FIRST, &SECOND] {
        issuer.publish(&[published]);
        keys.now().await.unwrap();
        assert_eq!(keys.status().kids, [published.key_id()]);
    }
    assert_eq!(keys.refresh().await, Refresh::Throttled, "a fetch is a fetch, whoever asked for it");
}

#[tokio::test]
async fn a_fetch_that_began_before_does_not_count_and_those_who_wait_share_the_next() {
    let gate = Arc::new(Gate::default());
    let issuer = TestIssuer::answering(Answer::Held(Arc::clone(&gate), mint::jwks([&*FIRST]).to_string()));
    let keys = Arc::new(Keys::of(&issuer, quiet()));
    eventually("the first fetch", || issuer.requests() == 1).await;
    issuer.publish(&[&SECOND]);
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let keys = Arc::clone(&keys);
            tokio::spawn(async move {
                keys.now().await.unwrap();
                keys.status().kids
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(issuer.requests(), 1);
    gate.open();
    for one in asking {
        assert_eq!(one.await.unwrap(), ["second"]);
    }
    assert_eq!(issuer.requests(), 2);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(issuer.requests(), 2, "nothing is fetched that nobody asked for");
}

#[tokio::test]
async fn a_failure_is_told_and_the_keys_at_hand_serve_on() {
    let issuer = TestIssuer::serving(&[&FIRST]);
    let keys = Keys::of(&issuer, quiet());
    keys.until_has("first").await;
    issuer.answer(Answer::Status(404, String::new()));
    assert_eq!(keys.now().await.unwrap_err(), "the issuer answered 404 Not Found");
    assert!(keys.have("first"));
    issuer.publish(&[&SECOND]);
    keys.now().await.unwrap();
    assert!(keys.have("second") && !keys.have("first"));
}

#[tokio::test]
async fn an_address_that_nobody_fetches_is_told() {
    let keys = Keys::of(&TestIssuer::serving(&[&FIRST]), quiet());
    keys.until_has("first").await;
    let elsewhere = BTreeSet::from(["https://x.test/keys".to_owned()]);
    let told = keys.registry.refresh_now(&elsewhere).await.into_values().next().unwrap().unwrap_err();
    assert!(told.outside.contains("not fetched by this server yet"), "{}", told.outside);
    keys.registry
        .hold(&keys.address, crate::authn::jwks::KeySet::parse(mint::jwks([&*SECOND]).to_string().as_bytes()).unwrap());
    assert!(keys.now().await.is_err());
}

#[tokio::test]
async fn keys_that_came_as_they_were_are_no_change() {
    let issuer = TestIssuer::serving(&[&FIRST]);
    let keys = Keys::of(&issuer, quiet());
    keys.until_has("first").await;
    let before = keys.registry.changes();
    keys.now().await.unwrap();
    assert_eq!(keys.registry.changes(), before);
    issuer.publish(&[&FIRST, &SECOND]);
    keys.now().await.unwrap();
    assert_eq!(keys.registry.changes(), before + 1);
}

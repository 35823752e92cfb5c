//! What is told of a failure, and to whom.

use std::io::Write;

use super::*;

fn answering(answer: Answer) -> String {
    TestIssuer::answering(answer).address
}

/// Somebody who does not speak TLS.
fn plain_where_tls_is_due() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}/keys", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let _ = connection.unwrap().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    address
}

fn nobody() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{free}/keys")
}

#[tokio::test]
async fn waiting_mends_what_passes_and_nothing_else() {
    let (passing, lasting) = (false, true);
    let status = |code| answering(Answer::Status(code, String::new()));
    let body = |text: &str| answering(Answer::Body(text.into(), None));
    let cases = [
        (nobody(), passing),
        ("https://issuer.invalid/keys".to_owned(), passing),
        (answering(Answer::Down), passing),
        (answering(Answer::Held(Arc::default(), String::new())), passing),
        (status(500), passing),
        (status(503), passing),
        (status(408), passing),
        (status(429), passing),
        (status(204), lasting),
        (status(304), lasting),
        (status(401), lasting),
        (status(404), lasting),
        (body("<html>sign in</html>"), lasting),
        (body(r#"{"keys": []}"#), lasting),
        (body(r#"{"k1": "-----BEGIN CERTIFICATE-----"}"#), lasting),
        (body(r#"{"issuer": "https://x.test", "jwks_uri": "https://x.test/keys"}"#), lasting),
        (answering(Answer::Endless(50 << 20)), lasting),
        (answering(Answer::Redirect("/keys".into())), lasting),
        (plain_where_tls_is_due(), lasting),
        ("ftp://x.test/keys".to_owned(), lasting),
        ("http://x.test/keys".to_owned(), lasting),
        ("nonsense".to_owned(), lasting),
    ];
    for (address, is_lasting) in cases {
        let keys = Keys::at(&address, Settings { fetch_timeout: Duration::from_secs(2), ..quiet() });
        let done = keys.registry.refresh_now(&BTreeSet::from([address.clone()])).await;
        let failure = done.into_values().next().unwrap().unwrap_err();
        assert_eq!(failure.is_lasting, is_lasting, "{address}: {}", failure.message);
        assert_eq!(keys.registry.is_misconfigured(&address), is_lasting, "{address}: {}", failure.message);
    }
}

#[tokio::test]
async fn an_address_that_may_not_be_asked_is_lasting_as_written_and_as_resolved() {
    for address in ["https://127.0.0.1/keys", "https://localhost/keys", "http://localhost/keys"] {
        let keys = Keys::at(address, Settings { allow_hosts: AllowedHosts::default(), ..quiet() });
        let told = keys.until_failed().await;
        eventually("a misconfiguration", || keys.registry.is_misconfigured(address)).await;
        assert!(told.contains("`keys.allow_"), "{told}");
    }
}

#[tokio::test]
async fn administrators_learn_nothing_of_the_network() {
    let told = async |address: &str, allow_hosts| {
        let keys = Keys::at(address, Settings { allow_hosts, ..quiet() });
        let addresses = BTreeSet::from([address.to_owned()]);
        keys.registry.refresh_now(&addresses).await.remove(address).unwrap().unwrap_err().outside
    };
    let inside = AllowedHosts::default;
    // Written: it is one answer, whatever is there.
    let refused = told("https://127.0.0.1/keys", inside()).await;
    for address in ["https://10.0.0.1/keys", "http://x.test/keys", "https://user:secret@x.test/keys", "nonsense"] {
        assert_eq!(told(address, inside()).await, refused, "{address}");
    }
    // Resolved: a name of the network is as one that nobody has, and as a host that refuses.
    let unresolved = told("https://issuer.invalid/keys", inside()).await;
    assert_eq!(told("https://localhost/keys", inside()).await, unresolved);
    assert_eq!(told(&nobody(), AllowedHosts::default().and_loopback()).await, unresolved);
    assert_eq!(unresolved, "the issuer could not be asked");
}

#[tokio::test]
async fn keys_that_came_end_a_misconfiguration_and_none_begins_while_they_serve() {
    let issuer = TestIssuer::answering(Answer::Status(404, String::new()));
    let keys = Keys::of(&issuer, eager());
    eventually("a misconfiguration", || keys.registry.is_misconfigured(&keys.address)).await;
    issuer.publish(&[&FIRST]);
    keys.until_has("first").await;
    eventually("its end", || !keys.registry.is_misconfigured(&keys.address)).await;
    assert!(keys.status().last_error.is_some(), "what was is still told");
}

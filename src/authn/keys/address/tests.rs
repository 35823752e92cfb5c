//! Addresses that lead outside, inside, and to somewhere else than they seem to.

use proptest::prelude::*;

use super::*;

fn checked(url: &str, allow_http: &[&str], allow_hosts: &[&str]) -> Result<Reach, FetchError> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    check(&Url::parse(url).unwrap(), &owned(allow_http), &AllowedHosts::parse(&owned(allow_hosts)).unwrap())
}

#[test]
fn tls_is_asked_for_unless_the_host_is_listed() {
    assert_eq!(checked("https://x.test/k", &[], &[]).unwrap(), Reach::Checked);
    for plain in ["http://x.test/k", "http://127.0.0.1/k", "http://localhost:8080/k", "http://[::1]/k"] {
        assert!(matches!(checked(plain, &[], &[]), Err(FetchError::PlainHttp { .. })), "{plain}");
    }
    let listed = ["idp.internal", "127.0.0.1:90"];
    for good in ["http://idp.internal/k", "http://IDP.internal:1/k", "http://127.0.0.1:90/k"] {
        assert_eq!(checked(good, &listed, &[]).unwrap(), Reach::Anywhere, "{good}");
    }
    for bad in ["http://idp.internal.x.test/k", "http://127.0.0.1/k", "http://127.0.0.1.x.test:90/k"] {
        assert!(checked(bad, &listed, &[]).is_err(), "{bad}");
    }
    // The machine's own addresses need no TLS once they are allowed; others do.
    assert!(checked("http://127.0.0.1:1/k", &[], &["127.0.0.0/8"]).is_ok());
    assert!(checked("http://localhost/k", &[], &["localhost"]).is_ok());
    assert!(matches!(checked("http://10.0.0.1/k", &[], &["10.0.0.1"]), Err(FetchError::PlainHttp { .. })));
    assert!(matches!(checked("ftp://x.test/k", &[], &[]), Err(FetchError::Address { .. })));
}

#[test]
fn addresses_of_the_machine_its_network_and_nobody_are_refused_however_they_are_written() {
    for inside in [
        "127.0.0.1",
        "127.9.9.9",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0.0.0.0",
        "0",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fec0::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::169.254.169.254]",
        "[64:ff9b:1::1]",
        "[2002:7f00:1::]",
        "[2001:db8::1]",
        "[2001::1]",
        "[100::1]",
    ] {
        let refused = checked(&format!("https://{inside}/k"), &[], &[]);
        assert!(matches!(refused, Err(FetchError::Inside { .. })), "{inside}: {refused:?}");
    }
    for outside in ["8.8.8.8", "1.1.1.1", "172.32.0.1", "[2606:4700::1111]", "[64:ff9b::8.8.8.8]", "[2002:808:808::]"] {
        assert_eq!(checked(&format!("https://{outside}/k"), &[], &[]).unwrap(), Reach::Checked, "{outside}");
    }
}

#[test]
fn hosts_are_allowed_by_name_port_address_and_network() {
    for (allowed, good, bad) in [
        ("10.0.0.5", "https://10.0.0.5:8443/k", "https://10.0.0.6/k"),
        ("10.0.0.5:8443", "https://10.0.0.5:8443/k", "https://10.0.0.5/k"),
        ("10.0.0.0/8", "https://10.255.0.1/k", "https://11.0.0.1.nip.test@10.0.0.1/k"),
        ("fd00::/8", "https://[fd12::1]/k", "https://[fe80::1]/k"),
        ("[fd12::1]", "https://[fd12::1]:1/k", "https://[fd12::2]/k"),
        ("10.1.0.0/16", "https://[::ffff:10.1.2.3]/k", "https://[::ffff:10.2.2.3]/k"),
        ("0.0.0.0/0", "https://127.0.0.1/k", "https://[::1]/k"),
    ] {
        assert!(checked(good, &[], &[allowed]).is_ok(), "{allowed}: {good}");
        assert!(checked(bad, &[], &[allowed]).is_err(), "{allowed}: {bad}");
    }
    assert_eq!(checked("https://idp.internal:443/k", &[], &["idp.internal:443"]).unwrap(), Reach::Anywhere);
    assert_eq!(checked("https://idp.internal/k", &[], &["idp.internal:444"]).unwrap(), Reach::Checked);
    for none in ["", "https://x", "a/b", "10.0.0.0/33", "::/129", "x:port", "*", "a b", "u@h"] {
        assert_eq!(AllowedHosts::parse(&[none.to_owned()]), Err(none.to_owned()));
    }
}

#[test]
fn names_and_passwords_are_refused_and_never_shown() {
    for url in ["https://user:secret@x.test/k", "https://user@x.test/k", "https://:secret@x.test/k"] {
        let refused = checked(url, &["x.test"], &["x.test"]).unwrap_err();
        assert!(matches!(refused, FetchError::UserInfo { .. }), "{url}");
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
    assert_eq!(shown_uri("https://x.test/k?api_key=secret&b=c&secret#f"), "https://x.test/k?api_key=***&b=***&***");
    assert_eq!(shown_uri("https://u:secret@x.test:1/k"), "https://***@x.test:1/k");
    assert_eq!(shown_uri("https://x.test/a@b"), "https://x.test/a@b");
    assert_eq!(shown_uri("https://u:p/w@x.test"), "***@x.test");
    assert_eq!(shown_uri("nonsense?a=secret"), "nonsense?a=***");
}

proptest! {
    /// An address within a network that is not public is not public in any form that holds it.
    #[test]
    fn forms_of_an_ipv4_address_are_public_together(bytes: [u8; 4]) {
        let address = Ipv4Addr::from(bytes);
        let [a, b, c, d] = bytes.map(u16::from);
        let (high, low) = (a << 8 | b, c << 8 | d);
        let public = is_public_v4(address);
        for held in [
            address.to_ipv6_mapped(),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        ] {
            prop_assert_eq!(is_public_v6(held), public, "{}", held);
        }
        prop_assert!(!public || !(address.is_loopback() || address.is_private() || address.is_link_local()));
    }

    #[test]
    fn a_value_of_a_query_is_never_shown(name in "[a-z]{1,8}", value in "[0-9]{9}", rest in "[a-z/]{0,9}") {
        let uri = format!("https://x.test/{rest}?{name}={value}&x={value}#{value}");
        prop_assert!(!shown_uri(&uri).contains(&value));
    }
}

//! An address counts where its provider's rule says so, in every form in which others got it wrong.

use serde_json::json;

use super::super::address::trusted;
use crate::authn::Claims;
use crate::model::{EmailRule, EmailTrust, IdentityProvider, ProviderName};

const OWN: &str = "https://acme.okta.com";
const GOOGLE: &str = "https://accounts.google.com";

fn counts(issuer: Option<&str>, rule: EmailRule, claims: serde_json::Value) -> bool {
    let mut provider = IdentityProvider::of(ProviderName::parse("p").unwrap(), "https://x/k");
    (provider.issuer, provider.email) = (issuer.map(str::to_owned), rule);
    let claims = Claims::parse(claims.to_string().as_bytes()).unwrap();
    trusted("Jane@ACME.com", &claims, &provider).is_some()
}

fn rule(trust: Option<EmailTrust>, domains: &[&str], verified_claim: Option<&str>) -> EmailRule {
    let domains = domains.iter().map(|domain| (*domain).to_owned()).collect();
    EmailRule { trust, domains, verified_claim: verified_claim.map(str::to_owned) }
}

#[test]
fn an_address_that_is_denied_never_counts_unless_someone_says_so() {
    let denials = [
        json!({"email_verified": false}),
        json!({"email_verified": "false"}),
        json!({"email_verified": 0}),
        json!({"email_verified": 1}),
        json!({"email_verified": "1"}),
        json!({"email_verified": []}),
        json!({"xms_edov": false}),
        json!({"xms_edov": 0}),
        json!({"xms_edov": "0"}),
        json!({"email_verified": true, "xms_edov": false}),
        json!({"email_verified": false, "xms_edov": true}),
    ];
    for denial in denials {
        for trust in [None, Some(EmailTrust::Verified), Some(EmailTrust::Domains), Some(EmailTrust::Never)] {
            assert!(!counts(Some(OWN), rule(trust, &["acme.com"], None), denial.clone()), "{trust:?} {denial}");
        }
        assert!(counts(Some(OWN), rule(Some(EmailTrust::Always), &[], None), denial.clone()), "{denial}");
    }
}

#[test]
fn silence_is_enough_for_an_issuer_of_ones_own_and_for_no_other() {
    for (issuer, trust, expected) in [
        (Some(OWN), None, true),
        (Some(OWN), Some(EmailTrust::Verified), false),
        (Some(OWN), Some(EmailTrust::Domains), true),
        (Some(OWN), Some(EmailTrust::Never), false),
        (Some(GOOGLE), None, false),
        (None, None, false),
        (None, Some(EmailTrust::Domains), false),
    ] {
        assert_eq!(counts(issuer, rule(trust, &["acme.com"], None), json!({})), expected, "{issuer:?} {trust:?}");
    }
}

#[test]
fn a_verified_address_counts() {
    for yes in [
        json!({"email_verified": true}),
        json!({"email_verified": "true"}),
        json!({"email_verified": "True"}),
        json!({"xms_edov": true}),
        json!({"xms_edov": 1}),
        json!({"xms_edov": "1"}),
        json!({"xms_edov": "true", "email_verified": null}),
    ] {
        assert!(counts(None, rule(None, &[], None), yes.clone()), "{yes}");
        assert!(!counts(None, rule(Some(EmailTrust::Never), &[], None), yes.clone()), "{yes}");
    }
    // The claim that a provider names is the only one that speaks.
    let named = rule(Some(EmailTrust::Verified), &[], Some("https://acme.com/verified"));
    assert!(counts(Some(OWN), named.clone(), json!({"https://acme.com/verified": 1})));
    assert!(!counts(Some(OWN), named, json!({"email_verified": true})));
}

#[test]
fn an_address_of_another_domain_does_not_count() {
    let yes = json!({"email_verified": true});
    for (domains, expected) in
        [(vec!["acme.com"], true), (vec!["acme.org"], false), (vec!["com"], false), (vec![], true)]
    {
        assert_eq!(counts(Some(OWN), rule(None, &domains, None), yes.clone()), expected, "{domains:?}");
    }
    // Anybody may add an address of a domain to an account of Google's; only `hd` says whose account it is.
    let domains = rule(Some(EmailTrust::Domains), &["acme.com"], None);
    for (hosted, expected) in [(json!(null), false), (json!("other.com"), false), (json!("ACME.com"), true)] {
        let said = json!({"email_verified": true, "hd": hosted});
        assert_eq!(counts(Some(GOOGLE), domains.clone(), said), expected, "{hosted}");
    }
}

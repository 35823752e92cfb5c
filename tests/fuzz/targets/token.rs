//! A bearer token. It is refused, with one short line that holds no control character, or it is byte for byte one that
//! was signed here with the provider's key, for that provider, and in time.
//!
//! Keys are made anew each time, so an input says how its token is made of good ones:
//!
//! - `{0}` is a good token, `{0.h}`, `{0.p}` and `{0.s}` its parts; so for all of `Minted::tokens`.
//! - `<<` and `>>` stand around what is base64url in the token.
//! - `sign ` begins a header, its line's end begins a payload: both are signed as they are, whatever they say.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cedargate::authn::jwks::KeySet;
use cedargate::authn::mint::{SigningKey, jwks};
use cedargate::authn::{KeyRegistry, KeySettings, TokenSettings, VerifiedToken, Verifier};
use cedargate::model::{IdentityProvider, SigningAlgorithm};
use serde_json::{Value, json};

use super::ground::{ACME, NOW, clock, on_small_thread};

pub fn token(bytes: &[u8]) {
    let minted = &*MINTED;
    on_small_thread(|| judge(bytes, minted));
}

fn judge(bytes: &[u8], minted: &Minted) {
    let text = String::from_utf8_lossy(bytes);
    let signed = text.strip_prefix("sign ").map(|rest| minted.sign(rest));
    let token = signed.clone().unwrap_or_else(|| minted.expand(&text));
    match minted.verifier.verify(&token, &ACME.identity_providers) {
        Ok(verified) => {
            let is_ours = signed.is_some() || minted.good.contains(&token);
            assert!(is_ours, "a token that nobody signed is taken: {token}");
            is_for_its_provider(&token, &verified);
        }
        Err(error) => {
            assert!(!minted.good.contains(&token), "a good token is refused: {error}");
            let said = error.to_string();
            assert!(said.len() <= 1024, "a refusal of {} bytes: {said}", said.len());
            assert!(!said.contains(char::is_control), "a control character in {said:?}");
        }
    }
}

/// What the payload says, read without the product's own reader.
fn is_for_its_provider(token: &str, verified: &VerifiedToken) {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    let provider = &ACME.provider(&verified.provider).unwrap().provider;
    assert_eq!(claims["iss"].as_str(), provider.issuer.as_deref(), "another issuer");
    let audiences = match &claims["aud"] {
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        one => Vec::from_iter(one.as_str()),
    };
    assert!(audiences.iter().any(|one| provider.audiences.iter().any(|own| own == one)), "another audience");
    assert!(claims["exp"].as_f64().unwrap() > (NOW - LEEWAY) as f64, "an expired token");
    assert!(claims["nbf"].as_f64().is_none_or(|start| start < (NOW + LEEWAY + 1) as f64), "a token of the future");
    assert!(!verified.unique_id.is_empty(), "a token of nobody");
}

/// Keys, what was signed with them, and who verifies it.
struct Minted {
    okta: SigningKey,
    tokens: Vec<String>,
    good: HashSet<String>,
    verifier: Verifier,
}

static MINTED: LazyLock<Minted> = LazyLock::new(Minted::new);

impl Minted {
    fn new() -> Self {
        let okta = SigningKey::generate(SigningAlgorithm::ES256, "okta-1").unwrap();
        let github = SigningKey::generate(SigningAlgorithm::EdDSA, "github-1").unwrap();
        let stranger = SigningKey::generate(SigningAlgorithm::ES256, "okta-1").unwrap();
        let clock = clock();
        let keys = KeyRegistry::new(KeySettings::default(), clock.clone());
        for provider in ACME.identity_providers.iter() {
            let key = if provider.name.as_str() == "okta" { &okta } else { &github };
            keys.hold(&provider.jwks_uri, KeySet::parse(jwks([key]).to_string().as_bytes()).unwrap());
        }
        let verifier = Verifier::new(TokenSettings::default(), Arc::new(keys), clock);
        let good = [okta.sign(&usual("okta")).unwrap(), github.sign(&usual("github")).unwrap()];
        let mut late = usual("okta");
        late["exp"] = json!(NOW - 3600);
        let bad =
            [okta.sign(&late).unwrap(), stranger.sign(&usual("okta")).unwrap(), okta.sign(&usual("github")).unwrap()];
        let tokens = good.iter().chain(&bad).cloned().collect();
        Self { okta, tokens, good: good.into(), verifier }
    }

    /// A header and a payload, signed.
    fn sign(&self, text: &str) -> String {
        let (header, payload) = text.split_once('\n').unwrap_or((text, ""));
        self.okta.sign_bytes(header.as_bytes(), payload.as_bytes()).unwrap()
    }

    /// The token that an input means.
    fn expand(&self, text: &str) -> String {
        let mut token = text.to_owned();
        for (number, good) in self.tokens.iter().enumerate() {
            if !token.contains(&format!("{{{number}")) {
                continue;
            }
            let parts: Vec<_> = good.split('.').collect();
            for (name, part) in [("", good.as_str()), (".h", parts[0]), (".p", parts[1]), (".s", parts[2])] {
                token = token.replace(&format!("{{{number}{name}}}"), part);
            }
        }
        let mut whole = String::new();
        let mut rest = token.as_str();
        while let Some((before, inner, after)) = encoded(rest) {
            whole += before;
            whole += &URL_SAFE_NO_PAD.encode(inner);
            rest = after;
        }
        whole + rest
    }
}

/// What is before, between and after the first `<<` and its `>>`.
fn encoded(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("<<")?;
    let (inner, after) = rest.split_once(">>")?;
    Some((before, inner, after))
}

/// The claims of a good token of a provider.
fn usual(provider: &str) -> Value {
    let IdentityProvider { issuer, audiences, .. } = provider_named(provider);
    json!({
        "iss": issuer, "aud": audiences, "sub": "00u1", "iat": NOW, "nbf": NOW, "exp": NOW + 3600,
        "email": "jane@acme.com", "groups": ["ml-engineers"],
    })
}

fn provider_named(name: &str) -> &'static IdentityProvider {
    ACME.identity_providers.iter().find(|provider| provider.name.as_str() == name).unwrap()
}

/// As `TokenSettings` has it.
const LEEWAY: i64 = 30;

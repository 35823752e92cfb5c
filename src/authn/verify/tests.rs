//! Whole tokens against whole providers, over real HTTP key sets.

mod address;
mod bearer;
mod claims;
mod hostile;
mod known;
mod providers;
mod rotation;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::{Value, json};

use super::{TokenSettings, Verifier, VerifyError};
use crate::authn::keys::test_issuer::{TestIssuer, eventually};
use crate::authn::keys::{AllowedHosts, KeyRegistry, Settings};
use crate::authn::mint::SigningKey;
use crate::clock::ManualClock;
use crate::model::{ClaimNames, IdentityProvider, ProviderName, SigningAlgorithm};

pub const NOW: i64 = 1_700_000_000;
pub const ISSUER: &str = "https://acme.okta.com";
pub const AUDIENCE: &str = "api://gateway";

pub static RSA: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(SigningAlgorithm::RS256, "rsa").unwrap());
pub static ED: LazyLock<SigningKey> = LazyLock::new(|| fresh(SigningAlgorithm::EdDSA, "ed"));

pub fn fresh(algorithm: SigningAlgorithm, key_id: &str) -> SigningKey {
    SigningKey::generate(algorithm, key_id).unwrap()
}

/// A verifier with providers whose issuers really serve keys.
pub struct World {
    pub verifier: Verifier,
    pub clock: Arc<ManualClock>,
    pub providers: Vec<IdentityProvider>,
}

impl World {
    /// Provider `okta` of [`ISSUER`] and [`AUDIENCE`], with these keys.
    pub async fn with_keys(keys: &[&SigningKey]) -> Self {
        Self::of(vec![provider("okta", &TestIssuer::serving(keys))]).await
    }

    pub async fn of(providers: Vec<IdentityProvider>) -> Self {
        let world = Self::not_waiting(providers, on_loopback());
        for provider in &world.providers {
            let keys = world.verifier.keys();
            eventually("keys", || keys.current(&provider.jwks_uri).is_some()).await;
        }
        world
    }

    pub fn not_waiting(providers: Vec<IdentityProvider>, settings: Settings) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let registry = KeyRegistry::new(settings, Arc::clone(&clock) as _);
        registry.configure(&providers.iter().map(|provider| provider.jwks_uri.clone()).collect::<BTreeSet<_>>());
        let verifier = Verifier::new(TokenSettings::default(), Arc::new(registry), Arc::clone(&clock) as _);
        Self { verifier, clock, providers }
    }

    pub fn verify(&self, token: &str) -> Result<super::VerifiedToken, VerifyError> {
        self.verifier.verify(token, &self.providers)
    }

    pub async fn refreshing(&self, token: &str) -> Result<super::VerifiedToken, VerifyError> {
        self.verifier.verify_refreshing(token, &self.providers).await
    }

    /// The slug by which a token is refused.
    #[track_caller]
    pub fn slug(&self, token: &str) -> &'static str {
        let error = self.verify(token).expect_err("the token was accepted");
        let message = error.to_string();
        assert!(!message.contains(token) && !message.contains('\n') && !message.ends_with('.'), "{message}");
        error.slug()
    }
}

pub fn provider(name: &str, issuer: &TestIssuer) -> IdentityProvider {
    IdentityProvider {
        issuer: Some(ISSUER.into()),
        audiences: vec![AUDIENCE.into()],
        ..IdentityProvider::of(ProviderName::parse(name).unwrap(), &issuer.address)
    }
}

/// Good claims, with these changed; `null` takes one away.
pub fn claims(changes: Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "00u1", "exp": NOW + 300, "iat": NOW});
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

pub fn good() -> Value {
    claims(json!({}))
}

pub fn short_interval() -> Settings {
    Settings { unknown_key_interval: Duration::ZERO, ..on_loopback() }
}

/// The tests' issuers are on this machine, and may be slow.
pub fn on_loopback() -> Settings {
    let allow_hosts = AllowedHosts::default().and_loopback();
    Settings { allow_hosts, unknown_key_wait: Duration::from_secs(30), ..Settings::default() }
}

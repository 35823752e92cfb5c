//! Who a case is about: an entity of the directory, or whoever claims or a token stand for, made a principal as the
//! server makes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::shape::{At, Placed, ShortOrFull};
use super::written::{Vouched, WrittenPrincipal};
use crate::authn::jwks::KeySet;
use crate::authn::{Claims, KeyRegistry, KeySettings, TokenSettings, VerifiedToken, Verifier, VerifyError};
use crate::authn::{is_of_our_form, verify};
use crate::clock::{ManualClock, SharedClock};
use crate::manifest::read_entity;
use crate::model::{IdentityProvider, ProviderName};
use crate::principal::{Principal, PrincipalError, resolve};
use crate::snapshot::Snapshot;

/// How tokens are verified.
#[derive(Clone, Debug, Default)]
pub struct Verifying {
    pub tokens: TokenSettings,
    pub keys: KeySettings,
}

/// Somebody, or why a token stands for nobody.
pub type Who = Result<Arc<Principal>, Refused>;

/// Why a token stands for nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The problem's name, as the server answers it.
    pub slug: String,
    pub message: String,
}

/// A message, and where it belongs.
pub type Misplaced = (At, String);

/// Makes principals for one suite.
pub struct People<'a> {
    snapshot: &'a Snapshot,
    verifying: &'a Verifying,
    clock: SharedClock,
    keys: BTreeMap<ProviderName, KeySet>,
}

impl<'a> People<'a> {
    /// With the keys that the suite brings; tokens are judged at `now`.
    ///
    /// # Errors
    /// When it names keys of a provider that there is not, or keys that are none.
    pub fn of(
        snapshot: &'a Snapshot,
        verifying: &'a Verifying,
        now: DateTime<Utc>,
        given: impl IntoIterator<Item = (String, Placed<Vec<u8>>)>,
    ) -> Result<Self, Vec<Misplaced>> {
        let clock: SharedClock = Arc::new(ManualClock::at(now.timestamp()));
        let mut people = Self { snapshot, verifying, clock, keys: BTreeMap::new() };
        let mut faults = Vec::new();
        for (name, text) in given {
            match (people.provider(&name), KeySet::parse(&text.value)) {
                (Ok(provider), Ok(keys)) => {
                    people.keys.insert(provider.name.clone(), keys);
                }
                (Err(message), _) => faults.push((text.at, message)),
                (_, Err(error)) => faults.push((text.at, error.to_string())),
            }
        }
        if faults.is_empty() { Ok(people) } else { Err(faults) }
    }

    /// Somebody as a case writes them; names were looked up before.
    ///
    /// # Errors
    /// When it is not said who.
    pub fn find(&self, written: &Placed<WrittenPrincipal>, names: &[&str]) -> Result<Who, Misplaced> {
        match &written.value {
            ShortOrFull::Short(text) => {
                let fault = |message| (written.at, message);
                let entity = read_entity(text).ok_or_else(|| fault(unknown_name(text, names, "principal")))?;
                let uid = self.snapshot.schema.types.uid_of(&entity);
                let unknown = || format!("the schema has no entity type `{}`", entity.entity_type);
                Ok(Ok(Arc::new(Principal::named(uid.ok_or_else(|| fault(unknown()))?))))
            }
            ShortOrFull::Full(vouched) => self.vouched(vouched, written.at),
        }
    }

    fn vouched(&self, vouched: &Vouched, at: At) -> Result<Who, Misplaced> {
        let provider = vouched.provider.as_ref();
        let provider = provider.map(|name| self.provider(&name.value).map_err(|message| (name.at, message)));
        let provider = provider.transpose()?;
        let verified = match (&vouched.claims, &vouched.token) {
            (Some(claims), None) => {
                let provider = provider.ok_or_else(|| (at, "claims need their `provider`".to_owned()))?;
                Self::trusted(provider, &claims.value).map_err(|message| (claims.at, message))?
            }
            (None, Some(token)) => match self.verified(provider, &token.value) {
                Ok(verified) => verified,
                Err(TokenTrouble::Refused(error)) => {
                    return Ok(Err(Refused { slug: error.slug().to_owned(), message: error.to_string() }));
                }
                Err(TokenTrouble::CannotBeJudged(message)) => return Err((token.at, message)),
            },
            _ => return Err((at, "say who by `claims` or by `token`, one of the two".to_owned())),
        };
        match resolve(&verified, self.snapshot) {
            Ok(principal) => Ok(Ok(Arc::new(principal))),
            Err(error @ PrincipalError::Deactivated) => {
                Ok(Err(Refused { slug: DEACTIVATED.to_owned(), message: error.to_string() }))
            }
            Err(error) => Err((at, error.to_string())),
        }
    }

    fn provider(&self, name: &str) -> Result<&'a IdentityProvider, String> {
        let known = &self.snapshot.identity_providers;
        known.iter().find(|provider| provider.name.as_str() == name).ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|provider| provider.name.to_string()).collect();
            format!("there is no identity provider `{name}`; there are: {}", names.join(", "))
        })
    }

    fn trusted(provider: &IdentityProvider, claims: &Map<String, Value>) -> Result<VerifiedToken, String> {
        let claims = Claims::from_map(claims.clone()).map_err(|error| error.to_string())?;
        VerifiedToken::of_trusted(claims, provider).map_err(|error| error.to_string())
    }

    /// By the keys that the suite brings, else by keys that are fetched.
    fn verified(&self, provider: Option<&IdentityProvider>, token: &str) -> Result<VerifiedToken, TokenTrouble> {
        if is_of_our_form(token) {
            let message = "a token of cedargate's own stands for its account: write `VirtualAccount::name` instead";
            return Err(TokenTrouble::CannotBeJudged(message.to_owned()));
        }
        let providers = match provider {
            Some(one) => vec![one.clone()],
            None => self.snapshot.identity_providers.to_vec(),
        };
        let registry = self.registry(&providers);
        let verifier = Verifier::new(self.verifying.tokens, Arc::new(registry), Arc::clone(&self.clock));
        match verifier.verify(token, &providers) {
            Err(error) if error.is_unavailable() => {}
            judged => return judged.map_err(TokenTrouble::Refused),
        }
        match self.fetching(token, &providers) {
            Some(Err(error)) if error.is_unavailable() => Err(TokenTrouble::CannotBeJudged(format!(
                "{error}: bring its provider's keys with `keys: {{PROVIDER: FILE}}`"
            ))),
            Some(judged) => judged.map_err(TokenTrouble::Refused),
            None => Err(TokenTrouble::CannotBeJudged("no keys can be fetched: there is no runtime".to_owned())),
        }
    }

    fn fetching(&self, token: &str, providers: &[IdentityProvider]) -> Option<Result<VerifiedToken, VerifyError>> {
        let fetch = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            Some(runtime.block_on(async {
                let registry = self.registry(providers);
                registry.add(providers.iter().map(|provider| provider.jwks_uri.as_str()));
                let verifier = Verifier::new(self.verifying.tokens, Arc::new(registry), Arc::clone(&self.clock));
                verifier.verify_refreshing(token, providers).await
            }))
        };
        // On a thread of its own: whoever runs cases may do so within a runtime.
        std::thread::scope(|scope| scope.spawn(fetch).join().ok().flatten())
    }

    fn registry(&self, providers: &[IdentityProvider]) -> KeyRegistry {
        let registry = KeyRegistry::new(self.verifying.keys.clone(), Arc::clone(&self.clock));
        for provider in providers {
            if let Some(keys) = self.keys.get(&provider.name) {
                registry.hold(&provider.jwks_uri, keys.clone());
            }
        }
        registry
    }
}

enum TokenTrouble {
    Refused(verify::VerifyError),
    CannotBeJudged(String),
}

/// That a text is neither a name nor an entity.
pub fn unknown_name(text: &str, names: &[&str], kind: &str) -> String {
    let known = match names {
        [] => String::new(),
        names => format!(" ({})", names.join(", ")),
    };
    format!("`{text}` is no {kind} of this suite{known} and no entity: write `Type::id`")
}

const DEACTIVATED: &str = "user-deactivated";

//! Who asks: principals with the tokens that prove them where the tenant trusts an issuer of ours, else principals
//! that a caller with a key names.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::EntityUid;
use serde_json::{Map, Value, json};

use super::BenchError;
use super::generate::{outsider_claims, user_claims};
use super::workload::Asked;
use crate::authn::{Claims, KeyRegistry, Verifier};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::demo::DemoIssuer;
use crate::model::{EntityRef, IdentityProvider, SigningAlgorithm};
use crate::principal::{Principal, resolve};
use crate::snapshot::Snapshot;
use crate::vocabulary;

/// A principal before there is an entity of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// Someone whom a file knows.
    Known(EntityRef),
    /// One of those whom an external identity takes in.
    Outsider { identity: String, number: usize },
}

/// How principals are made.
pub enum People {
    /// A caller names them.
    Vouched { key: String },
    /// Their tokens prove them.
    Tokens { issuer: DemoIssuer, provider: Box<IdentityProvider>, verifier: Verifier, clock: SharedClock },
}

impl People {
    /// Those of a tenant that trusts this issuer.
    ///
    /// # Errors
    /// When the tenant does not trust it.
    pub fn with_tokens(
        issuer: DemoIssuer,
        config: &Config,
        snapshot: &Snapshot,
        clock: &SharedClock,
    ) -> Result<Self, BenchError> {
        let keys = Arc::new(KeyRegistry::new(config.keys.clone(), Arc::clone(clock)));
        let verifier = Verifier::new(config.tokens, keys, Arc::clone(clock));
        let provider = snapshot.identity_providers.iter().find(|provider| provider.name.as_str() == issuer.provider);
        let provider = provider.ok_or_else(|| BenchError::NoRequest("its identity provider is gone".to_owned()))?;
        Ok(Self::Tokens { issuer, provider: Box::new(provider.clone()), verifier, clock: Arc::clone(clock) })
    }

    /// Whether there can be anybody whom only a token knows.
    pub(super) fn has_outsiders(&self) -> bool {
        matches!(self, Self::Tokens { .. })
    }

    /// The principal as the server would make it.
    pub(super) fn principal(&self, who: &Who, snapshot: &Snapshot) -> Result<Principal, BenchError> {
        match self {
            Self::Vouched { .. } => Ok(Principal::named(named(who)?)),
            Self::Tokens { issuer, provider, verifier, clock } => {
                let mut claims = claims(who);
                claims.extend([
                    ("iss".to_owned(), json!(issuer.issuer)),
                    ("aud".to_owned(), json!(issuer.audience)),
                    ("exp".to_owned(), json!(clock.now().timestamp() + 3600)),
                ]);
                let claims = Claims::from_map(claims).map_err(|error| BenchError::Principal(error.into()))?;
                let token = verifier.trust(claims, provider).map_err(|error| BenchError::Principal(error.into()))?;
                // As the server keeps it for the token's next question.
                let principal = resolve(&token, snapshot).map(crate::principal::Principal::to_be_kept);
                principal.map_err(|error| BenchError::Principal(error.into()))
            }
        }
    }

    /// A token of someone, with these claims beside their own.
    ///
    /// # Errors
    /// When nobody signs tokens here, or not with this algorithm.
    pub fn token(
        &self,
        who: &Who,
        more: Map<String, Value>,
        algorithm: SigningAlgorithm,
    ) -> Result<String, BenchError> {
        let Self::Tokens { issuer, .. } = self else {
            return Err(BenchError::NoRequest("nobody signs tokens here".to_owned()));
        };
        let mut claims = claims(who);
        claims.extend(more);
        issuer.mint(claims, algorithm).map_err(|error| BenchError::Principal(error.into()))
    }

    /// Questions as HTTP requests, those of one person with the same token.
    pub(super) fn requests<'a>(&self, asked: impl Iterator<Item = &'a Asked>) -> Result<Vec<Vec<u8>>, BenchError> {
        let mut tokens: HashMap<&Who, String> = HashMap::new();
        asked
            .map(|asked| {
                if let Self::Vouched { key } = self {
                    return Ok(Proof::Key(key).request(asked));
                }
                if !tokens.contains_key(&asked.who) {
                    tokens.insert(&asked.who, self.token(&asked.who, Map::new(), SigningAlgorithm::RS256)?);
                }
                Ok(Proof::Token(tokens.get(&asked.who).map_or("", String::as_str)).request(asked))
            })
            .collect()
    }
}

/// What shows a server who is asked about.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// A key of a caller who may name anyone.
    Key(&'a str),
    Token(&'a str),
}

impl Proof<'_> {
    /// A question as an HTTP request, byte for byte.
    pub fn request(self, asked: &Asked) -> Vec<u8> {
        let mut members = Map::from_iter([
            ("action".to_owned(), json!(action_name(&asked.action))),
            ("resource".to_owned(), json!(asked.query.resource.entity.to_string())),
        ]);
        members.extend(asked.query.context.clone().map(|context| ("context".to_owned(), context)));
        let header = match self {
            Self::Key(key) => {
                members.insert("principal".to_owned(), json!(asked.principal.uid.to_string()));
                format!("x-cedargate-key: {key}")
            }
            Self::Token(token) => format!("authorization: Bearer {token}"),
        };
        let (body, path) = (Value::Object(members).to_string(), super::PATH);
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\n{header}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

fn named(who: &Who) -> Result<EntityUid, BenchError> {
    match who {
        Who::Known(entity) => vocabulary::uid(entity).map_err(|error| BenchError::cedar(&*error)),
        Who::Outsider { identity, .. } => {
            Err(BenchError::NoRequest(format!("nobody can be named who is in `{identity}`")))
        }
    }
}

fn claims(who: &Who) -> Map<String, Value> {
    match who {
        Who::Known(user) => user_claims(&user.id),
        Who::Outsider { identity, number } => outsider_claims(identity, *number),
    }
}

/// An action as a question names it: bare where that is enough.
pub(super) fn action_name(action: &EntityUid) -> String {
    if action.type_name().to_string() == vocabulary::ACTION {
        return action.id().unescaped().to_owned();
    }
    action.to_string()
}

//! The whole request story in one place: a question comes in, who it is about is made certain, it is decided,
//! recorded and answered.
//!
//! In: a tenant, questions, each about a token or a named principal. Out: answers, all of one generation. The only
//! I/O is what `authn` may need to learn a new key.

mod just_made;
mod principals;

pub use just_made::JustMade;
pub use principals::KnownPrincipals;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cedar_policy::EntityUid;
use serde::Serialize;
use tokio::time::timeout;
use ulid::Ulid;

use crate::audit::{Audit, DecisionRecord, Unrecorded};
use crate::authn::{TokenDigest, Verifier, VerifyError, digest_of, is_of_our_form, is_whole};
use crate::clock::SharedClock;
use crate::decide::{AccessQuery, Answer, Decider, QueryError};
use crate::model::{Generation, Revision, TenantId};
use crate::principal::{Principal, PrincipalError};
use crate::shadow::{Decided, Proof, Shadow};
use crate::snapshot::{Snapshot, Tenants};
use crate::telemetry::{Metrics, SlugLabels};

/// Who a question is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// Whoever the token proves.
    Token(String),
    /// Someone whom a trusted caller names.
    Named(EntityUid),
}

/// The least revision that questions are to be answered from.
pub type AtLeast = Option<Revision>;

/// One question.
#[derive(Clone, Debug)]
pub struct Question {
    pub who: Who,
    pub query: AccessQuery,
}

/// Where questions come from, for the record.
#[derive(Clone, Debug)]
pub struct Asker {
    pub caller: String,
    pub request_id: Arc<str>,
}

/// One answer, with what it was made from.
#[derive(Clone, Debug, Serialize)]
pub struct Answered {
    #[serde(flatten)]
    pub answer: Answer,
    pub principal: String,
    pub external_identities: Vec<String>,
    pub generation: Generation,
    pub revision: Revision,
    pub decision_id: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("there is no tenant `{0}`")]
    NoSuchTenant(String),
    #[error("tenant `{0}` has never loaded: see `/status`")]
    NoSnapshot(TenantId),
    #[error("revision {revision} of tenant `{tenant}` does not serve yet")]
    NotReached { tenant: String, revision: Revision },
    #[error(transparent)]
    Token(#[from] VerifyError),
    #[error(transparent)]
    OwnToken(#[from] OwnTokenError),
    #[error(transparent)]
    Principal(#[from] PrincipalError),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Unrecorded(#[from] Unrecorded),
    /// Something was wrong with one question of many.
    #[error("`requests[{index}]`: {source}")]
    InBatch {
        index: usize,
        #[source]
        source: Box<AskError>,
    },
}

/// Why a token of our own stands for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnTokenError {
    #[error("the token was cut short or mistyped: its checksum does not hold")]
    Malformed,
    #[error("the token was revoked, or is not of this tenant")]
    Unknown,
    #[error("the token expired at {expires_at}")]
    Expired { expires_at: i64 },
}

impl OwnTokenError {
    /// The problem's slug.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Malformed => "token-malformed",
            Self::Unknown => "token-revoked",
            Self::Expired { .. } => "token-expired",
        }
    }
}

/// Whom a question is about, and the token that says so, if one does.
struct Someone {
    principal: Arc<Principal>,
    proof: Option<Proof>,
}

impl Someone {
    fn parts(&self) -> (&Arc<Principal>, Option<&Proof>) {
        (&self.principal, self.proof.as_ref())
    }
}

impl From<Principal> for Someone {
    fn from(principal: Principal) -> Self {
        Self { principal: Arc::new(principal), proof: None }
    }
}

/// Answers questions.
#[derive(Clone)]
pub struct Ask {
    pub tenants: Arc<Tenants>,
    pub verifier: Verifier,
    pub principals: Arc<KnownPrincipals>,
    /// Tokens of our own that no snapshot knows yet.
    pub just_made: JustMade,
    pub decider: Decider,
    pub audit: Audit,
    /// What a candidate would answer.
    pub shadow: Shadow,
    pub metrics: Metrics,
    pub clock: SharedClock,
    /// How long a question waits for the revision that it asks for.
    pub patience: Duration,
}

impl Ask {
    /// Answers one question.
    ///
    /// # Errors
    /// When it could not be decided; that is never an allow.
    pub async fn one(
        &self,
        tenant: &str,
        at_least: AtLeast,
        question: Question,
        asker: &Asker,
    ) -> Result<Answered, AskError> {
        let snapshot = self.snapshot(tenant, at_least).await?;
        let snapshot = self.knowing(snapshot, [&question.who].into_iter()).await?;
        let someone = self.identify(&snapshot, &question.who).await?;
        self.decide(&snapshot, &someone, question.query, asker).await
    }

    /// Answers many, in order, all from one snapshot; a fault of one is a fault of all.
    ///
    /// # Errors
    /// As `one`, naming the question.
    pub async fn many(
        &self,
        tenant: &str,
        at_least: AtLeast,
        questions: Vec<Question>,
        asker: &Asker,
    ) -> Result<Vec<Answered>, AskError> {
        let snapshot = self.snapshot(tenant, at_least).await?;
        let snapshot = self.knowing(snapshot, questions.iter().map(|question| &question.who)).await?;
        let mut known: HashMap<Who, Someone> = HashMap::new();
        let mut answers = Vec::with_capacity(questions.len());
        for (index, question) in questions.into_iter().enumerate() {
            let failed = |source| AskError::InBatch { index, source: Box::new(source) };
            if !known.contains_key(&question.who) {
                let found = self.identify(&snapshot, &question.who).await.map_err(failed)?;
                known.insert(question.who.clone(), found);
            }
            let Some(someone) = known.get(&question.who) else { continue };
            answers.push(self.decide(&snapshot, someone, question.query, asker).await.map_err(failed)?);
            // Deciding is work without a pause: others, and this request's own time limit, get their turn here.
            tokio::task::yield_now().await;
        }
        Ok(answers)
    }

    async fn snapshot(&self, tenant: &str, at_least: AtLeast) -> Result<Arc<Snapshot>, AskError> {
        if let Some(revision) = at_least {
            let reached = timeout(self.patience, self.tenants.reached(tenant, revision)).await;
            if reached.is_err() && self.tenants.get(tenant).is_some() {
                return Err(AskError::NotReached { tenant: tenant.to_owned(), revision });
            }
        }
        let handle = self.tenants.get(tenant).ok_or_else(|| AskError::NoSuchTenant(tenant.to_owned()))?;
        handle.snapshot().ok_or_else(|| match TenantId::parse(tenant) {
            Ok(tenant) => AskError::NoSnapshot(tenant),
            Err(_) => AskError::NoSuchTenant(tenant.to_owned()),
        })
    }

    /// Whom a question is about, by one snapshot.
    ///
    /// # Errors
    /// When the token is not valid.
    pub async fn principal(&self, snapshot: &Snapshot, who: &Who) -> Result<Arc<Principal>, AskError> {
        Ok(self.identify(snapshot, who).await?.principal)
    }

    async fn identify(&self, snapshot: &Snapshot, who: &Who) -> Result<Someone, AskError> {
        let token = match who {
            Who::Named(uid) => return Ok(Principal::named(uid.clone()).into()),
            Who::Token(token) => token,
        };
        let digest = digest_of(token);
        // Signed ones too: they are good only as long as they are known.
        if is_of_our_form(token) || snapshot.sign_ins.token(&digest).is_some() {
            return self.own(snapshot, token, &digest).map(Someone::from).inspect_err(|error| {
                if let AskError::OwnToken(error) = error {
                    self.metrics.token_refusals.get_or_create(&SlugLabels { slug: error.slug() }).inc();
                }
            });
        }
        let verified = self.verifier.verify_known(token, &digest, &snapshot.identity_providers).await;
        let verified = verified.inspect_err(|error| {
            self.metrics.token_refusals.get_or_create(&SlugLabels { slug: error.slug() }).inc();
        })?;
        let principal = self.principals.get_or_resolve(snapshot, token.len(), digest, &verified)?;
        Ok(Someone { principal, proof: Some(Proof { verified, digest, token_bytes: token.len() }) })
    }

    /// Whom a token of our own stands for.
    fn own(&self, snapshot: &Snapshot, token: &str, digest: &TokenDigest) -> Result<Principal, AskError> {
        if is_of_our_form(token) && !is_whole(token) {
            return Err(OwnTokenError::Malformed.into());
        }
        let known = snapshot.sign_ins.token(digest).ok_or(OwnTokenError::Unknown)?;
        let now = self.clock.now().timestamp();
        match known.expires_at {
            // Both clocks are ours: there is no leeway.
            Some(expires_at) if expires_at <= now => Err(OwnTokenError::Expired { expires_at }.into()),
            _ => {
                known.last_use.note(now);
                Ok(Principal::named(known.owner.clone()))
            }
        }
    }

    async fn decide(
        &self,
        snapshot: &Snapshot,
        someone: &Someone,
        query: AccessQuery,
        asker: &Asker,
    ) -> Result<Answered, AskError> {
        let principal = &someone.principal;
        let started = Instant::now();
        let answer = self.decider.decide(snapshot, principal, &query)?;
        let elapsed = started.elapsed();
        self.metrics.decided(snapshot.tenant.as_str(), &answer, elapsed);
        let decision_id = Ulid::generate();
        if let Some(place) = self.shadow.place(&snapshot.tenant) {
            place.take(Decided::of(snapshot, someone.parts(), &query, &answer, (decision_id, &asker.request_id)));
        }
        if self.audit.is_on() {
            let record = DecisionRecord {
                time: self.clock.now(),
                decision_id,
                request_id: asker.request_id.clone(),
                tenant: snapshot.tenant.clone(),
                generation: snapshot.generation,
                revision: snapshot.revision,
                caller: asker.caller.clone(),
                principal: Arc::clone(principal),
                known: if principal.entity.is_none() { snapshot.entities.get(&principal.uid) } else { None },
                query,
                decision: answer.decision,
                reason: answer.reason,
                policies: answer.policies.iter().map(|policy| policy.id.clone()).collect(),
                errors: answer.errors.clone(),
                elapsed_us: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            };
            self.audit.record(record).await?;
        }
        Ok(Answered {
            answer,
            principal: principal.uid.to_string(),
            external_identities: principal.external_identities.clone(),
            generation: snapshot.generation,
            revision: snapshot.revision,
            decision_id: decision_id.to_string(),
        })
    }
}

//! The whole request story in one place: a question comes in, who it is about is made certain, it is decided,
//! recorded and answered.
//!
//! In: a tenant, questions, each about a token or a named principal. Out: answers, all of one generation. The only
//! I/O is what `authn` may need to learn a new key.

mod just_made;
mod lanes;
mod places;
mod principals;
mod waiting;

pub use just_made::JustMade;
pub use lanes::{LaneError, Lanes};
pub use places::Places;
pub use principals::KnownPrincipals;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::EntityUid;
use serde::Serialize;
use ulid::Ulid;

use crate::audit::{Audit, DecisionRecord, Unrecorded};
use crate::authn::{TokenDigest, Verifier, VerifyError, digest_of, is_of_our_form, is_whole};
use crate::clock::SharedClock;
use crate::decide::AccessQuery;
use crate::decide::{Answer, Decider, QueryError, ServerTime, Unknown, drop_unknown};
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
    /// What becomes of context members and attributes that the schema does not declare.
    pub unknown: Unknown,
    /// What of the question does not count, from this caller.
    pub dropped: Vec<String>,
}

impl Question {
    /// All of which counts.
    pub fn of(who: Who, query: AccessQuery) -> Self {
        Self { who, query, unknown: Unknown::default(), dropped: Vec::new() }
    }
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
    /// What of the question was left out before it was decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
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
    #[error(
        "`at_least` is {revision}, but tenant `{tenant}` is only at {serving}: name a revision that a change answered with"
    )]
    Ahead { tenant: String, revision: Revision, serving: Revision },
    #[error("too many requests are under way")]
    TooMany,
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
    #[error(transparent)]
    Lane(#[from] LaneError),
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

impl AskError {
    /// Whether a later revision, which makes tokens and configures providers, may take the token that is refused now.
    fn may_pass_later(&self) -> bool {
        match self {
            Self::OwnToken(error) => *error == OwnTokenError::Unknown,
            Self::Token(error) => matches!(
                error,
                VerifyError::UnknownProvider { .. }
                    | VerifyError::KeysUnavailable { .. }
                    | VerifyError::KeysMisconfigured { .. }
                    | VerifyError::Issuer { .. }
                    | VerifyError::Audience { .. }
            ),
            Self::Principal(_) => true,
            _ => false,
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
    /// Where contexts without a time get the server's.
    pub server_time: Option<ServerTime>,
    /// Where deciding is done.
    pub lanes: Lanes,
    pub audit: Audit,
    /// What a candidate would answer.
    pub shadow: Shadow,
    pub metrics: Metrics,
    pub clock: SharedClock,
    /// How long a question waits for the revision that it asks for.
    pub patience: Duration,
    pub places: Places,
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
        let snapshot = self.snapshot(tenant, at_least, Some(&question.who)).await?;
        let snapshot = self.knowing(snapshot, [&question.who].into_iter()).await?;
        let someone = self.identify(&snapshot, &question.who).await?;
        self.decide(&snapshot, &someone, question, asker).await
    }

    /// Answers many, in order, all from one snapshot: an answer for each, or why there is none. Whoever most of them
    /// are about is made certain first.
    ///
    /// # Errors
    /// When there is no snapshot, or `of_all` cannot be made certain: then none is answered.
    pub async fn many<E: From<AskError>>(
        &self,
        tenant: &str,
        at_least: AtLeast,
        of_all: Option<&Who>,
        questions: Vec<Result<Question, E>>,
        asker: &Asker,
    ) -> Result<Vec<Result<Answered, E>>, AskError> {
        let first = || questions.iter().flatten().next().map(|question| &question.who);
        let snapshot = self.snapshot(tenant, at_least, of_all.or_else(first)).await?;
        let asked = questions.iter().flatten().map(|question| &question.who);
        let snapshot = self.knowing(snapshot, of_all.into_iter().chain(asked)).await?;
        let mut known: HashMap<Who, Someone> = HashMap::new();
        if let Some(who) = of_all {
            known.insert(who.clone(), self.identify(&snapshot, who).await?);
        }
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            answers.push(match question {
                Ok(question) => self.one_of_many(&snapshot, &mut known, question, asker).await.map_err(E::from),
                Err(fault) => Err(fault),
            });
            // Deciding is work without a pause: others, and this request's own time limit, get their turn here.
            tokio::task::yield_now().await;
        }
        Ok(answers)
    }

    async fn one_of_many(
        &self,
        snapshot: &Arc<Snapshot>,
        known: &mut HashMap<Who, Someone>,
        question: Question,
        asker: &Asker,
    ) -> Result<Answered, AskError> {
        if let Some(someone) = known.get(&question.who) {
            return self.decide(snapshot, someone, question, asker).await;
        }
        let someone = self.identify(snapshot, &question.who).await?;
        let who = question.who.clone();
        let answer = self.decide(snapshot, &someone, question, asker).await;
        known.insert(who, someone);
        answer
    }

    async fn snapshot(&self, tenant: &str, at_least: AtLeast, who: Option<&Who>) -> Result<Arc<Snapshot>, AskError> {
        if let Some(revision) = at_least {
            self.wait_for(tenant, revision, who).await?;
        }
        let handle = self.tenants.get(tenant);
        // Right after a start nobody knows yet which tenants there are.
        let is_known = handle.is_some() || !self.tenants.is_listed();
        handle.and_then(|handle| handle.snapshot()).ok_or_else(|| match TenantId::parse(tenant) {
            Ok(tenant) if is_known => AskError::NoSnapshot(tenant),
            _ => AskError::NoSuchTenant(tenant.to_owned()),
        })
    }

    /// Whom a question is about, by one snapshot.
    ///
    /// # Errors
    /// When the token is not valid.
    pub async fn principal(&self, snapshot: &Arc<Snapshot>, who: &Who) -> Result<Arc<Principal>, AskError> {
        Ok(self.identify(snapshot, who).await?.principal)
    }

    async fn identify(&self, snapshot: &Arc<Snapshot>, who: &Who) -> Result<Someone, AskError> {
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
        let token_bytes = token.len();
        let (known, resolved) = (Arc::clone(&self.principals), (Arc::clone(snapshot), Arc::clone(&verified)));
        // Who is in an external identity is asked of policies too.
        let resolving = move || known.get_or_resolve(&resolved.0, token_bytes, digest, &resolved.1);
        let principal = self.lanes.run(&snapshot.tenant, resolving).await?.0?;
        Ok(Someone { principal, proof: Some(Proof { verified, digest, token_bytes }) })
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
        snapshot: &Arc<Snapshot>,
        someone: &Someone,
        question: Question,
        asker: &Asker,
    ) -> Result<Answered, AskError> {
        // Whoever asks is known, and nothing is waited for any more but the record.
        let _place = self.places.take().ok_or(AskError::TooMany)?;
        let Question { mut query, unknown, mut dropped, .. } = question;
        let principal = &someone.principal;
        if unknown == Unknown::Drop {
            dropped.extend(drop_unknown(snapshot, &mut query)?);
        }
        if let Some(server_time) = &self.server_time {
            server_time.put_in(snapshot, &mut query, self.clock.now());
        }
        let (decider, asked) = (self.decider, (Arc::clone(snapshot), Arc::clone(principal)));
        let deciding = move || {
            let answer = decider.decide(&asked.0, &asked.1, &query);
            (answer, query)
        };
        let ((answer, query), elapsed) = self.lanes.run(&snapshot.tenant, deciding).await?;
        let answer = answer?;
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
            dropped,
        })
    }
}

//! What requests about the directory have in common: the tenant, the query, the headers, the body.

use std::sync::Arc;

use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::caller::Presented;
use crate::admin::{Credentials, Occasion};
use crate::directory::{FactKey, Kind, read_key};
use crate::http::limits;
use crate::http::problem::Problem;
use crate::http::request_id::RequestId;
use crate::http::state::AppState;
use crate::model::{Revision, TenantId};
use crate::strict_json::{self, StrictJson};

/// A request that is about one tenant, by someone who presented something for it.
#[derive(Clone, Debug)]
pub(in crate::http) struct Asking {
    pub tenant: TenantId,
    pub who: Credentials,
    pub occasion: Occasion,
    /// `If-Match`: the revision that what is changed must still be of.
    pub if_match: Option<Revision>,
    /// Its place among the requests under way.
    _place: Arc<limits::Place>,
}

impl FromRequestParts<AppState> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let under_way = Arc::new(limits::Place::from_request_parts(parts, state).await?);
        let presented = Presented::from_request_parts(parts, state).await?;
        let Place { tenant, .. } = Place::from_request_parts(parts, state).await?;
        let who = presented.for_tenant(&tenant)?;
        Ok(Self { who, occasion: occasion(parts)?, if_match: if_match(&parts.headers)?, tenant, _place: under_way })
    }
}

impl Asking {
    /// The same, to be written over what was read at a revision and over nothing else.
    pub(super) fn over(&self, read: Revision) -> Self {
        Self { if_match: Some(self.if_match.unwrap_or(read)), ..self.clone() }
    }
}

/// The parts of an address.
#[derive(Clone, Debug)]
pub(in crate::http) struct Place {
    pub tenant: TenantId,
    pub id: Option<String>,
    pub member: Option<String>,
}

#[derive(Deserialize)]
struct RawPlace {
    tenant: String,
    id: Option<String>,
    member: Option<String>,
}

impl FromRequestParts<AppState> for Place {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let raw = Path::<RawPlace>::from_request_parts(parts, state).await;
        let Path(RawPlace { tenant, id, member }) =
            raw.map_err(|_| Problem::Malformed("the address cannot be read".to_owned()))?;
        let tenant = TenantId::parse(&tenant).map_err(|_| Problem::NoSuchTenant(tenant))?;
        Ok(Self { tenant, id, member })
    }
}

impl Place {
    /// The fact that the address names.
    pub(super) fn key(&self, kind: Kind) -> Result<FactKey, Problem> {
        let text = self.id.as_deref().unwrap_or_default();
        read_key(kind, text).ok_or_else(|| no_such(kind, text))
    }
}

pub(super) fn no_such(kind: Kind, text: &str) -> Problem {
    Problem::NoSuchObject(format!("there is no {} `{text}`", kind.words()))
}

/// Why it is done, and in which request.
pub(super) fn occasion(parts: &Parts) -> Result<Occasion, Problem> {
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.to_string());
    let reason = match parts.headers.get(REASON).map(|value| std::str::from_utf8(value.as_bytes())) {
        None => None,
        Some(Ok(text)) if text.len() <= MAX_REASON_BYTES => Some(text.to_owned()).filter(|text| !text.is_empty()),
        Some(_) => {
            let message = format!("`X-Cedargate-Reason` must be UTF-8 text of at most {MAX_REASON_BYTES} bytes");
            return Err(Problem::Malformed(message));
        }
    };
    Ok(Occasion { reason, request_id })
}

fn if_match(headers: &HeaderMap) -> Result<Option<Revision>, Problem> {
    let Some(given) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = given.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let digits = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    let wanted = digits.parse().map(Revision);
    wanted.map(Some).map_err(|_| Problem::RevisionMismatch("`If-Match` is not an `ETag` of this server".to_owned()))
}

/// A query whose every member is known.
pub(in crate::http) struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        let refused =
            |error: QueryRejection| Problem::Malformed(format!("the query cannot be read: {}", error.body_text()));
        query.map(|Query(query)| Self(query)).map_err(refused)
    }
}

/// Of a change.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::http) struct ChangeQuery {
    /// Only say what would come of it.
    pub dry_run: bool,
    /// What refers to something removed goes along.
    pub cascade: bool,
}

/// Of what is neither tried nor takes anything along: nothing may be asked for.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NoQuery {}

pub(in crate::http) type Body = Result<axum::body::Bytes, BytesRejection>;

/// A JSON object with no member twice.
pub(super) fn object(body: Body) -> Result<Map<String, Value>, Problem> {
    let unread = |error: serde_json::Error| Problem::Malformed(format!("the body cannot be read: {error}"));
    match strict_json::read::<StrictJson>(&body?).map_err(unread)?.0 {
        Value::Object(members) => Ok(members),
        _ => Err(Problem::Malformed("the body must be a JSON object".to_owned())),
    }
}

const REASON: &str = "x-cedargate-reason";
const MAX_REASON_BYTES: usize = 1_000;

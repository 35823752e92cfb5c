//! `POST /authorize` and `/authorize/batch`: JSON to questions, answers to JSON.

mod body;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use self::body::RawRequest;
use self::body::{RawBatch, read};
use super::admin::Asked;
use super::bearer::Bearer;
use super::caller::Caller;
use super::problem::{Problem, denied};
use super::request_id::RequestId;
use super::state::{AppState, DefaultTenant, Limits};
use crate::ask::{Answered, Asker};
use crate::decide::Decision;
use crate::snapshot::Tenants;

type Body = Result<Bytes, BytesRejection>;

/// `POST /authorize` and `/tenants/{tenant}/authorize`.
pub(super) async fn one(
    State(state): State<AppState>,
    tenant: Option<Path<String>>,
    caller: Caller,
    Extension(id): Extension<RequestId>,
    bearer: Bearer,
    Asked(how): Asked<AnswerAs>,
    body: Body,
) -> Result<Response, Problem> {
    let raw: RawRequest = read(&body?)?;
    let tenant = choose_tenant(tenant, raw.tenant.clone(), &state.default_tenant, &state.tenants)?;
    caller.check_tenant(&tenant)?;
    let at_least = raw.at_least;
    let question = raw.into_question(bearer.0?, &caller)?;
    let answered = state.ask.one(&tenant, at_least, question, &asker(&caller, &id)).await?;
    let is_denied = how.deny.is_some() && answered.answer.decision == Decision::Deny;
    Ok(if is_denied { denied(json(&answered)) } else { json(&answered) })
}

/// How an answer comes.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AnswerAs {
    /// With this status where the decision is to deny, for those who look at nothing else.
    deny: Option<DenyStatus>,
}

#[derive(Debug, Deserialize)]
enum DenyStatus {
    #[serde(rename = "403")]
    Forbidden,
}

/// `POST /authorize/batch` and `/tenants/{tenant}/authorize/batch`.
pub(super) async fn batch(
    State(state): State<AppState>,
    tenant: Option<Path<String>>,
    caller: Caller,
    Extension(id): Extension<RequestId>,
    bearer: Bearer,
    body: Body,
) -> Result<Response, Problem> {
    let body = body?;
    let mut raw: RawBatch<'_> = read(&body)?;
    check_size(&raw, &state.limits)?;
    let tenant = choose_tenant(tenant, raw.tenant.clone(), &state.default_tenant, &state.tenants)?;
    caller.check_tenant(&tenant)?;
    let at_least = raw.at_least;
    let of_all = raw.of_all(bearer.0?, &caller)?;
    let questions = raw.into_questions(of_all.as_ref(), &caller);
    if !questions.is_empty() && questions.iter().all(|question| matches!(question, Err(Problem::TokenMissing))) {
        return Err(Problem::TokenMissing);
    }
    let results = state.ask.many(&tenant, at_least, of_all.as_ref(), questions, &asker(&caller, &id)).await?;
    let results = results.into_iter().map(|result| ItemResult::of(result, &id)).collect();
    Ok(json(&Results { results }))
}

#[derive(Serialize)]
struct Results {
    results: Vec<ItemResult>,
}

/// What became of one question of many.
#[derive(Serialize)]
#[serde(untagged)]
enum ItemResult {
    Answered(Box<Answered>),
    Failed { error: Value },
}

impl ItemResult {
    fn of(result: Result<Answered, Problem>, id: &RequestId) -> Self {
        match result {
            Ok(answered) => Self::Answered(Box::new(answered)),
            Err(problem) => Self::Failed { error: problem.document(id) },
        }
    }
}

/// An answer's body. Most fit the room that is made for them, so that it need not grow while they are written.
fn json(answer: &impl Serialize) -> Response {
    let mut text = Vec::with_capacity(ANSWER_BYTES);
    if let Err(error) = serde_json::to_writer(&mut text, answer) {
        tracing::error!(%error, "an answer cannot be written");
        return Problem::Internal.into_response();
    }
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
}

fn asker(caller: &Caller, id: &RequestId) -> Asker {
    Asker { caller: caller.name(), request_id: id.0.clone() }
}

fn check_size(raw: &RawBatch<'_>, limits: &Limits) -> Result<(), Problem> {
    if raw.requests.len() > limits.max_batch {
        let most = limits.max_batch;
        return Err(Problem::TooLarge(format!("a batch may hold {most} requests: send several batches")));
    }
    Ok(())
}

/// The tenant that is asked about: named once, or the default, or the only one.
fn choose_tenant(
    in_path: Option<Path<String>>,
    in_body: Option<String>,
    default: &DefaultTenant,
    tenants: &Tenants,
) -> Result<String, Problem> {
    match (in_path.map(|Path(tenant)| tenant), in_body) {
        (Some(path), Some(body)) if path != body => {
            Err(Problem::Malformed(format!("`tenant` is `{body}`, but the address says `{path}`")))
        }
        (Some(named), _) | (None, Some(named)) => Ok(named),
        (None, None) => {
            let meant = default.0.clone().or_else(|| tenants.only());
            meant.map(|tenant| tenant.to_string()).ok_or(Problem::TenantMissing)
        }
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::of_unread_body(rejection.status())
    }
}

const ANSWER_BYTES: usize = 1024;

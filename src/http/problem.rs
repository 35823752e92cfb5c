//! Problems: every error that leaves by HTTP, as RFC 9457 problem details. The only file that knows status codes.
//!
//! The caller is told what to fix; a cause of ours goes to the log and never into a body.

mod of_directory;

use std::any::Any;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::request_id::RequestId;
use crate::ask::{AskError, LaneError};
use crate::authn::VerifyError;
use crate::listen::RefusalText;
use crate::principal::PrincipalError;

/// What went wrong, for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Malformed(String),
    /// A question that does not fit the schema; the slug says which part.
    Query {
        slug: &'static str,
        detail: String,
    },
    TenantMissing,
    TokenMissing,
    AdministratorMissing,
    ObserverMissing,
    TokenRefused {
        slug: &'static str,
        detail: String,
    },
    UserDeactivated,
    CallerKeyUnknown,
    CallerMayNot(&'static str),
    NoSuchTenant(String),
    NoSuchRoute,
    MethodNotAllowed,
    BodyTooSlow,
    HeadTooLarge,
    TooLarge(String),
    TooMany,
    TenantBusy(String),
    NoSnapshot(String),
    NotReached(String),
    /// A change that is refused; what kind of refusal it is, is for the slug to say.
    Conflict {
        slug: &'static str,
        detail: String,
    },
    Unfit {
        slug: &'static str,
        detail: String,
    },
    NoSuchObject(String),
    MayNotAdminister(String),
    RevisionMismatch(String),
    NoDirectory,
    Busy(String),
    /// The directory does not answer, or takes nothing more.
    DirectoryUnavailable(String),
    NoStorage(String),
    KeysUnavailable(String),
    /// No waiting brings them.
    KeysMisconfigured(String),
    /// An administrator asked for them.
    KeysNotFetched(String),
    NotReady(String),
    LogUnavailable,
    TimedOut,
    Internal,
    /// What is wrong with one operation of many: all of them are refused for it.
    InOperation {
        index: usize,
        problem: Box<Problem>,
    },
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Query { .. } | Self::TenantMissing | Self::Unfit { .. } => {
                StatusCode::BAD_REQUEST
            }
            Self::TokenMissing | Self::AdministratorMissing | Self::ObserverMissing | Self::TokenRefused { .. } => {
                StatusCode::UNAUTHORIZED
            }
            Self::UserDeactivated | Self::CallerKeyUnknown | Self::CallerMayNot(_) | Self::MayNotAdminister(_) => {
                StatusCode::FORBIDDEN
            }
            Self::NoSuchTenant(_) | Self::NoSuchRoute | Self::NoSuchObject(_) | Self::NoDirectory => {
                StatusCode::NOT_FOUND
            }
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::RevisionMismatch(_) => StatusCode::PRECONDITION_FAILED,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany | Self::TenantBusy(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoSnapshot(_)
            | Self::NotReached(_)
            | Self::Busy(_)
            | Self::DirectoryUnavailable(_)
            | Self::KeysUnavailable(_)
            | Self::KeysMisconfigured(_)
            | Self::NotReady(_)
            | Self::LogUnavailable
            | Self::TimedOut => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoStorage(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::KeysNotFetched(_) => StatusCode::BAD_GATEWAY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::InOperation { problem, .. } => problem.status(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed-request",
            Self::Query { slug, .. }
            | Self::TokenRefused { slug, .. }
            | Self::Conflict { slug, .. }
            | Self::Unfit { slug, .. } => slug,
            Self::TenantMissing => "tenant-missing",
            Self::TokenMissing | Self::AdministratorMissing => "token-missing",
            Self::ObserverMissing => "key-missing",
            Self::BodyTooSlow => "body-too-slow",
            Self::HeadTooLarge => "head-too-large",
            Self::UserDeactivated => "user-deactivated",
            Self::CallerKeyUnknown => "caller-key-unknown",
            Self::CallerMayNot(_) => "caller-may-not",
            Self::NoSuchTenant(_) => "tenant-unknown",
            Self::NoSuchRoute => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::TooLarge(_) => "too-large",
            Self::TooMany => "too-many-requests",
            Self::TenantBusy(_) => "tenant-busy",
            Self::NoSnapshot(_) => "no-snapshot",
            Self::NotReached(_) => "revision-not-live",
            Self::NoSuchObject(_) => "object-unknown",
            Self::MayNotAdminister(_) => "caller-may-not",
            Self::RevisionMismatch(_) => "revision-mismatch",
            Self::NoDirectory => "no-directory",
            Self::Busy(_) => "busy",
            Self::DirectoryUnavailable(_) => "directory-unavailable",
            Self::NoStorage(_) => "insufficient-storage",
            Self::KeysUnavailable(_) => "keys-unavailable",
            Self::KeysMisconfigured(_) => "keys-misconfigured",
            Self::KeysNotFetched(_) => "keys-not-fetched",
            Self::NotReady(_) => "not-ready",
            Self::LogUnavailable => "log-unavailable",
            Self::TimedOut => "timed-out",
            Self::Internal => "internal",
            Self::InOperation { problem, .. } => problem.slug(),
        }
    }

    /// Whether the same request may fare better in a moment.
    fn may_try_again(&self) -> bool {
        let passing =
            [StatusCode::SERVICE_UNAVAILABLE, StatusCode::INSUFFICIENT_STORAGE, StatusCode::TOO_MANY_REQUESTS];
        passing.contains(&self.status()) && !matches!(self, Self::KeysMisconfigured(_))
    }

    fn detail(&self) -> String {
        match self {
            Self::Malformed(detail)
            | Self::Query { detail, .. }
            | Self::TokenRefused { detail, .. }
            | Self::TooLarge(detail)
            | Self::NotReached(detail)
            | Self::TenantBusy(detail)
            | Self::Conflict { detail, .. }
            | Self::Unfit { detail, .. }
            | Self::NoSuchObject(detail)
            | Self::MayNotAdminister(detail)
            | Self::RevisionMismatch(detail)
            | Self::Busy(detail)
            | Self::DirectoryUnavailable(detail)
            | Self::NoStorage(detail)
            | Self::KeysUnavailable(detail)
            | Self::KeysMisconfigured(detail)
            | Self::KeysNotFetched(detail)
            | Self::NotReady(detail) => detail.clone(),
            Self::TenantMissing => "name a `tenant`: this server has several and no default".to_owned(),
            Self::TokenMissing => {
                "send a token as `Authorization: Bearer` or `token`, or a `principal` with a caller key that may vouch"
                    .to_owned()
            }
            Self::AdministratorMissing => {
                "send an admin key in `X-Cedargate-Key`, or a token of someone who may as `Authorization: Bearer`"
                    .to_owned()
            }
            Self::ObserverMissing => {
                "send a key that may `observe` in `X-Cedargate-Key`, or ask the listener for operations (`ops.bind`)"
                    .to_owned()
            }
            Self::BodyTooSlow => "the request's body did not come to its end in time".to_owned(),
            Self::HeadTooLarge => "the request's line and headers are too large".to_owned(),
            Self::UserDeactivated => "the user that the token stands for is deactivated".to_owned(),
            Self::CallerKeyUnknown => "the key in `X-Cedargate-Key` is not one of this server's".to_owned(),
            Self::CallerMayNot(what) => format!("this caller may not {what}"),
            Self::NoSuchTenant(tenant) => format!("there is no tenant `{tenant}`"),
            Self::NoSuchRoute => "there is nothing at this address".to_owned(),
            Self::NoDirectory => "this server has no directory: its tenants are what their files say".to_owned(),
            Self::MethodNotAllowed => "this address does not take this method".to_owned(),
            Self::TooMany => "too many requests are under way: try again".to_owned(),
            Self::NoSnapshot(tenant) => format!("tenant `{tenant}` has not loaded yet"),
            Self::LogUnavailable => "decisions cannot be recorded at the moment".to_owned(),
            Self::TimedOut => "the request took too long".to_owned(),
            Self::Internal => "something went wrong on our side: give the request id when you report it".to_owned(),
            Self::InOperation { index, problem } => format!("`operations[{index}]`: {}", problem.detail()),
        }
    }
}

impl Problem {
    /// RFC 9457 §3: the problem as an object, of a request with this id.
    pub(super) fn document(&self, id: &RequestId) -> Value {
        self.document_as(id, self.status())
    }

    fn document_as(&self, id: &RequestId, status: StatusCode) -> Value {
        let mut document = json!({
            "type": format!("urn:cedargate:problem:{}", self.slug()),
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": self.detail(),
            "instance": &*id.0,
        });
        if let (Self::InOperation { index, .. }, Some(members)) = (self, document.as_object_mut()) {
            members.insert("operation".to_owned(), (*index).into());
        }
        document
    }
}

impl IntoResponse for Problem {
    /// The body is made by `render`, which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// An answer whose status says that the decision is to deny; its body is the answer all the same.
pub(super) fn denied(mut answer: Response) -> Response {
    *answer.status_mut() = StatusCode::FORBIDDEN;
    answer.extensions_mut().insert(IsAnswer);
    answer
}

/// Marks what is no problem, whatever its status.
#[derive(Clone, Copy, Debug)]
struct IsAnswer;

/// Writes the body of every problem, also of those that axum itself answers.
pub(super) fn render(response: &mut Response, id: &RequestId) {
    if response.extensions().get::<IsAnswer>().is_some() {
        return;
    }
    let problem = match (response.extensions_mut().remove::<Problem>(), response.status()) {
        (Some(problem), _) => problem,
        (None, StatusCode::METHOD_NOT_ALLOWED) => Problem::MethodNotAllowed,
        (None, StatusCode::PAYLOAD_TOO_LARGE) => Problem::TooLarge("the request's body is too large".to_owned()),
        (None, status) if status.is_client_error() => Problem::Malformed("the request cannot be read".to_owned()),
        (None, status) if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE => Problem::Internal,
        (None, _) => return,
    };
    let (status, body) = (problem.status(), problem.document(id));
    let may_try_again = problem.may_try_again();
    *response.status_mut() = status;
    *response.body_mut() = Body::from(body.to_string());
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if may_try_again {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NoSuchTenant(tenant) => Self::NoSuchTenant(tenant),
            AskError::NoSnapshot(tenant) => Self::NoSnapshot(tenant.to_string()),
            AskError::NotReached { .. } => Self::NotReached(error.to_string()),
            AskError::Ahead { .. } => Self::Malformed(error.to_string()),
            AskError::TooMany => Self::TooMany,
            AskError::Token(error) => Self::from(error),
            AskError::OwnToken(error) => Self::TokenRefused { slug: error.slug(), detail: error.to_string() },
            AskError::Principal(PrincipalError::Deactivated) => Self::UserDeactivated,
            AskError::Lane(error @ LaneError::Crowded(_)) => Self::TenantBusy(error.to_string()),
            AskError::Lane(LaneError::Failed) => {
                tracing::error!("a decision panicked");
                Self::Internal
            }
            AskError::Query(error) => Self::Query { slug: error.slug(), detail: error.to_string() },
            AskError::Principal(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a verified token made no principal");
                Self::Internal
            }
            AskError::Unrecorded(error) => {
                tracing::error!(%error, "an answer was withheld");
                Self::LogUnavailable
            }
        }
    }
}

/// What a peer is told whose head no router ever saw.
pub fn refused_head(status: u16) -> RefusalText {
    let id = RequestId::of(&HeaderMap::new());
    let problem = match StatusCode::from_u16(status) {
        Ok(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::URI_TOO_LONG) => Problem::HeadTooLarge,
        _ => Problem::Malformed("the request's line or headers are not HTTP/1.1".to_owned()),
    };
    let body = problem.document_as(&id, StatusCode::from_u16(status).unwrap_or(problem.status())).to_string();
    RefusalText { request_id: id.0.to_string(), content_type: PROBLEM_JSON, body }
}

impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::KeysUnavailable { .. } => return Self::KeysUnavailable(error.to_string()),
            VerifyError::KeysMisconfigured { .. } => return Self::KeysMisconfigured(error.to_string()),
            _ => {}
        }
        Self::TokenRefused { slug: error.slug(), detail: error.to_string() }
    }
}

impl Problem {
    /// A body that axum would not take.
    pub(super) fn of_unread_body(status: StatusCode) -> Self {
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::TooLarge("the request's body is too large".to_owned());
        }
        Self::Malformed("the request's body cannot be read".to_owned())
    }

    /// The same, naming the operation that it is about.
    pub(super) fn in_operation(self, index: usize) -> Self {
        Self::InOperation { index, problem: Box::new(self) }
    }
}

/// A success that made something.
pub(super) fn mark_created(response: &mut Response) {
    *response.status_mut() = StatusCode::CREATED;
}

pub(super) async fn no_such_route() -> Problem {
    Problem::NoSuchRoute
}

/// A panic is a fault of ours: it ends one request, tells the caller nothing and the log all.
pub(super) fn panicked(cause: &(dyn Any + Send)) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(panic = text, "a request panicked");
    Problem::Internal.into_response()
}

const PROBLEM_JSON: &str = "application/problem+json";

//! Around every request: its id, its host, its body, its time, what becomes of a panic and of a problem, whether its
//! connection may be used again, and the count of what was answered.
//!
//! The body is there before anything else is done: whoever lets it wait holds nothing that others need.
//!
//! One layer for all of it: axum copies what a layer holds, and boxes what it runs, for every request.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::problem::{self, Problem};
use super::request_id::RequestId;
use super::state::AppState;
use crate::listen::{BodyFault, BodyProgress};

pub(super) async fn around(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    DefaultBodyLimit::disable().apply(&mut request);
    // By route, not by address: what people type must not become a label.
    let route = request.extensions().get::<MatchedPath>().cloned();

    let body = RequestBody::of(&request);
    let most = state.limits.body_bytes(route.as_ref().map(MatchedPath::as_str));
    let answering = async {
        match whole(request, most).await {
            Ok(request) => without_panic(next.run(request)).await,
            Err(problem) => problem.into_response(),
        }
    };
    let answered = timeout(state.limits.timeout, answering).await;
    let mut response = answered.unwrap_or_else(|_| Problem::TimedOut.into_response());
    body.conclude(&mut response).await;

    state.metrics.answered(route.as_ref().map_or("none", MatchedPath::as_str), response.status().as_u16());
    problem::render(&mut response, &id);
    id.send_back(response.headers_mut());
    response
}

/// The same request with its body at hand, if it is one that may be answered.
async fn whole(request: Request, most: usize) -> Result<Request, Problem> {
    check_host(&request)?;
    if request.body().is_end_stream() {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    let body = read(body, most).await?;
    Ok(Request::from_parts(head, body.into()))
}

/// A body of at most so many bytes; more are not read.
async fn read(mut body: Body, most: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::TooLarge(format!("the request's body is too large: at most {most} bytes are taken"));
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let (mut first, mut rest) = (Bytes::new(), Vec::new());
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| Problem::Malformed("the request's body cannot be read".to_owned()))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len().max(rest.len()) + data.len() > most {
            return Err(too_large());
        }
        match (first.is_empty(), rest.is_empty()) {
            // Most bodies come in one piece, which is then not copied.
            (true, true) => first = data,
            (false, true) => rest.extend([first.as_ref(), data.as_ref()].concat()),
            (_, false) => rest.extend_from_slice(&data),
        }
    }
    Ok(if rest.is_empty() { first } else { rest.into() })
}

/// What there is to know of a request's body, once it is answered.
struct RequestBody {
    progress: Option<BodyProgress>,
    /// Read to its end, it must be asked for first.
    is_expected: bool,
    is_http1: bool,
}

impl RequestBody {
    fn of(request: &Request) -> Self {
        Self {
            progress: request.extensions().get::<BodyProgress>().cloned(),
            is_expected: request.headers().contains_key(header::EXPECT),
            is_http1: request.version() <= Version::HTTP_11,
        }
    }

    /// A body that was stopped is what the answer is about. One that was not read to its end would be taken for the
    /// next request: HTTP/1.1 says that there is none.
    async fn conclude(self, response: &mut Response) {
        let Some(progress) = self.progress else { return };
        if let Some(fault) = progress.fault() {
            *response = Problem::from(fault).into_response();
        }
        if self.is_http1 && !progress.is_read_to_its_end(!self.is_expected).await {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// RFC 9112 §3.2: a request of HTTP/1.1 has one `Host`, and no request has two.
fn check_host(request: &Request) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 => {
            Err(Problem::Malformed("the request has no `Host` header".to_owned()))
        }
        (Some(_), Some(_)) => Err(Problem::Malformed("the request has several `Host` headers".to_owned())),
        (Some(host), None) if !host.as_bytes().iter().all(|byte| is_of_host(*byte)) => {
            Err(Problem::Malformed("the request's `Host` is not a name or address and a port".to_owned()))
        }
        _ => Ok(()),
    }
}

/// RFC 3986 §3.2.2: what a host and a port are written with.
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(&byte)
}

impl From<BodyFault> for Problem {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooSlow => Self::BodyTooSlow,
            BodyFault::TooManyWait | BodyFault::NoRoom => Self::TooMany,
        }
    }
}

/// A panic ends one request, not the connection.
async fn without_panic(answering: impl Future<Output = Response>) -> Response {
    let mut answering = pin!(answering);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(cx))) {
        Ok(polled) => polled,
        Err(cause) => Poll::Ready(problem::panicked(&*cause)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_a_problem_and_nothing_else_does() {
        let panicking = async { panic!("at the disco") };
        assert_eq!(without_panic(panicking).await.status(), 500);
        assert_eq!(without_panic(async { "calm".into_response() }).await.status(), 200);
    }
}

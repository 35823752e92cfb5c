//! Around every request: its id, its time, what becomes of a panic and of a problem, and the count of what was answered.
//!
//! One layer for all of it: axum copies what a layer holds, and boxes what it runs, for every request.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::problem::{self, Problem};
use super::request_id::RequestId;
use super::state::AppState;

pub(super) async fn around(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    DefaultBodyLimit::max(state.limits.max_body_bytes).apply(&mut request);
    // By route, not by address: what people type must not become a label.
    let route = request.extensions().get::<MatchedPath>().cloned();

    let answered = timeout(state.limits.timeout, without_panic(next.run(request))).await;
    let mut response = answered.unwrap_or_else(|_| Problem::TimedOut.into_response());

    state.metrics.answered(route.as_ref().map_or("none", MatchedPath::as_str), response.status().as_u16());
    problem::render(&mut response, &id);
    id.send_back(response.headers_mut());
    response
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

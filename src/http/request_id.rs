//! `X-Request-ID`: taken from the request where it is fit to be repeated, made up otherwise, always sent back.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use ulid::Ulid;

/// The id of the request being answered.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub String);

pub(super) async fn carry(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
    let id = given.filter(|id| is_fit(id)).map_or_else(|| Ulid::generate().to_string(), str::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static(HEADER), value);
    }
    response
}

/// It goes into logs and records: short, and nothing that could break a line.
fn is_fit(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_BYTES && id.bytes().all(|byte| byte.is_ascii_graphic())
}

const HEADER: &str = "x-request-id";
const MAX_BYTES: usize = 128;

//! `X-Request-ID`: taken from the request where it is fit to be repeated, made up otherwise, always sent back.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use ulid::Ulid;

/// The id of the request being answered.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub Arc<str>);

impl RequestId {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok());
        match given.filter(|id| is_fit(id)) {
            Some(id) => Self(id.into()),
            None => Self(Ulid::generate().array_to_str(&mut [0; ulid::ULID_LEN]).into()),
        }
    }

    pub(super) fn send_back(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            headers.insert(HEADER, value);
        }
    }
}

/// It goes into logs and records: short, and nothing that could break a line.
fn is_fit(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_BYTES && id.bytes().all(|byte| byte.is_ascii_graphic())
}

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const MAX_BYTES: usize = 128;

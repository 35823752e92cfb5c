//! The token in `Authorization`, as the request carries it; verified by others.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::problem::Problem;

/// The token, if there is one, or what is wrong with the header that should have held it.
pub(super) struct Bearer(pub Result<Option<String>, Problem>);

impl<S: Sync> FromRequestParts<S> for Bearer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(of(&parts.headers))
    }
}

/// The token of some headers.
pub(super) fn of(headers: &HeaderMap) -> Bearer {
    Bearer(read(headers))
}

/// RFC 9110 §11.1: the scheme's case does not matter.
fn read(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let text = match (given.next(), given.next()) {
        (None, _) => return Ok(None),
        (Some(only), None) => only.to_str().unwrap_or_default(),
        (Some(_), Some(_)) => {
            return Err(Problem::Malformed("there are several `Authorization` headers".to_owned()));
        }
    };
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim().to_owned())),
        None if text.eq_ignore_ascii_case("bearer") => Err(Problem::TokenMissing),
        _ => Err(Problem::Malformed("`Authorization` must be `Bearer` and a token".to_owned())),
    }
}

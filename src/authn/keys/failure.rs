//! Why keys are not there: a failed fetch in, what operators, administrators and strangers may know of it out.
//!
//! Operators are told all. Administrators of a tenant name the addresses that the server asks from where it stands, so
//! they are told what an issuer answered and nothing of the network: neither whether a name is one of it nor whether
//! something listens there. Strangers are told whether waiting may help.

use std::error::Error;
use std::io;

use chrono::{DateTime, Utc};
use reqwest::StatusCode;

use super::fetch::FetchError;
use crate::model::with_causes;

/// A fetch that brought no keys.
#[derive(Clone, Debug)]
pub struct Failure {
    /// For operators.
    pub message: String,
    /// For administrators of a tenant.
    pub outside: String,
    /// Whether it stays so until somebody changes something, here or at the issuer's.
    pub is_lasting: bool,
    /// Absent where nothing was fetched.
    pub at: Option<DateTime<Utc>>,
}

impl Failure {
    pub fn of(error: &FetchError, at: DateTime<Utc>) -> Self {
        let (message, outside) = (with_causes(error), outside(error));
        Self { message, outside, is_lasting: is_lasting(error), at: Some(at) }
    }

    pub fn of_nobody_asking() -> Self {
        Self::unfetched("the keys of this address are not fetched by this server yet: try again")
    }

    pub fn of_no_end() -> Self {
        Self::unfetched("the fetch did not come to its end in time: try again")
    }

    fn unfetched(text: &str) -> Self {
        Self { message: text.to_owned(), outside: text.to_owned(), is_lasting: false, at: None }
    }
}

fn is_lasting(error: &FetchError) -> bool {
    match error {
        FetchError::Status { status } => !may_change_by_itself(*status),
        FetchError::Timeout { .. } | FetchError::Client { .. } => false,
        // A name that may not be asked shows only when it is resolved, and bad TLS only when it is spoken.
        FetchError::Http(error) => has_cause(error, &|cause| {
            cause.is::<FetchError>()
                || cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData)
        }),
        FetchError::Address { .. }
        | FetchError::PlainHttp { .. }
        | FetchError::UserInfo { .. }
        | FetchError::Inside { .. }
        | FetchError::Downgrade
        | FetchError::TooManyRedirects { .. }
        | FetchError::RedirectNowhere
        | FetchError::TooLarge { .. }
        | FetchError::Keys(_) => true,
    }
}

fn may_change_by_itself(status: StatusCode) -> bool {
    status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}

/// Whether an error or one that led to it is such a one. What an `io::Error` wraps is not among its sources.
fn has_cause(error: &(dyn Error + 'static), is_such: &dyn Fn(&(dyn Error + 'static)) -> bool) -> bool {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    is_such(error)
        || wrapped.is_some_and(|wrapped| has_cause(wrapped, is_such))
        || error.source().is_some_and(|source| has_cause(source, is_such))
}

fn outside(error: &FetchError) -> String {
    match error {
        FetchError::Address { .. }
        | FetchError::PlainHttp { .. }
        | FetchError::UserInfo { .. }
        | FetchError::Inside { .. }
        | FetchError::Downgrade => "keys may not be fetched from this address: use a public https address".to_owned(),
        FetchError::Http(_) | FetchError::Client { .. } => "the issuer could not be asked".to_owned(),
        FetchError::TooManyRedirects { .. }
        | FetchError::RedirectNowhere
        | FetchError::Status { .. }
        | FetchError::TooLarge { .. }
        | FetchError::Timeout { .. }
        | FetchError::Keys(_) => error.to_string(),
    }
}

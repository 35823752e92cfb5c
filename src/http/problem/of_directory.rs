//! What came of a change, or of a look at a directory, as the problem that its caller is told.

use super::Problem;
use crate::admin::{AdminError, TokenError};
use crate::directory::{EditError, Refusal, StoreError};

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        let detail = error.to_string();
        match error {
            AdminError::Edit(EditError::Refused(refusals)) => Self::of_refusal(refusals.first(), detail),
            AdminError::Edit(EditError::Busy) => Self::Busy(detail),
            AdminError::Edit(EditError::Store(error)) => Self::from(error),
            AdminError::Who(error) => Self::from(error),
            AdminError::MayNot(_) => Self::MayNotAdminister(detail),
            AdminError::Precondition { .. } => Self::RevisionMismatch(detail),
            AdminError::OfFiles(_) => Self::Conflict { slug: "directory-is-files", detail },
            AdminError::HasFiles(_) => Self::Conflict { slug: "in-use", detail },
            AdminError::NotLive(_) => Self::NotReached(detail),
            AdminError::NoRules => Self::NotReady(detail),
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Admin(error) => Self::from(error),
            TokenError::Random(_) | TokenError::Sign(_) => {
                tracing::error!(%error, "no token could be made");
                Self::Internal
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::NoSuchTenant(tenant) => Self::NoSuchTenant(tenant.to_string()),
            StoreError::TenantExists(_) => Self::Conflict { slug: "exists", detail },
            StoreError::Moved { .. } | StoreError::TooManyWaiting => Self::Busy(detail),
            StoreError::ReadOnly => Self::Conflict { slug: "directory-is-files", detail },
            StoreError::Disk(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the directory's disk failed");
                Self::NoStorage(detail)
            }
            StoreError::Database(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the directory failed");
                Self::DirectoryUnavailable(detail)
            }
            StoreError::Damaged(_) | StoreError::Constraint(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the directory failed");
                Self::Internal
            }
        }
    }
}

impl Problem {
    /// The first of an edit's refusals says what kind all of them are; the detail has each.
    fn of_refusal(first: Option<&Refusal>, detail: String) -> Self {
        match first {
            Some(Refusal::Exists(_)) => Self::Conflict { slug: "exists", detail },
            Some(Refusal::Missing(_)) => Self::NoSuchObject(detail),
            Some(Refusal::InUse { .. } | Refusal::Named { .. } | Refusal::TooManyInUse(_)) => {
                Self::Conflict { slug: "in-use", detail }
            }
            Some(Refusal::BuiltIn(_)) => Self::Conflict { slug: "built-in", detail },
            Some(Refusal::Taken { .. }) => Self::Conflict { slug: "conflict", detail },
            Some(Refusal::MappedTwice { .. }) => Self::Conflict { slug: "mapped-twice", detail },
            Some(Refusal::Dangling { .. }) => Self::Unfit { slug: "reference-unknown", detail },
            Some(Refusal::Unfit { .. }) | None => Self::Unfit { slug: "does-not-fit", detail },
        }
    }
}

//! Who is calling us, as opposed to who a question is about: a caller key, or nobody in particular.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::problem::Problem;
use super::state::AppState;
use crate::config::{CallerKey, CountsFrom, Permission, WhoMayAsk};
use crate::model::TenantId;

/// The caller of a request.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    Keyed(Arc<CallerKey>),
    /// Who runs the server: may all that any key may.
    Operator(String),
    Anonymous {
        explain: CountsFrom,
        describe: CountsFrom,
    },
}

/// Proof that the caller may name principals.
pub(super) struct MayVouch;

/// Proof that the caller may look at the server's own state: a route that asks for it answers nobody else.
pub(super) struct MayObserve;

impl FromRequestParts<AppState> for MayObserve {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let given = parts.headers.get(KEY_HEADER).ok_or(Problem::ObserverMissing)?;
        let text = given.to_str().map_err(|_| Problem::CallerKeyUnknown)?;
        if let Some(key) = state.callers.keys.find(text) {
            // The state is that of every tenant.
            let may = key.may(Permission::Observe) || key.may(Permission::Administer) && key.is_for_all();
            return if may {
                Ok(Self)
            } else {
                Err(Problem::CallerMayNot("observe: its key needs `may = [\"observe\"]`"))
            };
        }
        let operator = state.admin.as_ref().and_then(|admin| admin.keys.find(text));
        operator.map(|_| Self).ok_or(Problem::CallerKeyUnknown)
    }
}

impl Caller {
    /// The name for the record.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Keyed(key) => format!("key:{}", key.name),
            Self::Operator(name) => format!("key:{name}"),
            Self::Anonymous { .. } => "token".to_owned(),
        }
    }

    /// Whether the caller may ask about this tenant at all.
    pub(super) fn check_tenant(&self, tenant: &str) -> Result<(), Problem> {
        match self {
            Self::Anonymous { .. } | Self::Operator(_) => Ok(()),
            Self::Keyed(key) if TenantId::parse(tenant).is_ok_and(|tenant| key.is_for(&tenant)) => Ok(()),
            Self::Keyed(_) => Err(Problem::CallerMayNot("ask about this tenant")),
        }
    }

    /// Whether the caller is told why policies did not match: that names grants and people.
    pub(super) fn may_explain(&self) -> bool {
        match self {
            Self::Anonymous { explain, .. } => *explain == CountsFrom::Anyone,
            Self::Keyed(_) | Self::Operator(_) => true,
        }
    }

    /// Whether the caller's word on a resource counts: whoever asks about themselves would say what lets them in.
    pub(super) fn may_describe(&self) -> bool {
        match self {
            Self::Anonymous { describe, .. } => *describe == CountsFrom::Anyone,
            Self::Keyed(_) | Self::Operator(_) => true,
        }
    }

    pub(super) fn may_vouch(&self) -> Result<MayVouch, Problem> {
        match self {
            Self::Operator(_) => Ok(MayVouch),
            Self::Keyed(key) if key.may(Permission::Vouch) => Ok(MayVouch),
            Self::Keyed(_) | Self::Anonymous { .. } => Err(Problem::CallerMayNot(
                "name a `principal`: send a key that may vouch in `X-Cedargate-Key`, or a token instead",
            )),
        }
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let callers = &state.callers;
        let Some(given) = parts.headers.get(KEY_HEADER) else {
            return match callers.anonymous {
                WhoMayAsk::WithToken => Ok(Self::Anonymous { explain: callers.explain, describe: callers.describe }),
                WhoMayAsk::Nobody => Err(Problem::CallerMayNot("ask without a key in `X-Cedargate-Key`")),
            };
        };
        let text = given.to_str().map_err(|_| Problem::CallerKeyUnknown)?;
        if let Some(key) = callers.keys.find(text) {
            return Ok(Self::Keyed(Arc::clone(key)));
        }
        let operator = state.admin.as_ref().and_then(|admin| admin.keys.find(text));
        // A key that is wrong is an error, not a caller without one.
        operator.map(Self::Operator).ok_or(Problem::CallerKeyUnknown)
    }
}

pub(super) const KEY_HEADER: &str = "x-cedargate-key";

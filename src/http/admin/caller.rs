//! Who administers: a key, which must be one that may, or a token, for whose principal Cedar decides.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::admin::{Administration, Credentials};
use crate::config::{CallerKey, Permission};
use crate::http::bearer::{self, Bearer};
use crate::http::caller::KEY_HEADER;
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::model::TenantId;

/// What was presented, before it is known for which tenant it must do.
#[derive(Clone, Debug)]
pub(super) enum Presented {
    AdminKey(String),
    CallerKey(Arc<CallerKey>),
    Token(String),
}

impl Presented {
    /// Good for this tenant, as far as keys go.
    pub(super) fn for_tenant(self, tenant: &TenantId) -> Result<Credentials, Problem> {
        match self {
            Self::AdminKey(name) => Ok(Credentials::Key(name)),
            Self::CallerKey(key) if key.is_for(tenant) => Ok(Credentials::Key(key.name.clone())),
            Self::CallerKey(_) => Err(Problem::CallerMayNot("administer this tenant")),
            Self::Token(token) => Ok(Credentials::Token(token)),
        }
    }

    /// The name of a key that is good for every tenant, those to come included.
    pub(super) fn operator(self) -> Result<String, Problem> {
        match self {
            Self::AdminKey(name) => Ok(name),
            Self::CallerKey(key) if key.is_for_all() => Ok(key.name.clone()),
            Self::CallerKey(_) | Self::Token(_) => {
                Err(Problem::CallerMayNot("make, list or end tenants: that takes an admin key"))
            }
        }
    }
}

impl FromRequestParts<AppState> for Presented {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let administration = administration(state)?;
        let Some(given) = parts.headers.get(KEY_HEADER) else {
            let Bearer(token) = bearer::of(&parts.headers);
            return token?.map(Self::Token).ok_or(Problem::AdministratorMissing);
        };
        let text = given.to_str().map_err(|_| Problem::CallerKeyUnknown)?;
        if let Some(name) = administration.keys.find(text) {
            return Ok(Self::AdminKey(name));
        }
        match state.callers.keys.find(text) {
            Some(key) if key.may(Permission::Administer) => Ok(Self::CallerKey(Arc::clone(key))),
            Some(_) => Err(Problem::CallerMayNot("administer: its key is not for that")),
            None => Err(Problem::CallerKeyUnknown),
        }
    }
}

/// The administration, where there is a directory.
pub(super) fn administration(state: &AppState) -> Result<&Administration, Problem> {
    state.admin.as_ref().ok_or(Problem::NoDirectory)
}

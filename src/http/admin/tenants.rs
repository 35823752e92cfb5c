//! Tenants: made, listed and ended by who runs the server.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde_json::json;

use super::answer::{created, of_revision, page, page_size, read_cursor};
use super::asking::{Asked, Body, NoQuery, Place, object, occasion};
use super::caller::{Presented, administration};
use super::objects::ListQuery;
use crate::admin::Occasion;
use crate::directory::TenantHead;
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::model::{Revision, TenantId};

/// `GET` and `POST` of `/tenants`.
pub(in crate::http) fn all_tenants() -> MethodRouter<AppState> {
    get(list).post(make)
}

/// `GET` and `DELETE` of `/tenants/{tenant}`.
pub(in crate::http) fn one_tenant() -> MethodRouter<AppState> {
    get(read).delete(end)
}

/// The operator of the server, and why they do it.
struct Operating {
    key: String,
    occasion: Occasion,
}

impl FromRequestParts<AppState> for Operating {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let key = Presented::from_request_parts(parts, state).await?.operator()?;
        Ok(Self { key, occasion: occasion(parts)? })
    }
}

async fn list(
    State(state): State<AppState>,
    _: Operating,
    Asked(query): Asked<ListQuery>,
) -> Result<Response, Problem> {
    let after: Option<String> = query.after.as_deref().map(read_cursor).transpose()?;
    let size = page_size(query.limit)?;
    let all = administration(&state)?.directory.tenants().await?;
    let is_after = |one: &&TenantHead| after.as_ref().is_none_or(|after| one.tenant.as_str() > after.as_str());
    let found: Vec<_> = all.iter().filter(is_after).take(size + 1).collect();
    Ok(page(found, size, |one| json!(one.tenant), |one| shown(&one.tenant, one.head)))
}

async fn make(
    State(state): State<AppState>,
    operating: Operating,
    _: Asked<NoQuery>,
    body: Body,
) -> Result<Response, Problem> {
    let members = object(body)?;
    let name = members.get("name").and_then(serde_json::Value::as_str);
    let (Some(name), 1) = (name, members.len()) else {
        return Err(Problem::Malformed("the body must be `{\"name\": …}`".to_owned()));
    };
    let tenant = TenantId::parse(name).map_err(|error| Problem::Malformed(error.to_string()))?;
    let administration = administration(&state)?;
    let revision = administration.create_tenant(&tenant, &operating.key, &operating.occasion).await?;
    let address = format!("/tenants/{tenant}");
    Ok(created(of_revision(&shown(&tenant, revision), revision), &address))
}

async fn read(State(state): State<AppState>, place: Place, presented: Presented) -> Result<Response, Problem> {
    let administration = administration(&state)?;
    let who = presented.for_tenant(&place.tenant)?;
    let head = administration.look(&place.tenant, &who).await?;
    Ok(of_revision(&shown(&place.tenant, head), head))
}

async fn end(
    State(state): State<AppState>,
    place: Place,
    operating: Operating,
    _: Asked<NoQuery>,
) -> Result<Response, Problem> {
    let administration = administration(&state)?;
    let revision = administration.delete_tenant(&place.tenant, &operating.key, &operating.occasion).await?;
    Ok(of_revision(&shown(&place.tenant, revision), revision))
}

fn shown(tenant: &TenantId, revision: Revision) -> serde_json::Value {
    json!({"id": tenant, "name": tenant, "revision": revision})
}

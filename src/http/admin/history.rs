//! `GET /tenants/{tenant}/history`: who changed what, when and why.

use axum::extract::State;
use axum::response::Response;
use chrono::SecondsFormat;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{page, page_size, read_cursor, told};
use super::asking::{Asked, Asking};
use super::caller::administration;
use super::objects::mentioned;
use crate::admin::Credentials;
use crate::directory::{Entry, FactKey, History, Kind, Lives, read_key};
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::model::Revision;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::http) struct HistoryQuery {
    limit: Option<usize>,
    after: Option<String>,
    /// Of facts of this kind.
    #[serde(rename = "type")]
    kind: Option<Kind>,
    /// Of this one; with `type`.
    id: Option<String>,
    /// Of this resource and its grants.
    resource: Option<String>,
    /// Of this subject, its teams and its grants.
    subject: Option<String>,
    /// By this key or principal.
    actor: Option<String>,
    /// Of which tenants of the name.
    life: Life,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Life {
    #[default]
    Present,
    All,
}

pub(in crate::http) async fn history(
    State(state): State<AppState>,
    asking: Asking,
    Asked(query): Asked<HistoryQuery>,
) -> Result<Response, Problem> {
    let administration = administration(&state)?;
    administration.look(&asking.tenant, &asking.who).await?;
    let lives = match (query.life, &asking.who) {
        (Life::Present, _) => Lives::Present,
        (Life::All, Credentials::Key(_)) => Lives::All,
        // Whoever has the name now need not be whoever had it before.
        (Life::All, Credentials::Token(_)) => {
            let message = "`life=all` is for keys that may administer: it tells of tenants that are no more";
            return Err(Problem::MayNotAdminister(message.to_owned()));
        }
    };
    let size = page_size(query.limit)?;
    let before: Option<(Revision, FactKey)> = query.after.as_deref().map(read_cursor).transpose()?;
    let wanted =
        History { lives, kind: query.kind, about: about(&query)?, actor: query.actor, before, limit: size + 1 };
    let found = administration.directory.history(&asking.tenant, &wanted).await?;
    Ok(page(found, size, |entry| json!([entry.revision, entry.change.key]), shown))
}

fn about(query: &HistoryQuery) -> Result<Vec<FactKey>, Problem> {
    let mut about = mentioned(query.resource.as_deref(), query.subject.as_deref())?;
    match (query.kind, &query.id) {
        (Some(kind), Some(id)) => {
            about.push(read_key(kind, id).ok_or_else(|| Problem::Malformed(format!("`{id}` is not an id")))?);
        }
        (None, Some(_)) => return Err(Problem::Malformed("`id` needs `type`".to_owned())),
        _ => {}
    }
    Ok(about)
}

fn shown(entry: &Entry) -> Value {
    let mut shown = told(&entry.change);
    if let Some(members) = shown.as_object_mut() {
        members.insert("revision".to_owned(), json!(entry.revision));
        members.insert("at".to_owned(), entry.author.at.to_rfc3339_opts(SecondsFormat::Millis, true).into());
        members.insert("actor".to_owned(), entry.author.actor.clone().into());
        members.insert("reason".to_owned(), json!(entry.author.reason));
        members.insert("request_id".to_owned(), json!(entry.author.request_id));
    }
    shown
}

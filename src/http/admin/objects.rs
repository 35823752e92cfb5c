//! The verbs of every noun: list, make, read, replace, change, remove.

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer::{changed, created, of_revision, page, page_size, place_of, read_cursor, recorded};
use super::asking::{Asked, Asking, Body, ChangeQuery, Place, no_such, object};
use super::caller::administration;
use super::patch;
use crate::admin::{Administration, Made, Request, Right};
use crate::directory::{
    Edit, Fact, FactKey, Kind, Listing, Operation, Recorded, read_document, read_key, read_subject, shown_id,
};
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::model::{Revision, TenantId};

/// `GET` and `POST` of all of a kind.
pub(in crate::http) fn noun(kind: Kind) -> MethodRouter<AppState> {
    let list = move |state: State<AppState>, asking: Asking, query: Asked<ListQuery>| list(state, asking, query, kind);
    let make = move |state: State<AppState>, asking: Asking, query: Asked<ChangeQuery>, body: Body| async move {
        make(&state, &asking, query.0, object(body)?, kind).await
    };
    get(list).post(make)
}

/// `GET`, `PUT`, `PATCH` and `DELETE` of one of a kind.
pub(in crate::http) fn one(kind: Kind) -> MethodRouter<AppState> {
    let read = move |state: State<AppState>, asking: Asking, place: Place| read(state, asking, place, kind);
    let put = move |state: State<AppState>, asking: Asking, place: Place, query: Asked<ChangeQuery>, body: Body| async move {
        replace(&state, &asking, &place, query.0, object(body)?, kind).await
    };
    let patch = move |state: State<AppState>, asking: Asking, place: Place, query: Asked<ChangeQuery>, body: Body| async move {
        patch::change(&state, &asking, &place, query.0, &object(body)?, kind).await
    };
    let remove = move |state: State<AppState>, asking: Asking, place: Place, query: Asked<ChangeQuery>| {
        remove(state, asking, place, query, kind)
    };
    get(read).put(put).patch(patch).delete(remove)
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListQuery {
    pub limit: Option<usize>,
    pub after: Option<String>,
    /// Of grants: on this resource.
    pub resource: Option<String>,
    /// Of grants: to this subject.
    pub subject: Option<String>,
    /// Of grants: of roles of this name.
    pub role: Option<String>,
}

async fn list(
    State(state): State<AppState>,
    asking: Asking,
    Asked(query): Asked<ListQuery>,
    kind: Kind,
) -> Result<Response, Problem> {
    let administration = administration(&state)?;
    let at = administration.look(&asking.tenant, &asking.who).await?;
    if kind != Kind::Collaborator && (query.resource.is_some() || query.subject.is_some() || query.role.is_some()) {
        return Err(Problem::Malformed("`resource`, `subject` and `role` are for collaborators".to_owned()));
    }
    list_facts(administration, &asking.tenant, kind, &query, Vec::new(), at).await
}

/// The resource and the subject that a query asks for by name.
pub(super) fn mentioned(resource: Option<&str>, subject: Option<&str>) -> Result<Vec<FactKey>, Problem> {
    let mut mentioned = Vec::new();
    if let Some(resource) = resource {
        let key = read_key(Kind::Resource, resource);
        let key = key.ok_or_else(|| Problem::Malformed(format!("`{resource}` is not an entity: write `Type::id`")))?;
        mentioned.push(key);
    }
    if let Some(subject) = subject {
        mentioned.push(FactKey::subject(&read_subject(subject).map_err(Problem::Malformed)?));
    }
    Ok(mentioned)
}

/// A page of facts of a kind that mention all of these, and all that the query names.
pub(super) async fn list_facts(
    administration: &Administration,
    tenant: &TenantId,
    kind: Kind,
    query: &ListQuery,
    mut mentioning: Vec<FactKey>,
    at: Revision,
) -> Result<Response, Problem> {
    mentioning.extend(mentioned(query.resource.as_deref(), query.subject.as_deref())?);
    let size = page_size(query.limit)?;
    let mut after: Option<String> = query.after.as_deref().map(read_cursor).transpose()?;
    let mut items = Vec::new();
    // With a role asked for by name, pages of the directory hold others too.
    while items.len() <= size {
        let listing = Listing { kind, mentioning: mentioning.clone(), after: after.clone(), limit: size + 1 };
        let found = facts_of_kind(administration, tenant, &listing, at).await?;
        let is_last = found.len() <= size;
        after = found.last().map(|one| one.fact.key().id);
        items.extend(found.into_iter().filter(|one| is_of_role(&one.fact, query.role.as_deref())));
        if is_last {
            break;
        }
    }
    Ok(page(items, size, place_of, |one| shown_with_origin(administration, one)))
}

/// Facts in the order of their ids, the roles that every tenant has among its own.
async fn facts_of_kind(
    administration: &Administration,
    tenant: &TenantId,
    listing: &Listing,
    at: Revision,
) -> Result<Vec<Recorded>, Problem> {
    let mut found = administration.directory.list(tenant, listing, at).await?;
    if listing.kind == Kind::Role && listing.mentioning.is_empty() {
        let rules = administration.rules()?;
        let built_in = rules.default_roles.values().cloned().map(Fact::Role);
        let is_after = |fact: &Fact| listing.after.as_ref().is_none_or(|after| fact.key().id > *after);
        found.extend(built_in.filter(is_after).map(|fact| Recorded { fact, since: Revision(0) }));
        found.sort_by_key(|one| one.fact.key());
        found.truncate(listing.limit);
    }
    Ok(found)
}

fn is_of_role(fact: &Fact, wanted: Option<&str>) -> bool {
    match (fact, wanted) {
        (Fact::Collaborator(grant), Some(wanted)) => grant.role.as_str() == wanted,
        _ => true,
    }
}

fn shown_with_origin(administration: &Administration, one: &Recorded) -> Value {
    let mut value = recorded(one);
    if let (Fact::Role(role), Some(members)) = (&one.fact, value.as_object_mut()) {
        let key = (role.resource_type.clone(), role.name.clone());
        let built_in = administration.rules().is_ok_and(|rules| rules.default_roles.contains_key(&key));
        members.insert("built_in".to_owned(), built_in.into());
    }
    value
}

async fn read(State(state): State<AppState>, asking: Asking, place: Place, kind: Kind) -> Result<Response, Problem> {
    let administration = administration(&state)?;
    let at = administration.look(&asking.tenant, &asking.who).await?;
    let found = find(administration, &place, kind, at).await?;
    Ok(of_revision(&shown_with_origin(administration, &found), found.since))
}

/// The fact that an address names.
pub(super) async fn find(
    administration: &Administration,
    place: &Place,
    kind: Kind,
    at: Revision,
) -> Result<Recorded, Problem> {
    let key = place.key(kind)?;
    let keys = std::slice::from_ref(&key);
    let found = administration.directory.read(&place.tenant, keys, at).await?.remove(&key);
    match found {
        Some(found) => Ok(found),
        None if kind == Kind::Role => find_role(administration, place, at).await,
        None => Err(no_such(kind, place.id.as_deref().unwrap_or_default())),
    }
}

/// A built-in role, or one that is named without its type and is the only one of that name.
async fn find_role(administration: &Administration, place: &Place, at: Revision) -> Result<Recorded, Problem> {
    let text = place.id.as_deref().unwrap_or_default();
    let listing = Listing::of(Kind::Role, usize::MAX);
    let all = facts_of_kind(administration, &place.tenant, &listing, at).await?;
    let is_meant = |one: &Recorded| match &one.fact {
        Fact::Role(role) => one.fact.key().id == text || role.name.as_str() == text,
        _ => false,
    };
    let mut meant: Vec<_> = all.into_iter().filter(is_meant).collect();
    match (meant.pop(), meant.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(Problem::Malformed(format!("several roles are called `{text}`: write `Type:{text}`"))),
        (None, _) => Err(no_such(Kind::Role, text)),
    }
}

/// A body of a kind, with what an earlier answer added taken away.
pub(super) fn read_fact(kind: Kind, mut members: Map<String, Value>) -> Result<Fact, Problem> {
    if kind == Kind::Token {
        let message = "tokens are made at `/virtual-accounts/{id}/tokens` and `/users/{id}/tokens`";
        return Err(Problem::Malformed(message.to_owned()));
    }
    for added in ["id", "revision", "built_in"] {
        members.remove(added);
    }
    if let Some(given) = members.remove("type").filter(|given| *given != kind.name()) {
        return Err(Problem::Malformed(format!("`type` is {given}, but this is the address of a `{}`", kind.name())));
    }
    let unfit = |error: crate::directory::DocumentError| Problem::Malformed(error.to_string());
    read_document(kind, Value::Object(members)).map_err(unfit)
}

async fn make(
    state: &AppState,
    asking: &Asking,
    query: ChangeQuery,
    members: Map<String, Value>,
    kind: Kind,
) -> Result<Response, Problem> {
    make_fact(state, asking, query, read_fact(kind, members)?).await
}

/// Makes something that must not be there yet.
pub(super) async fn make_fact(
    state: &AppState,
    asking: &Asking,
    query: ChangeQuery,
    fact: Fact,
) -> Result<Response, Problem> {
    let (key, address) = (fact.key(), address(&asking.tenant, &fact));
    let response = edit(state, asking, query, vec![Operation::Create(fact)], &key).await?;
    Ok(if query.dry_run { response } else { created(response, &address) })
}

async fn replace(
    state: &AppState,
    asking: &Asking,
    place: &Place,
    query: ChangeQuery,
    mut members: Map<String, Value>,
    kind: Kind,
) -> Result<Response, Problem> {
    name_from_address(&mut members, place, kind);
    let fact = read_fact(kind, members)?;
    write_over(state, asking, place, query, fact, kind).await
}

/// What a document is called may be left to its address.
fn name_from_address(members: &mut Map<String, Value>, place: &Place, kind: Kind) {
    let id = place.id.clone().unwrap_or_default();
    let (member, value) = match kind {
        Kind::User => ("email", id),
        Kind::Resource => ("resource", id),
        Kind::Collaborator => return,
        Kind::Role => match id.rsplit_once(':') {
            Some((kind, name)) => {
                members.entry("resource_type").or_insert_with(|| kind.into());
                ("name", name.to_owned())
            }
            None => ("name", id),
        },
        _ => ("name", id),
    };
    members.entry(member).or_insert_with(|| value.into());
}

/// That something is not there is told to those who may see what is.
pub(super) async fn to_viewer(administration: &Administration, asking: &Asking, problem: Problem) -> Problem {
    match administration.look(&asking.tenant, &asking.who).await {
        Ok(_) => problem,
        Err(error) => error.into(),
    }
}

/// Puts a fact where the address says. A grant may become another grant; nothing else is renamed.
pub(super) async fn write_over(
    state: &AppState,
    asking: &Asking,
    place: &Place,
    query: ChangeQuery,
    fact: Fact,
    kind: Kind,
) -> Result<Response, Problem> {
    let (key, new) = (place.key(kind)?, fact.key());
    if kind == Kind::Collaborator && key != new {
        return edit(state, asking, query, vec![Operation::Remove(key), Operation::Put(fact)], &new).await;
    }
    if key != new && !(kind == Kind::Role && new.id.ends_with(&format!(":{}", key.id))) {
        let (old, new) = (&key.id, &new.id);
        return Err(Problem::Malformed(format!("`{old}` cannot become `{new}`: make the other and remove this")));
    }
    let address = address(&asking.tenant, &fact);
    let made = make_edit(state, asking, query, vec![Operation::Put(fact.clone())]).await?;
    let response = changed(&asking.tenant, &new, Some(&fact), &made, query.dry_run);
    let is_new = made.planned.changes.iter().any(|change| change.key == new && change.before.is_none());
    Ok(if is_new && !query.dry_run { created(response, &address) } else { response })
}

async fn remove(
    State(state): State<AppState>,
    asking: Asking,
    place: Place,
    Asked(query): Asked<ChangeQuery>,
    kind: Kind,
) -> Result<Response, Problem> {
    let mut key = place.key(kind)?;
    if kind == Kind::Role && !key.id.contains(':') {
        let administration = administration(&state)?;
        let at = administration.look(&asking.tenant, &asking.who).await?;
        key = find_role(administration, &place, at).await?.fact.key();
    }
    edit(&state, &asking, query, vec![Operation::Remove(key.clone())], &key).await
}

/// Makes some operations and answers with what became of one fact.
pub(super) async fn edit(
    state: &AppState,
    asking: &Asking,
    query: ChangeQuery,
    operations: Vec<Operation>,
    key: &FactKey,
) -> Result<Response, Problem> {
    let put = operations.iter().find(|operation| operation.key() == *key).and_then(Operation::fact).cloned();
    let made = make_edit(state, asking, query, operations).await?;
    Ok(changed(&asking.tenant, key, put.as_ref(), &made, query.dry_run))
}

/// Makes some operations; `If-Match` is about what the first of them is of.
async fn make_edit(
    state: &AppState,
    asking: &Asking,
    query: ChangeQuery,
    operations: Vec<Operation>,
) -> Result<Made, Problem> {
    let first = operations.first().map(Operation::key);
    let edit = Edit { operations, cascade: query.cascade };
    let precondition = first.zip(asking.if_match);
    let request =
        Request { tenant: &asking.tenant, edit: &edit, precondition, dry_run: query.dry_run, right: Right::Asked };
    Ok(administration(state)?.make(&request, &asking.who, &asking.occasion).await?)
}

/// Where a fact is.
fn address(tenant: &TenantId, fact: &Fact) -> String {
    format!("/tenants/{tenant}/{}/{}", plural(fact.kind()), in_address(&shown_id(fact)))
}

/// A kind as addresses have it.
pub(super) fn plural(kind: Kind) -> String {
    match kind {
        Kind::IdentityProvider => "identity-providers".to_owned(),
        Kind::ExternalIdentity => "external-identities".to_owned(),
        other => format!("{}s", other.name()),
    }
}

/// An id as one part of an address.
pub(super) fn in_address(id: &str) -> String {
    let mut url = String::new();
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'@') {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

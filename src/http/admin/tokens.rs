//! Tokens of our own, below the virtual account or user whose they are.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{created, of_revision, page, page_size, place_of, read_cursor, recorded, shown};
use super::asking::{Asked, Asking, Body, ChangeQuery, NoQuery, Place, no_such, object};
use super::caller::administration;
use super::objects::{ListQuery, edit, in_address, plural, to_viewer};
use crate::admin::{MAX_JWT_SECONDS, Minted, TokenTerms};
use crate::directory::{Fact, FactKey, Kind, Listing, Operation, Recorded};
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::model::{Email, TenantId, TokenId, TokenOwner, VirtualAccountName};
use crate::strict_json;

/// `GET` and `POST` of an owner's tokens.
pub(in crate::http) fn tokens(kind: Kind) -> MethodRouter<AppState> {
    let list = move |state: State<AppState>, asking: Asking, place: Place, query: Asked<ListQuery>| {
        list(state, asking, place, query, kind)
    };
    let make = move |state: State<AppState>, asking: Asking, place: Place, _: Asked<NoQuery>, body: Body| {
        make(state, asking, place, body, kind)
    };
    get(list).post(make)
}

/// `DELETE` of one token.
pub(in crate::http) fn token() -> MethodRouter<AppState> {
    delete(revoke)
}

/// `POST`: another token takes the place of one.
pub(in crate::http) fn rotation() -> MethodRouter<AppState> {
    post(rotate)
}

/// The token that an address names, below its owner.
struct TokenPlace {
    id: TokenId,
    owner: String,
}

impl FromRequestParts<AppState> for TokenPlace {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let place = Place::from_request_parts(parts, state).await?;
        let text = place.member.unwrap_or_default();
        let id = TokenId::parse(&text).map_err(|_| no_such(Kind::Token, &text))?;
        Ok(Self { id, owner: place.id.unwrap_or_default() })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawTerms {
    label: String,
    expires_in_seconds: Option<i64>,
    rotate_every_seconds: Option<i64>,
    /// A JWT for this audience, signed by the tenant's own key, instead of an opaque token.
    audience: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawRotation {
    /// For how long the token that is replaced stays good.
    grace_seconds: i64,
}

impl Default for RawRotation {
    fn default() -> Self {
        Self { grace_seconds: GRACE_SECONDS }
    }
}

fn owner(kind: Kind, place: &Place) -> Result<TokenOwner, Problem> {
    let text = place.id.as_deref().unwrap_or_default();
    let owner = match kind {
        Kind::User => Email::parse(text).map(TokenOwner::User),
        _ => VirtualAccountName::parse(text).map(TokenOwner::VirtualAccount),
    };
    owner.map_err(|_| no_such(kind, text))
}

async fn list(
    State(state): State<AppState>,
    asking: Asking,
    place: Place,
    Asked(query): Asked<ListQuery>,
    kind: Kind,
) -> Result<Response, Problem> {
    let administration = administration(&state)?;
    let owner = owner(kind, &place)?;
    let at = administration.look_at_tokens(&asking.tenant, &owner, &asking.who).await?;
    let owner = FactKey::subject(&owner.subject());
    let size = page_size(query.limit)?;
    let after = query.after.as_deref().map(read_cursor).transpose()?;
    let listing = Listing { kind: Kind::Token, mentioning: vec![owner], after, limit: size + 1 };
    let found = administration.directory.list(&asking.tenant, &listing, at).await?;
    let uses = administration.last_uses(&asking.tenant).await?;
    let told = |one: &Recorded| {
        let mut shown = recorded(one);
        if let (Fact::Token(token), Some(members)) = (&one.fact, shown.as_object_mut()) {
            members.insert("last_used_at".to_owned(), json!(uses.get(&token.id)));
        }
        shown
    };
    Ok(page(found, size, place_of, told))
}

async fn make(
    State(state): State<AppState>,
    asking: Asking,
    place: Place,
    body: Body,
    kind: Kind,
) -> Result<Response, Problem> {
    let administration = administration(&state)?;
    let owner = owner(kind, &place)?;
    let terms: RawTerms = read(object(body)?)?;
    if terms.label.len() > MAX_LABEL_BYTES {
        return Err(Problem::Malformed(format!("`label` is longer than {MAX_LABEL_BYTES} bytes")));
    }
    for (member, given) in
        [("expires_in_seconds", terms.expires_in_seconds), ("rotate_every_seconds", terms.rotate_every_seconds)]
    {
        if given.is_some_and(|seconds| !(1..=MAX_SECONDS).contains(&seconds)) {
            return Err(Problem::Malformed(format!("`{member}` must be from 1 to {MAX_SECONDS}")));
        }
    }
    let terms = TokenTerms {
        label: terms.label,
        expires_in: expires_in(&terms.audience, terms.expires_in_seconds)?,
        rotate_every: terms.rotate_every_seconds,
        audience: terms.audience,
    };
    let minted = administration.mint(&asking.tenant, owner, &terms, &asking.who, &asking.occasion).await?;
    Ok(told(&asking.tenant, minted))
}

/// Whoever verifies a signed token by themselves does not see that it was revoked: it must end.
fn expires_in(audience: &Option<String>, wanted: Option<i64>) -> Result<Option<i64>, Problem> {
    match (audience, wanted) {
        (None, wanted) => Ok(wanted),
        (Some(audience), _) if audience.is_empty() || audience.len() > MAX_LABEL_BYTES => {
            Err(Problem::Malformed(format!("`audience` must be from 1 to {MAX_LABEL_BYTES} bytes")))
        }
        (Some(_), None) => Ok(Some(JWT_SECONDS)),
        (Some(_), Some(wanted)) if wanted <= MAX_JWT_SECONDS => Ok(Some(wanted)),
        (Some(_), Some(_)) => {
            Err(Problem::Malformed(format!("`expires_in_seconds` of a signed token must be at most {MAX_JWT_SECONDS}")))
        }
    }
}

/// `GET /tenants/{tenant}/.well-known/jwks.json`: the keys that sign tokens of our own, for whoever verifies them.
pub(in crate::http) async fn public_keys(State(state): State<AppState>, place: Place) -> Result<Response, Problem> {
    let keys = administration(&state)?.public_keys(&place.tenant).await?;
    Ok(axum::Json(keys).into_response())
}

async fn rotate(
    State(state): State<AppState>,
    asking: Asking,
    place: TokenPlace,
    _: Asked<NoQuery>,
    body: Body,
) -> Result<Response, Problem> {
    let administration = administration(&state)?;
    let body = body?;
    let RawRotation { grace_seconds } = if body.is_empty() { RawRotation::default() } else { read(object(Ok(body))?)? };
    if !(0..=MAX_SECONDS).contains(&grace_seconds) {
        return Err(Problem::Malformed(format!("`grace_seconds` must be from 0 to {MAX_SECONDS}")));
    }
    check_owner(&state, &asking, &place).await?;
    let tenant = &asking.tenant;
    let minted = administration.rotate(tenant, &place.id, grace_seconds, &asking.who, &asking.occasion).await?;
    Ok(told(tenant, minted))
}

async fn revoke(
    State(state): State<AppState>,
    asking: Asking,
    place: TokenPlace,
    Asked(query): Asked<ChangeQuery>,
) -> Result<Response, Problem> {
    check_owner(&state, &asking, &place).await?;
    let key = FactKey::new(Kind::Token, place.id.as_str());
    edit(&state, &asking, query, vec![Operation::Remove(key.clone())], &key).await
}

/// A token is where its owner is, and nowhere else.
async fn check_owner(state: &AppState, asking: &Asking, place: &TokenPlace) -> Result<(), Problem> {
    let administration = administration(state)?;
    let found = administration.token(&asking.tenant, &place.id).await.map_err(Problem::from);
    let owner = match found {
        Ok(token) => FactKey::subject(&token.owner.subject()).id,
        Err(problem) => return Err(to_viewer(administration, asking, problem).await),
    };
    if owner == place.owner || owner == place.owner.to_ascii_lowercase() {
        return Ok(());
    }
    Err(to_viewer(administration, asking, no_such(Kind::Token, place.id.as_str())).await)
}

/// The only answer that ever has the token itself.
fn told(tenant: &TenantId, minted: Minted) -> Response {
    let owner = FactKey::subject(&minted.token.owner.subject());
    let address =
        format!("/tenants/{tenant}/{}/{}/tokens/{}", plural(owner.kind), in_address(&owner.id), minted.token.id);
    let mut members = shown(&Fact::Token(minted.token));
    members.insert("token".to_owned(), minted.secret.into());
    members.insert("revision".to_owned(), json!(minted.made.revision));
    created(of_revision(&Value::Object(members), minted.made.revision), &address)
}

fn read<T: serde::de::DeserializeOwned>(members: serde_json::Map<String, Value>) -> Result<T, Problem> {
    strict_json::from_value(Value::Object(members))
        .map_err(|error| Problem::Malformed(format!("the body cannot be read: {error}")))
}

/// Time for whoever holds a token to hand the new one round.
const GRACE_SECONDS: i64 = 24 * 60 * 60;
/// Ten years.
const MAX_SECONDS: i64 = 10 * 366 * 24 * 60 * 60;
const JWT_SECONDS: i64 = 60 * 60;
const MAX_LABEL_BYTES: usize = 200;

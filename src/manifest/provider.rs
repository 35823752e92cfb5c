//! The JSON form of an identity provider, and its two readings: a document is a provider, or names the field that is
//! wrong; a provider is a document that says no more than its author did.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::field::{DocumentError, bounded, conditions, named};
use super::uri_refusal;
use crate::model::bounds::{self, check_count};
use crate::model::{
    ClaimNames, Conditions, EmailRule, EmailTrust, IdentityProvider, MatchMode, ProviderName, SigningAlgorithm,
    TokenKind, TokenRules, UsersBy,
};

/// A trusted token issuer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "IdentityProvider")]
pub struct ProviderDocument {
    /// Letters, digits and hyphens; unique in the tenant.
    pub name: String,
    pub config: ProviderConfigDocument,
    /// Where the provider's tokens keep what is needed.
    #[serde(default)]
    pub claims: ClaimNamesDocument,
    /// When the address in a token is its subject's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailRuleDocument>,
    /// How its tokens find users: by `address`, by `either`, or, with `subject`, by no address. Of a tenant's providers
    /// at most one may find users by address: the one where this is written out, or the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<UsersByDocument>")]
    pub users: Option<UsersBy>,
    /// Which of the external identities that match a token count.
    #[serde(default)]
    #[schemars(with = "MatchModeDocument")]
    pub external_identities: MatchMode,
}

#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(title = "MatchMode")]
#[expect(dead_code, reason = "says in the JSON Schema what the plain type is")]
enum MatchModeDocument {
    All,
    MostSpecific,
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "UsersBy")]
#[expect(dead_code, reason = "says in the JSON Schema what the plain type is")]
enum UsersByDocument {
    Subject,
    Either,
    Address,
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "TokenKind")]
#[expect(dead_code, reason = "says in the JSON Schema what the plain type is")]
enum TokenKindDocument {
    Any,
    Access,
    Id,
}

#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(title = "EmailTrust")]
#[expect(dead_code, reason = "says in the JSON Schema what the plain type is")]
enum EmailTrustDocument {
    Verified,
    AlwaysUnlessDenied,
    Always,
    Domains,
    Never,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "IdentityProviderConfig")]
pub struct ProviderConfigDocument {
    /// Where the signing keys are: an https address.
    pub jwks_uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<TextOrTexts>,
    /// The claims that may hold the audience; the first that a token has counts. `aud` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience_claims: Option<TextOrTexts>,
    /// Clients whose tokens are taken, by `azp`, `client_id`, `appid` or `cid`; the first that a token has counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized_parties: Option<TextOrTexts>,
    /// Every asymmetric one where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>")]
    pub algorithms: Option<Vec<SigningAlgorithm>>,
    /// Values of the header's `typ` that are taken: `JWT`, which a token without `typ` counts as, and `at+jwt` where
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_types: Option<TextOrTexts>,
    /// Whether ID tokens, access tokens or both are taken; both where left out.
    #[serde(default, skip_serializing_if = "is_any")]
    #[schemars(with = "TokenKindDocument")]
    pub kind: TokenKind,
    /// Claim path → condition, as external identities have them. Every token must satisfy all.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub required_claims: Map<String, Value>,
    /// Seconds from `iat` to `exp` at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<u32>,
    /// Seconds since `iat` at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
}

/// One text or a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum TextOrTexts {
    One(String),
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for TextOrTexts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = |value| if let Value::String(text) = value { Some(text) } else { None };
        let read = match Value::deserialize(deserializer)? {
            Value::Array(many) => many.into_iter().map(text).collect::<Option<_>>().map(Self::Many),
            one => text(one).map(Self::One),
        };
        read.ok_or_else(|| serde::de::Error::custom("write a text, or a list of texts"))
    }
}

impl TextOrTexts {
    fn into_texts(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }

    fn of(texts: Vec<String>) -> Option<Self> {
        match <[String; 1]>::try_from(texts) {
            Ok([one]) => Some(Self::One(one)),
            Err(many) => (!many.is_empty()).then_some(Self::Many(many)),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "ClaimNames")]
pub struct ClaimNamesDocument {
    /// `sub` where left out. Of a list, the first that a token has counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_id: Option<TextOrTexts>,
    /// `email` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teams: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "EmailRule")]
pub struct EmailRuleDocument {
    /// The claim that holds the address: the same as `claims.email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// When the address counts. Where left out: unless the token says that it is not verified, for an issuer of one's
    /// own; when the token says that it is verified, for an issuer at which anyone may have an account, or for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EmailTrustDocument>")]
    pub trust: Option<EmailTrust>,
    /// Domains whose addresses count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domains: Option<TextOrTexts>,
    /// The claim that says that the address was verified; `email_verified`, or Entra's `xms_edov`, where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_claim: Option<String>,
}

fn is_any(kind: &TokenKind) -> bool {
    *kind == TokenKind::Any
}

impl TryFrom<ProviderDocument> for IdentityProvider {
    type Error = DocumentError;

    fn try_from(document: ProviderDocument) -> Result<Self, DocumentError> {
        document.read().map_err(|mut wrong| wrong.swap_remove(0))
    }
}

impl ProviderDocument {
    /// Reads the document as the provider that it describes.
    ///
    /// # Errors
    /// Every field that is wrong; at least one.
    pub fn read(self) -> Result<IdentityProvider, Vec<DocumentError>> {
        let Self { name, config, claims, email, users, external_identities } = self;
        let mut wrong = Vec::new();
        if let Some(message) = uri_refusal(&config.jwks_uri) {
            wrong.push(DocumentError::new("config.jwks_uri", message));
        }
        if config.issuer.as_deref() == Some("") {
            wrong.push(DocumentError::new("config.issuer", "an issuer may not be empty: leave it out instead"));
        }
        let (address_claim, email) = kept(email.map_or_else(|| Ok(Default::default()), email_rule), &mut wrong);
        let audiences = kept(texts("config.audience", "audience", config.audience), &mut wrong);
        let types = kept(texts("config.token_types", "token type", config.token_types), &mut wrong);
        let tokens = TokenRules {
            types: types.iter().map(|text| bare_type(text)).collect(),
            kind: config.kind,
            required_claims: kept(required_claims(&config.required_claims), &mut wrong),
            audience_claims: kept(texts("config.audience_claims", "claim", config.audience_claims), &mut wrong),
            authorized_parties: kept(
                texts("config.authorized_parties", "client", config.authorized_parties),
                &mut wrong,
            ),
            max_lifetime: kept(above_zero("config.max_lifetime", config.max_lifetime), &mut wrong),
            max_age: kept(above_zero("config.max_age", config.max_age), &mut wrong),
        };
        let claims = kept(claim_names(claims, address_claim), &mut wrong);
        let name = named("name", ProviderName::parse(&name)).map_err(|error| wrong.push(error)).ok();
        let Some(name) = name else { return Err(wrong) };
        let provider = IdentityProvider {
            name,
            jwks_uri: config.jwks_uri,
            issuer: config.issuer,
            audiences,
            algorithms: config.algorithms.unwrap_or_default(),
            tokens,
            claims,
            email,
            users,
            external_identities,
        };
        wrong.extend(check_trust(&provider).err());
        if wrong.is_empty() { Ok(provider) } else { Err(wrong) }
    }
}

/// What was read, or nothing beside a field that is wrong.
fn kept<T: Default>(read: Result<T, DocumentError>, wrong: &mut Vec<DocumentError>) -> T {
    read.unwrap_or_else(|error| {
        wrong.push(error);
        T::default()
    })
}

/// A token type as headers are compared with: in lower case and without `application/`.
fn bare_type(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    lower.strip_prefix("application/").unwrap_or(&lower).to_owned()
}

fn required_claims(given: &Map<String, Value>) -> Result<Conditions, DocumentError> {
    let required = conditions("config.required_claims", given.iter())?;
    bounded("config.required_claims", bounds::check_conditions(&required))?;
    Ok(required)
}

fn email_rule(given: EmailRuleDocument) -> Result<(Option<String>, EmailRule), DocumentError> {
    let domains = texts("email.domains", "domain", given.domains)?;
    if let Some(odd) = domains.iter().find(|domain| domain.contains(['@', '*']) || domain.contains(char::is_whitespace))
    {
        let message = format!("`{odd}` is not a domain: write it as it stands behind the `@`");
        return Err(DocumentError::new("email.domains", message));
    }
    let is_empty = |text: &Option<String>| text.as_deref() == Some("");
    if is_empty(&given.claim) || is_empty(&given.verified_claim) {
        return Err(DocumentError::new("email", "a claim must have a name"));
    }
    let domains: BTreeSet<_> = domains.iter().map(|domain| domain.to_ascii_lowercase()).collect();
    if given.trust == Some(EmailTrust::Domains) && domains.is_empty() {
        return Err(DocumentError::new("email.trust", "`domains` needs `email.domains` with at least one domain"));
    }
    Ok((given.claim, EmailRule { trust: given.trust, domains, verified_claim: given.verified_claim }))
}

/// Whoever may have an account with an issuer may have any address there.
fn check_trust(provider: &IdentityProvider) -> Result<(), DocumentError> {
    let is_blind = matches!(provider.email.trust, Some(EmailTrust::Always | EmailTrust::AlwaysUnlessDenied));
    if !is_blind || !provider.is_open_to_anyone() {
        return Ok(());
    }
    let why = match &provider.issuer {
        Some(issuer) => format!("anyone may have an account with `{issuer}`"),
        None => "a provider without `config.issuer` takes tokens of any issuer".to_owned(),
    };
    Err(DocumentError::new("email.trust", format!("{why}: write `trust: verified`, `domains` or `never`")))
}

fn claim_names(given: ClaimNamesDocument, address_claim: Option<String>) -> Result<ClaimNames, DocumentError> {
    let defaults = ClaimNames::default();
    if [&given.email, &given.virtual_account, &given.teams].into_iter().any(|name| name.as_deref() == Some("")) {
        return Err(DocumentError::new("claims", "each must be the name of a claim"));
    }
    let email = match (given.email, address_claim) {
        (Some(one), Some(other)) if one != other => {
            let message = format!("`claims.email` says `{one}`: write the claim's name in one place");
            return Err(DocumentError::new("email.claim", message));
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => defaults.email,
    };
    let unique_id = match given.unique_id {
        None => defaults.unique_id,
        given => texts("claims.unique_id", "claim", given)?,
    };
    Ok(ClaimNames { unique_id, email, virtual_account: given.virtual_account, teams: given.teams })
}

fn above_zero(field: &str, seconds: Option<u32>) -> Result<Option<u32>, DocumentError> {
    match seconds {
        Some(0) => Err(DocumentError::new(field, "no token would be taken: write a number of seconds above 0")),
        seconds => Ok(seconds),
    }
}

/// Some texts, none of them empty; nothing where they are left out.
fn texts(field: &str, what: &'static str, given: Option<TextOrTexts>) -> Result<Vec<String>, DocumentError> {
    let Some(given) = given.map(TextOrTexts::into_texts) else { return Ok(Vec::new()) };
    if given.is_empty() || given.iter().any(String::is_empty) {
        let article = if what.starts_with('a') { "an" } else { "a" };
        return Err(DocumentError::new(field, format!("{article} {what} may not be empty: leave it out instead")));
    }
    bounded(field, check_count("texts", given.len(), bounds::MAX_MAPPINGS))?;
    given.iter().try_for_each(|text| bounded(field, bounds::check_text("text", text)))?;
    Ok(given)
}

impl From<IdentityProvider> for ProviderDocument {
    fn from(provider: IdentityProvider) -> Self {
        let TokenRules { types, kind, required_claims, audience_claims, authorized_parties, max_lifetime, max_age } =
            provider.tokens;
        let EmailRule { trust, domains, verified_claim } = provider.email;
        let email = EmailRuleDocument {
            claim: None,
            trust,
            domains: TextOrTexts::of(domains.into_iter().collect()),
            verified_claim,
        };
        Self {
            name: provider.name.into(),
            config: ProviderConfigDocument {
                jwks_uri: provider.jwks_uri,
                issuer: provider.issuer,
                audience: TextOrTexts::of(provider.audiences),
                audience_claims: TextOrTexts::of(audience_claims),
                authorized_parties: TextOrTexts::of(authorized_parties),
                algorithms: Some(provider.algorithms).filter(|algorithms| !algorithms.is_empty()),
                token_types: TextOrTexts::of(types),
                kind,
                required_claims: required_claims.iter().map(|(path, one)| (path.clone(), one.written())).collect(),
                max_lifetime,
                max_age,
            },
            claims: ClaimNamesDocument {
                unique_id: TextOrTexts::of(provider.claims.unique_id),
                email: Some(provider.claims.email),
                virtual_account: provider.claims.virtual_account,
                teams: provider.claims.teams,
            },
            email: Some(email).filter(|email| *email != EmailRuleDocument::default()),
            users: provider.users,
            external_identities: provider.external_identities,
        }
    }
}

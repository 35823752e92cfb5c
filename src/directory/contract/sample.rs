//! The facts that the checks are told with: short ways to make one, and a tenant that holds the awkward ones.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use serde_json::json;

use crate::directory::{Author, Changes, Directory, Fact, FactKey, Kind, read_subject};
use crate::model::facts::RoleActions;
use crate::model::{
    ClaimNames, Collaborator, Condition, Email, EntityRef, ExternalIdentity, ExternalIdentityName, IdentityProvider,
    MatchMode, ProviderName, Resource, Revision, Role, RoleName, SigningAlgorithm, Team, TeamMapping, TeamName,
    TenantId, User, VirtualAccount, VirtualAccountName,
};

pub fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

pub fn author(actor: &str) -> Author {
    Author { actor: actor.into(), at: DateTime::UNIX_EPOCH, reason: None, request_id: None }
}

pub fn user(email: &str) -> Fact {
    Fact::User(User { email: Email::parse(email).unwrap(), active: true })
}

pub fn left(email: &str) -> Fact {
    Fact::User(User { email: Email::parse(email).unwrap(), active: false })
}

pub fn user_key(email: &str) -> FactKey {
    FactKey::new(Kind::User, email)
}

pub fn team(name: &str, members: &[&str]) -> Fact {
    managed(name, members, &[])
}

pub fn managed(name: &str, members: &[&str], managers: &[&str]) -> Fact {
    let emails = |given: &[&str]| given.iter().map(|email| Email::parse(email).unwrap()).collect();
    let name = TeamName::parse(name).unwrap();
    Fact::Team(Team { name, members: emails(members), managers: emails(managers), mappings: BTreeSet::new() })
}

pub fn team_key(name: &str) -> FactKey {
    FactKey::new(Kind::Team, name)
}

pub fn thing(id: &str, parents: &[&str]) -> Fact {
    let parents = parents.iter().map(|parent| EntityRef::new("Thing", *parent)).collect();
    let attributes = BTreeMap::from([("label".to_owned(), json!(id)), ("size".to_owned(), json!(id.len()))]);
    Fact::Resource(Resource { entity: EntityRef::new("Thing", id), parents, attributes })
}

pub fn thing_key(id: &str) -> FactKey {
    FactKey::resource(&EntityRef::new("Thing", id))
}

pub fn role(name: &str, actions: &[&str]) -> Fact {
    let actions = RoleActions::These(actions.iter().map(|action| (*action).to_owned()).collect());
    Fact::Role(Role { name: RoleName::parse(name).unwrap(), resource_type: "Thing".into(), actions })
}

pub fn role_key(name: &str) -> FactKey {
    FactKey::role("Thing", &RoleName::parse(name).unwrap())
}

/// Of a role on a thing to a subject such as `team:ml`.
pub fn grant(subject: &str, role: &str, thing: &str) -> Fact {
    let (resource, subject) = (EntityRef::new("Thing", thing), read_subject(subject).unwrap());
    Fact::Collaborator(Collaborator { resource, role: RoleName::parse(role).unwrap(), subject })
}

pub fn provider(name: &str) -> Fact {
    Fact::IdentityProvider(Box::new(IdentityProvider {
        issuer: Some("https://idp.test/".into()),
        audiences: vec!["b".into(), "a".into()],
        algorithms: vec![SigningAlgorithm::ES256, SigningAlgorithm::EdDSA],
        claims: ClaimNames { teams: Some("realm_access/roles".into()), ..ClaimNames::default() },
        external_identities: MatchMode::MostSpecific,
        ..IdentityProvider::of(ProviderName::parse(name).unwrap(), "https://idp.test/keys")
    }))
}

pub fn provider_key(name: &str) -> FactKey {
    FactKey::new(Kind::IdentityProvider, name)
}

pub fn external_identity(name: &str, provider: &str) -> Fact {
    let values = |values: &[&str]| Condition::OneOf(values.iter().map(|value| (*value).to_owned()).collect());
    Fact::ExternalIdentity(ExternalIdentity {
        name: ExternalIdentityName::parse(name).unwrap(),
        identity_provider: ProviderName::parse(provider).unwrap(),
        claims: BTreeMap::from([("org".into(), values(&["1"])), ("a/b".into(), values(&["", "x\0y", "\"%\""]))]),
    })
}

pub fn account(name: &str, provider: &str) -> Fact {
    let mapping = |value: &str| TeamMapping {
        identity_provider: ProviderName::parse(provider).unwrap(),
        value: value.to_owned(),
    };
    let mappings = BTreeSet::from([mapping("ci"), mapping("CI\\"), mapping("\n")]);
    Fact::VirtualAccount(VirtualAccount { name: VirtualAccountName::parse(name).unwrap(), mappings })
}

/// What makes all of these facts be there.
pub fn putting(facts: impl IntoIterator<Item = Fact>) -> Changes {
    facts.into_iter().map(|fact| (fact.key(), Some(fact))).collect()
}

/// What takes all of these facts away.
pub fn taking(keys: impl IntoIterator<Item = FactKey>) -> Changes {
    keys.into_iter().map(|key| (key, None)).collect()
}

/// Ids that a database may take for others, or for the end of a text, a pattern or a number.
pub const AWKWARD: [&str; 26] = [
    "x",
    "X",
    "x ",
    " x",
    "xx",
    "x\0",
    "x\0y",
    "\0",
    "",
    "'",
    "\"",
    "''; DROP TABLE facts; --",
    "\\",
    "\\u0078",
    "%",
    "_",
    "x\ny",
    "x\r\ny",
    "A::B",
    "1",
    "1.0",
    "null",
    "[\"x\"]",
    "é",
    "e\u{301}",
    "\u{10ffff}🦀",
];

const EMAILS: [&str; 9] = [
    "ann@acme.com",
    "ann@acme.com.au",
    "an@acme.com",
    "bob@acme.com",
    "o'neil@acme.com",
    "\"q\\\"@acme.com",
    "100%@acme.com",
    "_@acme.com",
    "jörg@acme.com",
];

/// The tenant that holds the sample.
pub fn acme() -> TenantId {
    tenant("acme")
}

/// The revision of `acme` that made all of the sample, the only one that has anything.
pub const SAMPLED: Revision = Revision(7);

/// Every kind of fact, awkward ids, and mentions of each kind.
pub fn sample() -> Vec<Fact> {
    let mut facts: Vec<_> = EMAILS.iter().map(|email| user(email)).collect();
    facts.extend(AWKWARD.iter().map(|id| thing(id, &[])));
    facts.extend(AWKWARD.iter().map(|id| grant("user:ann@acme.com", "viewer", id)));
    facts.extend([
        left("cleo@acme.com"),
        provider("okta"),
        provider("Okta"),
        external_identity("partners", "okta"),
        external_identity("Partners", "Okta"),
        team("ml", &["ann@acme.com", "bob@acme.com"]),
        team("ML", &["ann@acme.com"]),
        managed("ml-ops", &["an@acme.com"], &["ann@acme.com", "bob@acme.com"]),
        managed("m", &["bob@acme.com"], &["bob@acme.com", "100%@acme.com"]),
        team("empty", &[]),
        account("ci", "okta"),
        account("CI", "Okta"),
        role("viewer", &["look"]),
        role("Viewer", &["look", "Look", "\"look\""]),
        thing("inner", &["x", "X"]),
        thing("innermost", &["inner", "x"]),
        grant("team:ml", "viewer", "inner"),
        grant("team:ML", "viewer", "inner"),
        grant("team:ml", "Viewer", "inner"),
        grant("virtual-account:ci", "viewer", "x"),
        grant("external-identity:partners", "viewer", "x\0"),
    ]);
    facts
}

/// Makes the tenant that holds the sample.
pub async fn settle(directory: &dyn Directory) {
    let (acme, author) = (acme(), author("key:root"));
    let first = directory.create_tenant(&acme, Revision(5), &author).await.unwrap();
    assert_eq!(directory.apply(&acme, &putting(sample()), first, &author).await.unwrap(), SAMPLED);
}

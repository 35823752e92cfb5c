//! A fact as a document is that fact again, also through text; and an entity as an id is that entity again.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use cedar_policy::EntityTypeName;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value};

use super::{Document, ResourceDocument, document_of, read_document, resource_id};
use crate::directory::Fact;
use crate::model::facts::RoleActions;
use crate::model::{
    ClaimNames, Collaborator, Condition, Email, EmailRule, EmailTrust, EntityRef, ExternalIdentity,
    ExternalIdentityName, IdentityProvider, MatchMode, Pattern, ProviderName, Resource, Role, RoleName,
    SigningAlgorithm, Subject, Team, TeamMapping, TeamName, TokenKind, TokenRules, User, UsersBy, VirtualAccount,
    VirtualAccountName,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_document_of_a_fact_is_read_as_that_fact(fact in fact()) {
        let document = document_of(&fact);
        prop_assert_eq!(Fact::try_from(document.clone()), Ok(fact.clone()));
        let text = serde_json::to_string(&document).unwrap();
        let read: Document = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &document);
        prop_assert_eq!(Fact::try_from(read), Ok(fact.clone()));
        // As databases take it for the same: equal facts are equal texts.
        let again = serde_json::to_string(&document_of(&Fact::try_from(document).unwrap())).unwrap();
        prop_assert_eq!(again, text);
    }

    #[test]
    fn a_document_without_its_type_is_read_as_its_kind(fact in fact()) {
        let mut value = serde_json::to_value(document_of(&fact)).unwrap();
        let kind = value.as_object_mut().and_then(|members| members.remove("type")).unwrap();
        prop_assert_eq!(&kind, fact.kind().name());
        prop_assert_eq!(read_document(fact.kind(), value), Ok(fact));
    }

    #[test]
    fn a_resource_id_is_read_as_that_entity(entity in entity()) {
        let resource = resource_id(&entity);
        let document = ResourceDocument { resource, parents: Vec::new(), attributes: Map::new() };
        let Ok(Fact::Resource(read)) = Fact::try_from(Document::Resource(document.clone())) else {
            panic!("{entity:?} is not read from {document:?}")
        };
        prop_assert_eq!(read.entity, entity, "{:?}", document.resource);
    }
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        provider().prop_map(|provider| Fact::IdentityProvider(Box::new(provider))),
        external_identity().prop_map(Fact::ExternalIdentity),
        (email(), any::<bool>()).prop_map(|(email, active)| Fact::User(User { email, active })),
        (name(TeamName::parse), emails(), emails(), mappings())
            .prop_map(|(name, members, managers, mappings)| Fact::Team(Team { name, members, managers, mappings })),
        (name(VirtualAccountName::parse), mappings())
            .prop_map(|(name, mappings)| Fact::VirtualAccount(VirtualAccount { name, mappings })),
        (name(RoleName::parse), entity_type(), actions()).prop_map(|(name, resource_type, actions)| Fact::Role(Role {
            name,
            resource_type,
            actions
        })),
        (entity(), btree_set(entity(), 0..3), btree_map(text(), value(), 0..3))
            .prop_map(|(entity, parents, attributes)| Fact::Resource(Resource { entity, parents, attributes })),
        (entity(), name(RoleName::parse), subject())
            .prop_map(|(resource, role, subject)| Fact::Collaborator(Collaborator { resource, role, subject })),
    ]
}

fn provider() -> impl Strategy<Value = IdentityProvider> {
    let algorithms = select(vec![SigningAlgorithm::RS256, SigningAlgorithm::ES384, SigningAlgorithm::EdDSA]);
    let config = (
        select(vec!["https://idp.test/keys", "HTTP://idp.test:8080/a%20b?c=\"d\"", "https://idp.test"]),
        option::of(some_text()),
        vec(some_text(), 0..3),
        vec(algorithms, 0..3),
    );
    let claims = (vec(some_text(), 1..3), some_text(), option::of(some_text()), option::of(some_text()));
    let mode = select(vec![MatchMode::All, MatchMode::MostSpecific]);
    let users = option::of(select(vec![UsersBy::Subject, UsersBy::Either, UsersBy::Address]));
    let people = (claims, email_rule(), users, mode);
    (name(ProviderName::parse), config, token_rules(), people).prop_map(
        |(name, (jwks_uri, issuer, audiences, algorithms), tokens, (claims, email, users, external_identities))| {
            let (unique_id, email_claim, virtual_account, teams) = claims;
            let claims = ClaimNames { unique_id, email: email_claim, virtual_account, teams };
            let jwks_uri = jwks_uri.to_owned();
            IdentityProvider {
                name,
                jwks_uri,
                issuer,
                audiences,
                algorithms,
                tokens,
                claims,
                email,
                users,
                external_identities,
            }
        },
    )
}

fn token_rules() -> impl Strategy<Value = TokenRules> {
    (
        vec(select(vec!["jwt", "at+jwt", "x"]).prop_map(str::to_owned), 0..3),
        select(vec![TokenKind::Any, TokenKind::Access, TokenKind::Id]),
        btree_map(some_text(), condition(), 0..3),
        vec(some_text(), 0..3),
        vec(some_text(), 0..3),
        option::of(1..u32::MAX),
        option::of(1..u32::MAX),
    )
        .prop_map(|(types, kind, required_claims, audience_claims, authorized_parties, max_lifetime, max_age)| {
            TokenRules { types, kind, required_claims, audience_claims, authorized_parties, max_lifetime, max_age }
        })
}

fn email_rule() -> impl Strategy<Value = EmailRule> {
    let trust = option::of(select(vec![EmailTrust::Verified, EmailTrust::Domains, EmailTrust::Never]));
    let domains = btree_set(select(vec!["acme.com", "b", "xn--caf-dma.fr"]).prop_map(str::to_owned), 1..3);
    (trust, domains, option::of(some_text())).prop_map(|(trust, domains, verified_claim)| EmailRule {
        trust,
        domains,
        verified_claim,
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        3 => btree_set(text(), 1..3).prop_map(Condition::OneOf),
        1 => some_text().prop_map(|text| Condition::Like(Pattern::Glob(text))),
        1 => some_text().prop_map(|text| Condition::Not(Box::new(Condition::is(text)))),
        1 => any::<bool>().prop_map(Condition::Exists),
    ]
}

fn external_identity() -> impl Strategy<Value = ExternalIdentity> {
    let claims = btree_map(some_text(), condition(), 0..3);
    (name(ExternalIdentityName::parse), name(ProviderName::parse), claims)
        .prop_map(|(name, identity_provider, claims)| ExternalIdentity { name, identity_provider, claims })
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        email().prop_map(Subject::User),
        name(TeamName::parse).prop_map(Subject::Team),
        name(VirtualAccountName::parse).prop_map(Subject::VirtualAccount),
        name(ExternalIdentityName::parse).prop_map(Subject::ExternalIdentity),
    ]
}

fn actions() -> impl Strategy<Value = RoleActions> {
    let these = btree_set(text().prop_filter("is all of them", |action| action != "*"), 1..3);
    prop_oneof![1 => Just(RoleActions::Every), 3 => these.prop_map(RoleActions::These)]
}

fn mappings() -> impl Strategy<Value = BTreeSet<TeamMapping>> {
    let mapping = (name(ProviderName::parse), some_text());
    btree_set(mapping.prop_map(|(identity_provider, value)| TeamMapping { identity_provider, value }), 0..3)
}

fn name<T: std::fmt::Debug, E: std::fmt::Debug>(parse: fn(&str) -> Result<T, E>) -> impl Strategy<Value = T> {
    "[A-Za-z0-9][A-Za-z0-9-]{0,8}".prop_map(move |text| parse(&text).unwrap())
}

fn email() -> impl Strategy<Value = Email> {
    let parts = prop_oneof!["[a-zA-Z0-9:.+\"'\\\\%_-]{1,6}@[a-z.:]{1,6}", "[^@ ]{1,4}@[^@ ]{1,4}"];
    parts.prop_filter_map("is not an email", |text| Email::parse(&text).ok())
}

fn emails() -> impl Strategy<Value = BTreeSet<Email>> {
    btree_set(email(), 0..3)
}

/// Of any types that a schema may have, with ids that may look like types, texts and ends of texts.
fn entity() -> impl Strategy<Value = EntityRef> {
    (entity_type(), text()).prop_map(|(entity_type, id)| EntityRef::new(entity_type, id))
}

fn entity_type() -> impl Strategy<Value = String> {
    let segment = prop_oneof!["[A-Z][A-Za-z0-9_]{0,3}", "[a-z_][A-Za-z0-9_]{0,3}"];
    vec(segment, 1..4)
        .prop_map(|segments| segments.join("::"))
        .prop_filter("is not a type", |name| EntityTypeName::from_str(name).is_ok())
}

fn some_text() -> impl Strategy<Value = String> {
    text().prop_filter("is empty", |text| !text.is_empty())
}

/// Anything, and what means something where texts are put together.
fn text() -> impl Strategy<Value = String> {
    let piece =
        select(vec!["::", "\"", "\\", "A", "b", "Box", "\0", "\n", " ", "*", "%", "1", "//", "'", "é", "\u{301}"]);
    prop_oneof![2 => vec(piece, 0..6).prop_map(|pieces| pieces.concat()), 1 => any::<String>()]
}

/// What Cedar's entity JSON may hold, and more; members sorted.
fn value() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    plain.prop_recursive(3, 12, 3, |inner| {
        let record = btree_map(text(), inner.clone(), 0..3)
            .prop_map(|members: BTreeMap<String, Value>| Value::Object(members.into_iter().collect()));
        prop_oneof![vec(inner, 0..3).prop_map(Value::from), record]
    })
}

//! Who a token is: a user of the directory by email, a virtual account by mapping, else someone known only by
//! the token. Never makes a user.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cedar_policy::{Entity, EntityUid};
use cedar_policy_core::ast::{self, Literal, PartialValue, Value};
use smol_str::SmolStr;

use super::identities::{self, IdentityOutcome};
use super::tags::{Tags, tags};
use super::typed::typed_claims;
use super::{DroppedClaim, LongestText, Principal};
use crate::authn::VerifiedToken;
use crate::compile::ProviderRecord;
use crate::model::{Email, EntityRef, ExternalIdentityName, Pattern};
use crate::snapshot::{Snapshot, Supplied};
use crate::vocabulary::{self, EXTERNAL_IDENTITY, IDENTITY_PROVIDER, OWN_TAGS, TEAM, USER, VIRTUAL_ACCOUNT};

/// Why no principal could be made.
#[derive(Debug, thiserror::Error)]
pub enum PrincipalError {
    #[error("provider `{0}` is not among the tenant's any more")]
    ProviderGone(String),
    /// Whatever else the token proves: they are not to come in by another door.
    #[error("this user is deactivated")]
    Deactivated,
    #[error("the schema has no `{0}`")]
    NoSuchType(String),
}

/// The principal that a token stands for.
///
/// # Errors
/// When the provider is gone from the snapshot, or the schema knows no identities.
pub fn resolve(token: &VerifiedToken, snapshot: &Snapshot) -> Result<Principal, PrincipalError> {
    Seen::of(token, snapshot)?.principal()
}

/// The same, with what became of each external identity.
///
/// # Errors
/// As `resolve`.
pub fn resolve_explained(
    token: &VerifiedToken,
    snapshot: &Snapshot,
) -> Result<(Principal, Vec<IdentityOutcome>), PrincipalError> {
    let seen = Seen::of(token, snapshot)?;
    let outcomes = identities::explain_members(snapshot, seen.provider, &seen.as_subject(), &seen.tags);
    Ok((seen.principal()?, outcomes))
}

/// A token as we read it, before it is known who it is.
pub(super) struct Seen<'a> {
    token: &'a VerifiedToken,
    snapshot: &'a Snapshot,
    provider: &'a ProviderRecord,
    subject: EntityUid,
    provider_uid: EntityUid,
    pub claims: Option<Value>,
    tags: Tags,
    dropped: Vec<DroppedClaim>,
}

impl<'a> Seen<'a> {
    pub fn of(token: &'a VerifiedToken, snapshot: &'a Snapshot) -> Result<Self, PrincipalError> {
        let provider = snapshot
            .provider(&token.provider)
            .ok_or_else(|| PrincipalError::ProviderGone(token.provider.to_string()))?;
        let (tags, mut dropped) = tags(token.claims.as_map());
        let (claims, mut mistyped) = typed_claims(token.claims.as_map(), &snapshot.schema.claim_types);
        dropped.append(&mut mistyped);
        let mut seen = Self {
            token,
            snapshot,
            provider,
            subject: uid(snapshot, &vocabulary::external_subject(&token.provider, &token.unique_id))?,
            provider_uid: uid(snapshot, &EntityRef::new(IDENTITY_PROVIDER, token.provider.as_str()))?,
            claims,
            tags: Tags::new(),
            dropped,
        };
        seen.take_tags(tags);
        Ok(seen)
    }

    /// Takes these for the tags of the claims, and adds those that are derived for this provider's patterns.
    pub fn take_tags(&mut self, mut tags: Tags) {
        tags.retain(|name, _| !name.starts_with(OWN_TAGS));
        tags.append(&mut derived(&self.provider.patterns, &tags));
        self.tags = tags;
    }

    /// The tags as Cedar has them.
    pub fn tag_values(&self) -> impl Iterator<Item = (SmolStr, PartialValue)> {
        self.tags.iter().map(|(path, values)| {
            let values = values.iter().map(|value| Literal::from(value.as_str()));
            (path.into(), Value::set_of_lits(values, None).into())
        })
    }

    pub fn principal(self) -> Result<Principal, PrincipalError> {
        let mut parents = HashSet::from([self.snapshot.tenant_uid().clone()]);
        let (uid, identities) = if let Some(user) = self.user()? {
            parents.extend(self.snapshot.entities.parents_of_uid(&user));
            (user, self.identities()?)
        } else if let Some(account) = self.virtual_account()? {
            parents.extend(self.snapshot.entities.parents_of_uid(&account));
            // A service identity is never an outsider.
            (account, Vec::new())
        } else {
            (self.subject.clone(), self.identities()?)
        };
        for team in self.teams() {
            parents.insert(self::uid(self.snapshot, &EntityRef::new(TEAM, team))?);
        }
        for identity in &identities {
            parents.insert(self::uid(self.snapshot, &EntityRef::new(EXTERNAL_IDENTITY, identity.as_str()))?);
        }
        let known = self.snapshot.entities.get(&uid);
        let entity = self.entity(uid.clone(), parents, known);
        let external_identities = identities.iter().map(ToString::to_string).collect();
        let longest_text = LongestText::of(&entity);
        let entity = Some(entity);
        Ok(Principal { uid, entity, external_identities, dropped: self.dropped, key: None, longest_text })
    }

    /// The directory's user with the token's address, where it is for the provider to speak it and it counts.
    fn user(&self) -> Result<Option<EntityUid>, PrincipalError> {
        // Of a tenant's providers, at most one speaks the addresses of its users.
        let address = self.token.trusted_email.as_deref().filter(|_| self.provider.speaks_addresses);
        let Some(email) = address.and_then(|email| Email::parse(email).ok()) else { return Ok(None) };
        if self.snapshot.sign_ins.is_deactivated(&email) {
            return Err(PrincipalError::Deactivated);
        }
        let user = uid(self.snapshot, &EntityRef::new(USER, email.as_str()))?;
        // INVARIANT: only active users are compiled to entities.
        Ok(self.snapshot.entities.contains(&user).then_some(user))
    }

    fn virtual_account(&self) -> Result<Option<EntityUid>, PrincipalError> {
        let values = self.provider.provider.claims.virtual_account.as_ref().and_then(|path| self.tags.get(path));
        let mapped = values.into_iter().flatten().filter_map(|value| self.provider.virtual_account_mappings.get(value));
        let accounts: BTreeSet<_> = mapped.collect();
        match (accounts.first(), accounts.len()) {
            (Some(account), 1) => Ok(Some(uid(self.snapshot, &EntityRef::new(VIRTUAL_ACCOUNT, account.as_str()))?)),
            // A token that stands for two accounts stands for neither.
            _ => Ok(None),
        }
    }

    fn teams(&self) -> BTreeSet<&str> {
        let values = self.provider.provider.claims.teams.as_ref().and_then(|path| self.tags.get(path));
        let mapped = values.into_iter().flatten().filter_map(|value| self.provider.team_mappings.get(value));
        mapped.flatten().map(crate::model::TeamName::as_str).collect()
    }

    pub fn identities(&self) -> Result<Vec<ExternalIdentityName>, PrincipalError> {
        if self.provider.identities.is_empty() {
            return Ok(Vec::new());
        }
        Ok(identities::members_of(self.snapshot, self.provider, || self.as_subject(), &self.tags))
    }

    /// The token's subject as an entity of its own, for the assume policies to look at.
    fn as_subject(&self) -> Supplied {
        let parents = HashSet::from([self.snapshot.tenant_uid().clone()]);
        self.entity(self.subject.clone(), parents, None)
    }

    fn entity(&self, uid: EntityUid, parents: HashSet<EntityUid>, known: Option<Entity>) -> Supplied {
        // What the directory says of someone stays, where the token says nothing of the same.
        let known: Option<&ast::Entity> = known.as_ref().map(AsRef::as_ref);
        let known = known.into_iter().flat_map(ast::Entity::attrs);
        let mut attributes: BTreeMap<SmolStr, PartialValue> =
            known.map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut set = |name: &str, value: Value| attributes.insert(name.into(), value.into());
        set("provider", ast::EntityUID::from(self.provider_uid.clone()).into());
        if uid == self.subject {
            set("subject", self.token.unique_id.as_str().into());
        }
        if let Some(email) = &self.token.trusted_email {
            set("email", email.to_ascii_lowercase().as_str().into());
        }
        if let Some(claims) = &self.claims {
            set("claims", claims.clone());
        }
        let (none, parents) = (HashSet::new(), parents.into_iter().map(Into::into).collect());
        let tags = self.tag_values();
        let entity = ast::Entity::new_with_attr_partial_value(uid.into(), attributes, none, parents, tags);
        Supplied::placed(entity, &self.snapshot.entities)
    }
}

/// For Cedar, which cannot ask whether some element of a set is like a pattern: the patterns that some element matches.
fn derived(patterns: &BTreeMap<String, BTreeSet<Pattern>>, tags: &Tags) -> Tags {
    let of = |(path, patterns): (&String, &BTreeSet<Pattern>)| {
        let texts = tags.get(path)?;
        let matching = patterns.iter().filter(|pattern| texts.iter().any(|text| pattern.matches(text)));
        Some((vocabulary::derived_tag(path), matching.map(Pattern::label).collect()))
    };
    patterns.iter().filter_map(of).collect()
}

fn uid(snapshot: &Snapshot, entity: &EntityRef) -> Result<EntityUid, PrincipalError> {
    let uid = snapshot.schema.types.uid_of(entity);
    uid.ok_or_else(|| PrincipalError::NoSuchType(entity.entity_type.clone()))
}

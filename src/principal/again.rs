//! A principal that a token made, made again when the token is gone: for those who ask what a past request would be
//! answered now.
//!
//! In: the entity that was built of the token, as it was written down, and a snapshot. Out: the principal as the
//! snapshot would have it. Tags are the token's claims, so who is in an external identity is asked anew: its
//! conditions are policies like any other. Typed claims are taken as they were written.

use std::collections::{BTreeMap, HashSet};

use cedar_policy::Entity;
use cedar_policy_core::ast::{self, Literal, PartialValue, Value, ValueKind};

use super::resolve::{PrincipalError, Seen};
use super::{LongestText, Principal, Tags};
use crate::authn::{Claims, VerifiedToken};
use crate::model::{EntityRef, ProviderName};
use crate::schema::Identity;
use crate::snapshot::{Snapshot, Supplied};
use crate::vocabulary::{self, EXTERNAL_IDENTITY, EXTERNAL_SUBJECT, USER, VIRTUAL_ACCOUNT};

/// What stays of a principal as it was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// All but the external identities that it is in.
    Person,
    /// All: who is in an external identity cannot be asked again.
    Everything,
    /// The token's claims alone: the snapshot says who this is.
    Claims,
}

/// The provider of the token that an entity was built of; `None` for one of the directory's.
pub fn provider_of(written: &Entity) -> Option<String> {
    let written: &ast::Entity = written.as_ref();
    let PartialValue::Value(value) = written.get("provider")? else { return None };
    let ValueKind::Lit(Literal::EntityUID(provider)) = value.value_kind() else { return None };
    Some(AsRef::<str>::as_ref(provider.eid()).to_owned())
}

/// Makes the principal again. An entity that no token made stands as it is.
///
/// # Errors
/// When the snapshot would not let it in.
pub fn resolve_again(
    written: &Entity,
    snapshot: &Snapshot,
    remembered: Remembered,
) -> Result<Principal, PrincipalError> {
    let provider = provider_of(written).filter(|_| snapshot.schema.identity == Identity::Included);
    let Some(provider) = provider.filter(|_| remembered != Remembered::Everything) else {
        return Ok(as_it_stands(written.as_ref().clone(), snapshot));
    };
    let tags = tags_of(written.as_ref());
    let token = token_of(written, &tags, &provider, snapshot)?;
    let written: &ast::Entity = written.as_ref();
    let mut seen = Seen::of(&token, snapshot)?;
    seen.claims = match written.get("claims") {
        Some(PartialValue::Value(claims)) => Some(claims.clone()),
        _ => None,
    };
    seen.take_tags(tags);
    if remembered == Remembered::Claims {
        return seen.principal();
    }
    // A service identity is never an outsider.
    let is_account = written.uid().entity_type().to_string() == VIRTUAL_ACCOUNT;
    let identities = if is_account { Vec::new() } else { seen.identities()? };
    let is_identity = |uid: &ast::EntityUID| uid.entity_type().to_string() == EXTERNAL_IDENTITY;
    let mut parents: HashSet<ast::EntityUID> =
        written.parents().filter(|parent| !is_identity(parent)).cloned().collect();
    for identity in &identities {
        let identity = EntityRef::new(EXTERNAL_IDENTITY, identity.as_str());
        parents.extend(snapshot.schema.types.uid_of(&identity).map(ast::EntityUID::from));
    }
    let attributes: BTreeMap<_, _> = written.attrs().map(|(name, value)| (name.clone(), value.clone())).collect();
    let tags: Vec<_> = seen.tag_values().collect();
    let uid = written.uid().clone();
    let entity = ast::Entity::new_with_attr_partial_value(uid, attributes, HashSet::new(), parents, tags);
    let mut principal = as_it_stands(entity, snapshot);
    principal.external_identities = identities.iter().map(ToString::to_string).collect();
    Ok(principal)
}

fn as_it_stands(entity: ast::Entity, snapshot: &Snapshot) -> Principal {
    let identities = entity.parents().filter(|uid| uid.entity_type().to_string() == EXTERNAL_IDENTITY);
    let mut external_identities: Vec<_> = identities.map(|uid| AsRef::<str>::as_ref(uid.eid()).to_owned()).collect();
    external_identities.sort();
    let uid = entity.uid().clone().into();
    let entity = Supplied::placed(entity, &snapshot.entities);
    Principal {
        uid,
        longest_text: LongestText::of(&entity),
        entity: Some(entity),
        external_identities,
        dropped: Vec::new(),
        key: None,
    }
}

/// The token, but for its claims.
fn token_of(
    written: &Entity,
    tags: &Tags,
    provider: &str,
    snapshot: &Snapshot,
) -> Result<VerifiedToken, PrincipalError> {
    let gone = || PrincipalError::ProviderGone(provider.to_owned());
    let name = ProviderName::parse(provider).map_err(|_| gone())?;
    let record = snapshot.provider(&name).ok_or_else(gone)?;
    let who = vocabulary::entity_ref(&written.uid());
    let of_tags = |path: &str| tags.get(path).and_then(|values| values.first()).cloned();
    let unique_id = match who.id.split_once('|') {
        Some((_, subject)) if who.entity_type == EXTERNAL_SUBJECT => subject.to_owned(),
        _ => record.provider.claims.unique_id.iter().find_map(|claim| of_tags(claim)).unwrap_or_default(),
    };
    let written: &ast::Entity = written.as_ref();
    let email = text(written.get("email")).or_else(|| (who.entity_type == USER).then_some(who.id));
    Ok(VerifiedToken {
        provider: name,
        unique_id,
        // An address that does not count was never written down.
        trusted_email: email.clone(),
        email,
        claims: Claims::default(),
        key_id: None,
        algorithm: None,
        expires_at: None,
        too_old_at: None,
    })
}

fn tags_of(entity: &ast::Entity) -> Tags {
    let texts = |value: &PartialValue| {
        let PartialValue::Value(value) = value else { return None };
        let ValueKind::Set(set) = value.value_kind() else { return None };
        Some(set.iter().filter_map(text_of).collect())
    };
    entity.tags().filter_map(|(name, value)| Some((name.to_string(), texts(value)?))).collect()
}

fn text(value: Option<&PartialValue>) -> Option<String> {
    match value? {
        PartialValue::Value(value) => text_of(value),
        PartialValue::Residual(_) => None,
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value.value_kind() {
        ValueKind::Lit(Literal::String(text)) => Some(text.to_string()),
        _ => None,
    }
}

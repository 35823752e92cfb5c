//! Written policies by their scope: what a request's principal and resource, with all that they are in, can lead to.
//!
//! Sound because a scope is evaluated first and never errors: a policy whose scope does not hold is false, whatever
//! its condition. A policy that is found and does not match does no harm; one that is not found could not match.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::EntityUid;
use cedar_policy_core::ast::{self, ActionConstraint, PrincipalOrResourceConstraint};

use super::Located;
use crate::schema::{ActionFacts, ActionNumber, Actions, EntityTypes, LoadedSchema, TypeNumber};

/// What one side of a scope asks for. Two entities of one hash share a key: one more candidate, for Cedar to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Any,
    Is(TypeNumber),
    Eq(u64),
    In(u64),
}

/// Policies by principal, then by resource.
#[derive(Debug, Default)]
pub struct ScopeIndex {
    by_scope: HashMap<Key, HashMap<Key, Vec<Entry>>>,
    /// How many policies name no entity in their scope: every request looks at those that fit its types.
    unscoped: usize,
    /// How many pairs of keys there are.
    keys: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    policy: u32,
    actions: ActionSet,
}

/// The actions that a policy is about.
#[derive(Clone, Debug)]
pub enum ActionSet {
    Every,
    /// A bit an action.
    These(Arc<[u64]>),
}

impl ActionSet {
    /// The actions that a constraint holds for, groups opened.
    pub fn of(constraint: &ActionConstraint, actions: &Actions) -> Self {
        let named: Vec<EntityUid> = match constraint {
            ActionConstraint::Any => return Self::Every,
            ActionConstraint::Eq(uid) => vec![uid.as_ref().clone().into()],
            ActionConstraint::In(uids) => uids.iter().map(|uid| uid.as_ref().clone().into()).collect(),
        };
        let mut bits = vec![0_u64; actions.len().div_ceil(BITS)];
        for action in actions.iter().filter(|action| named.iter().any(|name| action.is_in(name))) {
            if let Some(word) = bits.get_mut(action.number.0 / BITS) {
                *word |= 1 << (action.number.0 % BITS);
            }
        }
        Self::These(bits.into())
    }

    pub fn contains(&self, action: ActionNumber) -> bool {
        match self {
            Self::Every => true,
            Self::These(bits) => bits.get(action.0 / BITS).is_some_and(|word| word >> (action.0 % BITS) & 1 == 1),
        }
    }
}

const BITS: usize = 64;

impl ScopeIndex {
    /// Indexes policies by their place in the list.
    pub(super) fn of<'a>(policies: impl Iterator<Item = &'a ast::Policy>, schema: &LoadedSchema) -> Self {
        let mut index = Self::default();
        let mut sets: HashMap<String, ActionSet> = HashMap::new();
        for (number, policy) in (0_u32..).zip(policies) {
            let constraint = policy.template().action_constraint();
            let actions =
                sets.entry(constraint.to_string()).or_insert_with(|| ActionSet::of(constraint, &schema.actions));
            let entry = Entry { policy: number, actions: actions.clone() };
            let principal = key(policy.principal_constraint().as_inner(), &schema.types);
            let resource = key(policy.resource_constraint().as_inner(), &schema.types);
            index.unscoped += usize::from(!principal.names_one() && !resource.names_one());
            index.by_scope.entry(principal).or_default().entry(resource).or_default().push(entry);
        }
        index.keys = index.by_scope.values().map(HashMap::len).sum();
        index
    }

    /// The policies whose scope may hold, by their places in the list, each once.
    pub(super) fn candidates(&self, principals: &[Located], action: &ActionFacts, resources: &[Located]) -> Vec<u32> {
        let resource_keys: Vec<Key> = keys(resources).collect();
        let mut found = Vec::new();
        for by_resource in keys(principals).filter_map(|key| self.by_scope.get(&key)) {
            for entries in resource_keys.iter().filter_map(|key| by_resource.get(key)) {
                let about = entries.iter().filter(|entry| entry.actions.contains(action.number));
                found.extend(about.map(|entry| entry.policy));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// How many policies every request of their types looks at.
    pub fn unscoped(&self) -> usize {
        self.unscoped
    }

    pub fn keys(&self) -> usize {
        self.keys
    }
}

impl Key {
    fn names_one(self) -> bool {
        matches!(self, Self::Eq(_) | Self::In(_))
    }
}

/// The keys under which a request's entity may be asked for: the entity first, then what it is in.
fn keys<'a>(lineage: &'a [Located]) -> impl Iterator<Item = Key> + 'a {
    let own = lineage.first().into_iter().flat_map(|own| [Key::Is(own.number), Key::Eq(own.hash)]);
    std::iter::once(Key::Any).chain(own).chain(lineage.iter().map(|entity| Key::In(entity.hash)))
}

fn key(constraint: &PrincipalOrResourceConstraint, types: &EntityTypes) -> Key {
    use ast::EntityReference::EUID;
    let hash = |uid: &ast::EntityUID| types.locate(&uid.clone().into()).map(|(_, hash)| hash);
    let found = match constraint {
        PrincipalOrResourceConstraint::Any => Some(Key::Any),
        PrincipalOrResourceConstraint::Is(entity_type) => types.number(entity_type).map(Key::Is),
        PrincipalOrResourceConstraint::Eq(EUID(uid)) => hash(uid).map(Key::Eq),
        PrincipalOrResourceConstraint::In(EUID(uid)) | PrincipalOrResourceConstraint::IsIn(_, EUID(uid)) => {
            hash(uid).map(Key::In)
        }
        // A slot that nothing fills: no policy has one.
        _ => None,
    };
    // What cannot be told apart is always a candidate.
    found.unwrap_or(Key::Any)
}

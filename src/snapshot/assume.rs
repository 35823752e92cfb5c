//! The policies that say who is a member of an external identity, ready to be asked one identity at a time.

use std::collections::HashMap;

use cedar_policy::{ActionConstraint, Effect, EntityUid, Policy, PolicySet, PolicySetError, ResourceConstraint};

use crate::model::EntityRef;
use crate::vocabulary;

/// Assume policies by the identity that they are about: asking for one identity costs what that one has.
#[derive(Debug, Default)]
pub struct AssumePolicies {
    /// Identity → its own policies and all `general` ones.
    own: HashMap<EntityUid, PolicySet>,
    /// Those about no single identity, such as a guard rail over all of them.
    general: PolicySet,
}

impl AssumePolicies {
    /// Sorts policies out. A permit takes part when it is about `assume` and nothing else, a forbid whenever it is
    /// about `assume` at all.
    ///
    /// # Errors
    /// When two policies have one id.
    pub(super) fn of(policies: &PolicySet) -> Result<Self, Box<PolicySetError>> {
        let mut sorted = Self::default();
        let (own, general): (Vec<_>, Vec<_>) = policies
            .policies()
            .filter(|policy| takes_part(policy))
            .map(|policy| (identity_of(policy), policy.clone()))
            .partition(|(identity, _)| identity.is_some());
        for (_, policy) in general {
            sorted.general.add(policy)?;
        }
        for (identity, policy) in own {
            let Some(identity) = identity else { continue };
            let set = sorted.own.entry(identity).or_insert_with(|| sorted.general.clone());
            set.add(policy)?;
        }
        Ok(sorted)
    }

    /// All that Cedar needs to say whether someone is a member of an identity.
    pub fn about(&self, identity: &EntityUid) -> &PolicySet {
        self.own.get(identity).unwrap_or(&self.general)
    }
}

fn identity_of(policy: &Policy) -> Option<EntityUid> {
    match policy.resource_constraint() {
        ResourceConstraint::Eq(identity) => Some(identity),
        _ => None,
    }
}

/// INVARIANT: a role over every action never makes anyone a member of an external identity, and a guard rail over
/// every action holds here too.
fn takes_part(policy: &Policy) -> bool {
    let Ok(assume) = vocabulary::uid(&EntityRef::new(vocabulary::ACTION, vocabulary::ASSUME)) else { return false };
    match (policy.effect(), policy.action_constraint()) {
        (_, ActionConstraint::Eq(action)) => action == assume,
        (Effect::Permit, ActionConstraint::In(actions)) => actions.as_slice() == [assume],
        (Effect::Forbid, ActionConstraint::In(actions)) => actions.contains(&assume),
        (Effect::Permit, ActionConstraint::Any) => false,
        (Effect::Forbid, ActionConstraint::Any) => true,
    }
}

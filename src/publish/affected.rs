//! Changes of facts in, the parts of a bundle that they touch out.

use std::collections::BTreeSet;

use crate::directory::{Change, Directory, Fact, FactKey, Kind, StoreError};
use crate::model::{Email, EntityRef, Revision, Team, TeamMapping, TenantId, User, entity_hash};
use crate::vocabulary::USER;

/// Which parts of a bundle must be compiled again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    All,
    Some(Affected),
}

/// Hashes of links and entities, and the files that are whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Affected {
    pub links: BTreeSet<u64>,
    pub entities: BTreeSet<u64>,
    pub roles: bool,
    pub external_identities: bool,
    pub providers: bool,
    pub tokens: bool,
    pub deactivated: bool,
}

impl Affected {
    pub fn of(changes: &[Change]) -> Self {
        let mut affected = Self::default();
        changes.iter().for_each(|change| affected.add(change));
        affected
    }

    fn add(&mut self, change: &Change) {
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        let came_or_went = before.is_some() != after.is_some();
        let hash = before.or(after).and_then(Fact::shard_hash);
        match change.key.kind {
            Kind::Collaborator => self.links.extend(hash),
            Kind::Role => self.roles = true,
            Kind::Token => self.tokens = true,
            Kind::User | Kind::Resource => self.entities.extend(hash),
            Kind::IdentityProvider | Kind::ExternalIdentity | Kind::Team | Kind::VirtualAccount => {
                self.entities.extend(hash.filter(|_| came_or_went));
            }
        }
        self.external_identities |= change.key.kind == Kind::ExternalIdentity;
        self.providers |= matches!(change.key.kind, Kind::IdentityProvider | Kind::ExternalIdentity);
        self.providers |= mappings(before) != mappings(after);
        if change.key.kind == Kind::Team {
            let nobody = BTreeSet::new();
            let members = |fact| team(fact).map_or(&nobody, |team| &team.members);
            let moved = members(before).symmetric_difference(members(after));
            self.entities.extend(moved.map(user_hash));
        }
    }

    /// Adds the grants of those who were switched on or off: theirs count only while they are active.
    pub async fn add_grants_of_users(
        &mut self,
        changes: &[Change],
        directory: &dyn Directory,
        tenant: &TenantId,
        at: Revision,
    ) -> Result<(), StoreError> {
        // One who is made or taken away while switched off is among those who are, too.
        let is_active = |fact: &Option<Fact>| match fact {
            Some(Fact::User(User { active, .. })) => Some(*active),
            _ => None,
        };
        let switched = changes.iter().filter(|change| is_active(&change.before) != is_active(&change.after));
        let users: Vec<FactKey> =
            switched.map(|change| change.key.clone()).filter(|key| key.kind == Kind::User).collect();
        if users.is_empty() {
            return Ok(());
        }
        self.tokens = true;
        self.deactivated = true;
        let grants = directory.mentioning(tenant, &users, Some(Kind::Collaborator), usize::MAX, at).await?;
        self.links.extend(grants.iter().filter_map(|grant| grant.fact.shard_hash()));
        Ok(())
    }
}

fn team(fact: Option<&Fact>) -> Option<&Team> {
    match fact {
        Some(Fact::Team(team)) => Some(team),
        _ => None,
    }
}

fn mappings(fact: Option<&Fact>) -> Option<&BTreeSet<TeamMapping>> {
    let mappings = match fact {
        Some(Fact::Team(team)) => &team.mappings,
        Some(Fact::VirtualAccount(account)) => &account.mappings,
        _ => return None,
    };
    Some(mappings).filter(|mappings| !mappings.is_empty())
}

fn user_hash(email: &Email) -> u64 {
    entity_hash(&EntityRef::new(USER, email.as_str()))
}

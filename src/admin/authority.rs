//! Whether a principal has what a change needs: Cedar decides, over the tenant's own policies.
//!
//! To hold a role on a resource is to be allowed each of its actions there and on whatever may be in there, asked with
//! an empty context. What cannot be asked so is not held: the answer is no.

use std::collections::BTreeSet;

use ulid::Ulid;

use super::needs::Need;
use crate::decide::{AccessQuery, ActionName, Decider, Decision, ForbidErrors, ResourceQuery};
use crate::directory::{Directory, Fact, FactKey, Kind, Rules, StoreError};
use crate::model::facts::RoleActions;
use crate::model::{Email, EntityRef, MatchMode, ProviderName, Revision, Speaker, Team, speaker_of_addresses};
use crate::principal::Principal;
use crate::schema::ActionFacts;
use crate::snapshot::Snapshot;
use crate::vocabulary;

/// One principal at one revision.
pub(super) struct Authority<'a> {
    pub snapshot: &'a Snapshot,
    pub principal: &'a Principal,
    pub directory: &'a dyn Directory,
    pub rules: &'a Rules,
    pub at: Revision,
}

impl Authority<'_> {
    /// What the principal may not, of a need; nothing when they may.
    pub async fn lacks(&self, need: &Need) -> Result<Option<String>, StoreError> {
        let tenant = vocabulary::tenant(&self.snapshot.tenant);
        let refused = |what: String| Some(format!("you may not {what}"));
        let beyond = |what: String| Some(format!("you may not give what you do not hold yourself: {what}"));
        Ok(match need {
            Need::OnTenant(action) if self.may(action, &tenant) => None,
            Need::OnTenant(action) => refused(format!("`{action}` on this tenant")),
            Need::OnTenantOrManagerOf { action, team } if self.may(action, &tenant) || self.manages(team) => None,
            Need::OnTenantOrManagerOf { action, team } => {
                refused(format!("`{action}` on this tenant, and are not a manager of team `{}`", team.name))
            }
            Need::OnResource { action, group, resource }
                if self.may(action, &tenant) || self.may_some(group, resource) =>
            {
                None
            }
            Need::OnResource { action, resource, .. } => refused(format!("`{action}` on {resource}")),
            Need::HoldRole { resource, role } if self.holds_role(resource, role).await? => None,
            Need::HoldRole { resource, role } => beyond(format!("{role} on {resource}")),
            Need::HoldActions { resource_type, actions } if self.holds(&tenant, resource_type, actions) => None,
            Need::HoldActions { resource_type, .. } => {
                beyond(format!("the role's actions on every `{resource_type}` of the tenant"))
            }
            Need::HoldAll(resource) => {
                let resource = resource.as_ref().unwrap_or(&tenant);
                if self.holds_all(resource) { None } else { beyond(format!("everything on {resource}")) }
            }
            Need::HoldGrantsOf(subject) => self.lacks_grants(std::slice::from_ref(subject)).await?.and_then(beyond),
            Need::HoldGrantsOfFallbacks(provider) => {
                self.lacks_grants(&self.fallbacks(provider).await?).await?.and_then(beyond)
            }
            Need::SpeakerStays(removed) if self.speaker_stays(removed) || self.holds_all(&tenant) => None,
            Need::SpeakerStays(_) => beyond(
                "everything on the tenant, since another provider would speak the addresses of its users".to_owned(),
            ),
            Need::BeUser(user) if self.is_user(user) => None,
            Need::BeUser(_) => refused("make tokens that stand for somebody else".to_owned()),
            Need::OnTenantOrBeUser { action, user } if self.may(action, &tenant) || self.is_user(user) => None,
            Need::OnTenantOrBeUser { action, .. } => refused(format!("`{action}` on this tenant")),
            Need::HoldGrantsOfOrManagerOf(team) if self.manages(team) => None,
            Need::HoldGrantsOfOrManagerOf(team) => {
                self.lacks_grants(&[FactKey::new(Kind::Team, team.name.as_str())]).await?.and_then(beyond)
            }
            Need::HoldAllOfUser(user) => {
                let tenant = &self.snapshot.tenant;
                let keys = [user.clone()];
                let teams = self.directory.mentioning(tenant, &keys, Some(Kind::Team), usize::MAX, self.at).await?;
                let subjects: Vec<_> = keys.into_iter().chain(teams.iter().map(|team| team.fact.key())).collect();
                self.lacks_grants(&subjects).await?.and_then(beyond)
            }
        })
    }

    fn holds_all(&self, resource: &EntityRef) -> bool {
        self.holds(resource, &resource.entity_type, &RoleActions::Every)
    }

    /// Whether no other provider finds users by address once these are gone.
    fn speaker_stays(&self, removed: &BTreeSet<ProviderName>) -> bool {
        let providers = &self.snapshot.identity_providers;
        let today = speaker_of_addresses(providers.iter());
        match speaker_of_addresses(providers.iter().filter(|provider| !removed.contains(&provider.name))) {
            Speaker::One(left) => today.is(left),
            Speaker::Nobody | Speaker::TooMany(_) => true,
        }
    }

    /// The first grant to one of these subjects that the principal could not give.
    async fn lacks_grants(&self, subjects: &[FactKey]) -> Result<Option<String>, StoreError> {
        let tenant = vocabulary::tenant(&self.snapshot.tenant);
        // Whoever holds everything need not be asked about each.
        if self.holds_all(&tenant) {
            return Ok(None);
        }
        let (kind, limit) = (Some(Kind::Collaborator), MOST_GRANTS + 1);
        let grants = self.directory.mentioning(&self.snapshot.tenant, subjects, kind, limit, self.at).await?;
        if grants.len() > MOST_GRANTS {
            return Ok(Some(format!("more than {MOST_GRANTS} grants; only who holds everything may")));
        }
        for grant in grants {
            let Fact::Collaborator(grant) = grant.fact else { continue };
            let role = FactKey::role(&grant.resource.entity_type, &grant.role);
            if !self.holds_role(&grant.resource, &role).await? {
                return Ok(Some(format!("{role} on {}", grant.resource)));
            }
        }
        Ok(None)
    }

    /// The external identities that may count instead of one that does not match any more.
    pub(super) async fn fallbacks(&self, provider: &ProviderName) -> Result<Vec<FactKey>, StoreError> {
        let tenant = &self.snapshot.tenant;
        let keys = [FactKey::new(Kind::IdentityProvider, provider.as_str())];
        let found = self.directory.read(tenant, &keys, self.at).await?.into_values().next();
        match found.map(|found| found.fact) {
            Some(Fact::IdentityProvider(found)) if found.external_identities == MatchMode::MostSpecific => {
                let kind = Some(Kind::ExternalIdentity);
                let identities = self.directory.mentioning(tenant, &keys, kind, usize::MAX, self.at).await?;
                Ok(identities.iter().map(|identity| identity.fact.key()).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn holds_role(&self, resource: &EntityRef, role: &FactKey) -> Result<bool, StoreError> {
        let default =
            self.rules.default_roles.values().find(|one| FactKey::role(&one.resource_type, &one.name) == *role);
        let actions = match default {
            Some(default) => default.actions.clone(),
            None => {
                let keys = [role.clone()];
                let found = self.directory.read(&self.snapshot.tenant, &keys, self.at).await?;
                match found.into_values().next().map(|recorded| recorded.fact) {
                    Some(Fact::Role(role)) => role.actions,
                    // One that this very edit makes: it is judged where it is made, and whoever could make it holds it.
                    _ => return Ok(self.holds(resource, &resource.entity_type, &RoleActions::Every)),
                }
            }
        };
        Ok(self.holds(resource, &resource.entity_type, &actions))
    }

    /// Whether Cedar allows these actions on the resource, as far as they apply to its type, and on whatever may be
    /// in it. `resource_type` narrows a tenant's contents to what is of that type or in it.
    pub(super) fn holds(&self, resource: &EntityRef, resource_type: &str, actions: &RoleActions) -> bool {
        let schema = &self.snapshot.schema;
        let is_meant = |action: &&ActionFacts| {
            let id = action.uid.id().unescaped();
            let is_one_of = match actions {
                RoleActions::Every => true,
                RoleActions::These(named) => {
                    named.iter().any(|name| schema.actions.named(name).is_some_and(|found| action.is_in(&found.uid)))
                }
            };
            is_one_of && id != vocabulary::ASSUME
        };
        schema.actions.iter().filter(is_meant).all(|action| {
            let name = action.uid.to_string();
            let types = schema.schema.resources_for_action(&action.uid).into_iter().flatten();
            types.map(ToString::to_string).all(|kind| {
                let is_of_type = kind == resource_type || schema.may_be_in(&kind, resource_type);
                if !is_of_type {
                    return true;
                }
                if kind == resource.entity_type {
                    return self.allows(&name, ResourceQuery::named(resource.clone()));
                }
                // Something that nobody has heard of, and of which nothing is known but where it is.
                let stranger = EntityRef::new(kind, Ulid::generate().to_string());
                let within = ResourceQuery { parents: vec![resource.clone()], ..ResourceQuery::named(stranger) };
                self.allows(&name, within)
            })
        })
    }

    /// Whether Cedar allows an action.
    fn may(&self, action: &str, resource: &EntityRef) -> bool {
        self.allows(action, ResourceQuery::named(resource.clone()))
    }

    /// Whether Cedar allows some action of a group on a resource.
    fn may_some(&self, group: &str, resource: &EntityRef) -> bool {
        let actions = &self.snapshot.schema.actions;
        let Some(group) = actions.named(group) else { return false };
        let of_group = actions.iter().filter(|action| action.is_in(&group.uid));
        of_group.into_iter().any(|action| self.may(&action.uid.to_string(), resource))
    }

    fn allows(&self, action: &str, resource: ResourceQuery) -> bool {
        // Whatever the server makes of forbids that fail: here they forbid.
        let decider = Decider { forbid_errors: ForbidErrors::Deny, slice_bytes: 0, ..Decider::default() };
        let query = AccessQuery { action: ActionName(action.to_owned()), resource, context: None, explain: false };
        decider.decide(self.snapshot, self.principal, &query).is_ok_and(|answer| answer.decision == Decision::Allow)
    }

    fn is_user(&self, user: &Email) -> bool {
        vocabulary::entity_ref(&self.principal.uid) == EntityRef::new(vocabulary::USER, user.as_str())
    }

    pub(super) fn manages(&self, team: &Team) -> bool {
        let principal = vocabulary::entity_ref(&self.principal.uid);
        principal.entity_type == vocabulary::USER && team.managers.contains(principal.id.as_str())
    }
}

/// The most grants that are looked at one by one.
const MOST_GRANTS: usize = 1_000;

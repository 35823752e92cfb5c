//! What one must be allowed to make some changes, told from the changes alone.
//!
//! Nobody may give what they have not: whoever lets someone into something (a grant, a team, an external identity, a
//! mapping, a role's actions, a resource's place) must hold all that this gives.

use std::collections::BTreeSet;

use crate::directory::{Change, Fact, FactKey, Kind};
use crate::model::facts::RoleActions;
use crate::model::{Email, EntityRef, ProviderName, Role, Team, TokenOwner};
use crate::vocabulary::{
    COLLABORATOR_MANAGEMENT, MANAGE_COLLABORATORS, MANAGE_IDENTITIES, MANAGE_MEMBERS, MANAGE_RESOURCES, MANAGE_ROLES,
    RESOURCE_MANAGEMENT,
};

/// One thing that a principal must be allowed or hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Cedar allows the action on the tenant.
    OnTenant(&'static str),
    /// Cedar allows the action on the tenant, or one of its group on the resource.
    OnResource {
        action: &'static str,
        group: &'static str,
        resource: EntityRef,
    },
    /// Either of the two.
    OnTenantOrManagerOf {
        action: &'static str,
        team: Team,
    },
    /// Each action of a role on the resource and all that may be in it.
    HoldRole {
        resource: EntityRef,
        role: FactKey,
    },
    /// These actions, on all resources of the type that the tenant has.
    HoldActions {
        resource_type: String,
        actions: RoleActions,
    },
    /// Everything on the resource and all that may be in it; without a resource, on the tenant.
    HoldAll(Option<EntityRef>),
    /// All that is granted to a subject.
    HoldGrantsOf(FactKey),
    /// All that is granted to the external identities of a provider of which only the most specific counts.
    HoldGrantsOfFallbacks(ProviderName),
    /// Everything on the tenant, where without these providers another speaks the addresses of its users.
    SpeakerStays(BTreeSet<ProviderName>),
    /// All that is granted to a user, also by way of teams.
    HoldAllOfUser(FactKey),
    /// To be this user, and nobody who may act for them.
    BeUser(Email),
    OnTenantOrBeUser {
        action: &'static str,
        user: Email,
    },
    /// All that is granted to a team, or to manage it.
    HoldGrantsOfOrManagerOf(Team),
}

/// What changes take.
pub(super) fn needs(changes: &[Change]) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    for change in changes {
        for need in of_change(change) {
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
    }
    let removed: BTreeSet<_> = changes.iter().filter_map(removed_provider).collect();
    if !removed.is_empty() {
        needs.push(Need::SpeakerStays(removed));
    }
    needs
}

fn removed_provider(change: &Change) -> Option<ProviderName> {
    match (&change.before, &change.after) {
        (Some(Fact::IdentityProvider(provider)), None) => Some(provider.name.clone()),
        _ => None,
    }
}

fn of_change(change: &Change) -> Vec<Need> {
    let (before, after) = (change.before.as_ref(), change.after.as_ref());
    match (change.key.kind, before, after) {
        (kind, None, None) => vec![Need::OnTenant(managing(kind))],
        (Kind::IdentityProvider, _, None) => vec![Need::OnTenant(MANAGE_IDENTITIES)],
        // Whoever names the keys that are trusted can be anyone.
        (Kind::IdentityProvider, ..) => vec![Need::OnTenant(MANAGE_IDENTITIES), Need::HoldAll(None)],
        (Kind::ExternalIdentity | Kind::VirtualAccount, before, after) => {
            let mut needs = vec![Need::OnTenant(MANAGE_IDENTITIES)];
            if after.is_some_and(|after| lets_in_more(before, after)) {
                needs.push(Need::HoldGrantsOf(change.key.clone()));
            }
            if let Some(Fact::ExternalIdentity(before)) = before {
                // Where only the most specific counts, whoever is in it no more may be in another instead.
                needs.push(Need::HoldGrantsOfFallbacks(before.identity_provider.clone()));
            }
            needs
        }
        (Kind::User, before, after) => {
            let is_active = |fact: Option<&Fact>| matches!(fact, Some(Fact::User(user)) if user.active);
            let mut needs = vec![Need::OnTenant(MANAGE_MEMBERS)];
            if is_active(after) && !is_active(before) {
                needs.push(Need::HoldAllOfUser(change.key.clone()));
            }
            if before.is_some() && !is_active(before) && after.is_none() {
                // Nobody refuses their tokens any more: they are outsiders like any other.
                needs.push(Need::HoldAll(None));
            }
            needs
        }
        (Kind::Team, before, after) => of_team(&change.key, team(before), team(after)),
        (Kind::Role, before, after) => of_role(role(before), role(after)),
        (Kind::Resource, before, after) => of_resource(before, after),
        (Kind::Token, before, after) => {
            let Some(Fact::Token(token)) = before.or(after) else { return Vec::new() };
            match (&token.owner, after) {
                // Whoever has a token is its owner.
                (TokenOwner::User(email), Some(_)) => vec![Need::BeUser(email.clone())],
                (TokenOwner::User(email), None) => {
                    vec![Need::OnTenantOrBeUser { action: MANAGE_MEMBERS, user: email.clone() }]
                }
                (TokenOwner::VirtualAccount(_), None) => vec![Need::OnTenant(MANAGE_IDENTITIES)],
                (TokenOwner::VirtualAccount(name), Some(_)) => {
                    let account = FactKey::new(Kind::VirtualAccount, name.as_str());
                    vec![Need::OnTenant(MANAGE_IDENTITIES), Need::HoldGrantsOf(account)]
                }
            }
        }
        (Kind::Collaborator, before, after) => {
            let Some(Fact::Collaborator(grant)) = before.or(after) else { return Vec::new() };
            let mut needs = vec![Need::OnResource {
                action: MANAGE_COLLABORATORS,
                group: COLLABORATOR_MANAGEMENT,
                resource: grant.resource.clone(),
            }];
            if after.is_some() {
                let role = FactKey::role(&grant.resource.entity_type, &grant.role);
                needs.push(Need::HoldRole { resource: grant.resource.clone(), role });
            }
            needs
        }
    }
}

/// What it takes to do anything about a kind.
fn managing(kind: Kind) -> &'static str {
    match kind {
        Kind::IdentityProvider | Kind::ExternalIdentity | Kind::VirtualAccount | Kind::Token => MANAGE_IDENTITIES,
        Kind::User | Kind::Team => MANAGE_MEMBERS,
        Kind::Role => MANAGE_ROLES,
        Kind::Resource => MANAGE_RESOURCES,
        Kind::Collaborator => MANAGE_COLLABORATORS,
    }
}

/// Whether someone may be in it after a change who was not before.
fn lets_in_more(before: Option<&Fact>, after: &Fact) -> bool {
    match (before, after) {
        (Some(Fact::ExternalIdentity(before)), Fact::ExternalIdentity(after)) => before != after,
        (Some(Fact::VirtualAccount(before)), Fact::VirtualAccount(after)) => {
            !after.mappings.is_subset(&before.mappings)
        }
        (None, Fact::VirtualAccount(after)) => !after.mappings.is_empty(),
        _ => true,
    }
}

fn of_team(key: &FactKey, before: Option<&Team>, after: Option<&Team>) -> Vec<Need> {
    let nobody = Team {
        name: match before.or(after) {
            Some(team) => team.name.clone(),
            None => return Vec::new(),
        },
        members: BTreeSet::new(),
        managers: BTreeSet::new(),
        mappings: BTreeSet::new(),
    };
    let (was, is) = (before.unwrap_or(&nobody), after.unwrap_or(&nobody));
    let only_members =
        before.is_some() && after.is_some() && was.managers == is.managers && was.mappings == is.mappings;
    if only_members {
        // Managers may change members: that is what managing a team is.
        let mut needs = vec![Need::OnTenantOrManagerOf { action: MANAGE_MEMBERS, team: was.clone() }];
        if !is.members.is_subset(&was.members) {
            needs.push(Need::HoldGrantsOfOrManagerOf(was.clone()));
        }
        return needs;
    }
    let mut needs = vec![Need::OnTenant(MANAGE_MEMBERS)];
    if was.mappings != is.mappings {
        needs.push(Need::OnTenant(MANAGE_IDENTITIES));
    }
    let adds = |of: fn(&Team) -> &BTreeSet<Email>| !of(is).is_subset(of(was));
    if adds(|team| &team.members) || adds(|team| &team.managers) || !is.mappings.is_subset(&was.mappings) {
        needs.push(Need::HoldGrantsOf(key.clone()));
    }
    needs
}

/// A role's holders have whatever it comes to hold.
fn of_role(before: Option<&Role>, after: Option<&Role>) -> Vec<Need> {
    let mut needs = vec![Need::OnTenant(MANAGE_ROLES)];
    let Some(after) = after else { return needs };
    let added = match (before.map(|role| &role.actions), &after.actions) {
        (Some(before), after) if before == after => return needs,
        (Some(RoleActions::Every), _) => return needs,
        (Some(RoleActions::These(before)), RoleActions::These(after)) => {
            RoleActions::These(after.difference(before).cloned().collect())
        }
        (_, after) => after.clone(),
    };
    needs.push(Need::HoldActions { resource_type: after.resource_type.clone(), actions: added });
    needs
}

fn of_resource(before: Option<&Fact>, after: Option<&Fact>) -> Vec<Need> {
    let (action, group) = (MANAGE_RESOURCES, RESOURCE_MANAGEMENT);
    let manage = |resource: &EntityRef| Need::OnResource { action, group, resource: resource.clone() };
    match (before, after) {
        (Some(Fact::Resource(before)), None) => vec![manage(&before.entity)],
        // Not whoever manages its place: policies and requests may speak of it already, and would speak of theirs.
        (None, Some(Fact::Resource(_))) => vec![Need::OnTenant(action)],
        (Some(Fact::Resource(before)), Some(Fact::Resource(after))) => {
            // What is granted, and what policies say, may depend on where it is and on what it is like.
            let places = [&before.entity].into_iter().chain(after.parents.difference(&before.parents));
            places.map(manage).chain([Need::HoldAll(Some(before.entity.clone()))]).collect()
        }
        _ => Vec::new(),
    }
}

fn team(fact: Option<&Fact>) -> Option<&Team> {
    match fact {
        Some(Fact::Team(team)) => Some(team),
        _ => None,
    }
}

fn role(fact: Option<&Fact>) -> Option<&Role> {
    match fact {
        Some(Fact::Role(role)) => Some(role),
        _ => None,
    }
}

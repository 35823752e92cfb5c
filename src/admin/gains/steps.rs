//! What changes make of somebody: who joins what, who leaves what, who becomes whom, what a resource becomes.
//!
//! In: changes, with what the directory knows of those that they are about. Out: steps, which name the people that a
//! change touches as far as it can.

use std::collections::{BTreeMap, BTreeSet};

use crate::admin::authority::Authority;
use crate::directory::{Change, Fact, FactKey, Kind, StoreError};
use crate::model::{EntityRef, Resource, Team, TokenOwner};
use crate::vocabulary::{EXTERNAL_IDENTITY, TEAM, USER, VIRTUAL_ACCOUNT};

/// What becomes of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Somebody is in a group now. A team's manager may bring people in.
    Joins {
        group: EntityRef,
        by_manager: bool,
    },
    Leaves {
        group: EntityRef,
    },
    /// Somebody stands for this user or account now, who is in these teams.
    Becomes {
        who: EntityRef,
        teams: BTreeSet<EntityRef>,
    },
    /// Whoever stood for them is an outsider like any other.
    IsNoMore {
        who: EntityRef,
        teams: BTreeSet<EntityRef>,
    },
    Resource {
        before: Option<Resource>,
        after: Option<Resource>,
    },
}

/// The steps that changes come to.
pub(super) async fn steps(authority: &Authority<'_>, changes: &[Change]) -> Result<Vec<Step>, StoreError> {
    let mut steps = Vec::new();
    for change in changes {
        match (change.key.kind, change.before.as_ref(), change.after.as_ref()) {
            (Kind::Team, before, after) => of_team(authority, team(before), team(after), &mut steps),
            (Kind::User, before, after) => {
                let is_active = |fact: Option<&Fact>| matches!(fact, Some(Fact::User(user)) if user.active);
                let who = EntityRef::new(USER, change.key.id.as_str());
                match (is_active(before), is_active(after), after) {
                    (false, true, _) => {
                        let teams = teams_of(authority, changes, &change.key).await?.1;
                        steps.push(Step::Becomes { who, teams });
                    }
                    (true, _, None) => {
                        let teams = teams_of(authority, changes, &change.key).await?.0;
                        steps.push(Step::IsNoMore { who, teams });
                    }
                    _ => {}
                }
            }
            (Kind::VirtualAccount, before, after) => {
                let mappings = |fact: Option<&Fact>| match fact {
                    Some(Fact::VirtualAccount(account)) => account.mappings.clone(),
                    _ => BTreeSet::new(),
                };
                let (was, is) = (mappings(before), mappings(after));
                let who = EntityRef::new(VIRTUAL_ACCOUNT, change.key.id.as_str());
                if !is.is_subset(&was) {
                    steps.push(Step::Becomes { who: who.clone(), teams: BTreeSet::new() });
                }
                if !was.is_subset(&is) {
                    steps.push(Step::IsNoMore { who, teams: BTreeSet::new() });
                }
            }
            (Kind::Token, _, Some(Fact::Token(token))) => {
                if let TokenOwner::VirtualAccount(name) = &token.owner {
                    let who = EntityRef::new(VIRTUAL_ACCOUNT, name.as_str());
                    steps.push(Step::Becomes { who, teams: BTreeSet::new() });
                }
            }
            (Kind::ExternalIdentity, before, after) => of_identity(authority, before, after, &mut steps).await?,
            (Kind::Resource, before, after) => {
                let resource = |fact: Option<&Fact>| match fact {
                    Some(Fact::Resource(resource)) => Some(resource.clone()),
                    _ => None,
                };
                steps.push(Step::Resource { before: resource(before), after: resource(after) });
            }
            _ => {}
        }
    }
    steps.dedup();
    Ok(steps)
}

fn of_team(authority: &Authority<'_>, before: Option<&Team>, after: Option<&Team>, steps: &mut Vec<Step>) {
    let Some(name) = before.or(after).map(|team| &team.name) else { return };
    let group = EntityRef::new(TEAM, name.as_str());
    let has_new = |new: Option<&Team>, old: Option<&Team>| {
        new.is_some_and(|new| match old {
            Some(old) => !new.members.is_subset(&old.members) || !new.mappings.is_subset(&old.mappings),
            None => !new.members.is_empty() || !new.mappings.is_empty(),
        })
    };
    let new_managers = after.is_some_and(|after| match before {
        Some(before) => !after.managers.is_subset(&before.managers),
        None => !after.managers.is_empty(),
    });
    let same_rule = before.zip(after).is_some_and(|(before, after)| before.mappings == after.mappings);
    if has_new(after, before) || new_managers {
        // Managers may change members: that is what managing a team is. Their number is not theirs to change.
        let manages = before.is_some_and(|team| authority.manages(team));
        let by_manager = manages && same_rule && !new_managers;
        steps.push(Step::Joins { group: group.clone(), by_manager });
    }
    if has_new(before, after) {
        steps.push(Step::Leaves { group });
    }
}

async fn of_identity(
    authority: &Authority<'_>,
    before: Option<&Fact>,
    after: Option<&Fact>,
    steps: &mut Vec<Step>,
) -> Result<(), StoreError> {
    let identity = |fact: Option<&Fact>| match fact {
        Some(Fact::ExternalIdentity(identity)) => Some(identity.clone()),
        _ => None,
    };
    let (before, after) = (identity(before), identity(after));
    if before == after {
        return Ok(());
    }
    let group = |name: &str| EntityRef::new(EXTERNAL_IDENTITY, name);
    if let Some(after) = &after {
        steps.push(Step::Joins { group: group(after.name.as_str()), by_manager: false });
    }
    if let Some(before) = &before {
        steps.push(Step::Leaves { group: group(before.name.as_str()) });
    }
    // Where only the most specific counts, others count more or less by this one.
    for one in [&before, &after].into_iter().flatten() {
        for other in authority.fallbacks(&one.identity_provider).await? {
            steps.push(Step::Joins { group: group(&other.id), by_manager: false });
            steps.push(Step::Leaves { group: group(&other.id) });
        }
    }
    Ok(())
}

/// The teams of a user before and after the changes.
async fn teams_of(
    authority: &Authority<'_>,
    changes: &[Change],
    user: &FactKey,
) -> Result<(BTreeSet<EntityRef>, BTreeSet<EntityRef>), StoreError> {
    let tenant = &authority.snapshot.tenant;
    let keys = [user.clone()];
    let known = authority.directory.mentioning(tenant, &keys, Some(Kind::Team), usize::MAX, authority.at).await?;
    let is_member = |fact: &Fact| match fact {
        Fact::Team(team) => team.members.iter().any(|email| email.as_str() == user.id),
        _ => false,
    };
    let mut before: BTreeMap<FactKey, bool> = known.iter().map(|one| (one.fact.key(), is_member(&one.fact))).collect();
    let mut after = before.clone();
    for change in changes.iter().filter(|change| change.key.kind == Kind::Team) {
        before.insert(change.key.clone(), change.before.as_ref().is_some_and(is_member));
        after.insert(change.key.clone(), change.after.as_ref().is_some_and(is_member));
    }
    let named = |teams: BTreeMap<FactKey, bool>| {
        teams.into_iter().filter(|(_, is_in)| *is_in).map(|(key, _)| EntityRef::new(TEAM, key.id)).collect()
    };
    Ok((named(before), named(after)))
}

fn team(fact: Option<&Fact>) -> Option<&Team> {
    match fact {
        Some(Fact::Team(team)) => Some(team),
        _ => None,
    }
}

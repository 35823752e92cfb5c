//! What changes give by the policies that people wrote, and whether whoever makes them holds it.
//!
//! In: changes, and the authority of whoever asks for them. Out: what they may not give, with the place of the policy
//! that would give it. Whoever changes who somebody is (a team, a mapping, a token, an external identity, a user, the
//! attributes of a resource) must hold what those whom the change touches would be allowed then and are not now:
//! `steps` says whom a change touches, `written` which policies can notice, `subject` whether one may match for them
//! before and after, `held` whether the asking principal holds all that such a policy is about. What cannot be
//! told counts as gained, and as not held. Whoever holds everything on the tenant may give anything.

mod held;
mod steps;
mod subject;
mod written;

use std::collections::{BTreeSet, HashSet};

use cedar_policy::EntityUid;
use cedar_policy_core::ast::{EntityType, EntityUID};

use super::authority::Authority;
use crate::directory::{Change, StoreError};
use crate::model::facts::RoleActions;
use crate::model::{EntityRef, Resource};
use crate::schema::{ActionFacts, ActionNumber};
use crate::vocabulary::{self, EXTERNAL_IDENTITY, EXTERNAL_SUBJECT, TEAM, TENANT};
use held::Holder;
use steps::{Step, Was, steps};
use subject::{Subject, Tri};
use written::Written;

/// The first thing that the changes would give by policies and that is not theirs to give.
pub(super) async fn lacks(authority: &Authority<'_>, changes: &[Change]) -> Result<Option<String>, StoreError> {
    let steps = steps(authority, changes).await?;
    if steps.is_empty() {
        return Ok(None);
    }
    let gains = Gains { authority, written: Written::all(authority.snapshot) };
    let Some(lacking) = gains.first_lacking(&steps) else { return Ok(None) };
    let tenant = vocabulary::tenant(&authority.snapshot.tenant);
    if authority.holds(&tenant, TENANT, &RoleActions::Every) {
        return Ok(None);
    }
    Ok(Some(format!("you may not give what you do not hold yourself: {lacking}")))
}

struct Gains<'a> {
    authority: &'a Authority<'a>,
    written: Vec<Written<'a>>,
}

/// What is known of somebody before and after, and by what policies notice.
struct Passage {
    before: Subject,
    after: Subject,
    /// The same with all groups that a token could add.
    by_token: Option<Subject>,
    /// What a policy that notices names.
    named: HashSet<EntityUID>,
    manner: Manner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// The same principal, in other groups.
    Moves,
    /// The same token, of a principal of another type.
    Changes,
    /// Nobody was this principal before.
    Appears,
}

impl<'a> Gains<'a> {
    fn first_lacking(&self, steps: &[Step]) -> Option<String> {
        let holder = Holder::of(self.authority, &self.written, self.is_mentioned_caller());
        steps.iter().find_map(|step| match step {
            Step::Resource { before, after } => self.lacking_resource(before.as_ref(), after.as_ref()),
            _ => self.lacking_passage(&holder, step, &self.passage(step)?),
        })
    }

    fn lacking_passage(&self, holder: &Holder<'_>, step: &Step, passage: &Passage) -> Option<String> {
        let by_manager = matches!(step, Step::Joins { by_manager: true, .. });
        let mut freed: HashSet<ActionNumber> = HashSet::new();
        for forbid in self.written.iter().filter(|written| !written.is_permit() && self.notices(written, passage)) {
            let (before, after) = (&passage.before, &passage.after);
            let lost = forbid.actions.iter().filter(|action| {
                self.may_ask(after, action)
                    && before.matches(forbid.policy, action) != Tri::No
                    && after.matches(forbid.policy, action) != Tri::Yes
            });
            let lost: HashSet<_> = lost.map(|action| action.number).collect();
            // Of a new user or account, all that they are permitted then is looked at below.
            let is_new = matches!(step, Step::Becomes { .. });
            if !lost.is_empty() && !is_new {
                let why = "forbids, and would not any more: only who holds everything may";
                return Some(self.said(forbid, passage, why));
            }
            freed.extend(lost);
        }
        if by_manager {
            return None;
        }
        self.written.iter().filter(|written| written.is_permit()).find_map(|permit| {
            let notices = self.notices(permit, passage);
            let gained = permit.actions.iter().copied();
            let gained: Vec<_> =
                gained.filter(|action| self.is_gained(permit, action, passage, notices, &freed)).collect();
            if gained.is_empty() {
                return None;
            }
            holder.lacking(permit, &gained, &passage.after).map(|why| self.said(permit, passage, &why))
        })
    }

    /// Whether a permit may allow an action after that it did not allow before.
    fn is_gained(
        &self,
        permit: &Written<'_>,
        action: &ActionFacts,
        passage: &Passage,
        notices: bool,
        freed: &HashSet<ActionNumber>,
    ) -> bool {
        let (before, after) = (&passage.before, &passage.after);
        if !self.may_ask(after, action) {
            return false;
        }
        let is_new = passage.manner == Manner::Appears || !self.may_ask(before, action);
        let is_freed = freed.contains(&action.number);
        let is_other = is_new || is_freed || notices && before.matches(permit.policy, action) != Tri::Yes;
        // Outsiders may have what their tokens prove already, unless it takes more than that.
        let takes_more = permit.asks_type || is_new || is_freed;
        let after = passage.by_token.as_ref().filter(|_| takes_more).unwrap_or(after);
        is_other && after.matches(permit.policy, action) != Tri::No
    }

    fn said(&self, written: &Written<'_>, passage: &Passage, why: &str) -> String {
        let named = passage.named.iter().find(|uid| written.named.contains(uid));
        let names = named.map(|uid| format!("names `{uid}` and ")).unwrap_or_default();
        format!("{} {names}{why}", written.place())
    }

    /// Whether a policy can tell the two apart: by what it names, or by the type.
    fn notices(&self, written: &Written<'_>, passage: &Passage) -> bool {
        let names = |uid: &EntityUID| {
            written.named.contains(uid)
                || written.compares_with_resource
                || written.compares_with_data && self.is_mentioned(uid)
        };
        let by_type = written.asks_type || written.attributes.contains(SUBJECT);
        passage.manner != Manner::Moves && by_type || passage.named.iter().any(names)
    }

    /// The same, with all that a token could add.
    fn with_groups_of_tokens(&self, subject: &Subject) -> Subject {
        let by_token = self.groups_of_tokens();
        let compares = self.written.iter().any(|written| written.compares_with_data);
        let is_mentioned = subject.is_mentioned || compares && by_token.iter().any(|group| self.is_mentioned(group));
        Subject { by_token, is_mentioned, ..subject.clone() }
    }

    /// The external identities, and the teams that claims are mapped to.
    fn groups_of_tokens(&self) -> HashSet<EntityUID> {
        let mut groups = HashSet::new();
        for record in &self.authority.snapshot.providers {
            let identities = record.identities.iter().map(|one| EntityRef::new(EXTERNAL_IDENTITY, one.name.as_str()));
            let teams = record.team_mappings.values().flatten().map(|team| EntityRef::new(TEAM, team.as_str()));
            groups.extend(identities.chain(teams).filter_map(|group| self.uid(&group)));
        }
        groups
    }

    fn may_ask(&self, subject: &Subject, action: &ActionFacts) -> bool {
        let Some(kind) = &subject.kind else { return true };
        let uid =
            EntityUid::from(EntityUID::from_components(kind.clone(), cedar_policy_core::ast::Eid::new("x"), None));
        action.applies_to_principal(uid.type_name())
    }

    fn passage(&self, step: &Step) -> Option<Passage> {
        let tenant: EntityUID = self.authority.snapshot.tenant_uid().clone().into();
        let somebody = Subject { within: HashSet::from([tenant.clone()]), ..Subject::default() };
        let of_group = |group: &EntityRef, joins: bool| {
            let uid = self.uid(group)?;
            let mut inside = somebody.clone();
            inside.within.insert(uid.clone());
            let outside = Subject { outside: HashSet::from([uid.clone()]), ..somebody.clone() };
            let (before, after) = if joins { (outside, inside) } else { (inside, outside) };
            let (named, manner) = (HashSet::from([uid]), Manner::Moves);
            Some(Passage { before, after, by_token: None, named, manner })
        };
        let outsider = || {
            let kind = self.uid(&EntityRef::new(EXTERNAL_SUBJECT, "x")).map(|uid| uid.entity_type().clone());
            Subject { kind, ..somebody.clone() }
        };
        match step {
            Step::Joins { group, .. } => of_group(group, true),
            Step::Leaves { group } => of_group(group, false),
            Step::Becomes { who, teams, was } => {
                let after = Subject { is_bare: *was == Was::Unminted, ..self.known(who, teams)? };
                let named = after.within.iter().filter(|uid| **uid != tenant).cloned().collect();
                let (before, manner) = match was {
                    Was::Outsider => (outsider(), Manner::Changes),
                    Was::Refused | Was::Unminted => (somebody, Manner::Appears),
                };
                let by_token = (*was != Was::Unminted).then(|| self.with_groups_of_tokens(&after));
                Some(Passage { before, after, by_token, named, manner })
            }
            Step::IsNoMore { who, teams } => {
                let before = self.with_groups_of_tokens(&self.known(who, teams)?);
                let named: HashSet<_> = before.within.iter().filter(|uid| **uid != tenant).cloned().collect();
                let after = Subject { outside: named.clone(), ..outsider() };
                Some(Passage { before, after, by_token: None, named, manner: Manner::Changes })
            }
            Step::Resource { .. } => None,
        }
    }

    /// A user or an account with its teams. Tokens may be in more: in mapped teams, in external identities.
    fn known(&self, who: &EntityRef, teams: &BTreeSet<EntityRef>) -> Option<Subject> {
        let uid = self.uid(who)?;
        let kind: EntityType = uid.entity_type().clone();
        let tenant: EntityUID = self.authority.snapshot.tenant_uid().clone().into();
        let mut within = HashSet::from([tenant, uid.clone()]);
        within.extend(teams.iter().filter_map(|team| self.uid(team)));
        let is_mentioned = self.written.iter().any(|written| written.compares_with_data)
            && within.iter().any(|uid| self.is_mentioned(uid));
        Some(Subject {
            uid: Some(uid),
            kind: Some(kind),
            within,
            is_complete: true,
            is_mentioned,
            ..Subject::default()
        })
    }

    fn uid(&self, entity: &EntityRef) -> Option<EntityUID> {
        self.authority.snapshot.schema.types.uid_of(entity).map(EntityUID::from)
    }

    fn is_mentioned(&self, uid: &EntityUID) -> bool {
        !self.authority.snapshot.entities.mentioning(&uid.clone().into()).is_empty()
    }

    fn is_mentioned_caller(&self) -> bool {
        let caller = self.authority.principal;
        self.written.iter().any(|written| written.compares_with_data)
            && held::lineage(self.authority.snapshot, caller).iter().any(|uid| self.is_mentioned(uid))
    }

    /// What a resource's place and attributes mean to policies: whoever changes them must hold everything there.
    fn lacking_resource(&self, before: Option<&Resource>, after: Option<&Resource>) -> Option<String> {
        let resource = &before.or(after)?.entity;
        let attributes = |one: Option<&Resource>| one.map(|one| one.attributes.clone()).unwrap_or_default();
        let (was, is) = (attributes(before), attributes(after));
        let names = was.keys().chain(is.keys());
        let changed: HashSet<&str> = names.filter(|name| was.get(*name) != is.get(*name)).map(String::as_str).collect();
        let places = self.changed_places(before, after);
        let noticing = self.written.iter().filter(|written| {
            let reads = written.attributes.iter().any(|name| changed.contains(name.as_str()));
            reads || places.iter().any(|place| written.named.contains(place))
        });
        let authority = self.authority;
        let mut holds_there = None;
        for written in noticing {
            let why = if written.looks_further {
                "looks at what attributes of this name lead to"
            } else if *holds_there
                .get_or_insert_with(|| authority.holds(resource, &resource.entity_type, &RoleActions::Every))
            {
                continue;
            } else {
                "decides by its place or its attributes"
            };
            return Some(format!("everything on {resource}: {} {why}", written.place()));
        }
        None
    }

    /// What the resource comes to be in, or is in no more; the tenant holds everything.
    fn changed_places(&self, before: Option<&Resource>, after: Option<&Resource>) -> HashSet<EntityUID> {
        let parents = |one: Option<&Resource>| one.map(|one| one.parents.clone()).unwrap_or_default();
        let (was, is) = (parents(before), parents(after));
        let store = &self.authority.snapshot.entities;
        let tenant = self.authority.snapshot.tenant_uid();
        let mut open: Vec<EntityUid> =
            was.symmetric_difference(&is).filter_map(|parent| Some(self.uid(parent)?.into())).collect();
        let mut places = HashSet::new();
        while let Some(place) = open.pop().filter(|_| places.len() < MOST_PLACES) {
            if place != *tenant && places.insert(EntityUID::from(place.clone())) {
                open.extend(store.parents_of_uid(&place));
            }
        }
        places
    }
}

/// The attribute that only outsiders have.
const SUBJECT: &str = "subject";
/// A hierarchy that is larger is no longer followed: the loader has refused it before.
const MOST_PLACES: usize = 100_000;

#[cfg(test)]
mod properties;

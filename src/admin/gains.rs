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

use std::collections::HashSet;

use cedar_policy::EntityUid;
use cedar_policy_core::ast::{EntityType, EntityUID};

use super::authority::Authority;
use crate::directory::{Change, StoreError};
use crate::model::facts::RoleActions;
use crate::model::{EntityRef, Resource};
use crate::schema::ActionFacts;
use crate::vocabulary::{self, EXTERNAL_SUBJECT, TENANT};
use held::Holder;
use steps::{Step, steps};
use subject::{Subject, Tri};
use written::Written;

pub(super) use written::entity_of;

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

/// What is known of somebody before and after, and what a policy must look at to notice.
struct Passage {
    before: Subject,
    after: Subject,
    noticed: Noticed,
}

enum Noticed {
    /// By a policy that names one of these; with the second, by one that asks for the principal's type.
    Naming(HashSet<EntityUID>, bool),
    /// By every policy: nobody was this principal before.
    ByAll,
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
        self.written.iter().filter(|written| self.notices(written, passage)).find_map(|written| {
            let (before, after) = (&passage.before, &passage.after);
            let actions = written.actions.iter().copied().filter(|action| self.may_ask(after, action));
            if written.is_permit() {
                let is_gained = |action: &&ActionFacts| {
                    let had = match passage.noticed {
                        Noticed::ByAll => false,
                        Noticed::Naming(..) => before.matches(written.policy, action) == Tri::Yes,
                    };
                    !had && after.matches(written.policy, action) != Tri::No
                };
                let gained: Vec<_> = actions.filter(is_gained).collect();
                if gained.is_empty() || by_manager {
                    return None;
                }
                return holder.lacking(written, &gained, after).map(|why| self.said(written, passage, &why));
            }
            if matches!(passage.noticed, Noticed::ByAll) {
                // All that they may be permitted is asked about already.
                return None;
            }
            let mut actions = actions;
            let is_lost = actions.any(|action| {
                before.matches(written.policy, action) != Tri::No && after.matches(written.policy, action) != Tri::Yes
            });
            is_lost
                .then(|| self.said(written, passage, "forbids, and would not any more: only who holds everything may"))
        })
    }

    fn said(&self, written: &Written<'_>, passage: &Passage, why: &str) -> String {
        let named = match &passage.noticed {
            Noticed::Naming(uids, _) => uids.iter().find(|uid| written.named.contains(uid)),
            Noticed::ByAll => passage.after.uid.as_ref().filter(|uid| written.named.contains(uid)),
        };
        let names = named.map(|uid| format!("names `{uid}` and ")).unwrap_or_default();
        format!("{} {names}{why}", written.place())
    }

    fn notices(&self, written: &Written<'_>, passage: &Passage) -> bool {
        match &passage.noticed {
            Noticed::ByAll => true,
            Noticed::Naming(uids, by_type) => {
                let names = |uid: &EntityUID| {
                    written.named.contains(uid)
                        || written.compares_with_resource
                        || written.compares_with_data && self.is_mentioned(uid)
                };
                uids.iter().any(names) || *by_type && (written.asks_type || self.is_for_outsiders(written))
            }
        }
    }

    /// Whether only outsiders can ask for one of its actions.
    fn is_for_outsiders(&self, written: &Written<'_>) -> bool {
        let types = &self.authority.snapshot.schema.types;
        let applies = |action: &&ActionFacts, kind: &str| {
            let uid = types.uid_of(&EntityRef::new(kind, "x"));
            uid.is_some_and(|uid| action.applies_to_principal(uid.type_name()))
        };
        written.actions.iter().any(|action| {
            applies(action, EXTERNAL_SUBJECT)
                && !(applies(action, vocabulary::USER) && applies(action, vocabulary::VIRTUAL_ACCOUNT))
        })
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
            Some(Passage { before, after, noticed: Noticed::Naming(HashSet::from([uid]), false) })
        };
        let outsider = || {
            let kind = self.uid(&EntityRef::new(EXTERNAL_SUBJECT, "x")).map(|uid| uid.entity_type().clone());
            Subject { kind, ..somebody.clone() }
        };
        match step {
            Step::Joins { group, .. } => of_group(group, true),
            Step::Leaves { group } => of_group(group, false),
            Step::Becomes { who, teams } => {
                let after = self.known(who, teams)?;
                Some(Passage { before: outsider(), after, noticed: Noticed::ByAll })
            }
            Step::IsNoMore { who, teams } => {
                let before = self.known(who, teams)?;
                let mut after = outsider();
                let named: HashSet<_> = before.within.iter().filter(|uid| **uid != tenant).cloned().collect();
                after.outside.clone_from(&named);
                Some(Passage { before, after, noticed: Noticed::Naming(named, true) })
            }
            Step::Resource { .. } => None,
        }
    }

    /// A user or an account with its teams. Tokens may be in more: in mapped teams, in external identities.
    fn known(&self, who: &EntityRef, teams: &std::collections::BTreeSet<EntityRef>) -> Option<Subject> {
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
            outside: HashSet::new(),
            is_complete: true,
            is_mentioned,
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

/// A hierarchy that is larger is no longer followed: the loader has refused it before.
const MOST_PLACES: usize = 100_000;

#[cfg(test)]
mod properties;

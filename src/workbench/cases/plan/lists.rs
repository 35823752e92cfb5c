//! "These and only these": a question for each that there is, by what of principal, action and resource is left open.

use std::collections::BTreeSet;

use cedar_policy::EntityUid;

use super::things::{Shown, action_label};
use super::{Around, Plan};
use crate::decide::ResourceQuery;
use crate::directory::resource_id;
use crate::manifest::read_entity;
use crate::principal::Principal;
use crate::schema::ActionFacts;
use crate::vocabulary;
use crate::workbench::cases::people::{Who, unknown_name};
use crate::workbench::cases::question::{Asks, Candidate, Check, Group, GroupKind};
use crate::workbench::cases::shape::{At, Placed, ShortOrFull};
use crate::workbench::cases::written::WrittenList;

/// One that may be listed.
struct Possible<T> {
    label: String,
    uid: Option<EntityUid>,
    /// Names of the suite that mean it.
    names: BTreeSet<String>,
    thing: T,
}

impl<'a> Plan<'a> {
    pub(super) fn list(&mut self, written: &Placed<WrittenList>) -> Option<Group> {
        let list = &written.value;
        let around = self.around(list.context.as_ref(), &list.entities, written.at);
        let candidates = match (&list.principal, &list.action, &list.resource) {
            (None, Some(action), Some(resource)) => {
                let ((action, facts), thing) = (self.action(action)?, self.resource(resource)?);
                let who = self.everyone(facts, &around)?;
                let ask = |plan: &Self, label: &str, who: &Who| {
                    plan.question(label.to_owned(), who.clone(), &action, thing.query.clone(), &around)
                };
                self.only(list, &who, ask, "principal")
            }
            (Some(principal), Some(action), None) => {
                let ((called, who), (action, facts)) = (self.somebody(principal)?, self.action(action)?);
                let things = self.everything(facts, &around);
                let ask = |plan: &Self, _: &str, thing: &Shown| {
                    plan.question(called.clone(), who.clone(), &action, thing.query.clone(), &around)
                };
                self.only(list, &things, ask, "resource")
            }
            (Some(principal), None, Some(resource)) => {
                let ((called, who), thing) = (self.somebody(principal)?, self.resource(resource)?);
                let actions = self.actions_between(&who, &thing);
                let ask = |plan: &Self, label: &str, _: &()| {
                    plan.question(called.clone(), who.clone(), label, thing.query.clone(), &around)
                };
                self.only(list, &actions, ask, "action")
            }
            _ => {
                let message = "leave out one of `principal`, `action` and `resource`: it is what `only` lists";
                self.fault(written.at, message);
                return None;
            }
        };
        let name = list.name.clone().unwrap_or_else(|| "a list".to_owned());
        let check = Check { name: name.clone(), at: written.at, why: list.why.clone(), asks: Asks::Only(candidates?) };
        Some(Group { kind: GroupKind::List, name: Some(name), checks: vec![check] })
    }

    /// A candidate each, listed or not.
    fn only<T>(
        &mut self,
        list: &WrittenList,
        possible: &[Possible<T>],
        ask: impl Fn(&Self, &str, &T) -> crate::workbench::cases::question::Question,
        kind: &str,
    ) -> Option<Vec<Candidate>> {
        let mut listed = BTreeSet::new();
        let mut is_whole = true;
        for text in &list.only {
            match possible.iter().position(|one| one.is_called(&text.value)) {
                Some(place) => {
                    listed.insert(place);
                }
                None => {
                    is_whole = false;
                    let message = match kind {
                        "action" => format!("`{}` is no action that applies to them", text.value),
                        _ if read_entity(&text.value).is_none() => unknown_name(&text.value, &[], kind),
                        _ => format!("`{}` is not among the {kind}s that there are for this action", text.value),
                    };
                    self.fault(text.at, message);
                }
            }
        }
        let candidate = |(place, one): (usize, &Possible<T>)| Candidate {
            label: one.label.clone(),
            is_listed: listed.contains(&place),
            question: ask(self, &one.label, &one.thing),
        };
        is_whole.then(|| possible.iter().enumerate().map(candidate).collect())
    }

    fn somebody(
        &mut self,
        written: &Placed<crate::workbench::cases::written::WrittenPrincipal>,
    ) -> Option<(String, Who)> {
        let (called, who) = self.principal(written)?;
        if let Err(refused) = &who {
            self.fault(written.at, format!("`{called}` stands for nobody: {}", refused.message));
            return None;
        }
        Some((called, who))
    }

    /// Everyone in the directory who may ask, and the suite's own principals.
    fn everyone(&mut self, action: &ActionFacts, around: &Around) -> Option<Vec<Possible<Who>>> {
        let uids = self.known_uids(around, |uid| action.applies_to_principal(uid.type_name()));
        let of_uid = |uid: EntityUid| Possible {
            label: resource_id(&vocabulary::entity_ref(&uid)),
            thing: Ok(std::sync::Arc::new(Principal::named(uid.clone()))),
            uid: Some(uid),
            names: BTreeSet::new(),
        };
        let mut all: Vec<Possible<Who>> = uids.into_iter().map(of_uid).collect();
        let names: Vec<_> = self.written.iter().flat_map(|suite| suite.principals.names()).collect();
        for name in names {
            let Some(Ok(principal)) = self.principal_named(name)? else { continue };
            if !action.applies_to_principal(principal.uid.type_name()) {
                continue;
            }
            let same = |one: &&mut Possible<Who>| one.uid.as_ref() == Some(&principal.uid);
            match all.iter_mut().find(same).filter(|_| principal.entity.is_none()) {
                Some(one) => {
                    one.label = name.to_owned();
                    one.names.insert(name.to_owned());
                }
                None => {
                    let uid = Some(principal.uid.clone()).filter(|_| principal.entity.is_none());
                    let names = BTreeSet::from([name.to_owned()]);
                    all.push(Possible { label: name.to_owned(), uid, names, thing: Ok(principal) });
                }
            }
        }
        Some(all)
    }

    /// Every resource of the directory that an action is about, and the suite's own.
    fn everything(&mut self, action: &ActionFacts, around: &Around) -> Vec<Possible<Shown>> {
        let uids = self.known_uids(around, |uid| action.applies_to_resource(uid.type_name()));
        let of_uid = |uid: EntityUid| {
            let query = ResourceQuery::named(vocabulary::entity_ref(&uid));
            let label = resource_id(&query.entity);
            let thing = Shown { label: label.clone(), uid: uid.clone(), query };
            Possible { label, uid: Some(uid), names: BTreeSet::new(), thing }
        };
        let mut all: Vec<Possible<Shown>> = uids.into_iter().map(of_uid).collect();
        let names: Vec<_> = self.written.iter().flat_map(|suite| suite.resources.names()).collect();
        for name in names {
            let written = Placed { value: ShortOrFull::Short(name.to_owned()), at: At::default() };
            let Some(thing) = self.resource(&written) else { continue };
            if !action.applies_to_resource(thing.uid.type_name()) {
                continue;
            }
            let is_plain = thing.query.attributes.is_empty() && thing.query.parents.is_empty();
            let same = |one: &&mut Possible<Shown>| is_plain && one.uid.as_ref() == Some(&thing.uid);
            if let Some(one) = all.iter_mut().find(same) {
                one.label = name.to_owned();
                one.names.insert(name.to_owned());
                continue;
            }
            let (uid, names) = (Some(thing.uid.clone()).filter(|_| is_plain), BTreeSet::from([name.to_owned()]));
            all.push(Possible { label: name.to_owned(), uid, names, thing });
        }
        all
    }

    fn actions_between(&self, who: &Who, thing: &Shown) -> Vec<Possible<()>> {
        let applies = |facts: &&ActionFacts| {
            let is_for = who.as_ref().is_ok_and(|principal| facts.applies_to_principal(principal.uid.type_name()));
            is_for && facts.applies_to_resource(thing.uid.type_name())
        };
        let possible = |facts: &ActionFacts| {
            let (label, uid) = (action_label(facts), Some(facts.uid.clone()));
            Possible { names: BTreeSet::from([label.clone()]), label, uid, thing: () }
        };
        self.snapshot.schema.actions.iter().filter(applies).map(possible).collect()
    }

    /// The directory's entities and those that stand beside them, sorted.
    fn known_uids(&self, around: &Around, is_wanted: impl Fn(&EntityUid) -> bool) -> BTreeSet<EntityUid> {
        let given = around.entities.iter().map(cedar_policy::Entity::uid);
        self.snapshot.entities.uids().chain(given).filter(is_wanted).collect()
    }
}

impl<T> Possible<T> {
    fn is_called(&self, text: &str) -> bool {
        if self.names.contains(text) {
            return true;
        }
        let entity = read_entity(text);
        self.uid.as_ref().is_some_and(|uid| entity.is_some_and(|entity| vocabulary::entity_ref(uid) == entity))
    }
}

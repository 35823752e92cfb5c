//! Which policies changed: written ones by their id, roles, grants; and what else tokens are judged by.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy_core::ast;

use crate::model::EntityRef;
use crate::snapshot::{LinkRef, PolicySource, Snapshot, exact};
use crate::vocabulary;
use crate::workbench::policies::Reach;
use crate::workbench::shape::Environment;
use crate::workbench::verify::Laid;

/// A policy before and after; one of the two may be missing.
#[derive(Debug)]
pub struct Change {
    pub id: String,
    pub before: Option<(ast::Policy, PolicySource)>,
    pub after: Option<(ast::Policy, PolicySource)>,
    reach: [Option<Reach>; 2],
}

/// All that changed of a tenant.
#[derive(Debug, Default)]
pub struct Changes {
    /// Written policies, and of the grants that changed or whose role did, a sample of each kind.
    pub policies: Vec<Change>,
    /// Roles of which the actions or the condition changed.
    pub roles: Vec<String>,
    pub grants_added: usize,
    pub grants_removed: usize,
    /// Entities of the directory that are there, or are as they are, in one of the two only.
    pub entities: BTreeSet<String>,
    /// Of these, the ones that are there before and after: what they are in, or are like, is another.
    pub(super) altered: Vec<EntityRef>,
    /// Identity providers whose keys, audience or mappings changed: tokens may stand for someone else.
    pub providers: Vec<String>,
    pub is_schema_changed: bool,
}

impl Changes {
    pub fn between(before: &Laid<'_>, after: &Laid<'_>) -> Self {
        let (old, new) = (before.world.snapshot, after.world.snapshot);
        let mut changes = Self {
            roles: changed_roles(old, new),
            providers: changed_providers(old, new),
            entities: changed_entities(old, new),
            is_schema_changed: old.schema.digest != new.schema.digest,
            ..Self::default()
        };
        let uids = changes.entities.iter().filter_map(|uid| vocabulary::read_ref(uid));
        let is_in = |snapshot: &Snapshot, uid: &EntityRef| {
            vocabulary::uid(uid).is_ok_and(|uid| snapshot.entities.get(&uid).is_some())
        };
        changes.altered = uids.filter(|uid| is_in(old, uid) && is_in(new, uid)).collect();
        changes.written(old, new);
        changes.grants(old, new);
        changes
    }

    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
            && self.roles.is_empty()
            && self.grants_added + self.grants_removed == 0
            && self.entities.is_empty()
            && self.providers.is_empty()
            && !self.is_schema_changed
    }

    fn written(&mut self, old: &Snapshot, new: &Snapshot) {
        let by_id = |snapshot: &Snapshot| -> BTreeMap<String, (ast::Policy, PolicySource)> {
            let all = snapshot.policies.written.iter();
            all.map(|written| (exact(&written.id()).to_owned(), (written.policy.clone(), written.source.clone())))
                .collect()
        };
        let (mut before, after) = (by_id(old), by_id(new));
        for (id, new_policy) in after {
            let old_policy = before.remove(&id);
            if old_policy.as_ref().is_some_and(|(old_policy, _)| decides_alike(old_policy, &new_policy.0)) {
                continue;
            }
            self.policies.push(Change::of(id, old_policy, Some(new_policy), old, new));
        }
        for (id, gone) in before {
            self.policies.push(Change::of(id, Some(gone), None, old, new));
        }
    }

    fn grants(&mut self, old: &Snapshot, new: &Snapshot) {
        let (before, after) = (grants_of(old), grants_of(new));
        let is_changed = |link: &LinkRef<'_>| self.roles.iter().any(|role| role == exact(link.template_id()));
        let mut of_kind: BTreeMap<(String, u16, u16), usize> = BTreeMap::new();
        let mut sampled = Vec::new();
        for (id, link) in before.iter().chain(&after) {
            let (in_old, in_new) = (before.get(id), after.get(id));
            let is_new = in_old.is_none();
            if in_old.is_some() && in_new.is_some() && !is_changed(link) {
                continue;
            }
            let kind = (exact(link.template_id()).to_owned(), link.principal_name().0.0, link.resource_name().0.0);
            let count = of_kind.entry(kind).or_default();
            *count += 1;
            self.grants_added += usize::from(is_new);
            self.grants_removed += usize::from(in_new.is_none());
            if *count <= MOST_OF_A_KIND {
                let policy = |snapshot: &Snapshot, link: &LinkRef<'_>| {
                    Some((snapshot.policies.link_policy(*link)?, link.source(&snapshot.schema.types)))
                };
                let old_policy = in_old.and_then(|link| policy(old, link));
                let new_policy = in_new.and_then(|link| policy(new, link));
                sampled.push(Change::of(id.clone(), old_policy, new_policy, old, new));
            }
        }
        sampled.sort_by(|left, right| left.id.cmp(&right.id));
        sampled.dedup_by(|left, right| left.id == right.id);
        self.policies.extend(sampled);
    }
}

impl Change {
    fn of(
        id: String,
        before: Option<(ast::Policy, PolicySource)>,
        after: Option<(ast::Policy, PolicySource)>,
        old: &Snapshot,
        new: &Snapshot,
    ) -> Self {
        let reach = [
            before.as_ref().map(|(policy, _)| Reach::of(policy, &old.schema)),
            after.as_ref().map(|(policy, _)| Reach::of(policy, &new.schema)),
        ];
        Self { id, before, after, reach }
    }

    /// Whether it is no grant.
    pub fn is_written(&self) -> bool {
        let source = self.after.as_ref().or(self.before.as_ref()).map(|(_, source)| source);
        source.is_some_and(|source| source.subject.is_none())
    }

    /// Whether a kind of request may be decided otherwise because of it.
    pub(super) fn bears_on(&self, environment: &Environment, old: &Snapshot, new: &Snapshot) -> bool {
        let [before, after] = &self.reach;
        let fits = |reach: &Option<Reach>, snapshot: &Snapshot| {
            reach.as_ref().is_some_and(|reach| reach.fits(environment, &snapshot.schema))
        };
        fits(before, old) || fits(after, new)
    }
}

/// The same effect, scope and condition, wherever they stand.
fn decides_alike(one: &ast::Policy, other: &ast::Policy) -> bool {
    one.effect() == other.effect()
        && one.principal_constraint() == other.principal_constraint()
        && one.action_constraint() == other.action_constraint()
        && one.resource_constraint() == other.resource_constraint()
        && one.non_scope_constraints() == other.non_scope_constraints()
}

fn changed_roles(old: &Snapshot, new: &Snapshot) -> Vec<String> {
    let by_id = |snapshot: &Snapshot| -> BTreeMap<String, ast::Template> {
        let all = snapshot.policies.written.templates();
        all.map(|written| (exact(&written.id()).to_owned(), written.template.as_ref().clone())).collect()
    };
    let (before, after) = (by_id(old), by_id(new));
    let alike = |one: &ast::Template, other: &ast::Template| {
        one.effect() == other.effect()
            && one.principal_constraint() == other.principal_constraint()
            && one.action_constraint() == other.action_constraint()
            && one.resource_constraint() == other.resource_constraint()
            && one.non_scope_constraints() == other.non_scope_constraints()
    };
    let ids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let is_changed = |id: &&String| match (before.get(*id), after.get(*id)) {
        (Some(one), Some(other)) => !alike(one, other),
        _ => true,
    };
    ids.into_iter().filter(is_changed).cloned().collect()
}

fn changed_providers(old: &Snapshot, new: &Snapshot) -> Vec<String> {
    let names = |snapshot: &Snapshot| snapshot.providers.iter().map(|record| record.provider.name.clone()).collect();
    let mut all: Vec<crate::model::ProviderName> = names(old);
    all.extend::<Vec<_>>(names(new));
    all.sort();
    all.dedup();
    all.into_iter().filter(|name| old.provider(name) != new.provider(name)).map(|name| name.to_string()).collect()
}

fn changed_entities(old: &Snapshot, new: &Snapshot) -> BTreeSet<String> {
    let mut changed = BTreeSet::new();
    for (one, other) in [(old, new), (new, old)] {
        for entity in one.entities.iter() {
            let uid = entity.uid();
            if one.schema.actions.get(&uid).is_some() {
                continue;
            }
            // Cedar's `==` of entities is that of their uids.
            if !other.entities.get(&uid).is_some_and(|found| found.deep_eq(&entity)) {
                changed.insert(uid.to_string());
            }
        }
    }
    changed
}

fn grants_of(snapshot: &Snapshot) -> BTreeMap<String, LinkRef<'_>> {
    let types = &snapshot.schema.types;
    snapshot.policies.links.iter().map(|link| (link.id(types), link)).collect()
}

/// Grants of one role, subject type and resource type that are looked at one by one.
const MOST_OF_A_KIND: usize = 64;

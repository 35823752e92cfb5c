//! What must hold of every fact that is put: names that refer to something, a fit to the schema, no circles.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::Entity;
use serde_json::json;

use super::{Draft, EditError, Editor, Refusal, refusal};
use crate::directory::fact::{Fact, FactKey, Kind};
use crate::directory::store::Listing;
use crate::manifest::{action_refusal, check_entity, plain_star};
use crate::model::facts::RoleActions;
use crate::model::{Conditions, EntityRef, Resource, Revision, Role, TeamMapping};
use crate::vocabulary::{self, OWN_TYPES};

impl Editor<'_> {
    /// Every reason against what the draft puts.
    pub(super) async fn check(&self, draft: &Draft, at: Revision) -> Result<(), EditError> {
        let mut refusals = Vec::new();
        let mut open_parents = BTreeSet::new();
        for fact in draft.puts() {
            let by = fact.key();
            let mentions = fact.mentions().into_iter().filter(|key| draft.now(key).is_none());
            for mentioned in mentions {
                match (fact, mentioned.kind) {
                    (Fact::Collaborator(grant), Kind::Resource)
                        if grant.resource == vocabulary::tenant(self.tenant) => {}
                    (Fact::Collaborator(grant), Kind::Role) if self.has_role(&grant.resource, &grant.role) => {}
                    (Fact::Resource(_), _) if mentioned == FactKey::resource(&vocabulary::tenant(self.tenant)) => {}
                    (Fact::Resource(_), _) => {
                        open_parents.insert((by.clone(), mentioned));
                    }
                    _ => refusals.push(Refusal::Dangling { by: by.clone(), mentioned }),
                }
            }
            let unfit = |message| Refusal::Unfit { by: by.clone(), message };
            match fact {
                Fact::Role(role) => refusals.extend(self.role_refusals(role).into_iter().map(unfit)),
                Fact::Resource(resource) => refusals.extend(self.resource_refusals(resource).into_iter().map(unfit)),
                Fact::ExternalIdentity(identity) => refusals.extend(plain_stars(&identity.claims).map(unfit)),
                Fact::IdentityProvider(provider) => {
                    refusals.extend(plain_stars(&provider.tokens.required_claims).map(unfit));
                }
                _ => {}
            }
        }
        self.check_open_parents(draft, open_parents, at, &mut refusals).await?;
        self.check_circles(draft, at, &mut refusals).await?;
        self.check_mappings(draft, at, &mut refusals).await?;
        self.check_speakers(draft, at, &mut refusals).await?;
        refusal::or(refusals)
    }

    fn has_role(&self, resource: &EntityRef, role: &crate::model::RoleName) -> bool {
        self.rules.default_roles.contains_key(&(resource.entity_type.clone(), role.clone()))
    }

    fn role_refusals(&self, role: &Role) -> Vec<String> {
        let schema = &self.rules.schema;
        if !schema.has_type(&role.resource_type) {
            return vec![format!("the schema has no entity type `{}`", role.resource_type)];
        }
        let RoleActions::These(actions) = &role.actions else { return Vec::new() };
        actions.iter().filter_map(|action| action_refusal(action, &role.resource_type, schema)).collect()
    }

    fn resource_refusals(&self, resource: &Resource) -> Vec<String> {
        let (schema, entity) = (&self.rules.schema, &resource.entity);
        if let Err(message) = check_entity(entity, schema) {
            return vec![message];
        }
        if OWN_TYPES.contains(&entity.entity_type.as_str()) {
            return vec![format!(
                "`{}` is not a resource type: it is part of the directory itself",
                entity.entity_type
            )];
        }
        let mut refusals = Vec::new();
        for parent in &resource.parents {
            if let Err(message) = check_entity(parent, schema) {
                refusals.push(message);
            } else if !schema.may_be_in(&entity.entity_type, &parent.entity_type) {
                let (child, parent) = (&entity.entity_type, &parent.entity_type);
                refusals.push(format!("the schema does not let a `{child}` be in a `{parent}`"));
            } else if parent.entity_type == vocabulary::TENANT && parent.id != self.tenant.as_str() {
                refusals.push(format!("a resource of `{}` cannot be in {parent}", self.tenant));
            }
        }
        let as_json = json!({
            "uid": {"type": entity.entity_type, "id": entity.id}, "attrs": resource.attributes, "parents": []
        });
        if let Err(error) = Entity::from_json_value(as_json, Some(&schema.schema)) {
            refusals.push(crate::tree::one_line(&error));
        }
        refusals
    }

    /// A parent that is not there must be of a type of which nothing is: then others keep what is of that type.
    async fn check_open_parents(
        &self,
        draft: &Draft,
        open: BTreeSet<(FactKey, FactKey)>,
        at: Revision,
        refusals: &mut Vec<Refusal>,
    ) -> Result<(), EditError> {
        let mut has_type: BTreeMap<String, bool> = BTreeMap::new();
        for (by, mentioned) in open {
            // Ids of resources begin with their type: `Type::"`.
            let Some(kind) = mentioned.id.split_once('"').map(|(kind, _)| format!("{kind}\"")) else { continue };
            let is_known = match has_type.get(&kind) {
                Some(is_known) => *is_known,
                None => {
                    let listing = Listing { after: Some(kind.clone()), ..Listing::of(Kind::Resource, 1) };
                    let found = self.directory.list(self.tenant, &listing, at).await?;
                    let in_draft = draft.puts().map(Fact::key).any(|key| key.id.starts_with(&kind));
                    let is_known = in_draft || found.iter().any(|one| one.fact.key().id.starts_with(&kind));
                    has_type.insert(kind, is_known);
                    is_known
                }
            };
            if is_known {
                refusals.push(Refusal::Dangling { by, mentioned });
            }
        }
        Ok(())
    }

    /// Nothing may contain itself.
    async fn check_circles(&self, draft: &Draft, at: Revision, refusals: &mut Vec<Refusal>) -> Result<(), EditError> {
        let parents_of = |fact: &Fact| match fact {
            Fact::Resource(resource) => resource.parents.iter().map(FactKey::resource).collect(),
            _ => Vec::new(),
        };
        // Above what is put: nothing else can close a circle.
        let mut above: BTreeMap<FactKey, Vec<FactKey>> = BTreeMap::new();
        let mut next: BTreeSet<FactKey> =
            draft.puts().filter(|fact| fact.kind() == Kind::Resource).map(Fact::key).collect();
        while !next.is_empty() {
            let unknown: Vec<_> = next.iter().filter(|key| draft.now(key).is_none()).cloned().collect();
            let read = self.directory.read(self.tenant, &unknown, at).await?;
            let mut further = BTreeSet::new();
            for key in next {
                let fact = draft.now(&key).or_else(|| read.get(&key).map(|recorded| &recorded.fact));
                let parents = fact.map(parents_of).unwrap_or_default();
                further.extend(parents.iter().filter(|parent| !above.contains_key(*parent)).cloned());
                above.insert(key, parents);
            }
            further.retain(|key| !above.contains_key(key));
            next = further;
        }
        for fact in draft.puts().filter(|fact| fact.kind() == Kind::Resource) {
            let by = fact.key();
            if is_above_itself(&by, &above) {
                let message = "its parents lead back to itself".to_owned();
                refusals.push(Refusal::Unfit { by, message });
            }
        }
        Ok(())
    }

    /// One value of a provider stands for one virtual account: a token must never be two.
    async fn check_mappings(&self, draft: &Draft, at: Revision, refusals: &mut Vec<Refusal>) -> Result<(), EditError> {
        let mut taken: BTreeMap<TeamMapping, FactKey> = BTreeMap::new();
        let mut providers = BTreeSet::new();
        for fact in draft.puts() {
            let Fact::VirtualAccount(account) = fact else { continue };
            for mapping in &account.mappings {
                providers.insert(mapping.identity_provider.clone());
                if let Some(other) = taken.insert(mapping.clone(), fact.key()) {
                    refusals.push(mapped_twice(fact, other, mapping));
                }
            }
        }
        for provider in providers {
            let mentioning = vec![FactKey::new(Kind::IdentityProvider, provider.as_str())];
            let listing = Listing { mentioning, ..Listing::of(Kind::VirtualAccount, usize::MAX) };
            for recorded in self.directory.list(self.tenant, &listing, at).await? {
                let Fact::VirtualAccount(account) = &recorded.fact else { continue };
                let other = recorded.fact.key();
                for mapping in account.mappings.iter().filter(|_| !draft.after.contains_key(&other)) {
                    let by = taken.get(mapping).and_then(|key| draft.now(key));
                    refusals.extend(by.map(|by| mapped_twice(by, other.clone(), mapping)));
                }
            }
        }
        Ok(())
    }
}

fn mapped_twice(by: &Fact, other: FactKey, mapping: &TeamMapping) -> Refusal {
    let (provider, value) = (mapping.identity_provider.to_string(), mapping.value.clone());
    Refusal::MappedTwice { by: by.key(), other, provider, value }
}

fn is_above_itself(start: &FactKey, above: &BTreeMap<FactKey, Vec<FactKey>>) -> bool {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&FactKey> = above.get(start).into_iter().flatten().collect();
    while let Some(key) = next.pop() {
        if key == start {
            return true;
        }
        if seen.insert(key) {
            next.extend(above.get(key).into_iter().flatten());
        }
    }
    false
}

fn plain_stars(conditions: &Conditions) -> impl Iterator<Item = String> {
    conditions.iter().filter_map(|(path, condition)| plain_star(path, condition))
}

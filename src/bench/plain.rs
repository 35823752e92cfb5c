//! Plain Cedar over the same files: the baseline that the engine's times stand beside, and the oracle of its answers.
//!
//! `Minimal` is the least work that anybody's engine could do for a request, with everything made ready beforehand:
//! only the policies that determined the answer, only the entities that the request reaches. `Full` is Cedar as it
//! comes: every policy and every entity.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicyId, PolicySet, Request, SlotId};

use super::BenchError;
use super::files::{Link, TenantFiles};
use super::workload::Asked;

use crate::decide::Answer;
use crate::snapshot::{Supplied, exact, reach};
use crate::vocabulary;

/// One request, with the least that its answer needs.
pub(super) struct Minimal {
    request: Request,
    policies: PolicySet,
    entities: Entities,
}

impl Minimal {
    pub(super) fn of(files: &TenantFiles, asked: &Asked, answer: &Answer) -> Result<Self, BenchError> {
        let mut policies = PolicySet::new();
        for policy in &answer.policies {
            add(files, &mut policies, &policy.id)?;
        }
        let request = request(files, asked)?;
        let roots = request.principal().into_iter().chain(request.action()).chain(request.resource()).cloned();
        let named = policies.policies().flat_map(cedar_policy::Policy::entity_literals);
        let mentioned = named_in_context(files, asked)?;
        let reached =
            reached(files, asked.principal.entity.as_ref().map(Supplied::entity), roots.chain(named).chain(mentioned));
        let entities = Entities::from_entities(reached, None).map_err(|error| BenchError::cedar(&error))?;
        Ok(Self { request, policies, entities })
    }

    pub(super) fn decide(&self, authorizer: &Authorizer) -> Decision {
        authorizer.is_authorized(&self.request, &self.policies, &self.entities).decision()
    }
}

/// Everything that a tenant has, for requests about principals of which each has one form.
pub(super) struct Full {
    policies: PolicySet,
    entities: Entities,
}

impl Full {
    /// The principals' own entities stand in for the directory's.
    pub(super) fn of(files: &TenantFiles, principals: impl Iterator<Item = Entity>) -> Result<Self, BenchError> {
        let mut policies = PolicySet::new();
        for id in files.policies.keys() {
            add(files, &mut policies, id)?;
        }
        for link in &files.links {
            add_link(files, &mut policies, link)?;
        }
        let mut entities: HashMap<EntityUid, Entity> =
            files.entities().chain(files.actions.iter().cloned()).map(|entity| (entity.uid(), entity)).collect();
        entities.extend(principals.map(|entity| (entity.uid(), entity)));
        let entities =
            Entities::from_entities(entities.into_values(), None).map_err(|error| BenchError::cedar(&error))?;
        Ok(Self { policies, entities })
    }

    /// The decision and the determining policies.
    pub(super) fn decide(&self, authorizer: &Authorizer, request: &Request) -> (Decision, BTreeSet<String>) {
        let response = authorizer.is_authorized(request, &self.policies, &self.entities);
        let determining = response.diagnostics().reason().map(|id| exact(id).to_owned()).collect();
        (response.decision(), determining)
    }
}

/// How many policies plain Cedar would look at.
pub(super) fn count(files: &TenantFiles) -> usize {
    files.policies.len() + files.links.len()
}

/// A question as Cedar's request.
pub(super) fn request(files: &TenantFiles, asked: &Asked) -> Result<Request, BenchError> {
    let resource = vocabulary::uid(&asked.query.resource.entity).map_err(|error| BenchError::cedar(&*error))?;
    Request::new(asked.principal.uid.clone(), asked.action.clone(), resource, context(files, asked)?, None)
        .map_err(|error| BenchError::cedar(&error))
}

fn context(files: &TenantFiles, asked: &Asked) -> Result<Context, BenchError> {
    let Some(given) = &asked.query.context else { return Ok(Context::empty()) };
    Context::from_json_value(given.clone(), Some((&files.schema.schema, &asked.action)))
        .map_err(|error| BenchError::cedar(&error))
}

fn named_in_context(files: &TenantFiles, asked: &Asked) -> Result<Vec<EntityUid>, BenchError> {
    let values = context(files, asked)?.into_iter();
    Ok(values.flat_map(|(_, value)| crate::snapshot::named_in(value.as_ref()).collect::<Vec<_>>()).collect())
}

/// The entities that can be looked up, from these on: parents, and what attributes and tags name.
fn reached(files: &TenantFiles, own: Option<Entity>, roots: impl Iterator<Item = EntityUid>) -> Vec<Entity> {
    let mut open: Vec<EntityUid> = roots.collect();
    let mut seen: HashSet<EntityUid> = own.iter().map(Entity::uid).collect();
    open.extend(own.iter().flat_map(|entity| reach(entity.as_ref())));
    let mut found: Vec<Entity> = own.into_iter().collect();
    while let Some(uid) = open.pop() {
        if seen.insert(uid.clone())
            && let Some(entity) = files.entity(&uid)
        {
            open.extend(reach(entity.as_ref()));
            found.push(entity);
        }
    }
    found
}

fn add(files: &TenantFiles, policies: &mut PolicySet, id: &str) -> Result<(), BenchError> {
    if let Some(policy) = files.policies.get(id) {
        return policies.add(policy.clone()).map_err(|error| BenchError::cedar(&error));
    }
    let unknown = || BenchError::UnknownPolicy(id.to_owned());
    add_link(files, policies, files.link(id).ok_or_else(unknown)?)
}

fn add_link(files: &TenantFiles, policies: &mut PolicySet, link: &Link) -> Result<(), BenchError> {
    let unknown = |what: &str| BenchError::UnknownPolicy(what.to_owned());
    let template = PolicyId::new(&link.template_id);
    if policies.template(&template).is_none() {
        let found = files.templates.get(&link.template_id).ok_or_else(|| unknown(&link.template_id))?;
        policies.add_template(found.clone()).map_err(|error| BenchError::cedar(&error))?;
    }
    let uid = |text: &str| vocabulary::read_uid(text).ok_or_else(|| unknown(text));
    let values =
        HashMap::from([(SlotId::principal(), uid(&link.principal)?), (SlotId::resource(), uid(&link.resource)?)]);
    policies.link(template, PolicyId::new(&link.link_id), values).map_err(|error| BenchError::cedar(&error))
}

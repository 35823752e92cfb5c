//! Random questions, many of which differ from the one before in one thing only; and Cedar's own answer to each.

use std::collections::HashSet;
use std::rc::Rc;

use cedar_policy::{Authorizer, Context, Entities, Entity, EntityUid, Request};
use serde_json::{Map, Value, json};

use super::super::{Outcome, cedars_outcome};
use super::facts;
use super::genes::Genes;
use super::shape::IDS;
use super::world::World;
use crate::assemble::test_tenant::verified;
use crate::decide::{AccessQuery, ActionName, ResourceQuery};
use crate::model::EntityRef;
use crate::principal::{Principal, resolve};
use crate::snapshot::Supplied;

#[derive(Clone, Debug)]
pub struct Question {
    pub who: Rc<Principal>,
    pub action: usize,
    pub resource: (usize, usize),
    /// Attributes and parents that the request gives the resource.
    pub described: (Map<String, Value>, Vec<(usize, usize)>),
    pub context: Value,
}

impl Question {
    pub fn of(world: &World, numbers: &[u16], before: Option<&Self>) -> Self {
        let mut genes = Genes::of(numbers);
        let way = genes.pick(10);
        let mut question = match before.filter(|_| way >= 2) {
            Some(before) => before.clone(),
            None => Self::new(world, &mut genes),
        };
        // The same again, but for one thing.
        match way {
            2 => question.who = who(world, question.action, &mut genes),
            3 => question.described = described(world, question.resource, &mut genes),
            4..7 => question.context = context(world, question.action, &mut genes),
            7 => question.action = question.other_action(world, &mut genes),
            8 => {
                let kind = question.resource.0;
                question.resource.1 = genes.pick(IDS.len());
                question.described = described(world, (kind, question.resource.1), &mut genes);
            }
            _ => {}
        }
        question
    }

    fn new(world: &World, genes: &mut Genes<'_>) -> Self {
        let action = *genes.choose(&world.shape.asked());
        let resource = (*genes.choose(&world.shape.actions[action].resources), genes.pick(IDS.len()));
        Self {
            who: who(world, action, genes),
            action,
            resource,
            described: described(world, resource, genes),
            context: context(world, action, genes),
        }
    }

    /// Another action that the same may ask about the same, with the same context; else the action that it is.
    fn other_action(&self, world: &World, genes: &mut Genes<'_>) -> usize {
        let (shape, who) = (&world.shape, self.who.uid.type_name().to_string());
        let fits = |action: &usize| {
            let asked = &shape.actions[*action];
            let needs_nothing = asked.context.iter().all(|attribute| attribute.is_optional);
            asked.principals.iter().any(|kind| shape.types[*kind].name == who)
                && asked.resources.contains(&self.resource.0)
                && needs_nothing
                && self.context.as_object().is_some_and(Map::is_empty)
        };
        let others: Vec<usize> = shape.asked().into_iter().filter(fits).collect();
        if others.is_empty() { self.action } else { *genes.choose(&others) }
    }

    pub fn query(&self, world: &World) -> AccessQuery {
        let named = |(kind, number): (usize, usize)| {
            EntityRef::new(world.shape.types[kind].name.as_str(), world.shape.id(kind, number))
        };
        let resource = ResourceQuery {
            entity: named(self.resource),
            attributes: self.described.0.clone(),
            parents: self.described.1.iter().map(|parent| named(*parent)).collect(),
        };
        let action = ActionName(world.shape.actions[self.action].uid.clone());
        AccessQuery { action, resource, context: Some(self.context.clone()), explain: false }
    }

    /// Cedar's answer over everything, or `None` where there is none to be had.
    pub fn cedars_answer(&self, world: &World) -> Option<Outcome> {
        let schema = &world.snapshot.schema.schema;
        let action: EntityUid = world.shape.actions[self.action].uid.parse().unwrap();
        let resource = world.shape.entity_uid(self.resource.0, self.resource.1);
        let described = match self.described_json(world, &resource)? {
            Some(json) => Some(Entity::from_json_value(json, Some(schema)).ok()?),
            None => None,
        };
        let who = self.who.entity.as_ref().map(Supplied::entity);
        let supplied: Vec<&Entity> = who.iter().chain(&described).collect();
        let is_other = |entity: &&Entity| supplied.iter().all(|supplied| supplied.uid() != entity.uid());
        let all = world.entities.iter().filter(is_other).chain(supplied.iter().copied()).cloned();
        let actions = schema.action_entities().unwrap();
        let entities = Entities::from_entities(all.chain(actions), None).ok()?;
        let context = Context::from_json_value(self.context.clone(), Some((schema, &action))).ok()?;
        let request = Request::new(self.who.uid.clone(), action, resource, context, Some(schema)).ok()?;
        let response = Authorizer::new().is_authorized(&request, &world.policies, &entities);
        Some(cedars_outcome(&response))
    }

    /// The resource as the request leaves it; none where the directory's stands; refused where it is the principal's.
    #[expect(clippy::option_option, reason = "refused, left as it is, or described")]
    fn described_json(&self, world: &World, resource: &EntityUid) -> Option<Option<Value>> {
        let (attributes, parents) = &self.described;
        let says_nothing = attributes.is_empty() && parents.is_empty();
        let known = world.declared.get(resource);
        if says_nothing && (known.is_some() || !world.shape.has_identity) {
            return Some(None);
        }
        if self.leads_to(world, resource) {
            return says_nothing.then_some(None);
        }
        let (kind, number) = self.resource;
        let uid = facts::uid_json(&world.shape, kind, number);
        let mut json = known.cloned().unwrap_or_else(|| json!({"uid": uid, "attrs": {}, "parents": [], "tags": {}}));
        json["attrs"].as_object_mut().unwrap().extend(attributes.clone());
        for (kind, number) in parents {
            json["parents"].as_array_mut().unwrap().push(facts::uid_json(&world.shape, *kind, *number));
        }
        Some(Some(facts::in_tenant(&world.shape, kind, json)))
    }

    /// Whether an entity is the principal or what its data leads to.
    fn leads_to(&self, world: &World, wanted: &EntityUid) -> bool {
        let mut open = vec![self.who.uid.clone()];
        if let Some(entity) = &self.who.entity {
            facts::named_by(&entity.entity().to_json_value().unwrap(), &mut open);
        }
        let mut seen = HashSet::new();
        while let Some(next) = open.pop() {
            if seen.insert(next.clone())
                && let Some(json) = world.declared.get(&next)
            {
                facts::named_by(json, &mut open);
            }
        }
        seen.contains(wanted)
    }
}

/// Someone of a type that may ask: as the directory knows them, as built from anything, or from a token.
fn who(world: &World, action: usize, genes: &mut Genes<'_>) -> Rc<Principal> {
    let shape = &world.shape;
    let may_ask = &shape.actions[action].principals;
    let (kind, number) = (*genes.choose(may_ask), genes.pick(IDS.len()));
    let named = || Rc::new(Principal::named(shape.entity_uid(kind, number)));
    match genes.pick(4) {
        2 => {
            let json = facts::in_tenant(shape, kind, facts::entity(shape, kind, number, genes));
            let entity = Entity::from_json_value(json, Some(&world.snapshot.schema.schema)).unwrap();
            let built = Principal { entity: Some(entity.clone().into()), ..Principal::named(entity.uid()) };
            Rc::new(built.to_be_kept())
        }
        3 if shape.has_identity => {
            let email = shape.id(shape.named("User"), number);
            let mut claims = json!({"sub": IDS[number], "unit": genes.some_of(&["x", "y"], 2)});
            if shape.types[kind].name == "User" {
                claims["email"] = email.into();
            }
            let principal = resolve(&verified(&world.snapshot, "okta", claims), &world.snapshot).unwrap();
            let name = principal.uid.type_name().to_string();
            if may_ask.iter().any(|may| shape.types[*may].name == name) {
                Rc::new(principal.to_be_kept())
            } else {
                named()
            }
        }
        _ => named(),
    }
}

/// What a request says of a resource: nothing, or some of what can be said, or all that has to be.
fn described(
    world: &World,
    (kind, number): (usize, usize),
    genes: &mut Genes<'_>,
) -> (Map<String, Value>, Vec<(usize, usize)>) {
    let (shape, declared) = (&world.shape, &world.shape.types[kind]);
    let is_known = world.declared.contains_key(&shape.entity_uid(kind, number));
    if is_known && !genes.once_in(3) || !is_known && genes.once_in(4) {
        return (Map::new(), Vec::new());
    }
    let mut attributes = facts::members(shape, &declared.attributes, genes);
    if is_known {
        attributes.retain(|_, _| genes.once_in(2));
    }
    let mut parents = Vec::new();
    for _ in 0..genes.pick(3) {
        if let Some(parent) = declared.parents.get(genes.pick(declared.parents.len())) {
            parents.push((*parent, genes.pick(IDS.len())));
        }
    }
    (attributes, parents)
}

fn context(world: &World, action: usize, genes: &mut Genes<'_>) -> Value {
    let wanted = &world.shape.actions[action].context;
    if wanted.iter().all(|attribute| attribute.is_optional) && genes.once_in(4) {
        return json!({});
    }
    facts::members(&world.shape, wanted, genes).into()
}

//! Makes scenes: at random within the schema, and aimed at what policies ask.
//!
//! In: what the schema lets there be, the words that policies use, who and what the directory knows. Out: a scene that
//! comes near to making some policies match or not match. Random alone seldom says `refs/heads/main`, or is a second
//! before a threshold; aiming does both.

mod aim;
mod assign;
mod place;
mod pools;
mod values;

pub use aim::Goal;
pub use pools::{Population, Words};
pub(super) use values::moment;

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use serde_json::{Map, Value, json};

use self::aim::Aim;
use super::scene::{Scene, SceneEntity, as_entity, entity_value};
use super::shape::{Environment, Shape, context_types};
use crate::model::EntityRef;
use crate::schema::LoadedSchema;
use crate::snapshot::EntityStore;
use crate::vocabulary::{EXTERNAL_SUBJECT, IDENTITY_PROVIDER, TENANT};

/// Makes scenes of one tenant.
#[derive(Debug)]
pub struct Generator<'a> {
    pub shape: &'a Shape,
    pub schema: &'a LoadedSchema,
    /// The one that every request is within.
    pub tenant: EntityRef,
    /// What scenes do not describe; nothing for makers that only have a schema.
    pub directory: Option<&'a EntityStore>,
    pub words: &'a Words,
    pub population: &'a Population,
}

impl Generator<'_> {
    /// A scene of one kind of request that comes near to all these goals, in their order.
    pub fn scene(&self, rng: &mut TestRng, environment: &Environment, goals: &[Goal]) -> Scene {
        let mut scene = Scene {
            principal: self.someone(rng, &environment.principal),
            action: environment.action.clone(),
            resource: self.someone(rng, &environment.resource),
            context: Map::new(),
            entities: std::collections::BTreeMap::new(),
        };
        scene.context = self.members(rng, &context_types(self.schema, &environment.action), SOMETIMES);
        for uid in [scene.principal.clone(), scene.resource.clone()] {
            if !self.population.knows(&uid) {
                let entity = self.entity(rng, &uid);
                scene.entities.insert(uid, entity);
            }
        }
        let mut aim = Aim { generator: self, rng, scene };
        goals.iter().for_each(|goal| aim.at(goal));
        if aim.rng.random_bool(EXTREME) {
            goals.iter().for_each(|goal| aim.overflow(goal));
        }
        if aim.rng.random_bool(NOISE) {
            aim.disturb();
        }
        if !environment.is_assuming() && aim.rng.random_bool(NOBODY) {
            aim.scene.entities.remove(&aim.scene.principal);
        }
        named_as_their_token(aim.scene)
    }

    /// Someone whom the directory knows, or whom it does not.
    fn someone(&self, rng: &mut TestRng, entity_type: &str) -> EntityRef {
        if entity_type == TENANT {
            return self.tenant.clone();
        }
        if let Some(ids) = self.shape.entity_type(entity_type).and_then(|found| found.ids.as_ref()) {
            return EntityRef::new(entity_type, pick(rng, ids).cloned().unwrap_or_default());
        }
        let known = self.population.of_type(entity_type);
        if !known.is_empty() && rng.random_bool(KNOWN) {
            return pick(rng, known).cloned().unwrap_or_else(|| EntityRef::new(entity_type, UNKNOWN_ID));
        }
        EntityRef::new(entity_type, UNKNOWN_ID)
    }

    /// An entity that the directory does not know.
    pub fn entity(&self, rng: &mut TestRng, uid: &EntityRef) -> SceneEntity {
        let Some(shape) = self.shape.entity_type(&uid.entity_type) else { return SceneEntity::default() };
        let mut entity = SceneEntity {
            attributes: self.members(rng, &shape.data.attributes, SOMETIMES),
            tags: Map::new(),
            parents: std::collections::BTreeSet::new(),
        };
        if let Some(kind) = &shape.data.tags {
            for name in self.words.tags() {
                if rng.random_bool(SOMETIMES) {
                    entity.tags.insert(name.clone(), self.value(rng, name, kind));
                }
            }
        }
        for above in shape.above.iter().filter(|above| *above != TENANT) {
            let words = self.words.entities(above);
            if let Some(parent) = pick(rng, words).filter(|parent| *parent != uid)
                && rng.random_bool(SOMETIMES)
            {
                entity.parents.insert(parent.clone());
            }
        }
        entity
    }
}

/// The id of someone known only by a token tells the provider and the subject: they say the same as its attributes.
fn named_as_their_token(mut scene: Scene) -> Scene {
    if scene.principal.entity_type != EXTERNAL_SUBJECT {
        return scene;
    }
    let Some(mut entity) = scene.entities.remove(&scene.principal) else { return scene };
    let provider = entity.attributes.get("provider").and_then(as_entity);
    let provider = provider.unwrap_or_else(|| EntityRef::new(IDENTITY_PROVIDER, UNKNOWN_ID));
    let subject = entity.attributes.get("subject").and_then(Value::as_str).unwrap_or(UNKNOWN_ID).to_owned();
    scene.principal = EntityRef::new(EXTERNAL_SUBJECT, format!("{}|{subject}", provider.id));
    entity.attributes.insert("provider".to_owned(), entity_value(&provider));
    entity.attributes.insert("subject".to_owned(), json!(subject));
    scene.entities.insert(scene.principal.clone(), entity);
    scene
}

/// One of some, if there is one.
pub(super) fn pick<'a, T>(rng: &mut TestRng, some: &'a [T]) -> Option<&'a T> {
    if some.is_empty() { None } else { some.get(rng.random_range(0..some.len())) }
}

/// How often someone is whom the directory knows.
const KNOWN: f64 = 0.4;
/// How often what need not be there is.
const SOMETIMES: f64 = 0.15;
/// How often numbers that are reckoned with are as large as they get, or as small.
const EXTREME: f64 = 0.1;
/// How often the principal is only named: a trusted caller may name someone of whom nobody knows anything.
const NOBODY: f64 = 0.03;
/// How often something is changed after all goals were aimed at.
const NOISE: f64 = 0.3;
/// Whoever the directory does not know.
pub const UNKNOWN_ID: &str = "unknown";

#[cfg(test)]
mod tests;

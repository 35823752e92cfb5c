//! Where a value of a policy's expression stands in a scene, and how it is read and changed there.

use cedar_policy::{Context, Entities, Entity, Request};
use cedar_policy_core::ast::{self, BinaryOp, Expr, ExprKind, Literal, Var};
use cedar_policy_core::entities::Entities as CoreEntities;
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use serde_json::{Map, Value};

use super::aim::Aim;
use super::values::{constant, of_cedar};
use crate::cedar_text::on_deep_stack;
use crate::model::EntityRef;
use crate::schema::{DataType, DataTypes};
use crate::vocabulary::{self, entity_ref};
use crate::workbench::scene::{SceneEntity, as_entity, as_record, entity_value};
use crate::workbench::shape::context_types;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Principal,
    Resource,
    Context(Vec<String>),
    Attribute(EntityRef, Vec<String>),
    Tag(EntityRef, String),
}

impl Aim<'_, '_> {
    /// The place that an expression reads, if it reads one and no more.
    pub(super) fn place_of(&mut self, expression: &Expr) -> Option<Place> {
        match expression.expr_kind() {
            ExprKind::Var(Var::Principal) => Some(Place::Principal),
            ExprKind::Var(Var::Resource) => Some(Place::Resource),
            ExprKind::Var(Var::Context) => Some(Place::Context(Vec::new())),
            ExprKind::GetAttr { expr, attr } => self.member_of(expr, attr),
            ExprKind::BinaryApp { op: BinaryOp::GetTag, arg1, arg2 } => self.tag_of(arg1, arg2),
            _ => None,
        }
    }

    /// The place of a member of what an expression is.
    pub(super) fn member_of(&mut self, of: &Expr, name: &str) -> Option<Place> {
        if let Some(uid) = self.entity_of(of) {
            return Some(Place::Attribute(uid, vec![name.to_owned()]));
        }
        self.place_of(of)?.member(name)
    }

    /// The place of a tag.
    pub(super) fn tag_of(&mut self, of: &Expr, tag: &Expr) -> Option<Place> {
        let ExprKind::Lit(Literal::String(tag)) = tag.expr_kind() else { return None };
        Some(Place::Tag(self.entity_of(of)?, tag.to_string()))
    }

    /// The entity that an expression is; where none stands yet, one is put there.
    pub(super) fn entity_of(&mut self, expression: &Expr) -> Option<EntityRef> {
        match expression.expr_kind() {
            ExprKind::Var(Var::Principal) => Some(self.scene.principal.clone()),
            ExprKind::Var(Var::Resource) => Some(self.scene.resource.clone()),
            ExprKind::Lit(Literal::EntityUID(uid)) => Some(entity_ref(&uid.as_ref().clone().into())),
            ExprKind::GetAttr { .. } => {
                let place = self.place_of(expression)?;
                let DataType::Entity(_) = self.kind_of(&place)? else { return None };
                self.fill(&place).as_ref().and_then(as_entity)
            }
            _ => None,
        }
    }

    /// The type of what stands at a place.
    pub(super) fn kind_of(&self, place: &Place) -> Option<DataType> {
        let shape = self.generator.shape;
        match place {
            Place::Principal => Some(DataType::Entity(self.scene.principal.entity_type.clone())),
            Place::Resource => Some(DataType::Entity(self.scene.resource.entity_type.clone())),
            Place::Context(path) => inside(&context_types(self.generator.schema, &self.scene.action), path),
            Place::Attribute(uid, path) => inside(&shape.entity_type(&uid.entity_type)?.data.attributes, path),
            Place::Tag(uid, _) => shape.entity_type(&uid.entity_type)?.data.tags.clone(),
        }
    }

    /// What stands at a place; where nothing does, something is put there.
    pub(super) fn fill(&mut self, place: &Place) -> Option<Value> {
        if let Some(found) = self.get(place) {
            return Some(found);
        }
        let kind = self.kind_of(place)?;
        let value = self.generator.value(self.rng, place.name(), &kind);
        self.put(place, value.clone());
        Some(value)
    }

    pub(super) fn get(&self, place: &Place) -> Option<Value> {
        match place {
            Place::Principal => Some(entity_value(&self.scene.principal)),
            Place::Resource => Some(entity_value(&self.scene.resource)),
            Place::Context(path) => at(&self.scene.context, path),
            Place::Attribute(uid, path) => at(&self.entity(uid)?.attributes, path),
            Place::Tag(uid, tag) => self.entity(uid)?.tags.get(tag).cloned(),
        }
    }

    /// Puts a value where the schema has a place for one.
    pub(super) fn put(&mut self, place: &Place, value: Value) {
        if self.kind_of(place).is_none() {
            return;
        }
        match place {
            Place::Principal | Place::Resource => {
                let Some(uid) = as_entity(&value) else { return };
                let now = if *place == Place::Principal { &mut self.scene.principal } else { &mut self.scene.resource };
                // The kind of request stays what it is.
                if now.entity_type == uid.entity_type {
                    *now = uid;
                }
            }
            Place::Context(path) => put_at(&mut self.scene.context, path, value),
            Place::Attribute(uid, path) => put_at(&mut self.entity_mut(uid).attributes, path, value),
            Place::Tag(uid, tag) => {
                self.entity_mut(uid).tags.insert(tag.clone(), value);
            }
        }
    }

    pub(super) fn remove(&mut self, place: &Place) {
        if self.get(place).is_none() {
            return;
        }
        match place {
            Place::Principal | Place::Resource => {}
            Place::Context(path) => remove_at(&mut self.scene.context, path),
            Place::Attribute(uid, path) => remove_at(&mut self.entity_mut(uid).attributes, path),
            Place::Tag(uid, tag) => {
                self.entity_mut(uid).tags.remove(tag);
            }
        }
    }

    /// An entity as the scene or else the directory has it.
    pub(super) fn entity(&self, uid: &EntityRef) -> Option<SceneEntity> {
        self.scene.entities.get(uid).cloned().or_else(|| self.known(uid))
    }

    fn known(&self, uid: &EntityRef) -> Option<SceneEntity> {
        self.generator.directory?.get(&vocabulary::uid(uid).ok()?).map(|entity| SceneEntity::of(&entity))
    }

    /// An entity, to be changed: from here on the scene describes it.
    pub(super) fn entity_mut(&mut self, uid: &EntityRef) -> &mut SceneEntity {
        if !self.scene.entities.contains_key(uid) {
            let entity = self.known(uid).unwrap_or_else(|| self.generator.entity(self.rng, uid));
            self.scene.entities.insert(uid.clone(), entity);
        }
        self.scene.entities.entry(uid.clone()).or_default()
    }

    /// What an expression comes to in the scene.
    pub(super) fn value_of(&mut self, expression: &Expr) -> Option<Value> {
        if let Some(constant) = constant(expression) {
            return Some(constant);
        }
        match self.place_of(expression) {
            Some(place) => self.fill(&place),
            None => of_cedar(&self.evaluate(expression)?),
        }
    }

    /// What Cedar makes of an expression.
    pub(super) fn evaluate(&self, expression: &Expr) -> Option<ast::Value> {
        let scene = &self.scene;
        let uid = |uid: &EntityRef| vocabulary::uid(uid).ok();
        let context = Context::from_json_value(Value::Object(scene.context.clone()), None).ok()?;
        let (who, what) = (uid(&scene.principal)?, uid(&scene.resource)?);
        let request =
            Request::new(who.clone(), vocabulary::read_uid(&scene.action)?, what.clone(), context, None).ok()?;
        let described = scene.entities.iter();
        let described = described.filter_map(|(uid, entity)| Entity::from_json_value(entity.to_json(uid), None).ok());
        let known = [(who, &scene.principal), (what, &scene.resource)].into_iter();
        let known = known.filter(|(_, uid)| !scene.entities.contains_key(uid));
        let known = known.filter_map(|(uid, _)| self.generator.directory?.get(&uid));
        let entities = Entities::from_entities(described.chain(known), None).ok()?;
        let core: &CoreEntities = entities.as_ref();
        let request: &ast::Request = request.as_ref();
        let evaluator = Evaluator::new(request.clone(), core, Extensions::all_available());
        on_deep_stack(|| evaluator.interpret(expression, &std::collections::HashMap::new()).ok())
    }
}

impl Place {
    /// The last name of it: what policies know it by.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Principal | Self::Resource => "",
            Self::Context(path) | Self::Attribute(_, path) => path.last().map_or("", String::as_str),
            Self::Tag(_, tag) => tag,
        }
    }

    pub(super) fn member(self, name: &str) -> Option<Self> {
        let longer = |mut path: Vec<String>| {
            path.push(name.to_owned());
            path
        };
        match self {
            Self::Context(path) => Some(Self::Context(longer(path))),
            Self::Attribute(uid, path) => Some(Self::Attribute(uid, longer(path))),
            Self::Principal | Self::Resource | Self::Tag(..) => None,
        }
    }
}

fn inside(types: &DataTypes, path: &[String]) -> Option<DataType> {
    let Some((first, rest)) = path.split_first() else { return Some(DataType::Record(types.clone())) };
    let (kind, _) = types.get(first)?;
    match kind {
        DataType::Record(types) => inside(types, rest),
        other => rest.is_empty().then(|| other.clone()),
    }
}

fn at(members: &Map<String, Value>, path: &[String]) -> Option<Value> {
    let Some((first, rest)) = path.split_first() else { return Some(Value::Object(members.clone())) };
    let found = members.get(first)?;
    if rest.is_empty() { Some(found.clone()) } else { at(as_record(found)?, rest) }
}

fn put_at(members: &mut Map<String, Value>, path: &[String], value: Value) {
    match path.split_first() {
        None => {}
        Some((last, [])) => {
            members.insert(last.clone(), value);
        }
        Some((first, rest)) => {
            let inner = members.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put_at(inner, rest, value);
            }
        }
    }
}

fn remove_at(members: &mut Map<String, Value>, path: &[String]) {
    match path.split_first() {
        None => {}
        Some((last, [])) => {
            members.remove(last);
        }
        Some((first, rest)) => {
            if let Some(Value::Object(inner)) = members.get_mut(first) {
                remove_at(inner, rest);
            }
        }
    }
}

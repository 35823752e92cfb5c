//! One entity as bytes: what it is and what it is in first, so that walking up the hierarchy reads no attributes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use cedar_policy::EntityUid;
use cedar_policy_core::ast::{self, Literal, PartialValue, RepresentableExtensionValue, Set, Value, ValueKind};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::shard::EntityShard;
use super::walk::Located;
use crate::model::Fault;
use crate::schema::{EntityTypes, TypeNumber};

/// An extension value, such as an IP address; kept as Cedar made it.
pub(super) type Extension = Arc<RepresentableExtensionValue>;

/// What is read of an entity to walk the hierarchy.
#[derive(Serialize, Deserialize)]
pub(super) struct Head<'a> {
    pub id: &'a str,
    pub line: u32,
    pub column: u32,
    #[serde(borrow)]
    pub parents: Vec<(u16, &'a str)>,
}

/// The rest of it.
#[derive(Serialize, Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    attributes: Vec<(&'a str, Stored<'a>)>,
    #[serde(borrow)]
    tags: Vec<(&'a str, Stored<'a>)>,
}

/// A Cedar value.
#[derive(Serialize, Deserialize)]
enum Stored<'a> {
    Bool(bool),
    Long(i64),
    String(&'a str),
    Entity(u16, &'a str),
    #[serde(borrow)]
    Set(Vec<Stored<'a>>),
    #[serde(borrow)]
    Record(Vec<(&'a str, Stored<'a>)>),
    /// Its place in the shard's list.
    Extension(u32),
}

/// Writes an entity, or says what of it cannot be kept.
pub(super) fn write(
    entity: &ast::Entity,
    (line, column): (usize, usize),
    types: &EntityTypes,
    extensions: &mut Vec<Extension>,
) -> Result<Vec<u8>, String> {
    let mut parents = Vec::new();
    for parent in entity.ancestors() {
        parents.push((number(parent, types)?.0, parent.eid().as_ref()));
    }
    // A set has no order of its own.
    parents.sort_unstable();
    let place = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let head = Head { id: entity.uid().eid().as_ref(), line: place(line), column: place(column), parents };
    let mut body = Body { attributes: Vec::new(), tags: Vec::new() };
    for (name, value) in entity.attrs() {
        body.attributes.push((name, stored(value, types, extensions)?));
    }
    for (name, value) in entity.tags() {
        body.tags.push((name, stored(value, types, extensions)?));
    }
    let failed = |error: postcard::Error| format!("cannot be kept: {error}");
    let head = postcard::to_allocvec(&head).map_err(failed)?;
    postcard::to_extend(&body, head).map_err(failed)
}

fn number(uid: &ast::EntityUID, types: &EntityTypes) -> Result<TypeNumber, String> {
    types.number(uid.entity_type()).ok_or_else(|| format!("the schema has no entity type `{}`", uid.entity_type()))
}

fn stored<'a>(
    value: &'a PartialValue,
    types: &EntityTypes,
    extensions: &mut Vec<Extension>,
) -> Result<Stored<'a>, String> {
    match value {
        PartialValue::Value(value) => stored_value(value, types, extensions),
        PartialValue::Residual(_) => Err("an unknown has no place in the data".to_owned()),
    }
}

fn stored_value<'a>(
    value: &'a Value,
    types: &EntityTypes,
    extensions: &mut Vec<Extension>,
) -> Result<Stored<'a>, String> {
    Ok(match &value.value {
        ValueKind::Lit(Literal::Bool(value)) => Stored::Bool(*value),
        ValueKind::Lit(Literal::Long(value)) => Stored::Long(*value),
        ValueKind::Lit(Literal::String(value)) => Stored::String(value),
        ValueKind::Lit(Literal::EntityUID(uid)) => Stored::Entity(number(uid, types)?.0, uid.eid().as_ref()),
        ValueKind::Set(set) => {
            let elements = set.iter().map(|element| stored_value(element, types, extensions));
            Stored::Set(elements.collect::<Result<_, _>>()?)
        }
        ValueKind::Record(record) => {
            let members =
                record.iter().map(|(name, member)| Ok((name.as_str(), stored_value(member, types, extensions)?)));
            Stored::Record(members.collect::<Result<_, String>>()?)
        }
        ValueKind::ExtensionValue(value) => {
            let place = u32::try_from(extensions.len()).map_err(|_| "too many values".to_owned())?;
            extensions.push(Arc::clone(value));
            Stored::Extension(place)
        }
    })
}

/// An entity in its shard.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    pub(super) shard: &'a EntityShard,
    pub(super) hash: u64,
    pub(super) number: TypeNumber,
    pub(super) bytes: &'a [u8],
}

impl<'a> Found<'a> {
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn type_number(&self) -> TypeNumber {
        self.number
    }

    pub(super) fn id(&self) -> &'a str {
        postcard::take_from_bytes::<&str>(self.bytes).map_or("", |(id, _)| id)
    }

    fn head(&self) -> Option<(Head<'a>, &'a [u8])> {
        // INVARIANT: these are bytes that `write` made; what does not read back is as if it were not there.
        postcard::take_from_bytes(self.bytes).ok()
    }

    pub(super) fn uid(&self, types: &EntityTypes) -> Option<EntityUid> {
        types.uid(self.number, self.id())
    }

    /// `file:line`
    pub(super) fn place(&self) -> String {
        let place = self.fault_place();
        format!("{}:{}", place.file, place.line)
    }

    pub(super) fn fault_place(&self) -> Fault {
        let (line, column) = self.head().map_or((0, 0), |(head, _)| (head.line as usize, head.column as usize));
        Fault { file: self.shard.file().to_owned(), line, column, message: String::new() }
    }

    pub(super) fn parents(&self, types: &EntityTypes) -> Vec<Located> {
        let Some((head, _)) = self.head() else { return Vec::new() };
        let located = |(number, id): &(u16, &str)| {
            let number = TypeNumber(*number);
            Some(Located { uid: types.uid(number, id)?, number, hash: types.hash(number, id) })
        };
        head.parents.iter().filter_map(located).collect()
    }

    /// The entity as Cedar has it, with its direct parents.
    pub(super) fn read(&self, types: &EntityTypes) -> Option<ast::Entity> {
        let (head, rest) = self.head()?;
        let body: Body<'_> = postcard::from_bytes(rest).ok()?;
        let uid = types.uid(self.number, head.id)?;
        let parents = head.parents.iter().filter_map(|(number, id)| types.uid(TypeNumber(*number), id));
        let parents: HashSet<ast::EntityUID> = parents.map(ast::EntityUID::from).collect();
        let values = |members: &[(&str, Stored<'_>)]| {
            let read = |(name, value): &(&str, Stored<'_>)| {
                Some((SmolStr::new(name), PartialValue::Value(self.value(value, types)?)))
            };
            members.iter().map(read).collect::<Option<Vec<_>>>()
        };
        let (attributes, tags) = (values(&body.attributes)?, values(&body.tags)?);
        Some(ast::Entity::new_with_attr_partial_value(uid.into(), attributes, HashSet::new(), parents, tags))
    }

    fn value(&self, stored: &Stored<'_>, types: &EntityTypes) -> Option<Value> {
        let kind = match stored {
            Stored::Bool(value) => ValueKind::Lit(Literal::Bool(*value)),
            Stored::Long(value) => ValueKind::Lit(Literal::Long(*value)),
            Stored::String(value) => ValueKind::Lit(Literal::String(SmolStr::new(value))),
            Stored::Entity(number, id) => {
                let uid: ast::EntityUID = types.uid(TypeNumber(*number), id)?.into();
                ValueKind::Lit(Literal::EntityUID(Arc::new(uid)))
            }
            Stored::Set(elements) => {
                let elements = elements.iter().map(|element| self.value(element, types));
                ValueKind::Set(Set::new(elements.collect::<Option<Vec<_>>>()?))
            }
            Stored::Record(members) => {
                let members = members.iter().map(|(name, value)| Some((SmolStr::new(name), self.value(value, types)?)));
                ValueKind::Record(Arc::new(members.collect::<Option<BTreeMap<_, _>>>()?))
            }
            Stored::Extension(place) => ValueKind::ExtensionValue(Arc::clone(self.shard.extension(*place)?)),
        };
        Some(Value::new(kind, None))
    }
}

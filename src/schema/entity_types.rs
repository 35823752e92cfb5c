//! The schema's entity types, numbered, so that a million entities name theirs in two bytes.

use std::collections::HashMap;

use cedar_policy::{EntityTypeName, EntityUid, Schema};
use cedar_policy_core::ast;
use cedar_policy_core::validator::ValidatorEntityTypeKind;

use crate::model::{id_hash, type_hash};

/// The number of an entity type within one schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeNumber(pub u16);

/// All entity types of a schema.
#[derive(Debug, Default)]
pub struct EntityTypes {
    types: Vec<NumberedType>,
    by_name: HashMap<String, TypeNumber>,
    by_type: HashMap<ast::EntityType, TypeNumber>,
}

#[derive(Debug)]
struct NumberedType {
    name: String,
    entity_type: ast::EntityType,
    hash: u64,
    /// Only ids that the schema lists are of this type.
    is_enumerated: bool,
    /// An entity of this type may have one of the same type above it.
    is_recursive: bool,
}

impl EntityTypes {
    /// Numbers the types of a schema in the order of their names.
    pub(super) fn of(schema: &Schema) -> Self {
        let mut names: Vec<(String, EntityTypeName)> =
            schema.entity_types().map(|name| (name.to_string(), name.clone())).collect();
        names.sort_by(|left, right| left.0.cmp(&right.0));
        let mut types = Self::default();
        for (number, (name, type_name)) in (0_u16..).zip(names) {
            let entity_type: ast::EntityType = type_name.as_ref().clone();
            let declared = schema.as_ref().get_entity_type(&entity_type);
            types.by_name.insert(name.clone(), TypeNumber(number));
            types.by_type.insert(entity_type.clone(), TypeNumber(number));
            types.types.push(NumberedType {
                hash: type_hash(&name),
                name,
                is_enumerated: declared.is_some_and(|found| matches!(found.kind, ValidatorEntityTypeKind::Enum(_))),
                is_recursive: declared.is_some_and(|found| found.has_descendant_entity_type(&entity_type)),
                entity_type,
            });
        }
        types
    }

    pub fn named(&self, name: &str) -> Option<TypeNumber> {
        self.by_name.get(name).copied()
    }

    pub fn number(&self, entity_type: &ast::EntityType) -> Option<TypeNumber> {
        self.by_type.get(entity_type).copied()
    }

    pub fn name(&self, number: TypeNumber) -> &str {
        self.get(number).map_or("", |found| found.name.as_str())
    }

    pub fn is_enumerated(&self, number: TypeNumber) -> bool {
        self.get(number).is_some_and(|found| found.is_enumerated)
    }

    pub fn is_recursive(&self, number: TypeNumber) -> bool {
        self.get(number).is_some_and(|found| found.is_recursive)
    }

    /// An entity of a type by its id.
    pub fn uid(&self, number: TypeNumber, id: &str) -> Option<EntityUid> {
        let entity_type = self.get(number)?.entity_type.clone();
        Some(ast::EntityUID::from_components(entity_type, ast::Eid::new(id), None).into())
    }

    /// The hash by which a bundle's files are split.
    pub fn hash(&self, number: TypeNumber, id: &str) -> u64 {
        id_hash(self.get(number).map_or(0, |found| found.hash), id)
    }

    /// An entity's type and hash, if the schema has the type.
    pub fn locate(&self, uid: &EntityUid) -> Option<(TypeNumber, u64)> {
        let core: &ast::EntityUID = uid.as_ref();
        let number = self.number(core.entity_type())?;
        Some((number, self.hash(number, core.eid().as_ref())))
    }

    fn get(&self, number: TypeNumber) -> Option<&NumberedType> {
        self.types.get(usize::from(number.0))
    }
}

/// Reads the id of a uid.
pub fn id_of(uid: &EntityUid) -> &str {
    let core: &ast::EntityUID = uid.as_ref();
    core.eid().as_ref()
}

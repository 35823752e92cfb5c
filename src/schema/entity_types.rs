//! The schema's entity types, numbered, so that a million entities name theirs in two bytes.

use std::collections::HashMap;

use cedar_policy::{EntityTypeName, EntityUid, Schema};
use cedar_policy_core::ast;
use cedar_policy_core::validator::ValidatorEntityTypeKind;

use crate::model::{EntityRef, id_hash, type_hash};

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
    /// The types that an entity of this type may have among its ancestors.
    above: Vec<TypeNumber>,
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
                above: Vec::new(),
                entity_type,
            });
        }
        let may_be_in = |child: &ast::EntityType, above: &ast::EntityType| {
            schema.as_ref().get_entity_type(above).is_some_and(|found| found.has_descendant_entity_type(child))
        };
        let all: Vec<_> = types.types.iter().map(|found| found.entity_type.clone()).collect();
        for found in &mut types.types {
            let numbered = (0_u16..).map(TypeNumber).zip(&all);
            let above = numbered.filter(|(_, above)| may_be_in(&found.entity_type, above));
            found.above = above.map(|(number, _)| number).collect();
        }
        types
    }

    /// The types that an entity of this type may have among its ancestors.
    pub fn above(&self, number: TypeNumber) -> &[TypeNumber] {
        self.get(number).map(|found| found.above.as_slice()).unwrap_or_default()
    }

    /// Whether an entity of the first type may have one of the second among its ancestors.
    pub fn may_be_in(&self, child: TypeNumber, ancestor: TypeNumber) -> bool {
        self.get(child).is_some_and(|found| found.above.contains(&ancestor))
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

    /// Whether any type has only the ids that the schema lists.
    pub fn has_enumerated(&self) -> bool {
        self.types.iter().any(|found| found.is_enumerated)
    }

    pub fn is_enumerated_uid(&self, uid: &EntityUid) -> bool {
        let core: &ast::EntityUID = uid.as_ref();
        self.number(core.entity_type()).is_some_and(|number| self.is_enumerated(number))
    }

    /// Whether an entity of this type may have one of the same type above it.
    pub fn is_recursive(&self, number: TypeNumber) -> bool {
        self.may_be_in(number, number)
    }

    /// An entity of a type by its id.
    pub fn uid(&self, number: TypeNumber, id: &str) -> Option<EntityUid> {
        let entity_type = self.get(number)?.entity_type.clone();
        Some(ast::EntityUID::from_components(entity_type, ast::Eid::new(id), None).into())
    }

    /// An entity, if the schema has its type.
    pub fn uid_of(&self, entity: &EntityRef) -> Option<EntityUid> {
        self.uid(self.named(&entity.entity_type)?, &entity.id)
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

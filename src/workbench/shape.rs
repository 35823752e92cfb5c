//! What the schema lets there be: the requests that can be asked, and what entities of each type hold.
//!
//! In: a checked schema. Out: a `Shape`, which everything that makes scenes goes by.

use std::collections::BTreeMap;
use std::fmt;

use cedar_policy::EntityTypeName;
use cedar_policy_core::validator::ValidatorEntityTypeKind;

use crate::schema::{DataTypes, EntityData, LoadedSchema, TypeNumber, read_entity_data};

/// The schema as makers of scenes see it.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Every kind of request, sorted.
    pub environments: Vec<Environment>,
    types: BTreeMap<String, TypeShape>,
}

/// One kind of request: an action, and the types of who asks and of what is asked about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Environment {
    pub action: String,
    pub principal: String,
    pub resource: String,
}

/// What entities of one type are like.
#[derive(Clone, Debug, Default)]
pub struct TypeShape {
    pub data: EntityData,
    /// The types that they may be in.
    pub above: Vec<String>,
    /// The only ids that there are.
    pub ids: Option<Vec<String>>,
}

impl fmt::Display for Environment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} by {} on {}", self.action, self.principal, self.resource)
    }
}

impl Shape {
    pub fn of(schema: &LoadedSchema) -> Self {
        let types = schema.schema.entity_types().map(|name| (name.to_string(), TypeShape::of(schema, name))).collect();
        let mut environments: Vec<_> = schema
            .schema
            .request_envs()
            .map(|found| Environment {
                action: found.action().to_string(),
                principal: found.principal().to_string(),
                resource: found.resource().to_string(),
            })
            .collect();
        environments.sort();
        Self { environments, types }
    }

    pub fn entity_type(&self, name: &str) -> Option<&TypeShape> {
        self.types.get(name)
    }

    pub fn types(&self) -> impl Iterator<Item = (&String, &TypeShape)> {
        self.types.iter()
    }
}

impl TypeShape {
    fn of(schema: &LoadedSchema, name: &EntityTypeName) -> Self {
        let text = name.to_string();
        let number = schema.types.named(&text);
        let above = number.map(|number| schema.types.above(number)).unwrap_or_default();
        let above = above.iter().map(|above: &TypeNumber| schema.types.name(*above).to_owned()).collect();
        let declared = schema.schema.as_ref().get_entity_type(name.as_ref());
        let ids = declared.and_then(|declared| match &declared.kind {
            ValidatorEntityTypeKind::Enum(ids) => {
                Some(ids.iter().map(|id| AsRef::<str>::as_ref(id).to_owned()).collect())
            }
            ValidatorEntityTypeKind::Standard(_) | ValidatorEntityTypeKind::External => None,
        });
        Self { data: read_entity_data(&schema.schema, &text), above, ids }
    }
}

/// What the context of an action's requests holds.
pub fn context_types(schema: &LoadedSchema, action: &str) -> DataTypes {
    let action = crate::vocabulary::read_uid(action).and_then(|uid| schema.actions.get(&uid));
    action.map(|action| action.context.clone()).unwrap_or_default()
}

//! An entity that a request brings: who asks, or what the request says of its resource.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use cedar_policy::{Entity, EntityUid};
use cedar_policy_core::ast;

use super::Lineage;

/// Stands in for the snapshot's of the same uid. It goes into many slices, which share it.
#[derive(Clone, Debug)]
pub struct Supplied {
    entity: Entity,
    /// With all its ancestors, once it was in a slice.
    complete: OnceLock<Arc<ast::Entity>>,
}

impl Supplied {
    /// Its entity with these ancestors.
    pub(in crate::snapshot) fn within(&self, lineage: &Lineage) -> Arc<ast::Entity> {
        let complete = self.complete.get_or_init(|| Arc::new(self.completed(lineage)));
        // Another snapshot may have more or fewer above it.
        let has_all = lineage.ancestors().all(|ancestor| complete.is_descendant_of(ancestor.uid.as_ref()));
        let is_same = has_all && lineage.ancestors().count() == complete.ancestors().count();
        if is_same { Arc::clone(complete) } else { Arc::new(self.completed(lineage)) }
    }

    pub(in crate::snapshot) fn core(&self) -> &ast::Entity {
        self.entity.as_ref()
    }

    /// Whether this is its uid.
    pub(in crate::snapshot) fn is(&self, uid: &EntityUid) -> bool {
        self.core().uid() == uid.as_ref()
    }

    fn completed(&self, lineage: &Lineage) -> ast::Entity {
        lineage.complete(self.core().clone())
    }
}

impl From<Entity> for Supplied {
    fn from(entity: Entity) -> Self {
        Self { entity, complete: OnceLock::new() }
    }
}

impl From<Supplied> for Entity {
    fn from(supplied: Supplied) -> Self {
        supplied.entity
    }
}

impl Deref for Supplied {
    type Target = Entity;

    fn deref(&self) -> &Entity {
        &self.entity
    }
}

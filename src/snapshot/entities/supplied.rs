//! An entity that a request brings: who asks, or what the request says of its resource.

use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use cedar_policy_core::ast;

use super::{EntityStore, Lineage, Located};

/// Stands in for the snapshot's of the same uid. All slices that it goes into share it.
#[derive(Clone, Debug)]
pub struct Supplied(Arc<ast::Entity>);

impl Supplied {
    /// With all that is above its parents, so that no slice need add that.
    pub fn placed(entity: ast::Entity, store: &EntityStore) -> Self {
        let own = Located::of(&entity.uid().clone().into(), &store.schema.types);
        let lineage = own.and_then(|own| Lineage::of(own, store.located_parents(&entity), store, &[]));
        Self(Arc::new(match lineage {
            Some(lineage) => lineage.complete(entity),
            None => entity,
        }))
    }

    /// Its entity with these ancestors.
    pub(in crate::snapshot) fn within(&self, lineage: &Lineage) -> Arc<ast::Entity> {
        // Another snapshot may have more or fewer above its parents.
        let has_all = lineage.ancestors().all(|ancestor| self.0.is_descendant_of(ancestor.uid.as_ref()));
        if has_all && lineage.ancestors().count() == self.0.ancestors().count() {
            return Arc::clone(&self.0);
        }
        Arc::new(lineage.complete(self.with_parents()))
    }

    pub fn core(&self) -> &ast::Entity {
        &self.0
    }

    pub fn uid(&self) -> EntityUid {
        self.0.uid().clone().into()
    }

    /// Whether this is its uid.
    pub(in crate::snapshot) fn is(&self, uid: &EntityUid) -> bool {
        self.0.uid() == uid.as_ref()
    }

    /// The entity with its direct parents, as one describes it.
    pub fn entity(&self) -> Entity {
        self.with_parents().into()
    }

    fn with_parents(&self) -> ast::Entity {
        let mut entity = self.0.as_ref().clone();
        entity.remove_all_indirect_ancestors();
        entity
    }
}

impl From<Entity> for Supplied {
    fn from(entity: Entity) -> Self {
        let core: &ast::Entity = entity.as_ref();
        Self(Arc::new(core.clone()))
    }
}

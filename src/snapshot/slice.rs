//! The entities that one request can reach, out of all that the snapshot has.
//!
//! Starting from the request and from what policies name, along parents and along entities in attributes and tags.
//! INVARIANT: whatever Cedar can look up while it evaluates this request over all entities, it finds here with the
//! same data, so the answer is the same (a property in `decide/tests.rs`).

use std::collections::HashSet;

use cedar_policy::entities_errors::EntitiesError;
use cedar_policy::{Entities, Entity, EntityUid};

use super::{Snapshot, reach};

/// Gathers a slice. `supplied` entities stand in for the snapshot's of the same uid.
///
/// # Errors
/// When the supplied entities make no hierarchy with the others.
pub fn slice(
    snapshot: &Snapshot,
    supplied: Vec<Entity>,
    roots: impl IntoIterator<Item = EntityUid>,
) -> Result<Entities, Box<EntitiesError>> {
    let mut seen: HashSet<EntityUid> = HashSet::new();
    let mut open: Vec<EntityUid> = roots.into_iter().collect();
    open.extend(snapshot.policies.literals.iter().cloned());
    let mut taken: Vec<Entity> = Vec::with_capacity(supplied.len() + open.len());
    for entity in supplied {
        if seen.insert(entity.uid()) {
            open.extend(reach(&entity));
            taken.push(entity);
        }
    }
    while let Some(uid) = open.pop() {
        if seen.contains(&uid) {
            continue;
        }
        if let Some(entity) = snapshot.entities.get(&uid) {
            taken.push(entity.clone());
            open.extend(snapshot.entities.reach_of(&uid).iter().cloned());
        }
        seen.insert(uid);
    }
    Entities::from_entities(taken, None).map_err(Box::new)
}

//! A hash of entities whose values never change: by it a bundle's files are split, on every machine alike.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::entity_ref::EntityRef;

/// The hash of an entity type, to be computed once.
pub fn type_hash(entity_type: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(entity_type.as_bytes());
    hasher.finish()
}

/// The hash of an entity, of a type with this hash.
pub fn id_hash(type_hash: u64, id: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(type_hash, 0);
    hasher.write(id.as_bytes());
    hasher.finish()
}

pub fn entity_hash(entity: &EntityRef) -> u64 {
    id_hash(type_hash(&entity.entity_type), &entity.id)
}

/// The hash of a grant: of its principal's and its resource's.
pub fn pair_hash(principal: u64, resource: u64) -> u64 {
    // Multiplying by an odd number and folding the upper half down spreads every bit into the upper digits.
    let mixed = (principal.rotate_left(32) ^ resource).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// INVARIANT: these values are part of the files' format. Another value would look for an entity in a file that
    /// it is not in.
    #[test]
    fn the_hash_never_changes() {
        let user = entity_hash(&EntityRef::new("User", "jane@acme.com"));
        let model = entity_hash(&EntityRef::new("Model", "gpt-4o"));
        assert_eq!((user, model), (9_485_007_335_580_989_926, 13_732_185_446_493_938_793));
        assert_eq!(pair_hash(user, model), 7_343_479_605_384_822_031);
    }
}

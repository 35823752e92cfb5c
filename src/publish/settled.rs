//! Tenants whose bundles are what their directory says: looked at again when their head changes, and a few each time, by
//! turns, since someone may have touched their files. Thousands of idle tenants cost no more than a few.

use std::collections::{BTreeMap, BTreeSet};

use crate::directory::TenantHead;
use crate::model::{Chain, TenantId};

/// What was published, by the chain of its head.
#[derive(Debug, Default)]
pub(super) struct Settled {
    chains: BTreeMap<TenantId, Chain>,
    /// Besides the directory: with others, nothing is settled.
    inputs: String,
    /// Whose turn it is: places in the list of tenants.
    turn: std::ops::Range<usize>,
}

impl Settled {
    /// Begins a look at so many tenants.
    pub fn begin(&mut self, inputs: &str, tenants: usize) {
        if self.inputs != inputs {
            self.chains.clear();
            inputs.clone_into(&mut self.inputs);
        }
        let first = if self.turn.end >= tenants { 0 } else { self.turn.end };
        self.turn = first..first.saturating_add(LOOKS);
    }

    /// Whether nothing is to be done for the tenant at a place.
    pub fn is_so(&self, place: usize, head: &TenantHead) -> bool {
        !self.turn.contains(&place) && self.has(head)
    }

    /// Whether a head was published.
    pub fn has(&self, head: &TenantHead) -> bool {
        self.chains.get(&head.tenant) == Some(&head.chain)
    }

    /// Whether these are all tenants that there are, as they were published.
    pub fn is_list(&self, heads: &[TenantHead]) -> bool {
        self.chains.len() == heads.len() && heads.iter().all(|head| self.has(head))
    }

    pub fn note(&mut self, head: &TenantHead, is_published: bool) {
        if is_published {
            self.chains.insert(head.tenant.clone(), head.chain);
        } else {
            self.chains.remove(&head.tenant);
        }
    }

    pub fn retain(&mut self, live: &BTreeSet<TenantId>) {
        self.chains.retain(|tenant, _| live.contains(tenant));
    }
}

/// Four times a second: 2,000 tenants have their turn within a quarter of a minute.
const LOOKS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Revision;

    #[test]
    fn every_tenant_has_its_turn_and_a_changed_head_needs_none() {
        let head = |number: u8, chain: u8| {
            let tenant = TenantId::parse(&format!("t{number}")).unwrap();
            TenantHead { tenant, head: Revision(1), chain: Chain([chain; 32]) }
        };
        let heads: Vec<_> = (0..100).map(|number| head(number, 0)).collect();
        let mut settled = Settled::default();
        settled.begin("a", heads.len());
        assert!(heads.iter().enumerate().all(|(place, head)| !settled.is_so(place, head)));
        heads.iter().for_each(|head| settled.note(head, true));
        assert!(settled.is_list(&heads));
        let mut looked = BTreeSet::new();
        for _ in 0..100_usize.div_ceil(LOOKS) {
            settled.begin("a", heads.len());
            let due: Vec<_> = (0..100).filter(|place| !settled.is_so(*place, &heads[*place])).collect();
            assert!(due.len() <= LOOKS);
            looked.extend(due);
        }
        assert_eq!(looked.len(), 100);
        assert!(!settled.has(&head(50, 1)));
        settled.note(&heads[50], false);
        assert!(!settled.has(&heads[50]) && !settled.is_list(&heads));
        settled.begin("b", heads.len());
        assert!(!settled.has(&heads[0]));
    }
}

//! Tenants whose bundles are what their directory says: looked at again when their head changes, and a few each time, by
//! turns, since someone may have touched their files. Thousands of idle tenants cost no more than a few.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    /// The list of tenants that were all settled. The same list again is not gone through.
    list: Option<Arc<[TenantHead]>>,
}

impl Settled {
    /// Begins a look at so many tenants.
    pub fn begin(&mut self, inputs: &str, tenants: usize) {
        if self.inputs != inputs {
            self.chains.clear();
            self.list = None;
            inputs.clone_into(&mut self.inputs);
        }
        let first = if self.turn.end >= tenants { 0 } else { self.turn.end };
        self.turn = first..first.saturating_add(LOOKS);
    }

    /// The tenants to look at: those that are not settled, those whose turn it is, and those that a reader suspects.
    pub fn due<'h>(&self, heads: &'h Arc<[TenantHead]>, suspects: &BTreeSet<TenantId>) -> Vec<&'h TenantHead> {
        if suspects.is_empty() && self.is_same_list(heads) {
            let turn = self.turn.start.min(heads.len())..self.turn.end.min(heads.len());
            return heads.get(turn).unwrap_or_default().iter().collect();
        }
        let is_due = |(place, head): &(usize, &TenantHead)| {
            self.turn.contains(place) || !self.has(head) || suspects.contains(&head.tenant)
        };
        heads.iter().enumerate().filter(is_due).map(|(_, head)| head).collect()
    }

    /// Whether a head was published.
    pub fn has(&self, head: &TenantHead) -> bool {
        self.chains.get(&head.tenant) == Some(&head.chain)
    }

    /// Whether these are all tenants that there are, as they were published.
    pub fn is_list(&mut self, heads: &Arc<[TenantHead]>) -> bool {
        let is_list = self.chains.len() == heads.len() && heads.iter().all(|head| self.has(head));
        self.list = is_list.then(|| Arc::clone(heads));
        is_list
    }

    /// Whether this is the very list of which all tenants were settled, and still are.
    pub fn is_same_list(&self, heads: &Arc<[TenantHead]>) -> bool {
        self.list.as_ref().is_some_and(|list| Arc::ptr_eq(list, heads))
    }

    pub fn note(&mut self, head: &TenantHead, is_published: bool) {
        if is_published {
            self.chains.insert(head.tenant.clone(), head.chain);
        } else {
            self.chains.remove(&head.tenant);
            self.list = None;
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
        let heads: Arc<[_]> = (0..100).map(|number| head(number, 0)).collect();
        let nobody = BTreeSet::new();
        let mut settled = Settled::default();
        settled.begin("a", heads.len());
        assert_eq!(settled.due(&heads, &nobody).len(), 100);
        heads.iter().for_each(|head| settled.note(head, true));
        assert!(settled.is_list(&heads) && settled.is_same_list(&heads));
        // The same list again, and another that says the same.
        for heads in [Arc::clone(&heads), heads.iter().cloned().collect()] {
            let mut looked = BTreeSet::new();
            for _ in 0..100_usize.div_ceil(LOOKS) {
                settled.begin("a", heads.len());
                let due = settled.due(&heads, &nobody);
                assert!(due.len() <= LOOKS);
                looked.extend(due.into_iter().map(|head| head.tenant.clone()));
            }
            assert_eq!(looked.len(), 100);
        }
        let suspect = heads[(settled.turn.end + 1) % 100].tenant.clone();
        assert!(settled.due(&heads, &BTreeSet::from([suspect.clone()])).iter().any(|head| head.tenant == suspect));
        assert!(!settled.has(&head(50, 1)));
        settled.note(&heads[50], false);
        assert!(!settled.has(&heads[50]) && !settled.is_same_list(&heads) && !settled.is_list(&heads));
        settled.note(&heads[50], true);
        assert!(settled.is_list(&heads));
        settled.begin("b", heads.len());
        assert!(!settled.has(&heads[0]) && !settled.is_same_list(&heads));
    }
}

//! The directory in memory: what a directory is, in the fewest words. The model that others are held against, and
//! what files say, for those who read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use super::chain::{self, Step};
use super::fact::{Fact, FactKey, Kind};
use super::store::{
    Answer, Author, Change, Changes, Directory, Entry, History, Listing, Lives, Part, Recorded, StoreError, TenantHead,
    Trace,
};
use crate::digest::sha256;
use crate::model::{Chain, Revision, TenantId};

/// Tenants in memory.
#[derive(Debug, Default)]
pub struct MemoryDirectory {
    tenants: Mutex<BTreeMap<TenantId, Tenant>>,
    is_read_only: bool,
}

#[derive(Clone, Debug, Default)]
struct Tenant {
    is_ended: bool,
    /// The first revision of the present life.
    born: Revision,
    /// Of every revision.
    chains: BTreeMap<Revision, Chain>,
    /// Every revision that there was, whole.
    revisions: BTreeMap<Revision, Arc<Facts>>,
    history: Vec<Entry>,
    of_manifests: BTreeSet<FactKey>,
}

type Facts = BTreeMap<FactKey, Recorded>;

impl Tenant {
    fn head(&self) -> Revision {
        self.revisions.keys().next_back().copied().unwrap_or_default()
    }

    fn at(&self, revision: Revision) -> Arc<Facts> {
        let found = self.revisions.range(..=revision).next_back();
        found.map(|(_, facts)| Arc::clone(facts)).unwrap_or_default()
    }

    /// The chain at the head.
    fn chain(&self) -> Option<Chain> {
        self.chains.get(&self.head()).copied()
    }

    /// Notes the chain at a revision that is about to be the next.
    fn link(&mut self, tenant: &TenantId, next: Revision, step: Step, author: &Author) -> Result<(), StoreError> {
        let before = self.chain();
        let chain = chain::link(before.as_ref().map(|chain| chain.0.as_slice()), tenant, next, step, author)?;
        self.chains.insert(next, chain);
        Ok(())
    }

    /// Makes a revision with its link of the chain, unless nothing changes.
    fn change(&mut self, tenant: &TenantId, changes: &Changes, author: &Author) -> Result<Revision, StoreError> {
        let expected = self.head();
        let next = self.advance(changes, author);
        if next != expected {
            let before = self.chains.get(&expected).copied();
            let before = before.as_ref().map(|chain| chain.0.as_slice());
            self.chains.insert(next, chain::link(before, tenant, next, Step::of(changes)?, author)?);
        }
        Ok(next)
    }

    /// Makes a revision, unless nothing changes.
    fn advance(&mut self, changes: &Changes, author: &Author) -> Revision {
        let (before, next) = (self.at(self.head()), self.head().next());
        let mut after = Facts::clone(&before);
        for (key, fact) in changes {
            let earlier = before.get(key).map(|recorded| &recorded.fact);
            if earlier == fact.as_ref() {
                continue;
            }
            let change = Change { key: key.clone(), before: earlier.cloned(), after: fact.clone() };
            self.history.push(Entry { revision: next, author: author.clone(), change });
            match fact {
                Some(fact) => after.insert(key.clone(), Recorded { fact: fact.clone(), since: next }),
                None => after.remove(key),
            };
        }
        if *before == after {
            return self.head();
        }
        self.revisions.insert(next, Arc::new(after));
        next
    }
}

impl MemoryDirectory {
    /// One tenant as files have it, at the revision of its bundle.
    pub fn of_files(tenant: TenantId, facts: impl IntoIterator<Item = Fact>, revision: Revision) -> Self {
        let record = |fact: Fact| (fact.key(), Recorded { fact, since: revision });
        let facts = Arc::new(facts.into_iter().map(record).collect());
        // Files have one revision and no history: which one it is goes by the tenant alone.
        let chains = BTreeMap::from([(revision, Chain(sha256(tenant.as_str().as_bytes())))]);
        let only = Tenant { revisions: BTreeMap::from([(revision, facts)]), chains, ..Tenant::default() };
        Self { tenants: Mutex::new(BTreeMap::from([(tenant, only)])), is_read_only: true }
    }

    fn tenant(&self, tenant: &TenantId) -> Result<Tenant, StoreError> {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let found = tenants.get(tenant).filter(|found| !found.is_ended).cloned();
        found.ok_or_else(|| StoreError::NoSuchTenant(tenant.clone()))
    }

    fn write<T>(
        &self,
        write: impl FnOnce(&mut BTreeMap<TenantId, Tenant>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.is_read_only {
            return Err(StoreError::ReadOnly);
        }
        write(&mut self.tenants.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A tenant to be written over exactly this revision.
fn at_revision<'a>(
    tenants: &'a mut BTreeMap<TenantId, Tenant>,
    tenant: &TenantId,
    expected: Revision,
) -> Result<&'a mut Tenant, StoreError> {
    let found = tenants.get_mut(tenant).filter(|found| !found.is_ended);
    let found = found.ok_or_else(|| StoreError::NoSuchTenant(tenant.clone()))?;
    if found.head() != expected {
        return Err(StoreError::Moved { expected, found: found.head() });
    }
    Ok(found)
}

/// An answer that is there at once.
fn now<'a, T: Send + 'a>(answer: Result<T, StoreError>) -> Answer<'a, T> {
    Box::pin(std::future::ready(answer))
}

impl Directory for MemoryDirectory {
    fn tenants(&self) -> Answer<'_, Arc<[TenantHead]>> {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let live = tenants.iter().filter(|(_, found)| !found.is_ended);
        let head = |(tenant, found): (&TenantId, &Tenant)| {
            let chain = found.chain().ok_or_else(|| StoreError::Damaged(format!("the chain of `{tenant}`")))?;
            Ok(TenantHead { tenant: tenant.clone(), head: found.head(), chain })
        };
        now(live.map(head).collect())
    }

    fn create_tenant<'a>(&'a self, tenant: &'a TenantId, above: Revision, author: &'a Author) -> Answer<'a, Revision> {
        now(self.write(|tenants| {
            let found = tenants.entry(tenant.clone()).or_insert_with(|| Tenant { is_ended: true, ..Tenant::default() });
            if !found.is_ended {
                return Err(StoreError::TenantExists(tenant.clone()));
            }
            let first = found.head().max(above).next();
            found.link(tenant, first, Step::Made, author)?;
            (found.is_ended, found.born) = (false, first);
            found.revisions.insert(first, Arc::default());
            Ok(first)
        }))
    }

    fn delete_tenant<'a>(&'a self, tenant: &'a TenantId, author: &'a Author) -> Answer<'a, Revision> {
        now(self.write(|tenants| {
            let found = tenants.get_mut(tenant).filter(|found| !found.is_ended);
            let found = found.ok_or_else(|| StoreError::NoSuchTenant(tenant.clone()))?;
            let (last, nothing) = (found.head().next(), Arc::default());
            let all = found.at(found.head()).keys().map(|key| (key.clone(), None)).collect();
            found.link(tenant, last, Step::Ended, author)?;
            found.advance(&all, author);
            found.revisions.insert(last, nothing);
            found.of_manifests.clear();
            found.is_ended = true;
            Ok(last)
        }))
    }

    fn apply<'a>(
        &'a self,
        tenant: &'a TenantId,
        changes: &'a Changes,
        expected: Revision,
        author: &'a Author,
    ) -> Answer<'a, Revision> {
        now(self.write(|tenants| at_revision(tenants, tenant, expected)?.change(tenant, changes, author)))
    }

    fn apply_of_manifests<'a>(
        &'a self,
        tenant: &'a TenantId,
        changes: &'a Changes,
        said: &'a BTreeSet<FactKey>,
        expected: Revision,
        author: &'a Author,
    ) -> Answer<'a, Revision> {
        now(self.write(|tenants| {
            let found = at_revision(tenants, tenant, expected)?;
            found.of_manifests.clone_from(said);
            found.change(tenant, changes, author)
        }))
    }

    fn of_manifests<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, BTreeSet<FactKey>> {
        now(self.tenant(tenant).map(|found| found.of_manifests))
    }

    fn head<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Revision> {
        now(self.tenant(tenant).map(|found| found.head()))
    }

    fn trace<'a>(&'a self, tenant: &'a TenantId, at: Revision) -> Answer<'a, Trace> {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        now(Ok(match tenants.get(tenant) {
            None => Trace::Unknown,
            Some(found) if found.is_ended => Trace::Ended,
            Some(found) => Trace::Live(found.chains.get(&at).copied().filter(|_| at >= found.born)),
        }))
    }

    fn read<'a>(
        &'a self,
        tenant: &'a TenantId,
        keys: &'a [FactKey],
        at: Revision,
    ) -> Answer<'a, BTreeMap<FactKey, Recorded>> {
        now(self.tenant(tenant).map(|found| {
            let facts = found.at(at);
            keys.iter().filter_map(|key| Some((key.clone(), facts.get(key)?.clone()))).collect()
        }))
    }

    fn list<'a>(&'a self, tenant: &'a TenantId, listing: &'a Listing, at: Revision) -> Answer<'a, Vec<Recorded>> {
        now(self.tenant(tenant).map(|found| {
            let is_wanted = |(key, recorded): &(&FactKey, &Recorded)| {
                let mentions = recorded.fact.mentions();
                key.kind == listing.kind
                    && listing.after.as_ref().is_none_or(|after| key.id > *after)
                    && listing.mentioning.iter().all(|wanted| mentions.contains(wanted))
            };
            let facts = found.at(at);
            facts.iter().filter(is_wanted).map(|(_, recorded)| recorded.clone()).take(listing.limit).collect()
        }))
    }

    fn mentioning<'a>(
        &'a self,
        tenant: &'a TenantId,
        keys: &'a [FactKey],
        kind: Option<Kind>,
        limit: usize,
        at: Revision,
    ) -> Answer<'a, Vec<Recorded>> {
        now(self.tenant(tenant).map(|found| {
            let of_kind = |recorded: &&Recorded| kind.is_none_or(|kind| recorded.fact.kind() == kind);
            let mentions = |recorded: &&Recorded| recorded.fact.mentions().iter().any(|key| keys.contains(key));
            found.at(at).values().filter(of_kind).filter(mentions).take(limit).cloned().collect()
        }))
    }

    fn hashed<'a>(
        &'a self,
        tenant: &'a TenantId,
        part: Part,
        hashes: RangeInclusive<u64>,
        at: Revision,
    ) -> Answer<'a, Vec<Fact>> {
        now(self.tenant(tenant).map(|found| {
            let is_within = |fact: &&Fact| fact.shard_hash().is_some_and(|hash| hashes.contains(&hash));
            let facts = found.at(at);
            let of_part = facts.iter().filter(|(key, _)| part.holds(key.kind)).map(|(_, recorded)| &recorded.fact);
            of_part.filter(is_within).cloned().collect()
        }))
    }

    fn count<'a>(&'a self, tenant: &'a TenantId, part: Part, at: Revision) -> Answer<'a, usize> {
        now(self.tenant(tenant).map(|found| found.at(at).keys().filter(|key| part.holds(key.kind)).count()))
    }

    fn changed_since<'a>(&'a self, tenant: &'a TenantId, since: Revision, at: Revision) -> Answer<'a, Vec<Change>> {
        now(self.tenant(tenant).map(|found| {
            let (earlier, later) = (found.at(since), found.at(at));
            let keys: BTreeSet<_> = earlier.keys().chain(later.keys()).collect();
            let fact = |facts: &Facts, key: &FactKey| facts.get(key).map(|recorded| recorded.fact.clone());
            let change =
                |key: &FactKey| Change { key: key.clone(), before: fact(&earlier, key), after: fact(&later, key) };
            keys.into_iter().map(change).filter(|change| change.before != change.after).collect()
        }))
    }

    fn history<'a>(&'a self, tenant: &'a TenantId, history: &'a History) -> Answer<'a, Vec<Entry>> {
        now(self.tenant(tenant).map(|found| {
            let place = |entry: &Entry| (std::cmp::Reverse(entry.revision), entry.change.key.clone().in_text());
            let start =
                history.before.as_ref().map(|(revision, key)| (std::cmp::Reverse(*revision), key.clone().in_text()));
            let is_wanted = |entry: &&Entry| {
                start.as_ref().is_none_or(|start| place(entry) > *start)
                    && (history.lives == Lives::All || entry.revision >= found.born)
                    && history.kind.is_none_or(|kind| entry.change.key.kind == kind)
                    && history.actor.as_ref().is_none_or(|actor| entry.author.actor == *actor)
                    && history.about.iter().all(|about| entry.change.concerns(about))
            };
            let mut entries: Vec<_> = found.history.iter().filter(is_wanted).cloned().collect();
            entries.sort_by_key(place);
            entries.truncate(history.limit);
            entries
        }))
    }
}

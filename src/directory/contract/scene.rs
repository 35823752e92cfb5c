//! A tenant that a check plays with: writes over its head, reads that must succeed, facts without their revisions.

use super::sample::{author, putting, taking, tenant};
use crate::directory::{
    Author, Change, Changes, Directory, Entry, Fact, FactKey, History, Kind, Listing, Lives, Recorded,
};
use crate::model::{Revision, TenantId};

/// More than any check makes.
pub const ALL: usize = 10_000;

pub struct Scene<'a> {
    pub directory: &'a dyn Directory,
    pub tenant: TenantId,
}

impl<'a> Scene<'a> {
    /// A new tenant.
    pub async fn new(directory: &'a dyn Directory, name: &str) -> Self {
        let tenant = tenant(name);
        directory.create_tenant(&tenant, Revision(0), &author("key:root")).await.unwrap();
        Self { directory, tenant }
    }

    pub async fn head(&self) -> Revision {
        self.directory.head(&self.tenant).await.unwrap()
    }

    /// Writes over what is there now.
    pub async fn write(&self, changes: &Changes, author: &Author) -> Revision {
        self.directory.apply(&self.tenant, changes, self.head().await, author).await.unwrap()
    }

    pub async fn put(&self, facts: impl IntoIterator<Item = Fact>) -> Revision {
        self.write(&putting(facts), &author("key:root")).await
    }

    pub async fn take(&self, keys: impl IntoIterator<Item = FactKey>) -> Revision {
        self.write(&taking(keys), &author("key:root")).await
    }

    pub async fn read(&self, key: &FactKey, at: Revision) -> Option<Recorded> {
        let mut found = self.directory.read(&self.tenant, std::slice::from_ref(key), at).await.unwrap();
        let one = found.remove(key);
        assert!(found.is_empty(), "{found:?} was not asked for");
        one
    }

    pub async fn list(&self, listing: &Listing, at: Revision) -> Vec<Fact> {
        facts(self.directory.list(&self.tenant, listing, at).await.unwrap())
    }

    /// Every fact, by kind and id.
    pub async fn all(&self, at: Revision) -> Vec<Recorded> {
        let mut found = Vec::new();
        for kind in Kind::ALL {
            found.extend(self.directory.list(&self.tenant, &Listing::of(kind, ALL), at).await.unwrap());
        }
        found
    }

    /// Sorted by key: the trait promises no order.
    pub async fn mentioning(&self, keys: &[FactKey], at: Revision) -> Vec<Fact> {
        by_key(facts(self.directory.mentioning(&self.tenant, keys, None, ALL, at).await.unwrap()))
    }

    pub async fn changed(&self, since: Revision, at: Revision) -> Vec<Change> {
        let mut changes = self.directory.changed_since(&self.tenant, since, at).await.unwrap();
        changes.sort_by(|left, right| left.key.cmp(&right.key));
        changes
    }

    pub async fn history(&self, history: &History) -> Vec<Entry> {
        self.directory.history(&self.tenant, history).await.unwrap()
    }
}

pub fn facts(recorded: impl IntoIterator<Item = Recorded>) -> Vec<Fact> {
    recorded.into_iter().map(|recorded| recorded.fact).collect()
}

pub fn by_key(mut facts: Vec<Fact>) -> Vec<Fact> {
    facts.sort_by_key(Fact::key);
    facts
}

pub fn mentioning(kind: Kind, keys: impl IntoIterator<Item = FactKey>) -> Listing {
    Listing { mentioning: keys.into_iter().collect(), ..Listing::of(kind, ALL) }
}

/// All of the history.
pub fn whole() -> History {
    History { lives: Lives::All, kind: None, about: Vec::new(), actor: None, before: None, limit: ALL }
}

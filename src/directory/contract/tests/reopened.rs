//! A database that is opened for each call and closed after it: all that it knows, it knows from the file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use crate::directory::{
    Answer, Author, Change, Changes, Directory, Entry, Fact, FactKey, History, Kind, Listing, Part, Recorded,
    SqliteDirectory, TenantHead, Trace,
};
use crate::model::{Revision, TenantId};

pub struct Reopened {
    path: PathBuf,
}

impl Reopened {
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }
}

/// Asks a directory that knows nothing of the last question.
macro_rules! ask {
    ($reopened:ident, $method:ident($($argument:ident),*)) => {
        Box::pin(async move {
            let directory = SqliteDirectory::open(&$reopened.path).await?;
            let answer = directory.$method($($argument),*).await;
            directory.close().await;
            answer
        })
    };
}

impl Directory for Reopened {
    fn tenants(&self) -> Answer<'_, Arc<[TenantHead]>> {
        ask!(self, tenants())
    }

    fn create_tenant<'a>(&'a self, tenant: &'a TenantId, above: Revision, author: &'a Author) -> Answer<'a, Revision> {
        ask!(self, create_tenant(tenant, above, author))
    }

    fn delete_tenant<'a>(&'a self, tenant: &'a TenantId, author: &'a Author) -> Answer<'a, Revision> {
        ask!(self, delete_tenant(tenant, author))
    }

    fn apply<'a>(
        &'a self,
        tenant: &'a TenantId,
        changes: &'a Changes,
        expected: Revision,
        author: &'a Author,
    ) -> Answer<'a, Revision> {
        ask!(self, apply(tenant, changes, expected, author))
    }

    fn apply_of_manifests<'a>(
        &'a self,
        tenant: &'a TenantId,
        changes: &'a Changes,
        said: &'a BTreeSet<FactKey>,
        expected: Revision,
        author: &'a Author,
    ) -> Answer<'a, Revision> {
        ask!(self, apply_of_manifests(tenant, changes, said, expected, author))
    }

    fn of_manifests<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, BTreeSet<FactKey>> {
        ask!(self, of_manifests(tenant))
    }

    fn head<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Revision> {
        ask!(self, head(tenant))
    }

    fn trace<'a>(&'a self, tenant: &'a TenantId, at: Revision) -> Answer<'a, Trace> {
        ask!(self, trace(tenant, at))
    }

    fn read<'a>(
        &'a self,
        tenant: &'a TenantId,
        keys: &'a [FactKey],
        at: Revision,
    ) -> Answer<'a, BTreeMap<FactKey, Recorded>> {
        ask!(self, read(tenant, keys, at))
    }

    fn list<'a>(&'a self, tenant: &'a TenantId, listing: &'a Listing, at: Revision) -> Answer<'a, Vec<Recorded>> {
        ask!(self, list(tenant, listing, at))
    }

    fn mentioning<'a>(
        &'a self,
        tenant: &'a TenantId,
        keys: &'a [FactKey],
        kind: Option<Kind>,
        limit: usize,
        at: Revision,
    ) -> Answer<'a, Vec<Recorded>> {
        ask!(self, mentioning(tenant, keys, kind, limit, at))
    }

    fn hashed<'a>(
        &'a self,
        tenant: &'a TenantId,
        part: Part,
        hashes: RangeInclusive<u64>,
        at: Revision,
    ) -> Answer<'a, Vec<Fact>> {
        ask!(self, hashed(tenant, part, hashes, at))
    }

    fn count<'a>(&'a self, tenant: &'a TenantId, part: Part, at: Revision) -> Answer<'a, usize> {
        ask!(self, count(tenant, part, at))
    }

    fn changed_since<'a>(&'a self, tenant: &'a TenantId, since: Revision, at: Revision) -> Answer<'a, Vec<Change>> {
        ask!(self, changed_since(tenant, since, at))
    }

    fn history<'a>(&'a self, tenant: &'a TenantId, history: &'a History) -> Answer<'a, Vec<Entry>> {
        ask!(self, history(tenant, history))
    }
}

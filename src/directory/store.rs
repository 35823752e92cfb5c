//! The trait that every backend keeps: one way to write, reads at any revision, and what changed since.
//!
//! A backend holds facts and their history and judges nothing: what holds together is for `edit` to say, before it
//! writes. That a change was judged by the state that it is written over is what `expected` makes certain.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::fact::{Fact, FactKey, Kind};
use super::order::Turn;
use crate::model::{Chain, Revision, TenantId, TokenId};

/// What a backend answers with, in time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why a backend has no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("there is no tenant `{0}`")]
    NoSuchTenant(TenantId),
    #[error("tenant `{0}` is there already")]
    TenantExists(TenantId),
    /// Someone else wrote first.
    #[error("the directory is at revision {found}, not {expected}")]
    Moved { expected: Revision, found: Revision },
    #[error("this directory cannot be written to")]
    ReadOnly,
    #[error("what the database holds cannot be read: {0}")]
    Damaged(String),
    /// It is there already, or is not what the tables take.
    #[error("the database does not take it")]
    Constraint(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("more changes wait to be written than may: try again")]
    TooManyWaiting,
    #[error("the database's disk is full or does not work: nothing was changed")]
    Disk(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the database does not answer")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Whether it says something of the change that was asked for: the same over a database that works.
    pub(super) fn is_of_the_change(&self) -> bool {
        match self {
            Self::NoSuchTenant(_)
            | Self::TenantExists(_)
            | Self::Moved { .. }
            | Self::ReadOnly
            | Self::Damaged(_)
            | Self::Constraint(_) => true,
            Self::TooManyWaiting | Self::Disk(_) | Self::Database(_) => false,
        }
    }
}

/// Who makes a change, when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// `key:NAME`, or the principal as Cedar writes it.
    pub actor: String,
    pub at: DateTime<Utc>,
    pub reason: Option<String>,
    pub request_id: Option<String>,
}

/// What becomes of some facts at once; each key at most once.
pub type Changes = BTreeMap<FactKey, Option<Fact>>;

/// A fact, and the revision that made it what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub fact: Fact,
    pub since: Revision,
}

/// A tenant and its last revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantHead {
    pub tenant: TenantId,
    pub head: Revision,
    /// Which history that revision is of.
    pub chain: Chain,
}

/// What a directory knows of a tenant's revision that someone else speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// There never was such a tenant.
    Unknown,
    /// There was, and it is no more.
    Ended,
    /// There is; with the chain at that revision, where its present life has that revision.
    Live(Option<Chain>),
}

/// Which facts to list, in the order of their ids.
#[derive(Clone, Debug)]
pub struct Listing {
    pub kind: Kind,
    /// Only those that mention all of these.
    pub mentioning: Vec<FactKey>,
    /// Only ids after this one.
    pub after: Option<String>,
    pub limit: usize,
}

impl Listing {
    /// The first of a kind.
    pub fn of(kind: Kind, limit: usize) -> Self {
        Self { kind, mentioning: Vec::new(), after: None, limit }
    }
}

/// A part of a bundle that is split by hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Entities,
    Links,
}

impl Part {
    /// Whether facts of a kind are compiled into it.
    pub fn holds(self, kind: Kind) -> bool {
        match self {
            Self::Entities => !matches!(kind, Kind::Role | Kind::Collaborator | Kind::Token),
            Self::Links => kind == Kind::Collaborator,
        }
    }
}

/// One fact's change at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub key: FactKey,
    pub before: Option<Fact>,
    pub after: Option<Fact>,
}

impl Change {
    /// Whether it is of this fact, or of one that mentions it before or after.
    pub fn concerns(&self, about: &FactKey) -> bool {
        let facts = [&self.before, &self.after];
        self.key == *about || facts.into_iter().flatten().any(|fact| fact.mentions().contains(about))
    }
}

/// Of which tenants of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lives {
    /// The one that there is now.
    #[default]
    Present,
    /// Those that were ended before it as well.
    All,
}

/// Which part of the history is asked for, newest first.
#[derive(Clone, Debug)]
pub struct History {
    pub lives: Lives,
    /// Of facts of this kind.
    pub kind: Option<Kind>,
    /// Of this fact, or of those that mention it.
    pub about: Vec<FactKey>,
    pub actor: Option<String>,
    /// Up to this revision and place in it, not with it.
    pub before: Option<(Revision, FactKey)>,
    pub limit: usize,
}

/// One line of the history: who changed what, when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub revision: Revision,
    pub author: Author,
    pub change: Change,
}

/// An admin key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAdminKey {
    pub name: String,
    /// SHA-256 of the key.
    pub hash: Vec<u8>,
}

/// A private key that signs tokens of our own.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptSigningKey {
    pub key_id: String,
    /// PKCS #8.
    pub private: Vec<u8>,
    pub created_at: DateTime<Utc>,
}

/// What a server keeps for itself beside the directories.
pub trait Secrets: Send + Sync {
    fn admin_keys(&self) -> Answer<'_, Vec<KeptAdminKey>>;

    /// Keeps a key that must be the first of its name.
    fn add_admin_key<'a>(&'a self, key: &'a KeptAdminKey, at: DateTime<Utc>) -> Answer<'a, ()>;

    /// Ends a key; whether there was one of the name.
    fn remove_admin_key<'a>(&'a self, name: &'a str) -> Answer<'a, bool>;

    /// The keys of a tenant, oldest first.
    fn signing_keys<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<KeptSigningKey>>;

    fn add_signing_key<'a>(&'a self, tenant: &'a TenantId, key: &'a KeptSigningKey) -> Answer<'a, ()>;

    /// When tokens of a tenant were last used, in seconds since the epoch.
    fn uses<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, BTreeMap<TokenId, i64>>;

    /// Keeps the later of what was kept and this.
    fn keep_uses<'a>(&'a self, tenant: &'a TenantId, uses: &'a BTreeMap<TokenId, i64>) -> Answer<'a, ()>;
}

/// A source of truth for tenants.
pub trait Directory: Send + Sync {
    /// All tenants that there are, sorted. A backend may hand out the same list again for as long as nothing changed.
    fn tenants(&self) -> Answer<'_, Arc<[TenantHead]>>;

    /// A place among those of this process who change a tenant: the one who has it reads, judges and writes over what
    /// nobody else of them changes meanwhile. Other processes do not see it: `expected` is what makes certain.
    ///
    /// Errors: `TooManyWaiting`.
    fn turn<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Turn> {
        Box::pin(std::future::ready(Ok(Turn::default())))
    }

    /// Makes a tenant; its first revision follows the last of an earlier one of that name, and `above`.
    ///
    /// Errors: `TenantExists`.
    fn create_tenant<'a>(&'a self, tenant: &'a TenantId, above: Revision, author: &'a Author) -> Answer<'a, Revision>;

    /// Ends a tenant with all that it holds, and the keys that signed for it; its history stays.
    fn delete_tenant<'a>(&'a self, tenant: &'a TenantId, author: &'a Author) -> Answer<'a, Revision>;

    /// Makes all changes or none, over exactly the revision that they were judged by. What is acknowledged is never
    /// lost. Changes that change nothing are left out; with none left the revision stays.
    ///
    /// Errors: `Moved`, `NoSuchTenant`.
    fn apply<'a>(
        &'a self,
        tenant: &'a TenantId,
        changes: &'a Changes,
        expected: Revision,
        author: &'a Author,
    ) -> Answer<'a, Revision>;

    /// The same of a tenant's manifests, which say so much from then on: it is kept with the changes, also where nothing
    /// changes.
    ///
    /// Errors: as `apply`.
    fn apply_of_manifests<'a>(
        &'a self,
        tenant: &'a TenantId,
        changes: &'a Changes,
        said: &'a BTreeSet<FactKey>,
        expected: Revision,
        author: &'a Author,
    ) -> Answer<'a, Revision>;

    /// What the manifests of a tenant said when they were last applied.
    fn of_manifests<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, BTreeSet<FactKey>>;

    /// The last revision of a tenant.
    fn head<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Revision>;

    /// The last revision of a tenant that this process has heard of: without asking, and perhaps not the last any more.
    fn known_head(&self, _: &TenantId) -> Option<Revision> {
        None
    }

    /// What is known of a tenant's revision. Never an error for a tenant that is not there.
    fn trace<'a>(&'a self, tenant: &'a TenantId, at: Revision) -> Answer<'a, Trace>;

    /// Those of these facts that are there, at a revision.
    fn read<'a>(
        &'a self,
        tenant: &'a TenantId,
        keys: &'a [FactKey],
        at: Revision,
    ) -> Answer<'a, BTreeMap<FactKey, Recorded>>;

    /// A page of facts, at a revision.
    fn list<'a>(&'a self, tenant: &'a TenantId, listing: &'a Listing, at: Revision) -> Answer<'a, Vec<Recorded>>;

    /// The facts that mention any of these, at a revision: of one kind or of any, at most so many.
    fn mentioning<'a>(
        &'a self,
        tenant: &'a TenantId,
        keys: &'a [FactKey],
        kind: Option<Kind>,
        limit: usize,
        at: Revision,
    ) -> Answer<'a, Vec<Recorded>>;

    /// The facts of a part of the bundle whose hashes are among these, at a revision.
    fn hashed<'a>(
        &'a self,
        tenant: &'a TenantId,
        part: Part,
        hashes: RangeInclusive<u64>,
        at: Revision,
    ) -> Answer<'a, Vec<Fact>>;

    /// How many facts of a part of the bundle there are, at a revision.
    fn count<'a>(&'a self, tenant: &'a TenantId, part: Part, at: Revision) -> Answer<'a, usize>;

    /// What is different at a revision from an earlier one: each fact once, with both ends.
    fn changed_since<'a>(&'a self, tenant: &'a TenantId, since: Revision, at: Revision) -> Answer<'a, Vec<Change>>;

    /// The history, newest first; within a revision by key.
    fn history<'a>(&'a self, tenant: &'a TenantId, history: &'a History) -> Answer<'a, Vec<Entry>>;
}

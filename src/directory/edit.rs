//! Which changes hold together: operations in, the changes that they come to out, or every reason why not.
//!
//! Judged over one revision, by what the directory knows, the schema and the roles that every tenant has. Nothing is
//! written here; what was judged can be written over exactly that revision and no other.

mod cascade;
mod check;
mod refusal;
mod speakers;
mod tokens;

pub use refusal::{EditError, Refusal};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fact::{Fact, FactKey};
use super::store::{Change, Changes, Directory, Recorded, StoreError};
use crate::manifest::DefaultRoles;
use crate::model::{Revision, TenantId};
use crate::schema::LoadedSchema;

/// One thing that is wanted of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It must not be there.
    Create(Fact),
    /// It must be there.
    Replace(Fact),
    /// Whether it is there or not.
    Put(Fact),
    /// It must be there.
    Remove(FactKey),
}

impl Operation {
    pub fn key(&self) -> FactKey {
        match self {
            Self::Create(fact) | Self::Replace(fact) | Self::Put(fact) => fact.key(),
            Self::Remove(key) => key.clone(),
        }
    }
}

impl Operation {
    /// What it leaves, if anything.
    pub fn fact(&self) -> Option<&Fact> {
        match self {
            Self::Create(fact) | Self::Replace(fact) | Self::Put(fact) => Some(fact),
            Self::Remove(_) => None,
        }
    }
}

/// Operations that are made together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    pub operations: Vec<Operation>,
    /// What refers to something removed goes, or lets go of it, too.
    pub cascade: bool,
}

/// What an edit comes to, over one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The revision that it was judged by.
    pub at: Revision,
    /// Each fact that becomes another, sorted by key.
    pub changes: Vec<Change>,
    /// Those of them that nobody asked for: they went along.
    pub taken_along: BTreeSet<FactKey>,
}

impl Planned {
    /// The changes that nobody asked for.
    pub fn along(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| self.taken_along.contains(&change.key))
    }

    /// As a directory takes it.
    pub fn to_changes(&self) -> Changes {
        self.changes.iter().map(|change| (change.key.clone(), change.after.clone())).collect()
    }
}

/// What edits are judged by besides the directory.
#[derive(Clone, Debug)]
pub struct Rules {
    pub schema: Arc<LoadedSchema>,
    pub default_roles: Arc<DefaultRoles>,
}

/// Judges edits of one tenant.
pub struct Editor<'a> {
    pub directory: &'a dyn Directory,
    pub rules: &'a Rules,
    pub tenant: &'a TenantId,
}

impl Editor<'_> {
    /// What an edit asks for, whether it holds together or not: every fact that it names, as it is and as it would be.
    ///
    /// # Errors
    /// When the directory does not answer.
    pub async fn intended(&self, edit: &Edit) -> Result<(Revision, Vec<Change>), StoreError> {
        let at = self.directory.head(self.tenant).await?;
        let keys: Vec<_> = edit.operations.iter().map(Operation::key).collect();
        let mut known = self.directory.read(self.tenant, &keys, at).await?;
        let after: BTreeMap<_, _> = keys.into_iter().zip(edit.operations.iter().map(Operation::fact)).collect();
        let change = |(key, after): (FactKey, Option<&Fact>)| {
            let before = known.remove(&key).map(|recorded| recorded.fact);
            Change { key, before, after: after.cloned() }
        };
        Ok((at, after.into_iter().map(change).collect()))
    }

    /// Judges an edit by what the directory is now.
    ///
    /// # Errors
    /// Every reason against it, or that the directory does not answer.
    pub async fn plan(&self, edit: &Edit) -> Result<Planned, EditError> {
        let at = self.directory.head(self.tenant).await?;
        self.check_built_in(edit)?;
        let mut draft = Draft::of(edit);
        let known = self.directory.read(self.tenant, &draft.wanted(), at).await?;
        draft.known = known.into_iter().map(|(key, Recorded { fact, .. })| (key, fact)).collect();
        draft.run(edit)?;
        self.end_tokens(&mut draft, edit, at).await?;
        self.settle_removals(&mut draft, edit.cascade, at).await?;
        self.check(&draft, at).await?;
        let mut changes = draft.into_changes();
        changes.sort_by(|left, right| left.key.cmp(&right.key));
        let asked: BTreeSet<_> = edit.operations.iter().map(Operation::key).collect();
        let keys = changes.iter().map(|change| change.key.clone());
        let taken_along = keys.filter(|key| !asked.contains(key)).collect();
        Ok(Planned { at, changes, taken_along })
    }

    /// The roles that every tenant has are nobody's to change.
    fn check_built_in(&self, edit: &Edit) -> Result<(), EditError> {
        let built_in = self.rules.default_roles.keys().map(|(kind, name)| FactKey::role(kind, name));
        let built_in: BTreeSet<_> = built_in.collect();
        let keys = edit.operations.iter().map(Operation::key).filter(|key| built_in.contains(key));
        refusal::or(keys.map(Refusal::BuiltIn).collect())
    }
}

/// An edit under way: what is known of before, and what becomes of it.
#[derive(Debug, Default)]
struct Draft {
    keys: BTreeSet<FactKey>,
    known: BTreeMap<FactKey, Fact>,
    after: BTreeMap<FactKey, Option<Fact>>,
}

impl Draft {
    fn of(edit: &Edit) -> Self {
        let mut keys = BTreeSet::new();
        for operation in &edit.operations {
            keys.insert(operation.key());
            match operation {
                Operation::Create(fact) | Operation::Replace(fact) | Operation::Put(fact) => {
                    keys.extend(fact.mentions());
                }
                Operation::Remove(_) => {}
            }
        }
        Self { keys, ..Self::default() }
    }

    fn wanted(&self) -> Vec<FactKey> {
        self.keys.iter().cloned().collect()
    }

    /// What a fact is, or will be.
    fn now(&self, key: &FactKey) -> Option<&Fact> {
        match self.after.get(key) {
            Some(after) => after.as_ref(),
            None => self.known.get(key),
        }
    }

    /// The facts that will be another.
    fn puts(&self) -> impl Iterator<Item = &Fact> {
        self.after.values().flatten()
    }

    /// Runs the operations in order.
    fn run(&mut self, edit: &Edit) -> Result<(), EditError> {
        let mut refusals = Vec::new();
        for operation in &edit.operations {
            let key = operation.key();
            let is_there = self.now(&key).is_some();
            match operation {
                Operation::Create(_) if is_there => refusals.push(Refusal::Exists(key)),
                Operation::Replace(_) | Operation::Remove(_) if !is_there => refusals.push(Refusal::Missing(key)),
                Operation::Create(fact) | Operation::Replace(fact) | Operation::Put(fact) => {
                    self.after.insert(key, Some(fact.clone()));
                }
                Operation::Remove(_) => {
                    self.after.insert(key, None);
                }
            }
        }
        refusal::or(refusals)
    }

    fn into_changes(mut self) -> Vec<Change> {
        let change = |(key, after): (FactKey, Option<Fact>)| {
            let before = self.known.remove(&key);
            (before != after).then_some(Change { key, before, after })
        };
        self.after.into_iter().filter_map(change).collect()
    }
}

//! The parts of a snapshot, each from its files, or from the snapshot before where a file did not change.
//!
//! In: files and digests. Out: shards and faults, in the order of the files. What is read is read in parallel.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::EntityUid;
use rayon::prelude::*;

use super::build::Parts;
use super::entities::{EntityShard, WrittenEntities};
use super::policies::{LinkShard, LinkStore, PolicyFile};
use super::{Built, EntityStore, Origin, Snapshot};
use crate::bundle::{self, BundleError, Shard, Sharding, StoredBundle};
use crate::model::{Fault, Faults};
use crate::tree::SourceFile;

/// Takes from the snapshot before what is still so, and reads the rest.
pub(super) struct Loader<'a> {
    pub parts: Parts<'a>,
    /// Of the same schema: nothing of another can be shared.
    before: Option<&'a Snapshot>,
    pub faults: Faults,
    pub built: Built,
}

impl<'a> Loader<'a> {
    pub fn new(parts: Parts<'a>, before: Option<&'a Snapshot>) -> Self {
        let before = before.filter(|before| before.schema.digest == parts.schema.digest);
        Self { parts, before, faults: Faults::default(), built: Built::default() }
    }

    /// All policy files, in order.
    pub fn policy_files(&mut self) -> Vec<Arc<PolicyFile>> {
        let parts = self.parts;
        let compiled: Vec<SourceFile> = [bundle::ROLES_FILE, bundle::EXTERNAL_IDENTITIES_FILE]
            .into_iter()
            .filter_map(|name| self.bundle_file(name))
            .collect();
        let files: Vec<&SourceFile> = parts
            .platform
            .policies
            .iter()
            .chain(&parts.folder.policies)
            .chain(&compiled)
            .chain(&parts.folder.links)
            .collect();
        let known = self.before.map(|before| before.policies.written.files()).unwrap_or_default();
        let known = Known::of(known, |file| &file.origin);
        let read = files.into_par_iter().map(|file| {
            let origin = Origin::of_file(file);
            known.get(&origin).unwrap_or_else(|| Read::anew(PolicyFile::read_live(file, origin, parts.schema)))
        });
        let read = read.collect();
        self.note(read)
    }

    /// The shards of all grants.
    pub fn links(&mut self) -> LinkStore {
        let schema = self.parts.schema;
        let known = self.before.map(|before| before.policies.links.shards()).unwrap_or_default();
        let known = Known::of(known, LinkShard::origin);
        let read = |origin, text: &str| LinkShard::read(origin, text, schema);
        let (sharding, shards) = self.shards(bundle::COLLABORATORS_FILE, &known, read);
        LinkStore::new(sharding, shards)
    }

    /// All entities: compiled ones by their shards, hand-written ones by their files.
    pub fn entities(&mut self, tenant: &EntityUid) -> EntityStore {
        let parts = self.parts;
        let schema = parts.schema;
        let known = self.before.map(|before| before.entities.compiled().1).unwrap_or_default();
        let known = Known::of(known, EntityShard::origin);
        let read = |origin, text: &str| EntityShard::read(origin, text, tenant, schema);
        let (sharding, compiled) = self.shards(bundle::ENTITIES_FILE, &known, read);
        let written = self.before.map(|before| Arc::clone(before.entities.written()));
        let files = written.as_ref().map(|written| written.files.as_slice()).unwrap_or_default();
        let known = Known::of(files, EntityShard::origin);
        let files = parts.folder.entities.par_iter().map(|file| {
            let origin = Origin::of_file(file);
            known.get(&origin).unwrap_or_else(|| Read::anew(read(origin, &file.text)))
        });
        let read = files.collect();
        let files = self.note(read);
        let same = written.filter(|written| {
            written.files.len() == files.len()
                && written.files.iter().zip(&files).all(|(old, new)| Arc::ptr_eq(old, new))
        });
        let written = same.unwrap_or_else(|| Arc::new(WrittenEntities::of(files)));
        EntityStore::new(Arc::clone(schema), sharding, compiled, written)
    }

    /// Reads a file of the bundle as if it were written by hand.
    fn bundle_file(&mut self, name: &str) -> Option<SourceFile> {
        match self.parts.bundle?.text(name) {
            Ok(text) => Some(SourceFile {
                name: format!("{}/{name}", self.parts.bundle_folder),
                relative: format!("{}/{name}", bundle::FOLDER),
                text: text?.into_owned(),
            }),
            Err(error) => {
                self.faults.push(self.bundle_fault(&error));
                None
            }
        }
    }

    pub fn bundle_fault(&self, error: &BundleError) -> Fault {
        Fault::of_file(self.parts.bundle_folder, crate::model::with_causes(error))
    }

    /// The shards of a part of the bundle.
    fn shards<T: Send + Sync>(
        &mut self,
        part: &str,
        known: &Known<'_, T>,
        read: impl Fn(Origin, &str) -> (T, Faults) + Sync,
    ) -> (Sharding, Vec<Arc<T>>) {
        let Some(bundle) = self.parts.bundle else { return (Sharding::default(), Vec::new()) };
        let (sharding, shards) = match bundle.shards(part) {
            Ok(found) => found,
            Err(error) => {
                self.faults.push(self.bundle_fault(&error));
                return (Sharding::default(), Vec::new());
            }
        };
        let folder = self.parts.bundle_folder;
        let read_one = |shard: &Shard| {
            let origin = Origin::of_shard(folder, shard);
            match known.get(&origin) {
                Some(known) => Ok(known),
                None => text_of(bundle, &shard.file).map(|text| Read::anew(read(origin, &text))),
            }
        };
        let found: Vec<Result<_, BundleError>> = shards.par_iter().map(read_one).collect();
        let mut read = Vec::with_capacity(found.len());
        for one in found {
            match one {
                Ok(one) => read.push(one),
                Err(error) => self.faults.push(self.bundle_fault(&error)),
            }
        }
        (sharding, self.note(read))
    }

    fn note<T>(&mut self, read: Vec<Read<T>>) -> Vec<Arc<T>> {
        let one = |one: Read<T>| {
            self.built.files_read += usize::from(one.is_new);
            self.built.files_shared += usize::from(!one.is_new);
            self.faults.extend(one.faults);
            one.file
        };
        read.into_iter().map(one).collect()
    }
}

fn text_of<'a>(bundle: &'a StoredBundle, file: &str) -> Result<std::borrow::Cow<'a, str>, BundleError> {
    // A shard that `bundle.json` names is there.
    Ok(bundle.text(file)?.unwrap_or_default())
}

/// A file of this load.
struct Read<T> {
    file: Arc<T>,
    faults: Faults,
    is_new: bool,
}

impl<T> Read<T> {
    fn anew((file, faults): (T, Faults)) -> Self {
        Self { file: Arc::new(file), faults, is_new: true }
    }
}

/// What the snapshot before read, by the names of its files.
struct Known<'a, T>(HashMap<&'a str, (&'a Origin, &'a Arc<T>)>);

impl<'a, T> Known<'a, T> {
    fn of(all: &'a [Arc<T>], origin_of: fn(&T) -> &Origin) -> Self {
        let origins = all.iter().map(|one| (origin_of(one), one));
        Self(origins.map(|(origin, one)| (origin.file.as_str(), (origin, one))).collect())
    }

    /// The file, if it is still the one that was read.
    fn get(&self, origin: &Origin) -> Option<Read<T>> {
        let (_, file) = self.0.get(origin.file.as_str()).filter(|(known, _)| *known == origin)?;
        Some(Read { file: Arc::clone(file), faults: Faults::default(), is_new: false })
    }
}

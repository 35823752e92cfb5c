//! One tenant: what is on disk, what is wanted there, and the way from the one to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;

use super::affected::{Affected, Scope};
use super::parts::{CompiledFile, PartCompiler};
use super::under_way::Writing;
use super::{PublishFailure, Publisher};
use crate::bundle::{
    BundleError, BundleWriter, COLLABORATORS_FILE, ENTITIES_FILE, INDEX_FILE, Index, OfDatabase, Sharding,
    StoredBundle, count_items, recorded_index,
};
use crate::digest::{Digester, sha256_hex};
use crate::directory::{Part, Rules, StoreError, TenantHead, Trace};
use crate::model::Revision;
use crate::model::facts::RoleActions;
use crate::tree::{FileStamp, has_policies};

/// A bundle that is on disk, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Published {
    index: Index,
    split: Split,
    /// Items of each file of links and entities.
    items: BTreeMap<String, usize>,
    /// Of `bundle.json`: while it is the same, so is the bundle.
    stamp: Option<FileStamp>,
}

/// How the two parts that grow are split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Split {
    links: Sharding,
    entities: Sharding,
}

impl Publisher {
    /// Makes the bundle on disk what the directory says at its head; says which, if it was not so already.
    pub(super) async fn publish(
        &mut self,
        at: &TenantHead,
        rules: &Rules,
        inputs: &str,
    ) -> Result<Option<Revision>, PublishFailure> {
        let TenantHead { tenant, head, chain } = at;
        let head = *head;
        let folder = self.layout.bundle_folder(tenant);
        let hand_written = has_policies(&self.layout.dirs.policies.join(tenant.as_str()));
        if self.under_way.take_suspect(tenant) {
            // It is read again, and written anew where it is not whole.
            self.published.remove(tenant);
        }
        if self.published.get(tenant).is_some_and(|known| !known.is_there(&folder)) {
            self.published.remove(tenant);
        }
        if !self.published.contains_key(tenant) {
            make_folders(&self.layout.dirs.policies.join(tenant.as_str()), &folder)?;
            let found = folder.clone();
            if let Some(found) = tokio::task::spawn_blocking(move || Published::recover(&found)).await? {
                self.published.insert(tenant.clone(), found);
            }
        }
        if let Some(known) = self.published.get(tenant)
            && !self.is_of_this_history(at, &known.index).await?
        {
            if known.index.database.is_some() {
                let on_disk = known.index.revision;
                tracing::warn!(%tenant, %on_disk, %head, "the bundle is of another history: all is compiled anew");
                self.progress.note_rewound(tenant, head, self.clock.now());
                self.layout.provenance.doubt(tenant);
            }
            self.published.remove(tenant);
        }
        let known = self.published.get(tenant);
        let is_of_inputs = |known: &&Published| known.index.database.as_ref().is_some_and(|of| of.inputs == inputs);
        let known = known.filter(is_of_inputs);
        if known.is_some_and(|known| known.index.revision > head) {
            // Another process was faster: the next look at the heads finds what it wrote.
            return Ok(None);
        }
        let is_current = |known: &&Published| known.index.revision == head && known.index.hand_written == hand_written;
        if known.filter(is_current).is_some() {
            return Ok(None);
        }
        let compiler = PartCompiler { directory: &*self.directory, rules, tenant, at: head };
        let scope = match known {
            None => Scope::All,
            Some(known) => {
                let changes = self.directory.changed_since(tenant, known.index.revision, head).await?;
                let mut affected = Affected::of(&changes);
                affected.add_grants_of_users(&changes, &*self.directory, tenant, head).await?;
                Scope::Some(affected)
            }
        };
        let writing = self.under_way.begin(tenant);
        let of = OfDatabase { chain: *chain, inputs: inputs.to_owned() };
        let made = write(&compiler, &folder, known, scope, (hand_written, of), writing).await?;
        self.published.insert(tenant.clone(), made);
        Ok(Some(head))
    }

    /// Whether the directory's history has the revision that a bundle is of, or goes on from it.
    async fn is_of_this_history(&self, at: &TenantHead, index: &Index) -> Result<bool, StoreError> {
        let Some(OfDatabase { chain, .. }) = &index.database else { return Ok(false) };
        if index.revision == at.head {
            return Ok(*chain == at.chain);
        }
        // One that is ahead of the head that was read was written by another process since, or is of another history.
        Ok(self.directory.trace(&at.tenant, index.revision).await? == Trace::Live(Some(*chain)))
    }
}

/// Writes what a scope covers. Where the parts grew or shrank beyond their split, all of them are written anew.
async fn write(
    compiler: &PartCompiler<'_>,
    folder: &Path,
    known: Option<&Published>,
    mut scope: Scope,
    (hand_written, of): (bool, OfDatabase),
    writing: Writing,
) -> Result<Published, PublishFailure> {
    let mut split = match known.filter(|_| scope != Scope::All) {
        Some(known) => known.split,
        None => {
            let (tenant, at) = (compiler.tenant, compiler.at);
            let links = compiler.directory.count(tenant, Part::Links, at).await?;
            let entities = compiler.directory.count(tenant, Part::Entities, at).await?;
            // With the tenant's own.
            Split { links: Sharding::for_items(links), entities: Sharding::for_items(entities + 1) }
        }
    };
    loop {
        let kept = known.filter(|_| scope != Scope::All);
        let mut files = kept.map(|known| known.index.files.clone()).unwrap_or_default();
        let mut items = kept.map(|known| known.items.clone()).unwrap_or_default();
        let writer = BundleWriter::start(folder)?;
        let mut wrote = false;
        for chunk in tasks(&scope, split).chunks(CHUNK) {
            let compiled = compile_side_by_side(chunk, compiler, split).await?;
            let writer = writer.clone();
            let written = tokio::task::spawn_blocking(move || put(&writer, compiled)).await??;
            for Written { name, digest, count, is_new } in written {
                wrote |= is_new;
                files.insert(name.clone(), digest);
                items.insert(name, count);
            }
        }
        let right = Split {
            links: Sharding::for_items(total(&items, COLLABORATORS_FILE)),
            entities: Sharding::for_items(total(&items, ENTITIES_FILE)),
        };
        if right == split {
            let index = Index::of(compiler.at, hand_written, Some(of), files);
            let written = index.clone();
            // INVARIANT: it is under way until the last file is there. Before that, a reader may find new files beside
            // an old index.
            tokio::task::spawn_blocking(move || writer.finish(&written, wrote, || drop(writing))).await??;
            return Ok(Published { index, split, items, stamp: index_stamp(folder) });
        }
        (scope, split) = (Scope::All, right);
    }
}

/// Compiles some files; while one is waited for, others are read.
async fn compile_side_by_side(
    tasks: &[Task],
    compiler: &PartCompiler<'_>,
    split: Split,
) -> Result<Vec<CompiledFile>, PublishFailure> {
    let lane = |number: usize| async move {
        let mut compiled = Vec::new();
        for task in tasks.iter().skip(number).step_by(LANES) {
            compiled.push(task.run(compiler, split).await?);
        }
        Ok::<_, PublishFailure>(compiled)
    };
    let (one, two, three) = tokio::try_join!(lane(0), lane(1), lane(2))?;
    Ok(one.into_iter().chain(two).chain(three).collect())
}

/// One file to compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Roles,
    ExternalIdentities,
    Providers,
    Tokens,
    Deactivated,
    Links(usize),
    Entities(usize),
}

impl Task {
    async fn run(self, compiler: &PartCompiler<'_>, split: Split) -> Result<CompiledFile, PublishFailure> {
        match self {
            Self::Roles => compiler.roles().await,
            Self::ExternalIdentities => compiler.external_identities().await,
            Self::Providers => compiler.providers().await,
            Self::Tokens => compiler.tokens().await,
            Self::Deactivated => compiler.deactivated().await,
            Self::Links(shard) => compiler.links(split.links, shard).await,
            Self::Entities(shard) => compiler.entities(split.entities, shard).await,
        }
    }
}

fn tasks(scope: &Scope, split: Split) -> Vec<Task> {
    let whole = [Task::Roles, Task::ExternalIdentities, Task::Providers, Task::Tokens, Task::Deactivated];
    match scope {
        Scope::All => {
            let links = (0..split.links.count()).map(Task::Links);
            whole.into_iter().chain(links).chain((0..split.entities.count()).map(Task::Entities)).collect()
        }
        Scope::Some(affected) => {
            let wanted = [
                affected.roles,
                affected.external_identities,
                affected.providers,
                affected.tokens,
                affected.deactivated,
            ];
            let shards = |hashes: &BTreeSet<u64>, sharding: Sharding| -> BTreeSet<usize> {
                hashes.iter().map(|hash| sharding.shard_of(*hash)).collect()
            };
            let links = shards(&affected.links, split.links).into_iter().map(Task::Links);
            let entities = shards(&affected.entities, split.entities).into_iter().map(Task::Entities);
            let whole = whole.into_iter().zip(wanted).filter(|(_, is_wanted)| *is_wanted).map(|(task, _)| task);
            whole.chain(links).chain(entities).collect()
        }
    }
}

struct Written {
    name: String,
    digest: String,
    count: usize,
    is_new: bool,
}

fn put(writer: &BundleWriter, files: Vec<CompiledFile>) -> Result<Vec<Written>, PublishFailure> {
    let put = |CompiledFile { name, text, items: count }: CompiledFile| {
        let is_new = writer.put(&name, &text)?;
        Ok(Written { digest: sha256_hex(text.as_bytes()), name, count, is_new })
    };
    files.into_par_iter().map(put).collect()
}

fn total(items: &BTreeMap<String, usize>, part: &str) -> usize {
    items.iter().filter(|(name, _)| Sharding::read(part, name).is_some()).map(|(_, count)| count).sum()
}

impl Published {
    /// What is on disk, if it is whole.
    fn recover(folder: &Path) -> Option<Self> {
        let stamp = index_stamp(folder);
        let bundle = StoredBundle::open(folder).ok().flatten()?;
        let (links, _) = bundle.shards(COLLABORATORS_FILE).ok()?;
        let (entities, _) = bundle.shards(ENTITIES_FILE).ok()?;
        let count = |name: &String| {
            // Reading it holds its digest.
            let text = bundle.text(name)?.unwrap_or_default();
            Ok((name.clone(), count_items(&text)))
        };
        let items =
            bundle.index.files.par_iter().map(|(name, _)| count(name)).collect::<Result<_, BundleError>>().ok()?;
        Some(Self { index: bundle.index, split: Split { links, entities }, items, stamp })
    }

    /// Whether it still is: someone may have taken the folder away.
    fn is_there(&self, folder: &Path) -> bool {
        let is_untouched = self.stamp.is_some() && index_stamp(folder) == self.stamp;
        is_untouched || recorded_index(folder).as_ref() == Some(&self.index)
    }
}

fn index_stamp(folder: &Path) -> Option<FileStamp> {
    Some(FileStamp::of(&std::fs::metadata(folder.join(INDEX_FILE)).ok()?))
}

fn make_folders(tenant_folder: &Path, bundle_folder: &Path) -> Result<(), PublishFailure> {
    for path in [Some(tenant_folder), bundle_folder.parent()].into_iter().flatten() {
        let failed = |source| PublishFailure::Folder { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failed)?;
    }
    Ok(())
}

/// The digest of all that goes into a bundle besides the directory.
pub(super) fn inputs_digest(rules: &Rules) -> String {
    let mut digester = Digester::default();
    digester.add(FORMAT);
    for ((resource_type, name), role) in &*rules.default_roles {
        digester.add(resource_type);
        digester.add(name.as_str());
        match &role.actions {
            RoleActions::Every => digester.add("*"),
            RoleActions::These(actions) => actions.iter().for_each(|action| digester.add(action)),
        }
        digester.add("");
    }
    digester.finish().to_string()
}

/// Changes whenever the compiler would write other bytes for the same facts.
const FORMAT: &str = "2";
/// One fewer than the database has readers: others read too.
const LANES: usize = 3;
/// Files that are compiled before the disk gets them, so that memory stays small.
const CHUNK: usize = 64;

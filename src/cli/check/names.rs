//! Names that a tree mentions and that nothing declares, over all of its tenants: what the platform's policies name is
//! declared where any tenant declares it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::assemble::Layout;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::model::{Fault, Lines};
use crate::snapshot::Snapshot;
use crate::tree::{SourceFile, Tree, read_invariants as invariant_files};
use crate::workbench::cases::Runner;
use crate::workbench::invariant::read_invariants;
use crate::workbench::unknown::unknown_names;

/// What was found so far.
pub(super) struct Names<'a> {
    runner: Runner,
    layout: &'a Layout,
    texts: HashMap<&'a str, &'a str>,
    own: BTreeSet<Fault>,
    /// Of files that every tenant has, with the number of tenants that do not declare the name.
    shared: BTreeMap<Fault, usize>,
    tenants: usize,
}

impl<'a> Names<'a> {
    pub fn over(config: &Config, layout: &'a Layout, tree: &'a Tree) -> Self {
        let runner = Runner { layout: layout.clone(), ..Runner::of(config) };
        let folders = tree.tenants.iter().flatten().filter_map(|(_, folder)| folder.as_ref().ok());
        let files = folders.chain([&tree.platform]).flat_map(|folder| folder.policies.iter().chain(&folder.links));
        let texts = files.map(|file| (file.name.as_str(), file.text.as_str())).collect();
        Self { runner, layout, texts, own: BTreeSet::new(), shared: BTreeMap::new(), tenants: 0 }
    }

    /// Looks at what a tenant's policies, invariants and cases name.
    pub fn look(&mut self, snapshot: &Snapshot) {
        self.tenants += 1;
        // What cannot be read of the invariants is for `verify` to say.
        let files = invariant_files(&self.layout.dirs.policies, &snapshot.tenant).unwrap_or_default();
        let invariants = read_invariants(&files, &snapshot.schema).unwrap_or_default();
        let place = |file: &str, at: usize| {
            let of_invariant = || files.iter().find(|other| other.name == file).map(|file: &SourceFile| &*file.text);
            let text = self.texts.get(file).copied().or_else(of_invariant)?;
            // JSON has no positions.
            (!file.ends_with(".json")).then(|| Lines::of(text).position(at))
        };
        let asked = invariants.iter().map(|invariant| (&invariant.policy, &invariant.source));
        let platform = self.layout.dirs.policies.join(crate::model::ids::PLATFORM);
        for warning in unknown_names(snapshot, asked, &place) {
            if std::path::Path::new(&warning.file).starts_with(&platform) {
                // The nearest name is one tenant's own.
                let message = warning.message.split(" (did you mean").next().unwrap_or_default().to_owned();
                *self.shared.entry(Fault { message, ..warning }).or_default() += 1;
            } else {
                self.own.insert(warning);
            }
        }
        self.own.extend(self.runner.unknown_names(snapshot, SystemClock.now()));
    }

    /// A tenant with faults may declare anything.
    pub fn pass_over(&mut self) {
        self.tenants += 1;
    }

    pub fn finish(self) -> impl Iterator<Item = Fault> {
        let tenants = self.tenants;
        let of_all = self.shared.into_iter().filter(move |(_, without)| *without == tenants).map(|(fault, _)| fault);
        self.own.into_iter().chain(of_all)
    }
}

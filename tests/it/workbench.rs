//! `verify` and `diff` over wrong edits of the sample: each is found, and what is shown of it cannot be smaller.

pub mod edits;
mod removals;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use cedargate::assemble::{Layout, assemble_all};
use cedargate::clock::{Clock, ManualClock};
use cedargate::decide::{Decider, Decision};
use cedargate::model::TenantId;
use cedargate::snapshot::Snapshot;
use cedargate::tree::{TreeDirs, read_invariants as invariant_files};
use cedargate::workbench::diff::{Diff, Direction, Outcome, diff};
use cedargate::workbench::invariant::{Invariant, read_invariants};
use cedargate::workbench::scene::{Scene, World, as_cedar};
use cedargate::workbench::search::Effort;
use cedargate::workbench::shape::Shape;
use cedargate::workbench::verify::{Judged, Laid, judge, verify};
use rayon::prelude::*;

use self::edits::{Edit, edits};
use crate::support::START;
use crate::support::tree::repository;

/// The sample as it ships, which every edit is compared with.
static UNEDITED: LazyLock<Snapshot> = LazyLock::new(|| assemble(repository()));

/// Tenant `acme` of a tree. What is compiled from its manifests stays in memory.
fn assemble(root: &Path) -> Snapshot {
    let dirs = TreeDirs { policies: root.join("policies"), schema: root.join("schema") };
    let layout = Layout::of(dirs);
    let (_, everything) = assemble_all(&layout, ManualClock::at(START).now());
    let mut tenants: BTreeMap<_, _> = everything.unwrap().tenants;
    tenants.remove(&TenantId::parse("acme").unwrap()).unwrap().unwrap().snapshot
}

fn invariants(root: &Path, snapshot: &Snapshot) -> Vec<Invariant> {
    let files = invariant_files(&root.join("policies"), &snapshot.tenant).unwrap();
    read_invariants(&files, &snapshot.schema).unwrap()
}

/// What was found of an edit: by which of the two, and every example that could be smaller.
struct Found {
    is_in_diff: bool,
    broken: Vec<String>,
    examples: usize,
    too_large: Vec<String>,
}

fn look(edit: &Edit) -> Found {
    let tree = edit.tree();
    let edited = assemble(tree.path());
    let invariants = invariants(tree.path(), &edited);
    let (before, after) = (World::of(&UNEDITED, Decider::default()), World::of(&edited, Decider::default()));
    let (old_shape, new_shape) = (Shape::of(&UNEDITED.schema), Shape::of(&edited.schema));
    let (mut old, mut new) = (Laid::of(before, &old_shape, &[]), Laid::of(after, &new_shape, &[]));
    old.words.join(&new.words);
    new.words.join(&old.words);
    let mut found = Found { is_in_diff: false, broken: Vec::new(), examples: 0, too_large: Vec::new() };
    let tries = DIFF_CASES.map(|cases| Effort { cases, seed: 0 });
    let mut compared = tries.iter().map(|effort| diff(&old, &new, *effort, None));
    let compared = compared.find(is_any);
    found.is_in_diff = compared.is_some();
    for difference in compared.iter().flat_map(|compared| &compared.differences) {
        let Outcome::Changed(example) = &difference.outcome else { continue };
        let (what, direction) = (difference.environment.to_string(), difference.direction);
        assert_eq!(changed(&before, &after, &example.scene), Some(direction), "{}: {what}", edit.name);
        let shows = |scene: &Scene| changed(&before, &after, scene) == Some(direction);
        found.judge(&format!("{what}, {}", direction.as_str()), &example.scene, shows);
    }
    let laid = Laid::of(after, &new_shape, &invariants);
    for verified in verify(&laid, &invariants, Effort { cases: VERIFY_CASES, seed: 0 }, None) {
        let Some(example) = &verified.broken_by else { continue };
        let breaks = |scene: &Scene| judge(&after, verified.invariant, scene) == Judged::Breaks;
        assert!(breaks(&example.scene), "{}: {}", edit.name, verified.invariant.name);
        found.broken.push(verified.invariant.name.clone());
        found.judge(&verified.invariant.name, &example.scene, breaks);
    }
    found
}

impl Found {
    /// Tries to leave out each thing that an example has.
    fn judge(&mut self, what: &str, example: &Scene, shows: impl Fn(&Scene) -> bool) {
        self.examples += 1;
        for (removed, smaller) in removals::of(example) {
            if shows(&smaller) {
                let shown = as_cedar(example).join("\n  ");
                self.too_large.push(format!("{what}: shown as well without {removed}\n  {shown}"));
            }
        }
    }
}

fn is_any(diff: &Diff) -> bool {
    Direction::BOTH.iter().any(|direction| diff.has(*direction))
}

/// Which way the answer to a scene changes; a scene that one of the trees cannot be asked shows nothing.
fn changed(before: &World<'_>, after: &World<'_>, scene: &Scene) -> Option<Direction> {
    let allows = |world: &World<'_>| Some(scene.answer(world).ok()?.decision == Decision::Allow);
    match (allows(before)?, allows(after)?) {
        (false, true) => Some(Direction::Allowed),
        (true, false) => Some(Direction::Denied),
        _ => None,
    }
}

#[test]
fn every_wrong_edit_is_found_and_nothing_can_be_left_out_of_what_shows_it() {
    let edits = edits();
    assert!(edits.len() >= 20, "{}", edits.len());
    let all: Vec<Found> = edits.par_iter().map(look).collect();
    let mut wrong = Vec::new();
    let (mut by_diff, mut by_verify, mut examples) = (0, 0, 0);
    for (edit, found) in edits.iter().zip(all) {
        by_diff += usize::from(found.is_in_diff);
        by_verify += usize::from(!found.broken.is_empty());
        examples += found.examples;
        if !found.is_in_diff && found.broken.is_empty() {
            wrong.push(format!("{}: neither `diff` nor `verify` finds it", edit.name));
        }
        wrong.extend(found.too_large.iter().map(|too_large| format!("{}: {too_large}", edit.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    // What would make the rest of this test say nothing.
    assert!(by_diff >= 20 && by_verify >= 10 && examples >= 50, "{by_diff} {by_verify} {examples}");
}

#[test]
fn the_sample_as_it_ships_differs_from_itself_in_nothing_and_breaks_no_invariant() {
    let again = assemble(repository());
    let shape = Shape::of(&UNEDITED.schema);
    let laid = |snapshot| Laid::of(World::of(snapshot, Decider::default()), &shape, &[]);
    let compared = diff(&laid(&UNEDITED), &laid(&again), Effort { cases: DIFF_CASES[0], seed: 0 }, None);
    assert!(compared.changes.is_empty() && compared.differences.is_empty() && !is_any(&compared));
    let invariants = invariants(repository(), &UNEDITED);
    let laid = Laid::of(World::of(&UNEDITED, Decider::default()), &shape, &invariants);
    let verified = verify(&laid, &invariants, Effort { cases: VERIFY_CASES, seed: 0 }, None);
    assert_eq!(verified.len(), invariants.len());
    for one in verified {
        assert!(one.broken_by.is_none() && one.matched > 0, "{}: {:?}", one.invariant.name, one.broken_by);
        assert_eq!(one.cases, VERIFY_CASES);
    }
}

/// Few where that is enough, since a debug build takes milliseconds for each; the verb's own number last.
const DIFF_CASES: [u32; 3] = [20, 100, 500];
const VERIFY_CASES: u32 = 40;

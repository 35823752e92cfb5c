//! Whom of the directory a change concerns: who gains and who loses what.
//!
//! Asked for everyone whom a grant reaches on everything that it reaches, before and after, with no context: so many
//! at most, those first whose own grants, teams or resources changed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use cedar_policy::EntityUid;
use rayon::prelude::*;

use super::Direction;
use super::changes::Changes;
use crate::decide::{AccessQuery, ActionName, Decision, ResourceQuery};
use crate::principal::Principal;
use crate::snapshot::Snapshot;
use crate::vocabulary::{self, entity_ref};
use crate::workbench::scene::World;
use crate::workbench::shape::Environment;
use crate::workbench::verify::Laid;

/// What changes for the people and the service identities of a directory.
#[derive(Debug, Default)]
pub struct People {
    /// Sorted by principal.
    pub impacts: Vec<Impact>,
    /// How many pairs of someone and something were asked about, and how many, about, were left out.
    pub asked: usize,
    pub left_out: usize,
}

/// Someone who gains or loses an action on some resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impact {
    pub principal: String,
    pub direction: Direction,
    pub action: String,
    pub resources: Vec<String>,
}

type Pair = (EntityUid, EntityUid);

pub(super) fn people(before: &Laid<'_>, after: &Laid<'_>, changes: &Changes, concerned: &[&Environment]) -> People {
    if changes.is_empty() {
        return People::default();
    }
    // Where someone stands, or something is, may bear on every action.
    let all = || after.shape.environments.iter().collect::<Vec<_>>();
    let environments = if changes.entities.is_empty() { concerned.to_vec() } else { all() };
    let mut actions: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
    for environment in environments.iter().filter(|environment| !environment.is_assuming()) {
        let types = (environment.principal.as_str(), environment.resource.as_str());
        actions.entry(types).or_default().push(&environment.action);
    }
    let (pairs, left_out) = pairs(before, after, changes, &actions);
    let asked = pairs.len();
    let found: Vec<(String, Direction, String, String)> =
        pairs.par_iter().flat_map_iter(|pair| changed(before, after, pair, &actions)).collect();
    let mut impacts: BTreeMap<(String, Direction, String), BTreeSet<String>> = BTreeMap::new();
    for (principal, direction, action, resource) in found {
        impacts.entry((principal, direction, action)).or_default().insert(resource);
    }
    let impact = |((principal, direction, action), resources): (_, BTreeSet<String>)| Impact {
        principal,
        direction,
        action,
        resources: resources.into_iter().collect(),
    };
    People { impacts: impacts.into_iter().map(impact).collect(), asked, left_out }
}

fn changed(
    before: &Laid<'_>,
    after: &Laid<'_>,
    (principal, resource): &Pair,
    actions: &HashMap<(&str, &str), Vec<&str>>,
) -> Vec<(String, Direction, String, String)> {
    let types = (principal.type_name().to_string(), resource.type_name().to_string());
    let mut found = Vec::new();
    for action in actions.get(&(types.0.as_str(), types.1.as_str())).into_iter().flatten() {
        let allowed = |world: &World<'_>| {
            let query = AccessQuery {
                action: ActionName((*action).to_owned()),
                resource: ResourceQuery::named(entity_ref(resource)),
                context: None,
                explain: false,
            };
            let answer = world.decider.decide(world.snapshot, &Principal::named(principal.clone()), &query);
            answer.is_ok_and(|answer| answer.decision == Decision::Allow)
        };
        let direction = match (allowed(&before.world), allowed(&after.world)) {
            (false, true) => Direction::Allowed,
            (true, false) => Direction::Denied,
            _ => continue,
        };
        let name = vocabulary::read_ref(action).map_or_else(|| (*action).to_owned(), |action| action.id);
        found.push((principal.to_string(), direction, name, resource.to_string()));
    }
    found
}

/// Whom to ask about what, and about how many are left out.
fn pairs(
    before: &Laid<'_>,
    after: &Laid<'_>,
    changes: &Changes,
    actions: &HashMap<(&str, &str), Vec<&str>>,
) -> (Vec<Pair>, usize) {
    let principals: HashSet<&str> = actions.keys().map(|(principal, _)| *principal).collect();
    let resources: HashSet<&str> = actions.keys().map(|(_, resource)| *resource).collect();
    let mut first = BTreeSet::new();
    let mut others = BTreeSet::new();
    let mut left_out = 0;
    let changed_grants: HashSet<&str> = changes.policies.iter().map(|change| change.id.as_str()).collect();
    for snapshot in [before.world.snapshot, after.world.snapshot] {
        let below_subjects = Below::of(snapshot, &principals, &changes.entities);
        let below_resources = Below::of(snapshot, &resources, &changes.entities);
        let types = &snapshot.schema.types;
        let total = snapshot.policies.links.len();
        for (number, link) in snapshot.policies.links.iter().enumerate() {
            let (Some(subject), Some(resource)) = (link.principal(types), link.resource(types)) else { continue };
            let (who, what) = (below_subjects.get(&subject), below_resources.get(&resource));
            let is_first = changed_grants.contains(link.id(types).as_str());
            // Of all other grants, so many as there is room for.
            let is_sampled = number % total.div_ceil(MOST_PAIRS / 4).max(1) == 0;
            if !is_first && !is_sampled && !below_subjects.has_changed(who) && !below_resources.has_changed(what) {
                left_out += who.len() * what.len();
                continue;
            }
            let taken = who.len().min(MOST_OF_A_SIDE) * what.len().min(MOST_OF_A_SIDE);
            left_out += (who.len() * what.len()).saturating_sub(taken);
            for principal in spread(who, MOST_OF_A_SIDE) {
                for resource in spread(what, MOST_OF_A_SIDE) {
                    let is_first =
                        is_first || below_subjects.is_changed(*principal) || below_resources.is_changed(*resource);
                    let pair = (below_subjects.uid(*principal), below_resources.uid(*resource));
                    let (Some(principal), Some(resource)) = pair else { continue };
                    let chosen = if is_first { &mut first } else { &mut others };
                    if chosen.len() < MOST_PAIRS {
                        chosen.insert((principal.clone(), resource.clone()));
                    } else {
                        left_out += 1;
                    }
                }
            }
        }
    }
    // A policy that people wrote need not follow any grant.
    if changes.policies.iter().any(super::Change::is_written) {
        for (principal, resource) in across(after, &principals, &resources) {
            others.insert((principal, resource));
        }
    }
    let room = MOST_PAIRS.saturating_sub(first.len());
    others.retain(|pair| !first.contains(pair));
    left_out += others.len().saturating_sub(room);
    (first.into_iter().chain(others.into_iter().take(room)).collect(), left_out)
}

/// Some of all principals with some of all resources.
fn across(laid: &Laid<'_>, principals: &HashSet<&str>, resources: &HashSet<&str>) -> Vec<Pair> {
    let some = |types: &HashSet<&str>| -> Vec<EntityUid> {
        let mut sorted: Vec<_> = types.iter().copied().collect();
        sorted.sort_unstable();
        let of_type =
            |name| spread(laid.population.of_type(name), MOST_ACROSS).filter_map(|uid| vocabulary::uid(uid).ok());
        sorted.into_iter().flat_map(of_type).collect()
    };
    let what = some(resources);
    let pairs = |who: EntityUid| what.iter().map(move |what| (who.clone(), what.clone())).collect::<Vec<_>>();
    some(principals).into_iter().flat_map(pairs).collect()
}

/// Some of many, evenly.
fn spread<T>(all: &[T], most: usize) -> impl Iterator<Item = &T> {
    all.iter().step_by(all.len().div_ceil(most).max(1))
}

/// Entities of some types, by what they are in.
struct Below {
    uids: Vec<EntityUid>,
    changed: Vec<bool>,
    by_ancestor: HashMap<EntityUid, Vec<u32>>,
}

impl Below {
    fn of(snapshot: &Snapshot, types: &HashSet<&str>, changed: &BTreeSet<String>) -> Self {
        let mut below = Self { uids: Vec::new(), changed: Vec::new(), by_ancestor: HashMap::new() };
        for uid in snapshot.entities.uids() {
            if !types.contains(uid.type_name().to_string().as_str()) {
                continue;
            }
            let number = u32::try_from(below.uids.len()).unwrap_or(u32::MAX);
            let mut open = vec![uid.clone()];
            let mut seen = HashSet::new();
            let mut is_changed = false;
            while let Some(next) = open.pop() {
                if seen.insert(next.clone()) {
                    is_changed |= !changed.is_empty() && changed.contains(&next.to_string());
                    open.extend(snapshot.entities.parents_of_uid(&next));
                    below.by_ancestor.entry(next).or_default().push(number);
                }
            }
            below.uids.push(uid);
            below.changed.push(is_changed);
        }
        below
    }

    fn get(&self, ancestor: &EntityUid) -> &[u32] {
        self.by_ancestor.get(ancestor).map(Vec::as_slice).unwrap_or_default()
    }

    fn uid(&self, number: u32) -> Option<&EntityUid> {
        self.uids.get(number as usize)
    }

    fn is_changed(&self, number: u32) -> bool {
        self.changed.get(number as usize).copied().unwrap_or_default()
    }

    fn has_changed(&self, numbers: &[u32]) -> bool {
        numbers.iter().any(|number| self.is_changed(*number))
    }
}

/// Pairs that are asked about, at most.
const MOST_PAIRS: usize = 100_000;
/// Of one type, how many are asked about everything.
const MOST_ACROSS: usize = 40;
/// Of one grant, how many principals and how many resources.
const MOST_OF_A_SIDE: usize = 100;

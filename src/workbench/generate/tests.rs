//! Scenes for the sample's own policies: how often aiming hits, and that both sides of a threshold are met.

use std::collections::BTreeSet;
use std::fs;
use std::sync::LazyLock;

use chrono::DateTime;
use proptest::test_runner::TestRng;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::assemble::{Layout, assemble_all};
use crate::decide::Decider;
use crate::model::TenantId;
use crate::snapshot::Snapshot;
use crate::tree::TreeDirs;
use crate::workbench::scene::{World, as_cedar, as_extension};
use crate::workbench::search::rng;
use crate::workbench::verify::Laid;

/// The sample, assembled once for all of these tests.
static SAMPLE: LazyLock<(Snapshot, Shape)> = LazyLock::new(|| {
    let dir = TempDir::new().unwrap();
    for (name, text) in crate::demo::sample_files() {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let dirs = TreeDirs { policies: dir.path().join("policies"), schema: dir.path().join("schema") };
    let layout = Layout::of(dirs);
    let (_, everything) = assemble_all(&layout, DateTime::UNIX_EPOCH);
    let acme = TenantId::parse("acme").unwrap();
    let snapshot = everything.unwrap().tenants.remove(&acme).unwrap().unwrap().snapshot;
    let shape = Shape::of(&snapshot.schema);
    (snapshot, shape)
});

fn laid() -> Laid<'static> {
    let (snapshot, shape) = &*SAMPLE;
    Laid::of(World::of(snapshot, Decider::default()), shape, &[])
}

/// The policies that people wrote, each with the kinds of request that it may match.
fn by_hand(laid: &Laid<'_>) -> Vec<(cedar_policy_core::ast::Policy, Vec<Environment>)> {
    let written = laid.world.snapshot.policies.written.iter();
    let written = written.filter(|written| !written.source.file.contains("/compiled/"));
    let about = |policy: &cedar_policy_core::ast::Policy| {
        let environments = laid.shape.environments.iter();
        let is_about = |environment: &&Environment| {
            laid.book.written(environment).any(|other| AsRef::<str>::as_ref(other.id()) == policy.id().as_ref())
        };
        environments.filter(is_about).cloned().collect()
    };
    written.map(|written| (written.policy.clone(), about(&written.policy))).collect()
}

fn named(laid: &Laid<'_>, id: &str) -> cedar_policy_core::ast::Policy {
    let policy = by_hand(laid).into_iter().find(|(policy, _)| policy.id().as_ref() as &str == id);
    policy.unwrap_or_else(|| panic!("no policy {id}")).0
}

fn kind(laid: &Laid<'_>, action: &str, principal: &str, resource: &str) -> Environment {
    let action = format!("Action::\"{action}\"");
    let of_kind = |one: &&Environment| one.action == action && one.principal == principal && one.resource == resource;
    laid.shape.environments.iter().find(of_kind).unwrap().clone()
}

/// Scenes aimed at a policy, and whether each matches it; those that fit the schema.
fn aimed(laid: &Laid<'_>, goal: &Goal, environments: &[Environment], tries: usize) -> Vec<(Scene, bool)> {
    let goals = std::slice::from_ref(goal);
    let mut rng = rng(0, goal.policy.id().as_ref());
    let generator = laid.generator();
    let scenes = (0..tries).map(|_| {
        let environment = pick(&mut rng, environments).unwrap();
        generator.scene(&mut rng, environment, goals)
    });
    let scenes: Vec<_> = scenes.collect();
    let judged = scenes.into_iter().filter_map(|scene| {
        let staged = scene.stage(&laid.world).ok()?;
        Some((scene, staged.matches(&goal.policy)))
    });
    judged.collect()
}

#[test]
fn scenes_aimed_at_a_policy_match_it_and_those_aimed_beside_it_do_not() {
    let laid = laid();
    let all = by_hand(&laid);
    assert!(all.len() >= 12, "{}", all.len());
    for (policy, environments) in all {
        assert!(!environments.is_empty(), "{}", policy.id());
        let share = |matches: bool| {
            let goal = Goal { policy: policy.clone(), matches };
            let judged = aimed(&laid, &goal, &environments, TRIES);
            let hits = judged.iter().filter(|(_, matched)| *matched == matches).count();
            hits as f64 / TRIES as f64
        };
        let hits = share(true);
        assert!(hits >= 0.4, "{} of scenes aimed at {} match it", hits, policy.id());
        if policy.non_scope_constraints().is_some() {
            let misses = share(false);
            assert!(misses >= 0.4, "{} of scenes aimed beside {} miss it", misses, policy.id());
        }
    }
}

#[test]
fn a_budget_is_met_and_passed_by_one() {
    let laid = laid();
    let policy = named(&laid, "acme/token-budget");
    let environments = [kind(&laid, "invokeModel", "User", "Model")];
    let mut over = BTreeSet::new();
    for matches in [true, false] {
        for (scene, matched) in aimed(&laid, &Goal { policy: policy.clone(), matches }, &environments, 100) {
            let asked = scene.context.get("tokens_requested").and_then(Value::as_i64);
            let most = described(&laid, &scene).get("max_tokens").and_then(Value::as_i64);
            let (Some(asked), Some(most)) = (asked, most) else { continue };
            over.extend(asked.checked_sub(most).map(|over| (over, matched)));
        }
    }
    assert!(over.contains(&(0, false)) && over.contains(&(1, true)), "{over:?}");
}

#[test]
fn the_hour_at_which_night_begins_is_met_and_so_is_the_moment_before() {
    let laid = laid();
    let policy = named(&laid, "acme/gold-models-at-night");
    let environments = [kind(&laid, "invokeModel", "User", "Model")];
    let mut times = BTreeSet::new();
    for matches in [true, false] {
        for (scene, matched) in aimed(&laid, &Goal { policy: policy.clone(), matches }, &environments, 200) {
            let time = scene.context.get("time").map(milliseconds);
            times.extend(time.map(|time| (time.rem_euclid(86_400_000), matched)));
        }
    }
    let hour = 3_600_000;
    for (time, matched) in [(22 * hour, true), (22 * hour - 1, false), (6 * hour, false), (6 * hour - 1, true)] {
        assert!(times.contains(&(time, matched)), "{time} {matched} is not in {times:?}");
    }
}

#[test]
fn a_sign_in_of_just_twelve_hours_ago_is_met_and_one_a_second_older() {
    let laid = laid();
    let policy = named(&laid, "platform/recent-sign-in-to-manage");
    let environments = [kind(&laid, "manageModel", "User", "Model")];
    let mut ages = BTreeSet::new();
    for matches in [true, false] {
        for (scene, matched) in aimed(&laid, &Goal { policy: policy.clone(), matches }, &environments, 200) {
            let since = scene.entities.get(&scene.principal).and_then(|entity| entity.attributes.get("claims"));
            let since = since.and_then(|claims| claims.get("auth_time")).and_then(Value::as_i64);
            let (Some(since), Some(time)) = (since, scene.context.get("time")) else { continue };
            ages.extend(milliseconds(time).div_euclid(1000).checked_sub(since).map(|age| (age, matched)));
        }
    }
    assert!(ages.contains(&(43_200, false)) && ages.contains(&(43_201, true)), "{ages:?}");
}

#[test]
fn the_same_seed_makes_the_same_scenes_and_another_others() {
    let laid = laid();
    let generator = laid.generator();
    let goals = [Goal { policy: named(&laid, "acme/gold-models-at-night"), matches: true }];
    let environment = kind(&laid, "invokeModel", "ExternalSubject", "Model");
    let made =
        |mut rng: TestRng| -> Vec<Scene> { (0..20).map(|_| generator.scene(&mut rng, &environment, &goals)).collect() };
    let scenes = made(rng(7, "a"));
    assert_eq!(scenes, made(rng(7, "a")));
    assert_ne!(scenes, made(rng(8, "a")));
    assert_ne!(scenes, made(rng(7, "b")));
}

#[test]
fn nearly_all_scenes_fit_the_schema() {
    let laid = laid();
    let generator = laid.generator();
    let mut rng = rng(0, "fit");
    let mut unfit = Vec::new();
    let mut count = 0;
    for environment in &laid.shape.environments {
        let policies = laid.policies(environment);
        let mut aims = vec![Vec::new()];
        for _ in 0..4 {
            let chosen = (0..2).filter_map(|_| pick(&mut rng, &policies).cloned());
            aims.push(chosen.map(|policy| Goal { policy, matches: is_even(count) }).collect());
        }
        for goals in aims {
            count += 1;
            let scene = generator.scene(&mut rng, environment, &goals);
            if let Err(error) = scene.stage(&laid.world) {
                unfit.push(format!("{}\n{error:?}", as_cedar(&scene).join("\n")));
            }
        }
    }
    assert!(count > 300 && unfit.len() * 50 < count, "{} of {count}: {}", unfit.len(), unfit.join("\n\n"));
}

fn is_even(number: usize) -> bool {
    number.is_multiple_of(2)
}

/// The resource as the scene, or else the directory, has it.
fn described(laid: &Laid<'_>, scene: &Scene) -> Map<String, Value> {
    if let Some(entity) = scene.entities.get(&scene.resource) {
        return entity.attributes.clone();
    }
    let known = crate::vocabulary::uid(&scene.resource).ok().and_then(|uid| laid.world.snapshot.entities.get(&uid));
    known.map(|entity| SceneEntity::of(&entity).attributes).unwrap_or_default()
}

/// A time, in milliseconds since 1970.
fn milliseconds(time: &Value) -> i64 {
    let (function, text) = as_extension(time).unwrap();
    assert_eq!(function, "datetime");
    let day = || format!("{text}T00:00:00Z");
    let time = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc3339(&day()));
    time.unwrap_or_else(|error| panic!("{text}: {error}")).timestamp_millis()
}

const TRIES: usize = 60;

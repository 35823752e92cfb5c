//! The sliced answer is Cedar's answer, whatever the schema, the policies, the entities and the question.
//!
//! In: numbers, of which a whole tenant is made, and questions about it. What the engine answers with no cache, with a
//! cold one and with a warm one is held against Cedar's `Authorizer` over the same texts, read without the engine.
//! `CEDARGATE_TEST_CASES=100 cargo test --release --lib soundness` tries a hundred times as many tenants.

mod asking;
mod conditions;
mod facts;
mod genes;
mod policies;
mod shape;
mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestError, TestRunner};

use super::outcome;
use crate::decide::{Answer, Decider, ForbidErrors, Work};
use asking::Question;
use genes::genes;
use world::World;

/// What a tenant and its questions are made of.
#[derive(Clone, Debug)]
struct Case {
    has_identity: bool,
    /// Whether grants and entities stand in many files.
    split: (bool, bool),
    schema: Vec<u16>,
    policies: Vec<Vec<u16>>,
    templates: Vec<Vec<u16>>,
    links: Vec<Vec<u16>>,
    entities: Vec<Vec<u16>>,
    questions: Vec<Vec<u16>>,
}

fn a_case() -> impl Strategy<Value = Case> {
    let split = (prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    let written = (vec(genes(60), 0..14), vec(genes(60), 0..8), vec(genes(8), 0..28));
    let facts = (vec(genes(40), 0..20), vec(genes(30), 1..40));
    (any::<bool>(), split, genes(120), written, facts).prop_map(
        |(has_identity, split, schema, (policies, templates, links), (entities, questions))| Case {
            has_identity,
            split,
            schema,
            policies,
            templates,
            links,
            entities,
            questions,
        },
    )
}

/// What a run came to, so that a property that tries nothing does not pass for one that holds.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    tenants: usize,
    /// Policies and templates that were made, and those that strict validation let pass.
    written: usize,
    kept: usize,
    links: usize,
    questions: usize,
    refused: usize,
    allowed: usize,
    determined: usize,
    failed: usize,
    /// Slices that were taken from what was kept before the question was asked at all.
    met_again: usize,
}

fn holds(case: &Case, counts: &mut Counts) -> Result<(), TestCaseError> {
    let world = World::of(case, counts).map_err(TestCaseError::fail)?;
    counts.tenants += 1;
    let off = Decider { forbid_errors: ForbidErrors::Skip, slice_bytes: 0, ..Decider::default() };
    let on = Decider { slice_bytes: Decider::default().slice_bytes, ..off };
    let mut before: Option<Question> = None;
    for numbers in &case.questions {
        let question = Question::of(&world, numbers, before.as_ref());
        let expected = question.cedars_answer(&world);
        let query = question.query(&world);
        let ask = |decider: Decider| decider.decide(&world.snapshot, &question.who, &query);
        let (plain, cold, warm) = (ask(off), ask(on), ask(on));
        let told = || format!("{question:?}\n{}\n{}", world.shape.text, world.policies);
        for answer in [&plain, &cold, &warm] {
            prop_assert_eq!(answer.as_ref().ok().map(outcome), expected.clone(), "{:?}\n{}", answer, told());
        }
        counts.questions += 1;
        match (plain, cold, warm) {
            (Ok(plain), Ok(cold), Ok(warm)) => {
                counts.allowed += usize::from(plain.decision == crate::decide::Decision::Allow);
                counts.determined += usize::from(!plain.policies.is_empty());
                counts.failed += usize::from(!plain.errors.is_empty());
                counts.met_again += usize::from(cold.work.is_kept);
                prop_assert!(warm.work.is_kept, "{}", told());
                let content = |answer: Answer| Answer { work: Work::default(), ..answer };
                let plain = content(plain);
                prop_assert_eq!(&plain, &content(cold));
                prop_assert_eq!(&plain, &content(warm));
            }
            _ => counts.refused += 1,
        }
        before = Some(question);
    }
    Ok(())
}

#[test]
fn the_sliced_answer_is_cedars_answer_whatever_the_schema() {
    let config = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(160 * times()) };
    let mut counts = std::cell::Cell::new(Counts::default());
    let result = TestRunner::new(config).run(&a_case(), |case| {
        let mut own = counts.get();
        holds(&case, &mut own)?;
        counts.set(own);
        Ok(())
    });
    match result {
        Err(TestError::Fail(reason, case)) => panic!("{reason}\n{case:?}"),
        other => other.unwrap(),
    }
    let Counts { written, kept, questions, refused, determined, failed, met_again, .. } = *counts.get_mut();
    println!("{:?}", counts.get_mut());
    assert!(kept * 10 > written * 8, "too few policies are valid: {counts:?}");
    assert!(questions > 2_000 && refused * 3 < questions, "too few questions are answered: {counts:?}");
    assert!(determined * 5 > questions, "too few questions meet a policy: {counts:?}");
    assert!(failed * 50 > questions && met_again * 50 > questions, "{counts:?}");
}

/// The four files of `export`, or the same in Cedar's JSON, make a tree that answers alike.
fn reads_back(case: &Case, as_json: bool, asked: &mut usize) -> Result<(), TestCaseError> {
    let world = World::of(case, &mut Counts::default()).map_err(TestCaseError::fail)?;
    let exported = world.exported(as_json).map_err(TestCaseError::fail)?;
    let decider = Decider { forbid_errors: ForbidErrors::Skip, slice_bytes: 0, ..Decider::default() };
    let mut before: Option<Question> = None;
    for numbers in &case.questions {
        let question = Question::of(&world, numbers, before.as_ref());
        let query = question.query(&world);
        let ask = |snapshot| decider.decide(snapshot, &question.who, &query).as_ref().ok().map(outcome);
        let expected = question.cedars_answer(&world);
        prop_assert_eq!(ask(&exported), expected, "{:?}\n{}\n{}", question, world.shape.text, world.policies);
        *asked += 1;
        before = Some(question);
    }
    Ok(())
}

#[test]
fn an_exported_tenant_reads_back_and_answers_alike() {
    let config = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(80 * times()) };
    let mut asked = std::cell::Cell::new(0);
    let result = TestRunner::new(config).run(&(a_case(), any::<bool>()), |(case, as_json)| {
        let mut own = asked.get();
        reads_back(&case, as_json, &mut own)?;
        asked.set(own);
        Ok(())
    });
    match result {
        Err(TestError::Fail(reason, case)) => panic!("{reason}\n{case:?}"),
        other => other.unwrap(),
    }
    assert!(*asked.get_mut() > 800, "{asked:?}");
}

/// How many times as many cases as usual.
#[expect(clippy::disallowed_methods, reason = "a test's own setting, which no configuration has a place for")]
fn times() -> u32 {
    std::env::var("CEDARGATE_TEST_CASES").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

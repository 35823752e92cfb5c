//! Shrinking: of a scene that shows a fault, the smallest that still does.
//!
//! A step leaves out one thing: an entity that is described, a parent, an attribute, a tag, a field of the context, an
//! element of a set; or makes one value plainer. INVARIANT: whoever stops shrinking only when `complicate` says so
//! has a scene of which no single step still shows the fault.

use proptest::strategy::ValueTree;
use serde_json::{Map, Value};

use super::tidy::tidied;
use super::{Scene, as_entity, as_extension, as_record};

/// A scene on its way to the smallest.
#[derive(Clone, Debug)]
pub struct SceneTree {
    /// Shows the fault.
    smallest: Scene,
    current: Scene,
    /// Steps from the smallest that were not tried yet, the last one first.
    steps: Vec<Scene>,
    has_steps: bool,
}

impl SceneTree {
    pub fn new(scene: Scene) -> Self {
        Self { smallest: scene.clone(), current: scene, steps: Vec::new(), has_steps: false }
    }

    fn step(&mut self) -> bool {
        match self.steps.pop() {
            Some(next) => {
                self.current = next;
                true
            }
            None => {
                self.current = self.smallest.clone();
                false
            }
        }
    }
}

impl ValueTree for SceneTree {
    type Value = Scene;

    fn current(&self) -> Scene {
        self.current.clone()
    }

    /// The current scene shows the fault: smaller ones are tried.
    fn simplify(&mut self) -> bool {
        if self.has_steps && self.current == self.smallest {
            return self.step();
        }
        self.smallest = self.current.clone();
        self.steps = smaller(&self.smallest);
        self.steps.reverse();
        self.has_steps = true;
        self.step()
    }

    /// The current scene shows no fault: another step from the smallest that does.
    fn complicate(&mut self) -> bool {
        self.step()
    }
}

/// The smallest scene that still shows what this one shows, with names that can be read.
pub fn shrink(scene: Scene, shows: impl Fn(&Scene) -> bool) -> Scene {
    let mut tree = SceneTree::new(scene);
    let mut goes_on = tree.simplify();
    let mut steps = 0;
    while goes_on && steps < MOST_STEPS {
        steps += 1;
        goes_on = if shows(&tree.current()) { tree.simplify() } else { tree.complicate() };
    }
    tidied(tree.smallest, shows)
}

/// Every scene that is one step smaller, those first that leave out most.
pub fn smaller(scene: &Scene) -> Vec<Scene> {
    let mut found = Vec::new();
    for uid in scene.entities.keys() {
        let mut less = scene.clone();
        less.entities.remove(uid);
        found.push(less);
    }
    for (uid, entity) in &scene.entities {
        for parent in &entity.parents {
            let mut less = scene.clone();
            less.entities.entry(uid.clone()).and_modify(|entity| {
                entity.parents.remove(parent);
            });
            found.push(less);
        }
        for attributes in smaller_members(&entity.attributes) {
            let mut less = scene.clone();
            less.entities.entry(uid.clone()).and_modify(|entity| entity.attributes = attributes);
            found.push(less);
        }
        for tags in smaller_members(&entity.tags) {
            let mut less = scene.clone();
            less.entities.entry(uid.clone()).and_modify(|entity| entity.tags = tags);
            found.push(less);
        }
    }
    found.extend(smaller_members(&scene.context).into_iter().map(|context| Scene { context, ..scene.clone() }));
    found.extend(nearer_together(scene));
    found
}

/// Numbers that are compared with each other come nearer to nothing only together.
fn nearer_together(scene: &Scene) -> Vec<Scene> {
    let mut numbers = Vec::new();
    each_number(&mut scene.clone(), &mut |number| numbers.push(*number));
    let size = |numbers: &[i64]| numbers.iter().map(|number| u128::from(number.unsigned_abs())).sum::<u128>();
    let mut less = Vec::new();
    for by in &numbers {
        let Some(moved) = numbers.iter().map(|number| number.checked_sub(*by)).collect::<Option<Vec<_>>>() else {
            continue;
        };
        if size(&moved) < size(&numbers) {
            let mut nearer = scene.clone();
            each_number(&mut nearer, &mut |number| *number = number.saturating_sub(*by));
            less.push(nearer);
        }
    }
    less.dedup();
    less
}

fn each_number(scene: &mut Scene, change: &mut dyn FnMut(&mut i64)) {
    let described = scene.entities.values_mut();
    let described = described.flat_map(|entity| entity.attributes.values_mut().chain(entity.tags.values_mut()));
    for value in described.chain(scene.context.values_mut()) {
        each_number_of(value, change);
    }
}

fn each_number_of(value: &mut Value, change: &mut dyn FnMut(&mut i64)) {
    match value {
        Value::Number(number) => {
            if let Some(mut whole) = number.as_i64() {
                change(&mut whole);
                *value = Value::from(whole);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| each_number_of(element, change)),
        Value::Object(members) => members.values_mut().for_each(|member| each_number_of(member, change)),
        _ => {}
    }
}

/// A record without one of its members, or with one of them smaller.
fn smaller_members(members: &Map<String, Value>) -> Vec<Map<String, Value>> {
    let without = members.keys().map(|name| {
        let mut less = members.clone();
        less.remove(name);
        less
    });
    let with = members.iter().flat_map(|(name, value)| {
        smaller_values(value).into_iter().map(|value| {
            let mut less = members.clone();
            less.insert(name.clone(), value);
            less
        })
    });
    without.chain(with).collect()
}

fn smaller_values(value: &Value) -> Vec<Value> {
    if as_entity(value).is_some() {
        return Vec::new();
    }
    if let Some(plainer) = as_extension(value) {
        return plainer_extension(plainer);
    }
    if let Some(members) = as_record(value) {
        return smaller_members(members).into_iter().map(Value::Object).collect();
    }
    match value {
        Value::Array(elements) => {
            let without = (0..elements.len()).map(|place| {
                let kept = elements.iter().enumerate().filter(|(other, _)| *other != place);
                kept.map(|(_, element)| element.clone()).collect()
            });
            let with = elements.iter().enumerate().flat_map(|(place, element)| {
                smaller_values(element).into_iter().map(move |smaller| {
                    let put = |(other, element): (usize, &Value)| {
                        if other == place { smaller.clone() } else { element.clone() }
                    };
                    elements.iter().enumerate().map(put).collect()
                })
            });
            without.chain(with).collect()
        }
        Value::Number(number) => number.as_i64().map(smaller_numbers).unwrap_or_default(),
        Value::String(text) if !text.is_empty() => {
            let plain = ["", PLAIN].into_iter().filter(|plain| plain.len() < text.len());
            plain.map(Value::from).collect()
        }
        _ => Vec::new(),
    }
}

/// Nearer to nothing, by all of it, by half of it, and so on down to one: a threshold is found in few steps.
fn smaller_numbers(number: i64) -> Vec<Value> {
    let nearer = (0..i64::BITS).map_while(|halvings| {
        let by = number / 1_i64.checked_shl(halvings).filter(|divisor| *divisor > 0)?;
        (by != 0).then(|| Value::from(number - by))
    });
    nearer.collect()
}

fn plainer_extension((function, argument): (&str, &str)) -> Vec<Value> {
    let plain = match function {
        "datetime" => "1970-01-01",
        "duration" => "0ms",
        "decimal" => "0.0",
        _ => return Vec::new(),
    };
    if argument == plain { Vec::new() } else { vec![super::extension(function, plain)] }
}

/// What stands for any text.
const PLAIN: &str = "a";

/// Far more than any scene takes.
const MOST_STEPS: usize = 100_000;

//! What makers of scenes draw from: the words of policies, and who and what the directory knows.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal};
use serde_json::{Value, json};

use super::values::constant;
use crate::model::EntityRef;
use crate::snapshot::Snapshot;
use crate::vocabulary::entity_ref;

/// What policies speak of.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// By the attribute or tag that it is compared with; under the empty name, everything.
    values: BTreeMap<String, Vec<Value>>,
    tags: Vec<String>,
    entities: BTreeMap<String, Vec<EntityRef>>,
}

impl Words {
    /// The words of conditions, and entities that scopes and grants name.
    pub fn of<'e>(conditions: impl Iterator<Item = &'e Expr>, named: impl Iterator<Item = EntityRef>) -> Self {
        let mut words = Self::default();
        let mut tags = BTreeSet::new();
        for condition in conditions {
            condition.subexpressions().for_each(|part| words.read(part, &mut tags));
        }
        for uid in named {
            words.name(uid);
        }
        for values in words.values.values_mut() {
            let mut seen = HashSet::new();
            values.retain(|value| seen.insert(value.to_string()));
        }
        words.tags = tags.into_iter().collect();
        words
    }

    /// Speaks of what another speaks of, too.
    pub fn join(&mut self, other: &Self) {
        for (name, values) in &other.values {
            let own = self.values.entry(name.clone()).or_default();
            own.extend(values.iter().filter(|value| !own.contains(value)).cloned().collect::<Vec<_>>());
        }
        for tag in &other.tags {
            if !self.tags.contains(tag) {
                self.tags.push(tag.clone());
            }
        }
        self.tags.sort();
        other.entities.values().flatten().for_each(|uid| self.name(uid.clone()));
    }

    /// Values that policies compare an attribute or tag of this name with.
    pub fn near(&self, name: &str) -> &[Value] {
        self.values.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Every value that policies speak of.
    pub fn all(&self) -> &[Value] {
        self.near("")
    }

    /// The tags that policies ask for.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// The entities of a type that policies name.
    pub fn entities(&self, entity_type: &str) -> &[EntityRef] {
        self.entities.get(entity_type).map(Vec::as_slice).unwrap_or_default()
    }

    fn name(&mut self, uid: EntityRef) {
        let named = self.entities.entry(uid.entity_type.clone()).or_default();
        if named.len() < MOST_NAMED && !named.contains(&uid) {
            named.push(uid);
        }
    }

    fn read(&mut self, part: &Expr, tags: &mut BTreeSet<String>) {
        if let ExprKind::Lit(Literal::EntityUID(uid)) = part.expr_kind() {
            self.name(entity_ref(&uid.as_ref().clone().into()));
        }
        if let Some(value) = constant(part) {
            self.values.entry(String::new()).or_default().push(value);
        }
        if let ExprKind::BinaryApp { op: BinaryOp::GetTag | BinaryOp::HasTag, arg2, .. } = part.expr_kind()
            && let ExprKind::Lit(Literal::String(tag)) = arg2.expr_kind()
        {
            tags.insert(tag.to_string());
        }
        let (left, right) = match part.expr_kind() {
            ExprKind::BinaryApp { arg1, arg2, .. } => (arg1.as_ref(), arg2.as_ref()),
            ExprKind::ExtensionFunctionApp { args, .. } => match args.as_slice() {
                [left, right] => (left, right),
                _ => return,
            },
            _ => return,
        };
        for (named, other) in [(left, right), (right, left)] {
            let (Some(name), Some(value)) = (name_of(named), constant(other)) else { continue };
            let elements = value.as_array().cloned().unwrap_or_else(|| vec![value]);
            self.values.entry(name).or_default().extend(elements.into_iter().flat_map(with_neighbours));
        }
    }
}

/// A number, and those beside it.
fn with_neighbours(value: Value) -> Vec<Value> {
    match value.as_i64() {
        Some(number) => [0, 1, -1].into_iter().filter_map(|step| number.checked_add(step)).map(|n| json!(n)).collect(),
        None => vec![value],
    }
}

/// The attribute or the tag that an expression reads.
fn name_of(expression: &Expr) -> Option<String> {
    match expression.expr_kind() {
        ExprKind::GetAttr { attr, .. } => Some(attr.to_string()),
        ExprKind::BinaryApp { op: BinaryOp::GetTag, arg2, .. } => match arg2.expr_kind() {
            ExprKind::Lit(Literal::String(tag)) => Some(tag.to_string()),
            _ => None,
        },
        ExprKind::ExtensionFunctionApp { args, .. } => args.first().and_then(name_of),
        _ => None,
    }
}

/// Who and what a directory knows: a sample of each type, the same for the same directory.
#[derive(Clone, Debug, Default)]
pub struct Population {
    by_type: BTreeMap<String, Vec<EntityRef>>,
    sampled: HashSet<EntityRef>,
}

impl Population {
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut by_type: BTreeMap<String, Vec<EntityRef>> = BTreeMap::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for uid in snapshot.entities.uids() {
            let uid = entity_ref(&uid);
            let count = seen.entry(uid.entity_type.clone()).or_default();
            *count += 1;
            let sample = by_type.entry(uid.entity_type.clone()).or_default();
            if sample.len() < MOST_KNOWN {
                sample.push(uid);
            } else if count.is_power_of_two() {
                // Some of those that come late, too.
                let place = *count % MOST_KNOWN;
                sample.splice(place..=place, [uid]);
            }
        }
        by_type.values_mut().for_each(|sample| sample.sort());
        let sampled = by_type.values().flatten().cloned().collect();
        Self { by_type, sampled }
    }

    pub fn of_type(&self, entity_type: &str) -> &[EntityRef] {
        self.by_type.get(entity_type).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn knows(&self, uid: &EntityRef) -> bool {
        self.sampled.contains(uid)
    }
}

/// Entities of one type that are drawn from, at most.
const MOST_KNOWN: usize = 512;
const MOST_NAMED: usize = 512;

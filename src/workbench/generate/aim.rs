//! Changes a scene until a policy comes near to matching it, or near to not matching.
//!
//! Goes down the condition and chooses, where there is a choice; thresholds are aimed at from both sides. Whether the
//! aim was good is for Cedar to say: nothing here decides.

mod sets;

use cedar_policy_core::ast::{
    self, BinaryOp, EntityReference, Expr, ExprKind, PatternElem, PrincipalOrResourceConstraint, UnaryOp, Var,
};
use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use serde_json::{Value, json};

use super::place::Place;
use super::{Generator, UNKNOWN_ID, pick};
use crate::model::EntityRef;
use crate::schema::DataType;
use crate::vocabulary::entity_ref;
use crate::workbench::scene::{Scene, as_entity, entity_value};

/// A policy that a scene is to come near to, and to which side of it.
#[derive(Clone, Debug)]
pub struct Goal {
    pub policy: ast::Policy,
    pub matches: bool,
}

/// A scene while it is changed.
pub(super) struct Aim<'a, 'g> {
    pub generator: &'a Generator<'g>,
    pub rng: &'a mut TestRng,
    pub scene: Scene,
}

impl Aim<'_, '_> {
    pub fn at(&mut self, goal: &Goal) {
        let condition = goal.policy.non_scope_constraints().cloned();
        if goal.matches || condition.is_none() || self.rng.random_bool(0.7) {
            self.scope(&Place::Principal, goal.policy.principal_constraint().as_inner(), goal.matches);
            self.scope(&Place::Resource, goal.policy.resource_constraint().as_inner(), goal.matches);
        }
        if let Some(condition) = condition {
            self.truth(&condition, goal.matches);
        }
    }

    /// Makes reckoning go wrong: a number that is as large as numbers get, or as small.
    pub fn overflow(&mut self, goal: &Goal) {
        let Some(condition) = goal.policy.non_scope_constraints() else { return };
        let sums = condition.subexpressions().filter(|part| {
            let kind = part.expr_kind();
            matches!(kind, ExprKind::BinaryApp { op: BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul, .. })
                || matches!(kind, ExprKind::UnaryApp { op: UnaryOp::Neg, .. })
        });
        for operand in sums.flat_map(Expr::subexpressions) {
            let extreme = if self.rng.random_bool(0.5) { i64::MAX } else { i64::MIN };
            if let Some(place) = self.place_of(operand)
                && self.kind_of(&place) == Some(DataType::Number)
            {
                self.put(&place, json!(extreme));
            }
        }
    }

    /// Changes something for no reason.
    pub fn disturb(&mut self) {
        let smaller = crate::workbench::scene::smaller(&self.scene);
        if self.rng.random_bool(0.6) {
            if let Some(scene) = pick(self.rng, &smaller) {
                self.scene = scene.clone();
            }
            return;
        }
        let types = crate::workbench::shape::context_types(self.generator.schema, &self.scene.action);
        let names: Vec<_> = types.into_iter().collect();
        if let Some((name, (kind, _))) = pick(self.rng, &names).cloned() {
            let value = self.generator.value(self.rng, &name, &kind);
            self.scene.context.insert(name, value);
        }
    }

    fn scope(&mut self, place: &Place, constraint: &PrincipalOrResourceConstraint, wanted: bool) {
        let uid = |reference: &EntityReference| match reference {
            EntityReference::EUID(uid) => Some(entity_ref(&uid.as_ref().clone().into())),
            EntityReference::Slot(_) => None,
        };
        match constraint {
            PrincipalOrResourceConstraint::Any | PrincipalOrResourceConstraint::Is(_) => {}
            PrincipalOrResourceConstraint::Eq(reference) => {
                if let (Some(uid), true) = (uid(reference), wanted) {
                    self.put(place, entity_value(&uid));
                }
            }
            PrincipalOrResourceConstraint::In(reference) | PrincipalOrResourceConstraint::IsIn(_, reference) => {
                let own = if *place == Place::Principal { &self.scene.principal } else { &self.scene.resource }.clone();
                if let (Some(uid), true) = (uid(reference), wanted) {
                    self.be_in(place, &own, &uid);
                }
            }
        }
    }

    /// Puts an entity into another; one of the other's own type becomes it.
    pub(super) fn be_in(&mut self, place: &Place, own: &EntityRef, other: &EntityRef) {
        if own == other {
            return;
        }
        let above = self.generator.shape.entity_type(&own.entity_type).map(|found| found.above.clone());
        if above.unwrap_or_default().contains(&other.entity_type) {
            self.entity_mut(own).parents.insert(other.clone());
        } else if own.entity_type == other.entity_type {
            self.put(place, entity_value(other));
        }
    }

    /// Takes an entity out of another, and leaves it in all else that it is in.
    fn not_be_in(&mut self, place: &Place, own: &EntityRef, other: &EntityRef) {
        if own == other {
            let unknown = EntityRef::new(&own.entity_type, UNKNOWN_ID);
            return self.put(place, entity_value(&unknown));
        }
        if !self.leads_to(own, other, DEEPEST) {
            return;
        }
        let parents = self.entity_mut(own).parents.clone();
        let kept = parents.into_iter().filter(|parent| parent != other && !self.leads_to(parent, other, DEEPEST));
        let kept = kept.collect();
        self.entity_mut(own).parents = kept;
    }

    fn leads_to(&self, from: &EntityRef, to: &EntityRef, deepest: usize) -> bool {
        let parents = self.entity(from).map(|entity| entity.parents).unwrap_or_default();
        parents.iter().any(|parent| parent == to || (deepest > 0 && self.leads_to(parent, to, deepest - 1)))
    }

    /// Makes a condition true, or false.
    pub(super) fn truth(&mut self, expression: &Expr, wanted: bool) {
        match expression.expr_kind() {
            ExprKind::And { left, right } | ExprKind::Or { left, right } => {
                let is_and = matches!(expression.expr_kind(), ExprKind::And { .. });
                if is_and == wanted {
                    // Of two thresholds for one value, the one that is aimed at last is met.
                    let (first, last) = if self.rng.random_bool(0.3) { (right, left) } else { (left, right) };
                    self.truth(first, wanted);
                    self.truth(last, wanted);
                } else if self.rng.random_bool(0.5) {
                    self.truth(left, wanted);
                } else {
                    // So that the right one is looked at.
                    self.truth(left, !wanted);
                    self.truth(right, wanted);
                }
            }
            ExprKind::UnaryApp { op: UnaryOp::Not, arg } => self.truth(arg, !wanted),
            ExprKind::UnaryApp { op: UnaryOp::IsEmpty, arg } => self.emptiness(arg, wanted),
            ExprKind::UnaryApp { op: UnaryOp::Neg, .. } => {}
            ExprKind::If { test_expr, then_expr, else_expr } => {
                let chosen = self.rng.random_bool(0.5);
                self.truth(test_expr, chosen);
                self.truth(if chosen { then_expr } else { else_expr }, wanted);
            }
            ExprKind::BinaryApp { op, arg1, arg2 } => self.comparison(*op, arg1, arg2, wanted),
            ExprKind::HasAttr { expr, attr } => self.presence(expr, std::slice::from_ref(attr), wanted),
            ExprKind::ExtHasAttr { expr, attrs } => {
                let attributes: Vec<_> = attrs.iter().cloned().collect();
                self.presence(expr, &attributes, wanted);
            }
            ExprKind::Like { expr, pattern } => {
                let letter = |element: &PatternElem, rng: &mut TestRng| match element {
                    PatternElem::Char(letter) => letter.to_string(),
                    PatternElem::Wildcard => pick(rng, &["", "x"]).copied().unwrap_or_default().to_owned(),
                };
                let fitting: String = pattern.iter().map(|element| letter(element, self.rng)).collect();
                let text = if wanted {
                    fitting
                } else {
                    pick(self.rng, &["", "y", "z@example.com"]).copied().unwrap_or_default().to_owned()
                };
                self.assign(expr, &json!(text));
            }
            ExprKind::ExtensionFunctionApp { fn_name, args } => {
                self.extension_function(&fn_name.to_string(), args, wanted)
            }
            ExprKind::GetAttr { .. } => {
                self.assign(expression, &json!(wanted));
            }
            _ => {}
        }
    }

    fn comparison(&mut self, op: BinaryOp, left: &Expr, right: &Expr, wanted: bool) {
        match op {
            BinaryOp::Eq => self.equality(left, right, wanted),
            BinaryOp::Less => self.order(left, right, wanted, 0),
            BinaryOp::LessEq => self.order(left, right, wanted, 1),
            BinaryOp::In => self.membership(left, right, wanted),
            BinaryOp::Contains | BinaryOp::ContainsAny | BinaryOp::ContainsAll => {
                self.containment(op, left, right, wanted);
            }
            BinaryOp::HasTag => {
                let Some(place) = self.tag_of(left, right) else { return };
                if wanted {
                    self.fill(&place);
                } else {
                    self.remove(&place);
                }
            }
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::GetTag => {}
        }
    }

    fn equality(&mut self, left: &Expr, right: &Expr, wanted: bool) {
        let Some(value) = self.value_of(right) else { return };
        if wanted {
            if !self.assign(left, &value)
                && let Some(value) = self.value_of(left)
            {
                self.assign(right, &value);
            }
            return;
        }
        let other = |aim: &mut Self, side: &Expr| {
            let place = aim.place_of(side)?;
            let kind = aim.kind_of(&place)?;
            let other = match (&kind, as_entity(&value)) {
                (DataType::Entity(name), Some(_)) => entity_value(&EntityRef::new(name, UNKNOWN_ID)),
                _ => aim.generator.value(aim.rng, place.name(), &kind),
            };
            aim.put(&place, other);
            Some(())
        };
        other(self, left).or_else(|| other(self, right));
    }

    /// `left < right`, or `left < right + slack`: on the edge, beside it, or far from it.
    fn order(&mut self, left: &Expr, right: &Expr, wanted: bool, slack: i64) {
        let distance = *pick(self.rng, &[0, 0, 0, 1, 1000, 3_600_000]).unwrap_or(&0);
        let step = if wanted { -1_i64 + slack - distance } else { slack + distance };
        if let Some((measure, number)) = self.number_of(right)
            && self.assign_number(left, measure, number.saturating_add(step))
        {
            return;
        }
        if let Some((measure, number)) = self.number_of(left) {
            self.assign_number(right, measure, number.saturating_sub(step));
        }
    }

    fn presence(&mut self, of: &Expr, names: &[smol_str::SmolStr], wanted: bool) {
        let Some((first, rest)) = names.split_first() else { return };
        let Some(mut place) = self.member_of(of, first) else { return };
        for name in rest {
            if wanted {
                self.fill(&place);
            }
            // Through an entity, or deeper into a record.
            let through = self.get(&place).as_ref().and_then(as_entity);
            let next = match through {
                Some(uid) => Some(Place::Attribute(uid, vec![name.to_string()])),
                None => place.clone().member(name),
            };
            let Some(next) = next else { return };
            place = next;
        }
        if wanted {
            self.fill(&place);
        } else {
            self.remove(&place);
        }
    }

    fn membership(&mut self, left: &Expr, right: &Expr, wanted: bool) {
        let Some(own) = self.entity_of(left) else { return };
        let place = match left.expr_kind() {
            ExprKind::Var(Var::Principal) => Place::Principal,
            ExprKind::Var(Var::Resource) => Place::Resource,
            _ => match self.place_of(left) {
                Some(place) => place,
                None => return,
            },
        };
        let targets = match self.value_of(right) {
            Some(Value::Array(targets)) => targets.iter().filter_map(as_entity).collect(),
            Some(target) => as_entity(&target).into_iter().collect::<Vec<_>>(),
            None => Vec::new(),
        };
        if !wanted {
            return targets.iter().for_each(|target| self.not_be_in(&place, &own, target));
        }
        if let Some(target) = pick(self.rng, &targets).cloned() {
            return self.be_in(&place, &own, &target);
        }
        // A set with nothing in it: something that is right goes in.
        let Some(set) = self.place_of(right) else { return };
        let Some(DataType::Set(element)) = self.kind_of(&set) else { return };
        let DataType::Entity(entity_type) = *element else { return };
        let target =
            if entity_type == own.entity_type { own.clone() } else { EntityRef::new(&entity_type, UNKNOWN_ID) };
        self.put(&set, json!([entity_value(&target)]));
        self.be_in(&place, &own, &target);
    }

    fn extension_function(&mut self, function: &str, args: &[Expr], wanted: bool) {
        match (function, args) {
            ("isInRange", [address, range]) => self.in_range(address, range, wanted),
            ("isIpv4" | "isIpv6" | "isLoopback" | "isMulticast", [address]) => {
                let (yes, no) = match function {
                    "isIpv4" => ("10.0.0.1", "2001:db8::1"),
                    "isIpv6" => ("2001:db8::1", "10.0.0.1"),
                    "isLoopback" => ("127.0.0.1", "10.0.0.1"),
                    _ => ("224.0.0.1", "10.0.0.1"),
                };
                self.assign(address, &crate::workbench::scene::extension("ip", if wanted { yes } else { no }));
            }
            ("lessThan", [left, right]) => self.order(left, right, wanted, 0),
            ("lessThanOrEqual", [left, right]) => self.order(left, right, wanted, 1),
            ("greaterThan", [left, right]) => self.order(right, left, wanted, 0),
            ("greaterThanOrEqual", [left, right]) => self.order(right, left, wanted, 1),
            _ => {}
        }
    }
}

/// As far up as is looked, so that a circle of a scene's own ends.
const DEEPEST: usize = 16;

//! Whether a policy may match for a principal of whom only so much is known.
//!
//! In: what is known of a principal, and a policy. Out: yes, no, or perhaps. Sound: `No` is said only where no request
//! of such a principal could make the policy match, `Yes` only where each does as far as the principal is concerned
//! and nothing else is asked.

use std::collections::HashSet;

use cedar_policy_core::ast::{
    self, BinaryOp, EntityReference, EntityType, EntityUID, Expr, ExprKind, Literal, PrincipalOrResourceConstraint,
    UnaryOp, Var,
};

use crate::schema::ActionFacts;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tri {
    No,
    Perhaps,
    Yes,
}

impl From<bool> for Tri {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

/// A principal, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Subject {
    pub uid: Option<EntityUID>,
    pub kind: Option<EntityType>,
    /// What it is in; itself too.
    pub within: HashSet<EntityUID>,
    /// What it is known not to be in, where not all that it is in is known.
    pub outside: HashSet<EntityUID>,
    /// Nothing but `within` holds it.
    pub is_complete: bool,
    /// An attribute of some entity names it or what it is in.
    pub is_mentioned: bool,
}

impl Subject {
    /// Whether a policy may match for it and an action.
    pub fn matches(&self, policy: &ast::Policy, action: &ActionFacts) -> Tri {
        let scope = self.in_scope(policy.principal_constraint().as_inner());
        let condition = policy.non_scope_constraints().map_or(Tri::Yes, |condition| self.value(condition, action));
        and(scope, condition)
    }

    pub fn in_scope(&self, constraint: &PrincipalOrResourceConstraint) -> Tri {
        use EntityReference::EUID;
        match constraint {
            PrincipalOrResourceConstraint::Any => Tri::Yes,
            PrincipalOrResourceConstraint::Is(kind) => self.is_of(kind),
            PrincipalOrResourceConstraint::Eq(EUID(uid)) => self.is(uid),
            PrincipalOrResourceConstraint::In(EUID(uid)) => self.is_in(uid),
            PrincipalOrResourceConstraint::IsIn(kind, EUID(uid)) => and(self.is_of(kind), self.is_in(uid)),
            _ => Tri::Perhaps,
        }
    }

    fn is_of(&self, kind: &EntityType) -> Tri {
        self.kind.as_ref().map_or(Tri::Perhaps, |own| (own == kind).into())
    }

    fn is(&self, uid: &EntityUID) -> Tri {
        match (&self.uid, &self.kind) {
            (Some(own), _) => (own == uid).into(),
            (None, Some(kind)) if kind != uid.entity_type() => Tri::No,
            // Whoever is something is in it.
            _ => {
                if self.is_in(uid) == Tri::No {
                    Tri::No
                } else {
                    Tri::Perhaps
                }
            }
        }
    }

    fn is_in(&self, uid: &EntityUID) -> Tri {
        if self.within.contains(uid) {
            Tri::Yes
        } else if self.is_complete || self.outside.contains(uid) {
            Tri::No
        } else {
            Tri::Perhaps
        }
    }

    /// What a condition comes to.
    fn value(&self, expression: &Expr, action: &ActionFacts) -> Tri {
        match expression.expr_kind() {
            ExprKind::Lit(Literal::Bool(value)) => (*value).into(),
            ExprKind::And { left, right } => and(self.value(left, action), self.value(right, action)),
            ExprKind::Or { left, right } => match (self.value(left, action), self.value(right, action)) {
                (Tri::Yes, _) | (Tri::No, Tri::Yes) => Tri::Yes,
                (Tri::No, Tri::No) => Tri::No,
                _ => Tri::Perhaps,
            },
            ExprKind::UnaryApp { op: UnaryOp::Not, arg } => match self.value(arg, action) {
                Tri::Yes => Tri::No,
                Tri::No => Tri::Yes,
                Tri::Perhaps => Tri::Perhaps,
            },
            ExprKind::If { test_expr, then_expr, else_expr } => {
                let (then, other) = (self.value(then_expr, action), self.value(else_expr, action));
                match self.value(test_expr, action) {
                    Tri::Yes => then,
                    Tri::No => other,
                    Tri::Perhaps if then == other && then == Tri::No => Tri::No,
                    Tri::Perhaps => Tri::Perhaps,
                }
            }
            ExprKind::Is { expr, entity_type } if is_var(expr, Var::Principal) => self.is_of(entity_type),
            ExprKind::BinaryApp { op: BinaryOp::Eq, arg1, arg2 } => {
                let sides = [(arg1, arg2), (arg2, arg1)];
                let of_principal = sides.iter().find(|(one, _)| is_var(one, Var::Principal));
                if let Some((_, other)) = of_principal {
                    return self.compared(other, Self::is);
                }
                let of_action = sides.iter().find(|(one, _)| is_var(one, Var::Action));
                match of_action.and_then(|(_, other)| literal(other)) {
                    Some(uid) => (action.uid.as_ref() == uid).into(),
                    None => Tri::Perhaps,
                }
            }
            ExprKind::BinaryApp { op: BinaryOp::In, arg1, arg2 } if is_var(arg1, Var::Principal) => {
                self.compared(arg2, Self::is_in)
            }
            ExprKind::BinaryApp { op: BinaryOp::In, arg1, arg2 } if is_var(arg1, Var::Action) => {
                let is_in = |uid: &EntityUID| action.is_in(&uid.clone().into());
                literals(arg2).map_or(Tri::Perhaps, |uids| uids.into_iter().any(is_in).into())
            }
            ExprKind::BinaryApp { op: BinaryOp::Contains, arg1, arg2 } if is_var(arg2, Var::Principal) => {
                self.compared(arg1, Self::is)
            }
            _ => Tri::Perhaps,
        }
    }

    /// The principal beside entities that are written out, or that some data name.
    fn compared(&self, other: &Expr, one: fn(&Self, &EntityUID) -> Tri) -> Tri {
        if let Some(uids) = literals(other) {
            let all = uids.into_iter().map(|uid| one(self, uid));
            return all.fold(Tri::No, |found, next| if found == Tri::No || next == Tri::Yes { next } else { found });
        }
        if has_bare_resource(other) {
            return Tri::Perhaps;
        }
        // Nothing that is kept names it: only a request could.
        let is_of_data = !other.subexpressions().any(|part| is_var(part, Var::Context) || is_var(part, Var::Principal));
        let names_some = other.subexpressions().any(|part| literal(part).is_some());
        if is_of_data && !names_some && self.is_complete && !self.is_mentioned { Tri::No } else { Tri::Perhaps }
    }
}

fn and(left: Tri, right: Tri) -> Tri {
    match (left, right) {
        (Tri::No, _) | (_, Tri::No) => Tri::No,
        (Tri::Yes, Tri::Yes) => Tri::Yes,
        _ => Tri::Perhaps,
    }
}

pub(super) fn is_var(expression: &Expr, var: Var) -> bool {
    matches!(expression.expr_kind(), ExprKind::Var(found) if *found == var)
}

/// Whether it mentions the resource itself, not only its attributes and tags.
pub(super) fn has_bare_resource(expression: &Expr) -> bool {
    let is_resource = |part: &&Expr| is_var(part, Var::Resource);
    let only_data = |part: &&Expr| match part.expr_kind() {
        ExprKind::GetAttr { expr, .. } | ExprKind::HasAttr { expr, .. } | ExprKind::ExtHasAttr { expr, .. } => {
            is_var(expr, Var::Resource)
        }
        ExprKind::BinaryApp { op: BinaryOp::GetTag | BinaryOp::HasTag, arg1, .. } => is_var(arg1, Var::Resource),
        _ => false,
    };
    expression.subexpressions().filter(is_resource).count() != expression.subexpressions().filter(only_data).count()
}

fn literal(expression: &Expr) -> Option<&EntityUID> {
    match expression.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(uid),
        _ => None,
    }
}

/// An entity that is written out, or a list of them.
fn literals(expression: &Expr) -> Option<Vec<&EntityUID>> {
    match expression.expr_kind() {
        ExprKind::Set(elements) => elements.iter().map(literal).collect(),
        _ => literal(expression).map(|uid| vec![uid]),
    }
}

//! The policies that people wrote, with what each looks at.
//!
//! In: a snapshot. Out: its policies and links that are not grants, each with the entities that it names, and what of
//! a request its condition reads. Policies about `assume` alone are left out: they say who is in an external identity
//! by the token alone, which no change of a directory is about.

use std::collections::HashSet;

use cedar_policy_core::ast::{self, Effect, EntityReference, EntityUID, ExprKind, PrincipalOrResourceConstraint, Var};
use smol_str::SmolStr;

use super::subject::{has_bare_resource, is_var};
use crate::schema::ActionFacts;
use crate::snapshot::{ActionSet, Snapshot, WrittenPolicy, exact, named_in};
use crate::vocabulary;

/// One policy that somebody wrote.
pub(super) struct Written<'a> {
    pub policy: &'a ast::Policy,
    written: &'a WrittenPolicy,
    pub actions: Vec<&'a ActionFacts>,
    /// In its scope or its condition.
    pub named: HashSet<EntityUID>,
    pub reads_context: bool,
    pub reads_principal: bool,
    pub reads_resource: bool,
    /// Whether it asks of which type the principal is.
    pub asks_type: bool,
    /// Attributes that it looks at, of anything.
    pub attributes: HashSet<SmolStr>,
    /// It may compare the principal with what data name.
    pub compares_with_data: bool,
    /// It may compare the principal with the resource itself.
    pub compares_with_resource: bool,
    /// It looks at attributes of what an attribute names.
    pub looks_further: bool,
}

impl<'a> Written<'a> {
    /// All of a snapshot.
    pub fn all(snapshot: &'a Snapshot) -> Vec<Self> {
        snapshot.policies.written.iter().filter_map(|written| Self::of(written, snapshot)).collect()
    }

    fn of(written: &'a WrittenPolicy, snapshot: &'a Snapshot) -> Option<Self> {
        let (policy, actions) = (&written.policy, &snapshot.schema.actions);
        let about = ActionSet::of(policy.template().action_constraint(), actions);
        let is_asked =
            |action: &&ActionFacts| about.contains(action.number) && action.uid.id().unescaped() != vocabulary::ASSUME;
        let actions: Vec<_> = actions.iter().filter(is_asked).collect();
        if actions.is_empty() {
            return None;
        }
        let mut found = Self {
            policy,
            written,
            actions,
            named: HashSet::new(),
            reads_context: false,
            reads_principal: false,
            reads_resource: false,
            asks_type: false,
            attributes: HashSet::new(),
            compares_with_data: false,
            compares_with_resource: false,
            looks_further: false,
        };
        let (principal, resource) = (policy.principal_constraint(), policy.resource_constraint());
        found.named.extend([principal.as_inner(), resource.as_inner()].into_iter().filter_map(entity_of));
        use PrincipalOrResourceConstraint::{Is, IsIn};
        found.asks_type = matches!(principal.as_inner(), Is(_) | IsIn(..));
        if let Some(condition) = policy.non_scope_constraints() {
            found.named.extend(named_in(condition).map(EntityUID::from));
            condition.subexpressions().for_each(|part| found.look(part));
        }
        found.compares_with_data = found.reads_principal && !found.attributes.is_empty();
        Some(found)
    }

    fn look(&mut self, part: &ast::Expr) {
        match part.expr_kind() {
            ExprKind::Var(Var::Context) => self.reads_context = true,
            ExprKind::Var(Var::Principal) => self.reads_principal = true,
            ExprKind::Var(Var::Resource) => self.reads_resource = true,
            ExprKind::Is { expr, .. } => self.asks_type |= is_var(expr, Var::Principal),
            ExprKind::GetAttr { expr, attr } | ExprKind::HasAttr { expr, attr } => {
                self.attributes.insert(attr.clone());
                self.looks_further |= !matches!(expr.expr_kind(), ExprKind::Var(_));
            }
            ExprKind::ExtHasAttr { attrs, .. } => {
                self.attributes.extend(attrs.iter().cloned());
                self.looks_further = true;
            }
            ExprKind::BinaryApp { op: ast::BinaryOp::GetTag | ast::BinaryOp::HasTag, .. } => {
                self.attributes.insert(TAGS.into());
            }
            ExprKind::BinaryApp { arg1, arg2, .. } => {
                let of_principal = |part: &ast::Expr| part.subexpressions().any(|part| is_var(part, Var::Principal));
                self.compares_with_resource |=
                    of_principal(arg1) && has_bare_resource(arg2) || of_principal(arg2) && has_bare_resource(arg1);
            }
            _ => {}
        }
    }

    pub fn is_permit(&self) -> bool {
        self.policy.effect() == Effect::Permit
    }

    pub fn has_id(&self, id: &str) -> bool {
        exact(&self.written.id()) == id
    }

    /// Says which policy it is: ``policy `x` at `policies/acme/a.cedar:12` ``.
    pub fn place(&self) -> String {
        format!("policy `{}` at `{}`", exact(&self.written.id()), self.written.source)
    }

    pub fn resource(&self) -> PrincipalOrResourceConstraint {
        self.policy.resource_constraint().as_inner().clone()
    }
}

/// The entity that one side of a scope names.
pub(in crate::admin) fn entity_of(constraint: &PrincipalOrResourceConstraint) -> Option<EntityUID> {
    use PrincipalOrResourceConstraint::{Any, Eq, In, Is, IsIn};
    match constraint {
        Eq(EntityReference::EUID(uid)) | In(EntityReference::EUID(uid)) | IsIn(_, EntityReference::EUID(uid)) => {
            Some(uid.as_ref().clone())
        }
        Any | Is(_) | Eq(_) | In(_) | IsIn(..) => None,
    }
}

/// Stands for all tags: no attribute's name is empty.
const TAGS: &str = "";

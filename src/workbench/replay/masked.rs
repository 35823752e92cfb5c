//! What the log masks cannot be decided again: which values a line lacks, and whether any policy would have read them.
//!
//! In: a logged principal; policies. Out: the principal without its masked values, and the names of these. A request
//! that no policy could have read one of them for is decided as any other.

use std::collections::BTreeSet;

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, Policy};
use serde_json::{Map, Value};

use super::logged::LoggedPrincipal;
use crate::audit::MASKED;
use crate::snapshot::{Snapshot, takes_part_in_assuming};

/// Takes out what is masked; the names of the attributes and tags that it was.
pub(super) fn take_masked(principal: &mut LoggedPrincipal) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let attributes = principal.attributes.iter_mut();
    attributes.chain([&mut principal.tags]).for_each(|members| take_from(members, &mut names));
    names
}

fn take_from(members: &mut Map<String, Value>, names: &mut BTreeSet<String>) {
    members.retain(|name, value| {
        let is_masked = value.as_str() == Some(MASKED);
        if is_masked {
            names.insert(name.clone());
        }
        !is_masked
    });
    members.values_mut().filter_map(Value::as_object_mut).for_each(|inner| take_from(inner, names));
}

/// The names that some policies read, of attributes and of tags.
#[derive(Debug, Default)]
pub(super) struct Read {
    names: BTreeSet<String>,
    /// A tag whose name is only known when it is read.
    any_tag: bool,
}

impl Read {
    /// By policies of a snapshot that say who is in an external identity.
    pub fn in_assuming(snapshot: &Snapshot) -> Self {
        let mut read = Self::default();
        let written = snapshot.policies.written.iter().map(|written| &written.policy);
        written.filter(|policy| takes_part_in_assuming(policy)).for_each(|policy| read.add(policy));
        read
    }

    /// By any policy of a snapshot.
    pub fn in_all(snapshot: &Snapshot) -> Self {
        let mut read = Self::default();
        let written = &snapshot.policies.written;
        written.iter().for_each(|written| read.add(&written.policy));
        let templates = written.templates().filter_map(|written| written.template.non_scope_constraints());
        templates.for_each(|condition| read.add_condition(condition));
        read
    }

    pub fn by<'a>(policies: impl Iterator<Item = &'a Policy>) -> Self {
        let mut read = Self::default();
        policies.for_each(|policy| read.add(policy));
        read
    }

    /// The first of these names that is read.
    pub fn first_of<'a>(&self, names: &'a BTreeSet<String>) -> Option<&'a str> {
        names.iter().find(|name| self.any_tag || self.names.contains(*name)).map(String::as_str)
    }

    fn add(&mut self, policy: &Policy) {
        if let Some(condition) = policy.non_scope_constraints() {
            self.add_condition(condition);
        }
    }

    fn add_condition(&mut self, condition: &Expr) {
        for part in condition.subexpressions() {
            match part.expr_kind() {
                ExprKind::GetAttr { attr, .. } | ExprKind::HasAttr { attr, .. } => {
                    self.names.insert(attr.to_string());
                }
                ExprKind::ExtHasAttr { attrs, .. } => {
                    self.names.extend(attrs.iter().map(ToString::to_string));
                }
                // Of a tag; another text of that name only makes us more careful.
                ExprKind::Lit(Literal::String(text)) => {
                    self.names.insert(text.to_string());
                }
                ExprKind::BinaryApp { op: BinaryOp::GetTag | BinaryOp::HasTag, arg2, .. } => {
                    self.any_tag |= !matches!(arg2.expr_kind(), ExprKind::Lit(_));
                }
                _ => {}
            }
        }
    }
}

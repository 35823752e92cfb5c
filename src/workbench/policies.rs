//! The policies of a tenant by the kinds of request that they may match.
//!
//! In: a snapshot. Out: for each kind of request, its written policies and its grants: all of them, or a sample. Sound
//! by types alone: what is left out cannot match, whatever the entities are.

use std::collections::BTreeMap;

use cedar_policy::EntityTypeName;
use cedar_policy_core::ast::{self, EntityReference, Expr, PrincipalOrResourceConstraint};

use super::shape::Environment;
use crate::model::EntityRef;
use crate::schema::{LoadedSchema, TypeNumber};
use crate::snapshot::{ActionSet, LinkRef, Snapshot, takes_part_in_assuming};
use crate::vocabulary;

/// A tenant's policies, sorted by what they may match.
#[derive(Debug)]
pub struct PolicyBook<'a> {
    snapshot: &'a Snapshot,
    written: Vec<(ast::Policy, Reach)>,
    /// Grants of one role to one type of subject on one type of resource.
    grants: BTreeMap<GrantKind<'a>, Vec<LinkRef<'a>>>,
}

type GrantKind<'a> = (&'a str, TypeNumber, TypeNumber);

/// The requests that a scope leaves, by their types.
#[derive(Clone, Debug)]
pub struct Reach {
    actions: ActionSet,
    principal: Side,
    resource: Side,
}

/// One side of a scope.
#[derive(Clone, Debug)]
enum Side {
    Any,
    Is(String),
    /// Of this type, or of one that may be in it.
    In(String),
    IsIn(String, String),
}

impl<'a> PolicyBook<'a> {
    pub fn of(snapshot: &'a Snapshot) -> Self {
        let schema = &snapshot.schema;
        let written = snapshot.policies.written.iter().map(|written| &written.policy);
        let written = written.map(|policy| (policy.clone(), Reach::of(policy, schema))).collect();
        let mut grants: BTreeMap<GrantKind<'a>, Vec<LinkRef<'a>>> = BTreeMap::new();
        for link in snapshot.policies.links.iter() {
            let kind = (crate::snapshot::exact(link.template_id()), link.principal_name().0, link.resource_name().0);
            grants.entry(kind).or_default().push(link);
        }
        Self { snapshot, written, grants }
    }

    /// The written policies that a kind of request may match.
    pub fn written(&self, environment: &Environment) -> impl Iterator<Item = &ast::Policy> {
        let schema = &self.snapshot.schema;
        let is_assuming = environment.is_assuming();
        let fits = move |(policy, reach): &&(ast::Policy, Reach)| {
            reach.fits(environment, schema) && (!is_assuming || takes_part_in_assuming(policy))
        };
        self.written.iter().filter(fits).map(|(policy, _)| policy)
    }

    /// How many grants a kind of request may match.
    pub fn count_grants(&self, environment: &Environment) -> usize {
        self.kinds(environment).map(<[LinkRef<'_>]>::len).sum()
    }

    /// Grants that a kind of request may match, so many of each kind at most, evenly picked.
    pub fn grants(&self, environment: &Environment, most_of_a_kind: usize) -> Vec<ast::Policy> {
        let picked = self.kinds(environment).flat_map(|kind| {
            let step = kind.len().div_ceil(most_of_a_kind).max(1);
            kind.iter().step_by(step)
        });
        picked.filter_map(|link| self.snapshot.policies.link_policy(*link)).collect()
    }

    /// The entities that scopes and some of the grants name.
    pub fn named(&self, most_of_a_kind: usize) -> Vec<EntityRef> {
        let mut named: Vec<_> = self.written.iter().flat_map(|(policy, _)| scope_entities(policy)).collect();
        for kind in self.grants.values() {
            let step = kind.len().div_ceil(most_of_a_kind).max(1);
            for link in kind.iter().step_by(step) {
                let uids = [link.principal(&self.snapshot.schema.types), link.resource(&self.snapshot.schema.types)];
                named.extend(uids.into_iter().flatten().map(|uid| vocabulary::entity_ref(&uid)));
            }
        }
        named
    }

    /// The conditions of all written policies and of all roles.
    pub fn conditions(&self) -> impl Iterator<Item = &Expr> {
        let written = self.written.iter().filter_map(|(policy, _)| policy.non_scope_constraints());
        let templates = self.snapshot.policies.written.templates();
        written.chain(templates.filter_map(|written| written.template.non_scope_constraints()))
    }

    fn kinds(&self, environment: &Environment) -> impl Iterator<Item = &[LinkRef<'a>]> {
        let schema = &self.snapshot.schema;
        let action = vocabulary::read_uid(&environment.action).and_then(|uid| schema.actions.get(&uid));
        let action = action.map(|action| action.number).filter(|_| !environment.is_assuming());
        let fits = move |(template, subject, resource): &GrantKind<'a>| {
            let of_role = self.snapshot.policies.written.template(&cedar_policy::PolicyId::new(template));
            let about = of_role.zip(action).is_some_and(|(role, action)| role.actions.contains(action));
            let side = |number: &TypeNumber| Side::In(schema.types.name(*number).to_owned());
            about
                && side(subject).fits(&environment.principal, schema)
                && side(resource).fits(&environment.resource, schema)
        };
        self.grants.iter().filter(move |(kind, _)| fits(kind)).map(|(_, links)| links.as_slice())
    }
}

impl Environment {
    /// Whether it is asked who is in an external identity, of which fewer policies have a say.
    pub fn is_assuming(&self) -> bool {
        vocabulary::read_ref(&self.action)
            .is_some_and(|action| action.id == vocabulary::ASSUME && action.entity_type == vocabulary::ACTION)
    }
}

impl Reach {
    pub fn of(policy: &ast::Policy, schema: &LoadedSchema) -> Self {
        Self {
            actions: ActionSet::of(policy.template().action_constraint(), &schema.actions),
            principal: Side::of(policy.principal_constraint().as_inner()),
            resource: Side::of(policy.resource_constraint().as_inner()),
        }
    }

    /// Whether a request of this kind may be within the scope.
    pub fn fits(&self, environment: &Environment, schema: &LoadedSchema) -> bool {
        let action = vocabulary::read_uid(&environment.action).and_then(|uid| schema.actions.get(&uid));
        action.is_some_and(|action| self.actions.contains(action.number))
            && self.principal.fits(&environment.principal, schema)
            && self.resource.fits(&environment.resource, schema)
    }
}

impl Side {
    fn of(constraint: &PrincipalOrResourceConstraint) -> Self {
        let type_of = |reference: &EntityReference| match reference {
            EntityReference::EUID(uid) => uid.entity_type().to_string(),
            EntityReference::Slot(_) => String::new(),
        };
        match constraint {
            PrincipalOrResourceConstraint::Any => Self::Any,
            PrincipalOrResourceConstraint::Is(kind) => Self::Is(kind.to_string()),
            PrincipalOrResourceConstraint::Eq(reference) => Self::Is(type_of(reference)),
            PrincipalOrResourceConstraint::In(reference) => Self::In(type_of(reference)),
            PrincipalOrResourceConstraint::IsIn(kind, reference) => Self::IsIn(kind.to_string(), type_of(reference)),
        }
    }

    fn fits(&self, entity_type: &str, schema: &LoadedSchema) -> bool {
        let may_be_in = |above: &str| entity_type == above || schema.may_be_in(entity_type, above);
        match self {
            Self::Any => true,
            Self::Is(kind) => kind == entity_type,
            Self::In(above) => may_be_in(above),
            Self::IsIn(kind, above) => kind == entity_type && may_be_in(above),
        }
    }
}

/// The entities that a scope names.
pub fn scope_entities(policy: &ast::Policy) -> Vec<EntityRef> {
    let (principal, resource) = (policy.principal_constraint(), policy.resource_constraint());
    let named = |constraint: &PrincipalOrResourceConstraint| match constraint {
        PrincipalOrResourceConstraint::Eq(EntityReference::EUID(uid))
        | PrincipalOrResourceConstraint::In(EntityReference::EUID(uid))
        | PrincipalOrResourceConstraint::IsIn(_, EntityReference::EUID(uid)) => {
            Some(vocabulary::entity_ref(&uid.as_ref().clone().into()))
        }
        _ => None,
    };
    named(principal.as_inner()).into_iter().chain(named(resource.as_inner())).collect()
}

/// The type of an entity as Cedar has it.
pub fn type_name(name: &str) -> Option<EntityTypeName> {
    name.parse().ok()
}

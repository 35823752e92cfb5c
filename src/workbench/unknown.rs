//! Names that policies and invariants mention and that nothing declares: most often a slip of the pen, by which a `forbid`
//! forbids nothing.
//!
//! In: a snapshot and the policies of its invariants. Out: a warning for each name, with its place and the nearest name
//! that there is. Resources are left out: a request may be about one that the directory does not know.

use std::collections::BTreeSet;

use cedar_policy::{EntityId, EntityUid};
use cedar_policy_core::ast::{self, BinaryOp, EntityReference, ExprKind, Literal, PrincipalOrResourceConstraint};

use crate::model::{Email, Fault, nearest};
use crate::schema::{Identity, id_of};
use crate::snapshot::{PolicySource, Snapshot, exact};
use crate::vocabulary::{self, EXTERNAL_SUBJECT, OWN_TYPES, USER};

/// Line and column of an offset in a file.
pub type PlaceOf<'a> = &'a dyn Fn(&str, usize) -> Option<(usize, usize)>;

/// The warnings of a tenant's policies, templates and invariants. `place` finds line and column of an offset in a file.
pub fn unknown_names<'a>(
    snapshot: &'a Snapshot,
    invariants: impl Iterator<Item = (&'a ast::Policy, &'a PolicySource)>,
    place: PlaceOf<'_>,
) -> Vec<Fault> {
    if snapshot.schema.identity == Identity::LeftOut {
        return Vec::new();
    }
    let known_tags = known_tags(snapshot);
    let mut search = Search { snapshot, place, known_tags, found: BTreeSet::new() };
    for written in snapshot.policies.written.iter() {
        search.look(written.policy.template(), &written.source);
    }
    for template in snapshot.policies.written.templates() {
        search.look(&template.template, &template.source);
    }
    for (policy, source) in invariants {
        search.look(policy.template(), source);
    }
    search.found.into_iter().collect()
}

/// The end of a message about an entity that nothing declares: the nearest name among those of its type.
pub fn meant(snapshot: &Snapshot, uid: &EntityUid) -> String {
    let same_type = snapshot.entities.uids().filter(|known| known.type_name() == uid.type_name());
    let known: Vec<String> = same_type.take(MOST_NAMES).map(|known| id_of(&known).to_owned()).collect();
    let meant = nearest(id_of(uid), known.iter().map(String::as_str));
    let named = meant.map(|id| EntityUid::from_type_name_and_id(uid.type_name().clone(), EntityId::new(id)));
    named.map_or_else(String::new, |named| format!(" (did you mean `{named}`?)"))
}

struct Search<'a> {
    snapshot: &'a Snapshot,
    place: PlaceOf<'a>,
    known_tags: BTreeSet<String>,
    found: BTreeSet<Fault>,
}

impl Search<'_> {
    fn look(&mut self, policy: &ast::Template, source: &PolicySource) {
        if is_compiled(policy) {
            return;
        }
        let scopes: [&PrincipalOrResourceConstraint; 2] =
            [policy.principal_constraint().as_inner(), policy.resource_constraint().as_inner()];
        for scope in scopes {
            let named = match scope {
                PrincipalOrResourceConstraint::In(EntityReference::EUID(uid))
                | PrincipalOrResourceConstraint::Eq(EntityReference::EUID(uid))
                | PrincipalOrResourceConstraint::IsIn(_, EntityReference::EUID(uid)) => uid,
                _ => continue,
            };
            self.entity(named, source, named.loc().map(|loc| loc.start()));
        }
        for part in policy.non_scope_constraints().into_iter().flat_map(ast::Expr::subexpressions) {
            let at = part.source_loc().map(|loc| loc.start());
            match part.expr_kind() {
                ExprKind::Lit(Literal::EntityUID(uid)) => self.entity(uid, source, at),
                ExprKind::BinaryApp { op: BinaryOp::HasTag | BinaryOp::GetTag, arg2, .. } => {
                    if let ExprKind::Lit(Literal::String(tag)) = arg2.expr_kind() {
                        self.tag(tag, source, arg2.source_loc().map(|loc| loc.start()).or(at));
                    }
                }
                _ => {}
            }
        }
    }

    fn entity(&mut self, uid: &ast::EntityUID, source: &PolicySource, at: Option<usize>) {
        let kind = uid.entity_type().to_string();
        let uid = EntityUid::from(uid.clone());
        if !OWN_TYPES.contains(&kind.as_str()) || kind == EXTERNAL_SUBJECT || self.snapshot.entities.contains(&uid) {
            return;
        }
        // A policy may go on about somebody who is switched off.
        let is_off = |email: Email| self.snapshot.sign_ins.is_deactivated(&email);
        let id = vocabulary::entity_ref(&uid).id;
        if kind == USER && Email::parse(&id).is_ok_and(is_off) || uid == *self.snapshot.tenant_uid() {
            return;
        }
        let message = format!("{uid} is not declared{}", meant(self.snapshot, &uid));
        self.warn(source, at, message);
    }

    /// Any claim may come in a token; one that is nearly the name of one that is known is worth a look.
    fn tag(&mut self, tag: &str, source: &PolicySource, at: Option<usize>) {
        if self.known_tags.contains(tag) {
            return;
        }
        let known = self.known_tags.iter().map(String::as_str);
        if let Some(meant) = nearest(tag, known) {
            let message = format!("no provider is known to give the tag `{tag}` (did you mean `{meant}`?)");
            self.warn(source, at, message);
        }
    }

    fn warn(&mut self, source: &PolicySource, at: Option<usize>, message: String) {
        let (line, column) = at.and_then(|at| (self.place)(&source.file, at)).unwrap_or((source.line, 1));
        self.found.insert(Fault { file: source.file.clone(), line, column, message });
    }
}

/// Whether a policy is of the compiled ones: their names are checked where they are declared.
fn is_compiled(policy: &ast::Template) -> bool {
    let id: &str = policy.id().as_ref();
    ["role/", "external-identity/", "collaborator/"].iter().any(|kind| id.starts_with(kind))
}

/// Claims that the tenant's identities ask for, that providers are said to give, and that every provider may give.
fn known_tags(snapshot: &Snapshot) -> BTreeSet<String> {
    let mut known: BTreeSet<String> = STANDARD_CLAIMS.iter().map(|claim| (*claim).to_owned()).collect();
    for provider in snapshot.identity_providers.iter() {
        let claims = &provider.claims;
        known.extend(claims.unique_id.iter().chain([&claims.email]).cloned());
        known.extend(claims.virtual_account.iter().chain(&claims.teams).cloned());
    }
    let identities = snapshot.policies.written.iter();
    for written in identities.filter(|written| exact(&written.id()).starts_with("external-identity/")) {
        for part in written.policy.non_scope_constraints().into_iter().flat_map(ast::Expr::subexpressions) {
            if let ExprKind::BinaryApp { op: BinaryOp::HasTag, arg2, .. } = part.expr_kind()
                && let ExprKind::Lit(Literal::String(tag)) = arg2.expr_kind()
            {
                known.insert(tag.to_string());
            }
        }
    }
    known
}

/// OpenID Connect Core §5.1, RFC 7519 §4.1, RFC 9068 §2.2, and what the large providers add.
const STANDARD_CLAIMS: [&str; 36] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "name",
    "given_name",
    "family_name",
    "preferred_username",
    "email",
    "email_verified",
    "locale",
    "zoneinfo",
    "phone_number",
    "auth_time",
    "acr",
    "amr",
    "azp",
    "nonce",
    "sid",
    "client_id",
    "scope",
    "scp",
    "groups",
    "roles",
    "entitlements",
    "tid",
    "oid",
    "upn",
    "department",
    "repository",
    "ref",
    "environment",
    "realm_access/roles",
];
/// So many names are looked at for the one that was meant.
const MOST_NAMES: usize = 20_000;

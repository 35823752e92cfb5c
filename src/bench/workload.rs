//! The requests that are measured: drawn from the tenant's own data, the same ones for the same files.
//!
//! Three in four follow a grant or a permit: somebody whom it means, an action of it, something that it covers; most
//! of them are allowed. The others are anybody's, about anything that the schema lets them ask; most are denied.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cedar_policy::{ActionConstraint, Effect, EntityUid, PrincipalConstraint, ResourceConstraint};
use serde_json::Value;

use super::BenchError;
use super::files::TenantFiles;
use super::people::Who;
use super::random::Random;
use crate::decide::AccessQuery;
use crate::model::EntityRef;
use crate::principal::Principal;
use crate::schema::Identity;
use crate::vocabulary::{self, EXTERNAL_IDENTITY, EXTERNAL_SUBJECT};

/// A request before it is known whose entity that is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    pub who: Who,
    pub action: EntityUid,
    pub resource: EntityRef,
}

/// A request, ready to be asked.
pub struct Asked {
    pub who: Who,
    pub principal: Principal,
    pub action: EntityUid,
    pub query: AccessQuery,
}

impl Asked {
    /// For an error: what was asked.
    pub(super) fn text(&self) -> String {
        let AccessQuery { resource, context, .. } = &self.query;
        let context = context.as_ref().map(Value::to_string).unwrap_or_default();
        format!("{} {} {} {context}", self.principal.uid, self.action, resource.entity).trim_end().to_owned()
    }
}

/// An action, and who may ask for it about what.
struct Askable {
    action: EntityUid,
    principals: Vec<String>,
    resources: Vec<String>,
}

/// Whom, what and about what a grant or a permit means; `None` is anything.
struct Scope {
    principal: Option<EntityRef>,
    actions: Vec<usize>,
    resource: Option<EntityRef>,
}

/// Draws requests.
pub struct Draw<'a> {
    files: &'a TenantFiles,
    random: Random,
    askable: Vec<Askable>,
    permits: Vec<Scope>,
    /// The actions of each template.
    roles: BTreeMap<&'a str, Vec<usize>>,
    /// Whether anybody can be had whom only a token knows.
    outsiders: bool,
}

impl<'a> Draw<'a> {
    /// Starts to draw.
    ///
    /// # Errors
    /// When no request can be made of these files, saying what is missing.
    pub fn from(files: &'a TenantFiles, outsiders: bool) -> Result<Self, BenchError> {
        let askable = askable(files);
        let types = |of: fn(&Askable) -> &Vec<String>| askable.iter().flat_map(of).cloned().collect::<BTreeSet<_>>();
        let missing = |what: &str| Err(BenchError::NoRequest(what.to_owned()));
        let (principals, resources) = (types(|it| &it.principals), types(|it| &it.resources));
        if askable.is_empty() {
            return missing("the schema has no action that applies to anything");
        }
        let any_of = |types: &BTreeSet<String>| types.iter().any(|kind| files.by_type.contains_key(kind));
        let listed = |types: BTreeSet<String>| types.into_iter().collect::<Vec<_>>().join(", ");
        if !any_of(&principals) && !outsiders {
            return missing(&format!("no file knows anybody who could ask: an entity of type {}", listed(principals)));
        }
        if !any_of(&resources) {
            return missing(&format!(
                "no file knows anything that could be asked about: an entity of type {}",
                listed(resources)
            ));
        }
        let mut draw = Self {
            files,
            random: Random::seeded(SEED),
            askable,
            permits: Vec::new(),
            roles: BTreeMap::new(),
            outsiders,
        };
        draw.permits = permits(files).map(|scope| draw.scope(scope)).collect();
        draw.roles =
            files.templates.iter().map(|(id, role)| (id.as_str(), draw.actions(&role.action_constraint()))).collect();
        Ok(draw)
    }

    /// Different requests, so many if there are.
    pub fn candidates(&mut self, count: usize) -> Vec<Candidate> {
        let mut found = Vec::with_capacity(count);
        let mut seen = HashSet::with_capacity(count);
        for _ in 0..count.saturating_mul(ATTEMPTS) {
            if found.len() >= count {
                break;
            }
            let candidate = if self.random.percent(75) { self.granted() } else { self.anything() };
            if let Some(candidate) = candidate.filter(|candidate| seen.insert(candidate.clone())) {
                found.push(candidate);
            }
        }
        found
    }

    /// The randomness that goes with the requests.
    pub(super) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    fn granted(&mut self) -> Option<Candidate> {
        let of_link = !self.files.links.is_empty() && (self.permits.is_empty() || self.random.percent(95));
        if of_link {
            let link = self.random.pick(&self.files.links)?;
            let entity = |text: &str| vocabulary::read_uid(text).map(|uid| vocabulary::entity_ref(&uid));
            let (principal, resource) = (entity(&link.principal)?, entity(&link.resource)?);
            let action = *self.random.pick(self.roles.get(link.template_id.as_str())?)?;
            return self.candidate(action, Some(&principal), Some(&resource));
        }
        let at = self.random.below(self.permits.len());
        let scope = self.permits.get(at)?;
        let action = *self.random.pick(&scope.actions)?;
        let (principal, resource) = (scope.principal.clone(), scope.resource.clone());
        self.candidate(action, principal.as_ref(), resource.as_ref())
    }

    fn anything(&mut self) -> Option<Candidate> {
        let action = self.random.below(self.askable.len());
        self.candidate(action, None, None)
    }

    fn candidate(
        &mut self,
        action: usize,
        principal: Option<&EntityRef>,
        resource: Option<&EntityRef>,
    ) -> Option<Candidate> {
        let Askable { action, principals, resources } = self.askable.get(action)?;
        let (files, random) = (self.files, &mut self.random);
        let is_outsider = principal.is_some_and(|subject| subject.entity_type == EXTERNAL_IDENTITY);
        let who = match principal {
            Some(identity) if is_outsider && self.outsiders => {
                let fits = principals.iter().any(|kind| kind == EXTERNAL_SUBJECT);
                fits.then(|| Who::Outsider { identity: identity.id.clone(), number: random.below(OUTSIDERS) })?
            }
            _ => Who::Known(one_of(files, random, principal, principals)?),
        };
        let resource = one_of(files, random, resource, resources)?;
        // Where cedargate knows tenants, an unknown resource would be put into one: that is not what files say.
        let is_known = files.schema.identity == Identity::LeftOut || files.declares(&resource);
        is_known.then(|| Candidate { who, action: action.clone(), resource })
    }

    fn scope(&self, (principal, action, resource): PermitScope) -> Scope {
        Scope { principal, actions: self.actions(&action), resource }
    }

    /// The actions that a constraint lets through.
    fn actions(&self, constraint: &ActionConstraint) -> Vec<usize> {
        let groups = match constraint {
            ActionConstraint::Any => return (0..self.askable.len()).collect(),
            ActionConstraint::Eq(one) => std::slice::from_ref(one),
            ActionConstraint::In(groups) => groups,
        };
        let is_in = |action: &EntityUid| {
            groups.iter().any(|group| group == action || self.files.actions.is_ancestor_of(group, action))
        };
        let all = self.askable.iter().enumerate();
        all.filter(|(_, askable)| is_in(&askable.action)).map(|(at, _)| at).collect()
    }
}

/// An entity of one of these types: the one given, or one inside it; without one, any.
fn one_of(files: &TenantFiles, random: &mut Random, within: Option<&EntityRef>, types: &[String]) -> Option<EntityRef> {
    let Some(mut at) = within else {
        let known: Vec<_> = types.iter().filter_map(|kind| files.by_type.get(kind)).collect();
        let total = known.iter().map(|entities| entities.len()).sum();
        let mut chosen = random.below(total);
        for entities in known {
            match entities.get(chosen) {
                Some(entity) => return Some(entity.clone()),
                None => chosen -= entities.len(),
            }
        }
        return None;
    };
    for _ in 0..DEEPEST {
        if types.contains(&at.entity_type) {
            return Some(at.clone());
        }
        at = random.pick(files.inside.get(at)?)?;
    }
    None
}

fn askable(files: &TenantFiles) -> Vec<Askable> {
    let schema = &files.schema.schema;
    // Asked by cedargate itself, never by a caller.
    let is_own = |action: &EntityUid| {
        let own = [vocabulary::ASSUME].into_iter().chain(vocabulary::ADMINISTRATION);
        let own = own.map(|id| EntityRef::new(vocabulary::ACTION, id));
        files.schema.identity == Identity::Included && own.into_iter().any(|own| own == vocabulary::entity_ref(action))
    };
    let mut askable: Vec<_> = schema
        .actions()
        .filter(|action| !is_own(action))
        .map(|action| Askable {
            action: action.clone(),
            principals: schema.principals_for_action(action).into_iter().flatten().map(ToString::to_string).collect(),
            resources: schema.resources_for_action(action).into_iter().flatten().map(ToString::to_string).collect(),
        })
        .filter(|askable| !askable.principals.is_empty() && !askable.resources.is_empty())
        .collect();
    askable.sort_by(|left, right| left.action.cmp(&right.action));
    askable
}

type PermitScope = (Option<EntityRef>, ActionConstraint, Option<EntityRef>);

/// The scopes of the hand-written permits.
pub(super) fn permits(files: &TenantFiles) -> impl Iterator<Item = PermitScope> {
    files.policies.values().filter(|policy| policy.effect() == Effect::Permit).map(|policy| {
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
            PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) | PrincipalConstraint::IsIn(_, uid) => {
                Some(vocabulary::entity_ref(&uid))
            }
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
            ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) => {
                Some(vocabulary::entity_ref(&uid))
            }
        };
        (principal, policy.action_constraint(), resource)
    })
}

/// Which types can ask, and which can only be asked about.
pub(super) fn kinds(files: &TenantFiles) -> (BTreeSet<String>, BTreeSet<String>) {
    let askable = askable(files);
    let principals: BTreeSet<_> = askable.iter().flat_map(|it| it.principals.clone()).collect();
    let resources = askable.into_iter().flat_map(|it| it.resources).filter(|kind| !principals.contains(kind));
    (principals.clone(), resources.collect())
}

const SEED: u64 = 1;
/// How many draws a request may take.
const ATTEMPTS: usize = 20;
/// How far something may be inside what a grant is on.
const DEEPEST: usize = 6;
/// How many people each external identity takes in.
const OUTSIDERS: usize = 1000;

//! A size in, the directory of a tenant of that size out: who there is, and who may do what.
//!
//! Equal sizes and seeds give equal directories. Some teams, workspaces and models are hot, as everywhere: half of the
//! grants go to teams, most of them of the weaker roles. Nothing here knows the resources' types.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Spec;
use super::resources::{Resources, resources};
use crate::bench::random::Random;
use crate::manifest::DefaultRoles;
use crate::model::{
    Collaborator, Condition, Conditions, DirectoryState, Email, ExternalIdentity, IdentityProvider, NameError,
    Resource, RoleName, Subject, Team, TeamName, User,
};

/// Whose tokens the tenant trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    pub provider: String,
    pub issuer: String,
    pub jwks_uri: String,
    pub audience: String,
}

/// As the sample's policies know the company's own.
pub const PROVIDER: &str = "okta";
pub const AUDIENCE: &str = "api://gateway";

impl Trusted {
    /// An issuer of the demo's, by its address.
    pub fn by_demo(issuer: &str) -> Self {
        Self {
            provider: PROVIDER.to_owned(),
            issuer: issuer.to_owned(),
            jwks_uri: format!("{issuer}/jwks"),
            audience: AUDIENCE.to_owned(),
        }
    }
}

/// Makes a directory with these roles.
///
/// # Errors
/// Never, unless a name that is made here is not one.
pub fn directory(spec: &Spec, trusted: &Trusted, roles: DefaultRoles) -> Result<DirectoryState, NameError> {
    let mut random = Random::seeded(spec.seed);
    let mut state = DirectoryState { roles, ..DirectoryState::default() };
    let provider = identity_provider(trusted)?;
    for number in 0..EXTERNAL_IDENTITIES {
        let identity = external_identity(number, &provider)?;
        state.external_identities.insert(identity.name.clone(), identity);
    }
    state.identity_providers.insert(provider.name.clone(), provider);
    let emails = (0..spec.users).map(user_email).collect::<Result<Vec<_>, _>>()?;
    let teams = teams(spec, &emails, &mut random)?;
    let subjects = Subjects {
        users: emails.iter().cloned().map(Subject::User).collect(),
        teams: teams.iter().map(|team| Subject::Team(team.name.clone())).collect(),
        outsiders: state.external_identities.keys().cloned().map(Subject::ExternalIdentity).collect(),
    };
    state.users = emails.into_iter().map(|email| (email.clone(), User { email, active: true })).collect();
    state.teams = teams.into_iter().map(|team| (team.name.clone(), team)).collect();
    let resources = resources(spec.resources, &mut random);
    state.collaborators = collaborators(spec.grants, &subjects, &resources, &state.roles, &mut random);
    let all = resources.containers.into_iter().chain(resources.leaves);
    state.resources = all.map(|resource| (resource.entity.clone(), resource)).collect();
    Ok(state)
}

/// What the token of a user says.
pub fn user_claims(email: &str) -> Map<String, Value> {
    let claims = json!({"sub": format!("id|{email}"), "email": email, "amr": ["pwd", "mfa"]});
    claims.as_object().cloned().unwrap_or_default()
}

/// What the token of someone whom an external identity takes in says.
pub fn outsider_claims(identity: &str, number: usize) -> Map<String, Value> {
    let claims = json!({"sub": format!("{identity}|{number}"), (DEPARTMENT): identity});
    claims.as_object().cloned().unwrap_or_default()
}

/// What a gateway says of half of its requests. Some ask for more than a model's budget.
pub fn request_context(random: &mut Random) -> Option<Value> {
    random.percent(50).then(|| {
        let ip = format!("10.{}.{}.{}", random.below(256), random.below(256), random.below(256));
        json!({"ip": ip, "tokens_requested": 256 << random.below(5)})
    })
}

/// The claim that tells the external identities apart; its value is the identity's name.
const DEPARTMENT: &str = "department";
const EXTERNAL_IDENTITIES: usize = 8;

fn identity_provider(trusted: &Trusted) -> Result<IdentityProvider, NameError> {
    Ok(IdentityProvider {
        issuer: Some(trusted.issuer.clone()),
        audiences: vec![trusted.audience.clone()],
        ..IdentityProvider::of(trusted.provider.clone().try_into()?, &trusted.jwks_uri)
    })
}

fn external_identity(number: usize, provider: &IdentityProvider) -> Result<ExternalIdentity, NameError> {
    let name = format!("partner-{number}");
    Ok(ExternalIdentity {
        claims: Conditions::from([(DEPARTMENT.to_owned(), Condition::is(name.clone()))]),
        name: name.try_into()?,
        identity_provider: provider.name.clone(),
    })
}

fn user_email(number: usize) -> Result<Email, NameError> {
    Email::parse(&format!("user-{number}@bench.example"))
}

/// Every user in one to five teams, the first ones being large.
fn teams(spec: &Spec, emails: &[Email], random: &mut Random) -> Result<Vec<Team>, NameError> {
    let named = |number| {
        let name = TeamName::parse(&format!("team-{number}"))?;
        Ok(Team { name, members: BTreeSet::new(), managers: BTreeSet::new(), mappings: BTreeSet::new() })
    };
    let mut teams = (0..spec.teams).map(named).collect::<Result<Vec<_>, _>>()?;
    for email in emails {
        for _ in 0..=random.below(MOST_TEAMS_OF_A_USER) {
            let at = random.skewed_below(teams.len());
            if let Some(team) = teams.get_mut(at) {
                team.members.insert(email.clone());
            }
        }
    }
    Ok(teams)
}

const MOST_TEAMS_OF_A_USER: usize = 5;

struct Subjects {
    users: Vec<Subject>,
    teams: Vec<Subject>,
    outsiders: Vec<Subject>,
}

/// Exactly this many different grants. INVARIANT: `Spec` asks for at most users × resources, and every resource has
/// two roles or more, so that a free one is soon found.
fn collaborators(
    count: usize,
    subjects: &Subjects,
    resources: &Resources,
    roles: &DefaultRoles,
    random: &mut Random,
) -> BTreeSet<Collaborator> {
    let mut by_type: BTreeMap<&str, Vec<&RoleName>> = BTreeMap::new();
    for (resource_type, role) in roles.keys() {
        by_type.entry(resource_type).or_default().push(role);
    }
    let everything: Vec<&Resource> = resources.containers.iter().chain(&resources.leaves).collect();
    let mut grants = BTreeSet::new();
    let mut misses = 0;
    while grants.len() < count && misses < MOST_MISSES {
        // Where the hot ones are full already, anyone will do.
        let is_crowded = misses > MISSES_BEFORE_ANYONE;
        let (subject, resource) = if is_crowded {
            (random.pick(&subjects.users), random.pick(&everything).copied())
        } else {
            (hot_subject(subjects, random), hot_resource(resources, random))
        };
        let roles = resource.and_then(|resource| by_type.get(resource.entity.entity_type.as_str()));
        let role = roles.and_then(|roles| if is_crowded { random.pick(roles) } else { usual_role(roles, random) });
        let (Some(subject), Some(resource), Some(role)) = (subject, resource, role) else { break };
        let grant = Collaborator { resource: resource.entity.clone(), role: (*role).clone(), subject: subject.clone() };
        misses = if grants.insert(grant) { 0 } else { misses + 1 };
    }
    grants
}

const MISSES_BEFORE_ANYONE: usize = 8;
/// Never reached while the invariant holds.
const MOST_MISSES: usize = 1_000_000;

fn hot_subject<'a>(subjects: &'a Subjects, random: &mut Random) -> Option<&'a Subject> {
    match random.below(100) {
        0..50 => random.pick_hot(&subjects.teams),
        50..95 => random.pick(&subjects.users),
        _ => random.pick(&subjects.outsiders),
    }
}

fn hot_resource<'a>(resources: &'a Resources, random: &mut Random) -> Option<&'a Resource> {
    if random.percent(10) { random.pick_hot(&resources.containers) } else { random.pick_hot(&resources.leaves) }
}

/// Of the roles that there are, mostly the weaker ones.
fn usual_role<'a, 'r>(roles: &'a [&'r RoleName], random: &mut Random) -> Option<&'a &'r RoleName> {
    let wanted = match random.below(100) {
        0..45 => "viewer",
        45..85 => "user",
        85..95 => "editor",
        _ => "manager",
    };
    roles.iter().find(|role| role.as_str() == wanted).or_else(|| random.pick(roles))
}

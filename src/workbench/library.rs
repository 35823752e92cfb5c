//! The workbench in people's own tests: strategies for `proptest`, and what must hold of a tenant's policies.
//!
//! ```
//! use cedargate::workbench::{Tenant, any_claims};
//! use cedargate::{assert_always, assert_never};
//! use proptest::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let acme = Tenant::load("policies", "schema", "acme")?;
//!
//! assert_never!(acme, r#"permit (principal is ExternalSubject, action == Action::"manageModel", resource);"#);
//! assert_always!(
//!     acme,
//!     r#"permit (principal == User::"lee@acme.com", action == Action::"viewModel", resource)
//!        unless { context has ip };"#
//! );
//!
//! // Whatever a token of GitHub's says, it makes nobody a partner.
//! let github = acme.provider("github").ok_or("no such provider")?;
//! proptest!(ProptestConfig::with_cases(32), |(claims in any_claims(github))| {
//!     let principal = acme.principal(github, claims).expect("claims with a subject");
//!     prop_assert!(!principal.external_identities.contains(&"partner-integration".to_owned()));
//! });
//!
//! // What is asked at random is near to what the policies ask.
//! proptest!(ProptestConfig::with_cases(32), |(scene in acme.any_request())| {
//!     let answer = acme.answer(&scene).expect("a request of the schema");
//!     prop_assert!(answer.errors.is_empty());
//! });
//! # Ok(())
//! # }
//! ```

mod claims;

pub use claims::any_claims;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::RngExt;
use proptest::strategy::{NewTree, Strategy};
use proptest::test_runner::TestRunner;

use super::cases::Runner;
use super::generate::{Generator, Goal, Population, Words, pick};
use super::invariant::{Claim, read_invariants};
use super::policies::PolicyBook;
use super::scene::{Scene, SceneTree, World, as_cedar};
use super::search::Effort;
use super::shape::{Environment, Shape};
use super::verify::{Laid, verify};
use crate::assemble::{Layout, assemble_all};
use crate::authn::{Claims, VerifiedToken, VerifyError};
use crate::clock::{Clock, SystemClock};
use crate::decide::{Answer, Decider, QueryError};
use crate::model::{EntityRef, Fault, Faults, IdentityProvider, TenantId};
use crate::principal::{Principal, PrincipalError, resolve};
use crate::schema::LoadedSchema;
use crate::snapshot::Snapshot;
use crate::tree::SourceFile;
use crate::vocabulary;

/// A tenant of a tree, to be asked.
#[derive(Clone, Debug)]
pub struct Tenant {
    snapshot: Arc<Snapshot>,
    decider: Decider,
}

/// A request that shows what must not be.
#[derive(Clone, Debug)]
pub struct Broken {
    pub scene: Scene,
    pub answer: Answer,
    claim: Claim,
}

/// Why claims stand for nobody.
#[derive(Debug, thiserror::Error)]
pub enum NobodyError {
    #[error(transparent)]
    Claims(#[from] VerifyError),
    #[error("the claims are over a bound")]
    Bounds,
    #[error(transparent)]
    Principal(#[from] PrincipalError),
}

impl Tenant {
    /// Reads one tenant of a tree, as the server does that is not configured otherwise.
    ///
    /// # Errors
    /// Every fault of the tree, or that there is no such tenant.
    pub fn load(policies: impl AsRef<Path>, schema: impl AsRef<Path>, tenant: &str) -> Result<Self, Faults> {
        let Runner { layout, decider, .. } = Runner::over(policies, schema);
        Self::of(&layout, decider, tenant)
    }

    fn of(layout: &Layout, decider: Decider, tenant: &str) -> Result<Self, Faults> {
        let fault = |message: String| Faults::from(Fault::of_file(tenant, message));
        let id = TenantId::parse(tenant).map_err(|error| fault(error.to_string()))?;
        let mut tenants = assemble_all(layout, SystemClock.now()).1?.tenants;
        let assembled = tenants.remove(&id).ok_or_else(|| fault(format!("there is no tenant `{tenant}`")))?;
        Ok(Self { snapshot: Arc::new(assembled?.snapshot), decider })
    }

    /// Its schema, for [`any_request`] and [`any_entities`].
    pub fn schema(&self) -> &Arc<LoadedSchema> {
        &self.snapshot.schema
    }

    /// One of its identity providers, for [`any_claims`].
    pub fn provider(&self, name: &str) -> Option<&IdentityProvider> {
        self.snapshot.identity_providers.iter().find(|provider| provider.name.as_str() == name)
    }

    /// Whoever verified claims stand for.
    ///
    /// # Errors
    /// When they have no unique id, or stand for someone who is deactivated.
    pub fn principal(
        &self,
        provider: &IdentityProvider,
        claims: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Principal, NobodyError> {
        let claims = Claims::from_map(claims).map_err(|_| NobodyError::Bounds)?;
        let token = VerifiedToken::of_trusted(claims, provider)?;
        Ok(resolve(&token, &self.snapshot)?)
    }

    /// What the server would answer.
    ///
    /// # Errors
    /// When the scene is no request of the schema.
    pub fn answer(&self, scene: &Scene) -> Result<Answer, QueryError> {
        scene.answer(&World::of(&self.snapshot, self.decider))
    }

    /// Requests that come near to what this tenant's policies ask, about its people and resources and others.
    pub fn any_request(&self) -> AnyRequest {
        let book = PolicyBook::of(&self.snapshot);
        let mut aims = Vec::new();
        let shape = Shape::of(&self.snapshot.schema);
        for environment in &shape.environments {
            aims.push((environment.clone(), Vec::new()));
            for policy in book.written(environment).cloned().chain(book.grants(environment, GRANTS_TRIED)) {
                aims.push((environment.clone(), vec![Goal { policy, matches: true }]));
            }
        }
        AnyRequest {
            words: Words::of(book.conditions(), book.named(GRANTS_TRIED).into_iter()),
            population: Population::of(&self.snapshot),
            schema: Arc::clone(&self.snapshot.schema),
            tenant: vocabulary::entity_ref(self.snapshot.tenant_uid()),
            directory: Some(Arc::clone(&self.snapshot)),
            aims,
            shape,
            described: 0,
        }
    }

    /// Looks for a request that a policy matches and that is allowed.
    ///
    /// # Errors
    /// What is wrong with the policy's text.
    pub fn find_allowed(&self, policy: &str) -> Result<Option<Broken>, Faults> {
        self.find(Claim::Never, policy)
    }

    /// Looks for a request that a policy matches and that is denied.
    ///
    /// # Errors
    /// What is wrong with the policy's text.
    pub fn find_denied(&self, policy: &str) -> Result<Option<Broken>, Faults> {
        self.find(Claim::Always, policy)
    }

    fn find(&self, claim: Claim, policy: &str) -> Result<Option<Broken>, Faults> {
        // On the policy's own first line, so that faults have its lines.
        let text = format!("@{}(\"asserted\") {policy}", claim.as_str());
        let name = "the asserted policy".to_owned();
        let file = SourceFile { relative: name.clone(), name, text };
        let invariants = read_invariants(&[file], &self.snapshot.schema)?;
        let shape = Shape::of(&self.snapshot.schema);
        let laid = Laid::of(World::of(&self.snapshot, self.decider), &shape, &invariants);
        let verified = verify(&laid, &invariants, Effort { cases: CASES, seed: 0 }, None);
        let broken_by = verified.into_iter().find_map(|verified| verified.broken_by);
        Ok(broken_by.map(|example| Broken { scene: example.scene, answer: example.answer, claim }))
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let should = if self.claim == Claim::Never { "never be allowed" } else { "always be allowed" };
        writeln!(out, "this should {should}:")?;
        for line in as_cedar(&self.scene) {
            writeln!(out, "  {line}")?;
        }
        write!(out, "  answer     {} ({})", self.answer.decision.as_str(), self.answer.reason.as_str())
    }
}

/// Makes requests, each with the entities that it is about.
#[derive(Clone, Debug)]
pub struct AnyRequest {
    shape: Shape,
    words: Words,
    population: Population,
    schema: Arc<LoadedSchema>,
    tenant: EntityRef,
    directory: Option<Arc<Snapshot>>,
    aims: Vec<(Environment, Vec<Goal>)>,
    /// How many more entities are described, at most.
    described: usize,
}

impl AnyRequest {
    fn of(schema: &Arc<LoadedSchema>, described: usize) -> Self {
        let shape = Shape::of(schema);
        let aims = shape.environments.iter().map(|environment| (environment.clone(), Vec::new())).collect();
        Self {
            shape,
            words: Words::default(),
            population: Population::default(),
            schema: Arc::clone(schema),
            tenant: EntityRef::new(vocabulary::TENANT, "tenant"),
            directory: None,
            aims,
            described,
        }
    }
}

impl Strategy for AnyRequest {
    type Tree = SceneTree;
    type Value = Scene;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let generator = Generator {
            shape: &self.shape,
            schema: &self.schema,
            tenant: self.tenant.clone(),
            directory: self.directory.as_ref().map(|snapshot| &snapshot.entities),
            words: &self.words,
            population: &self.population,
        };
        let rng = runner.rng();
        let (environment, goals) = pick(rng, &self.aims).ok_or("the schema has no request")?;
        let mut scene = generator.scene(rng, environment, goals);
        let types: Vec<&String> = self.shape.types().map(|(name, _)| name).collect();
        for number in 0..rng.random_range(0..=self.described) {
            if let Some(entity_type) = pick(rng, &types) {
                let uid = EntityRef::new(entity_type.as_str(), format!("{}", number / 2));
                let entity = generator.entity(rng, &uid);
                scene.entities.insert(uid, entity);
            }
        }
        Ok(SceneTree::new(scene))
    }
}

/// Any request that a schema allows, with the entities that it is about.
pub fn any_request(schema: &Arc<LoadedSchema>) -> AnyRequest {
    AnyRequest::of(schema, 0)
}

/// Any few entities that a schema allows, as Cedar's JSON; shrinks to fewer and smaller ones.
pub fn any_entities(schema: &Arc<LoadedSchema>) -> impl Strategy<Value = Vec<serde_json::Value>> + use<> {
    AnyRequest::of(schema, MOST_ENTITIES)
        .prop_map(|scene| scene.entities.iter().map(|(uid, entity)| entity.to_json(uid)).collect())
}

/// Panics when some request that the policy matches is allowed: the smallest that was found is in the message.
///
/// Takes a [`Tenant`] and the text of a policy that says which requests may never be allowed.
#[macro_export]
macro_rules! assert_never {
    ($tenant:expr, $policy:expr $(,)?) => {
        match $tenant.find_allowed($policy) {
            Ok(None) => {}
            Ok(Some(broken)) => panic!("{broken}"),
            Err(faults) => panic!("{faults}"),
        }
    };
}

/// Panics when some request that the policy matches is denied: the smallest that was found is in the message.
///
/// Takes a [`Tenant`] and the text of a policy that says which requests must always be allowed.
#[macro_export]
macro_rules! assert_always {
    ($tenant:expr, $policy:expr $(,)?) => {
        match $tenant.find_denied($policy) {
            Ok(None) => {}
            Ok(Some(broken)) => panic!("{broken}"),
            Err(faults) => panic!("{faults}"),
        }
    };
}

const CASES: u32 = 1_000;
const GRANTS_TRIED: usize = 8;
const MOST_ENTITIES: usize = 6;

#[cfg(test)]
mod tests;

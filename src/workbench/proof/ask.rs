//! One question to the solver: what it must find no example for.
//!
//! Cedar passes over a policy that errors; here a forbid that errors denies. So every question also says of the
//! forbids that can error that they do not, or that they do.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use cedar_policy::{Policy, PolicySet, RequestEnv};
use cedar_policy_core::ast::{self, Effect};
use cedar_policy_symcc::err::Error as SolvingError;
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::term::Term;
use cedar_policy_symcc::{
    CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env, SymEnv, WellFormedAsserts, always_denies_asserts,
    disjoint_asserts, implies_asserts, never_errors_asserts, term_factory,
};

use crate::decide::ForbidErrors;
use crate::schema::LoadedSchema;
use crate::vocabulary;
use crate::workbench::policies::type_name;
use crate::workbench::shape::Environment;

/// The solver, and how long it may take.
#[derive(Clone, Debug)]
pub struct Prover {
    pub solver: PathBuf,
    /// For one question.
    pub patience: Duration,
    pub forbid_errors: ForbidErrors,
}

/// Why there is no prover, or no answer from it.
#[derive(Debug, thiserror::Error)]
pub enum ProverError {
    #[error("there is no solver `{solver}` that runs")]
    NoSolver {
        solver: String,
        #[source]
        source: std::io::Error,
    },
    #[error("`{0}` is not a kind of request")]
    NoSuchRequest(String),
    #[error("two policies of one id: {0}")]
    Duplicate(String),
    #[error("the solver could not be asked")]
    Solving(#[from] Box<SolvingError>),
    #[error("the solver could not be waited for")]
    Runtime(#[from] std::io::Error),
}

impl From<SolvingError> for ProverError {
    fn from(error: SolvingError) -> Self {
        Self::Solving(Box::new(error))
    }
}

/// What is to be proved of one kind of request.
pub(in crate::workbench) enum Question {
    /// Nothing that `about` matches is allowed.
    Disjoint { about: ast::Policy, policies: Vec<ast::Policy> },
    /// All that `about` matches is allowed.
    Allowed { about: ast::Policy, policies: Vec<ast::Policy> },
    /// All that the first allow, the second allow.
    Implies { policies: Vec<ast::Policy>, others: Vec<ast::Policy> },
    /// No request makes a policy error.
    NeverErrors(ast::Policy),
    /// No request of the tenant matches a policy.
    NeverMatches(ast::Policy),
    /// Whatever a policy matches, another matches.
    Covers { policy: ast::Policy, other: ast::Policy },
}

/// What the solver said.
pub(in crate::workbench) enum Answered {
    Holds,
    Example(Box<Env>),
    Unknown(String),
}

impl Prover {
    /// Whether the solver runs at all.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self) -> Result<String, ProverError> {
        let failed = |source| ProverError::NoSolver { solver: self.solver.display().to_string(), source };
        let output = Command::new(&self.solver).arg("--version").output().map_err(failed)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    /// Asks about one kind of request.
    pub(in crate::workbench) fn ask(
        &self,
        schema: &LoadedSchema,
        environment: &Environment,
        question: Question,
    ) -> Result<Answered, ProverError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.ask_within(schema, environment, question))
    }

    async fn ask_within(
        &self,
        schema: &LoadedSchema,
        environment: &Environment,
        question: Question,
    ) -> Result<Answered, ProverError> {
        let limit = format!("--tlimit-per={}", self.patience.as_millis());
        let mut command = tokio::process::Command::new(&self.solver);
        // A solver that is no longer waited for does not go on.
        command.args(["--lang", "smt", &limit]).kill_on_drop(true);
        let solver = LocalSolver::from_command(&mut command).map_err(SolvingError::from)?;
        let request = request_of(environment)?;
        let symbols = SymEnv::new(&schema.schema, &request)?;
        let mut asking = Asking { compiler: CedarSymCompiler::new(solver)?, schema, request, symbols, prover: self };
        match question {
            Question::Disjoint { about, policies } => asking.disjoint(about, &policies).await,
            Question::Allowed { about, policies } => asking.allowed(about, &policies).await,
            Question::Implies { policies, others } => asking.implies(&policies, &others).await,
            Question::NeverErrors(policy) => {
                let policy = asking.compile(&policy)?;
                asking.example(&never_errors_asserts(&policy), &[]).await
            }
            Question::NeverMatches(policy) => {
                let set = asking.compile_all(std::slice::from_ref(&policy))?;
                asking.example(&always_denies_asserts(&set), &[]).await
            }
            Question::Covers { policy, other } => {
                let set = asking.compile_all(std::slice::from_ref(&policy))?;
                let other = asking.compile_all(std::slice::from_ref(&other))?;
                asking.example(&implies_asserts(&set, &other), &[]).await
            }
        }
    }
}

/// A solver that is being asked about one kind of request.
struct Asking<'a> {
    compiler: CedarSymCompiler<LocalSolver>,
    schema: &'a LoadedSchema,
    request: RequestEnv,
    /// What the schema is to the solver: made once, since it is larger than most policies.
    symbols: SymEnv,
    prover: &'a Prover,
}

impl Asking<'_> {
    async fn disjoint(&mut self, about: ast::Policy, policies: &[ast::Policy]) -> Result<Answered, ProverError> {
        let (set, about) = (self.compile_all(policies)?, self.compile_all(&[about])?);
        let asserts = disjoint_asserts(&set, &about);
        match self.example(&asserts, &[]).await? {
            // Perhaps it is an example only because Cedar passes over a forbid that errors.
            Answered::Example(_) => {
                let none_errs: Vec<Term> = self.errors(policies).await?.into_iter().map(term_factory::not).collect();
                self.example(&asserts, &none_errs).await
            }
            other => Ok(other),
        }
    }

    async fn allowed(&mut self, about: ast::Policy, policies: &[ast::Policy]) -> Result<Answered, ProverError> {
        let (set, about) = (self.compile_all(policies)?, self.compile_all(&[about])?);
        match self.example(&implies_asserts(&about, &set), &[]).await? {
            Answered::Holds => {}
            other => return Ok(other),
        }
        for error in self.errors(policies).await? {
            match self.example(&always_denies_asserts(&about), &[error]).await? {
                Answered::Holds => {}
                other => return Ok(other),
            }
        }
        Ok(Answered::Holds)
    }

    async fn implies(&mut self, policies: &[ast::Policy], others: &[ast::Policy]) -> Result<Answered, ProverError> {
        let (set, other_set) = (self.compile_all(policies)?, self.compile_all(others)?);
        let asserts = implies_asserts(&set, &other_set);
        let none_errs: Vec<Term> = self.errors(policies).await?.into_iter().map(term_factory::not).collect();
        match self.example(&asserts, &none_errs).await? {
            Answered::Holds => {}
            other => return Ok(other),
        }
        // What the others allow but for an error of theirs.
        for error in self.errors(others).await? {
            let also: Vec<Term> = none_errs.iter().cloned().chain([error]).collect();
            match self.example(&always_denies_asserts(&set), &also).await? {
                Answered::Holds => {}
                other => return Ok(other),
            }
        }
        Ok(Answered::Holds)
    }

    /// For each forbid that can error, that it does. The request is denied then.
    async fn errors(&mut self, policies: &[ast::Policy]) -> Result<Vec<Term>, ProverError> {
        if self.prover.forbid_errors == ForbidErrors::Skip {
            return Ok(Vec::new());
        }
        let mut errors = Vec::new();
        for policy in policies.iter().filter(|policy| policy.effect() == Effect::Forbid) {
            let compiled = self.compile(policy)?;
            let asserts = never_errors_asserts(&compiled);
            // The last one is the error itself; what stands before it is what the policy's entities must be like.
            let Some(error) = asserts.asserts().last().cloned() else { continue };
            if error != Term::from(false) && !self.compiler.check_unsat(&asserts).await? {
                errors.push(error);
            }
        }
        Ok(errors)
    }

    /// An example that all of this is true of, if there is one.
    async fn example(&mut self, asserts: &WellFormedAsserts<'_>, also: &[Term]) -> Result<Answered, ProverError> {
        if !also.is_empty() {
            let all: Vec<Term> = asserts.asserts().iter().chain(also).cloned().collect();
            if self.compiler.check_unsat_raw(all.into(), asserts.symenv()).await? {
                return Ok(Answered::Holds);
            }
        }
        match self.compiler.check_sat(asserts).await {
            Ok(Some(example)) => Ok(Answered::Example(Box::new(example))),
            Ok(None) => Ok(Answered::Holds),
            Err(error @ SolvingError::SolverUnknown) => Ok(Answered::Unknown(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    fn compile(&self, policy: &ast::Policy) -> Result<CompiledPolicy, ProverError> {
        let policy = Policy::from(policy.clone());
        let symbols = self.symbols.clone();
        Ok(CompiledPolicy::compile_with_custom_symenv(&policy, &self.request, &self.schema.schema, symbols)?)
    }

    fn compile_all(&self, policies: &[ast::Policy]) -> Result<CompiledPolicySet, ProverError> {
        let mut set = ast::PolicySet::new();
        for policy in policies {
            set.add(policy.clone()).map_err(|error| ProverError::Duplicate(error.to_string()))?;
        }
        let (set, symbols) = (PolicySet::from(set), self.symbols.clone());
        Ok(CompiledPolicySet::compile_with_custom_symenv(&set, &self.request, &self.schema.schema, symbols)?)
    }
}

fn request_of(environment: &Environment) -> Result<RequestEnv, ProverError> {
    let parts = || {
        let action = vocabulary::read_uid(&environment.action)?;
        Some((type_name(&environment.principal)?, action, type_name(&environment.resource)?))
    };
    let (principal, action, resource) = parts().ok_or_else(|| ProverError::NoSuchRequest(environment.to_string()))?;
    Ok(RequestEnv::new(principal, action, resource))
}

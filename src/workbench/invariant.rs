//! Invariants: what must hold of a tenant's policies, written in Cedar by those who know.
//!
//! ```cedar
//! @never("outsiders never manage a model")
//! permit (principal is ExternalSubject, action == Action::"manageModel", resource);
//! ```
//!
//! Of the requests that such a policy matches, `@never` says that none is allowed, `@always` that every one is. In: the
//! files of `policies/platform/invariants/` and `policies/<tenant>/invariants/`. Out: checked invariants, or every
//! fault with its place.

use cedar_policy_core::ast::{self, Effect};

use super::policies::Reach;
use super::shape::{Environment, Shape};
use crate::model::{Fault, Faults};
use crate::schema::LoadedSchema;
use crate::snapshot::{Depth, PolicySource, WrittenPolicy, read_policies};
use crate::tree::SourceFile;

/// One thing that must hold.
#[derive(Clone, Debug)]
pub struct Invariant {
    pub name: String,
    pub claim: Claim,
    /// What it is about: matches the requests in question.
    pub policy: ast::Policy,
    pub source: PolicySource,
    pub(super) depth: Depth,
    reach: Reach,
}

/// What is said of the requests that an invariant is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// None of them may be allowed.
    Never,
    /// All of them must be.
    Always,
}

impl Claim {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Always => "always",
        }
    }
}

impl Invariant {
    /// The kinds of request that it can be about.
    pub fn environments<'s>(&self, shape: &'s Shape, schema: &LoadedSchema) -> Vec<&'s Environment> {
        shape.environments.iter().filter(|environment| self.reach.fits(environment, schema)).collect()
    }

    fn of(written: WrittenPolicy, schema: &LoadedSchema) -> Result<Self, Fault> {
        let WrittenPolicy { policy, source, column, depth, .. } = written;
        let fault =
            |message: &str| Fault { file: source.file.clone(), line: source.line, column, message: message.to_owned() };
        let said = |claim: Claim| {
            let mut all = policy.annotations();
            all.find(|(key, _)| key.as_ref() == claim.as_str()).map(|(_, text)| (claim, text.as_ref().to_owned()))
        };
        let (claim, name) = match (said(Claim::Never), said(Claim::Always)) {
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => {
                return Err(fault(
                    "an invariant says what must hold: write `@never(\"…\")` or `@always(\"…\")` above it",
                ));
            }
            (Some(_), Some(_)) => return Err(fault("an invariant is either `@never` or `@always`")),
        };
        if name.trim().is_empty() {
            return Err(fault("say in words what must hold, as in `@never(\"outsiders never manage a model\")`"));
        }
        if policy.effect() == Effect::Forbid {
            let message = "an invariant begins with `permit`: it says which requests it is about, and its annotation \
                           what must hold of them";
            return Err(fault(message));
        }
        let reach = Reach::of(&policy, schema);
        Ok(Self { name, claim, policy, source, depth, reach })
    }
}

/// Reads the invariants of some files.
///
/// # Errors
/// Every fault of every file.
pub fn read_invariants(files: &[SourceFile], schema: &LoadedSchema) -> Result<Vec<Invariant>, Faults> {
    let mut faults = Faults::default();
    let mut invariants: Vec<Invariant> = Vec::new();
    for file in files {
        let (policies, templates, found) = read_policies(file, schema);
        faults.extend(found);
        for template in templates {
            let message = "an invariant has no slots: name the principals and resources that it is about".to_owned();
            let (line, column) = (template.source.line, template.column);
            faults.push(Fault { file: file.name.clone(), line, column, message });
        }
        for written in policies {
            let column = written.column;
            match Invariant::of(written, schema) {
                Ok(invariant) => match invariants.iter().find(|other| other.name == invariant.name) {
                    Some(first) => {
                        let message = format!("`{}` is said already at {}", invariant.name, first.source);
                        let (file, line) = (invariant.source.file.clone(), invariant.source.line);
                        faults.push(Fault { file, line, column, message });
                    }
                    None => invariants.push(invariant),
                },
                Err(fault) => faults.push(fault),
            }
        }
    }
    faults.or(invariants)
}

#[cfg(test)]
mod tests;

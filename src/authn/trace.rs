//! What happened to a token, step by step, for `token explain`.
//!
//! Verification reports each check to an observer. The request path's observer is `()`, which compiles to
//! nothing: details are closures that only the recorder calls.

use serde::Serialize;

use super::verify::VerifyError;
use crate::model::ProviderName;

/// One check of one token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub name: Check,
    /// Whose rules were checked; absent for what is checked before a provider is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
    pub outcome: Outcome,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    Failed,
    /// Not reached, or not asked for by the provider.
    Skipped,
}

/// The checks, in the order they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    Shape,
    Algorithm,
    /// That it is meant to be a bearer token at all.
    Bearer,
    Provider,
    AllowedAlgorithm,
    Key,
    Signature,
    Expiry,
    NotBefore,
    Issuer,
    Audience,
    Kind,
    AuthorizedParty,
    Age,
    RequiredClaims,
    UniqueId,
    Email,
    /// Not a check: the provider's keys were fetched again, and everything was checked again.
    Refetch,
}

/// The checks made for each candidate provider.
const OF_A_PROVIDER: [Check; 13] = [
    Check::AllowedAlgorithm,
    Check::Key,
    Check::Signature,
    Check::Expiry,
    Check::NotBefore,
    Check::Issuer,
    Check::Audience,
    Check::Kind,
    Check::AuthorizedParty,
    Check::Age,
    Check::RequiredClaims,
    Check::UniqueId,
    Check::Email,
];

/// Hears of every check.
pub(super) trait Observer {
    /// The checks that follow are by this provider's rules.
    fn candidate(&mut self, provider: &ProviderName);
    /// A check that the provider does not ask for.
    fn skip(&mut self, check: Check, why: &str);
    /// A check's result, handed through.
    fn check<T>(
        &mut self,
        check: Check,
        result: Result<T, VerifyError>,
        detail: impl FnOnce(&T) -> String,
    ) -> Result<T, VerifyError>;
}

impl Observer for () {
    fn candidate(&mut self, _: &ProviderName) {}

    fn skip(&mut self, _: Check, _: &str) {}

    fn check<T>(
        &mut self,
        _: Check,
        result: Result<T, VerifyError>,
        _: impl FnOnce(&T) -> String,
    ) -> Result<T, VerifyError> {
        result
    }
}

/// Writes every check down.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    steps: Vec<Step>,
    provider: Option<ProviderName>,
}

impl Recorder {
    pub(super) fn record(&mut self, name: Check, outcome: Outcome, detail: String) {
        self.steps.push(Step { name, provider: self.provider.clone(), outcome, detail });
    }

    /// The steps, those that were not reached included.
    pub(super) fn finish(mut self) -> Vec<Step> {
        self.skip_the_rest();
        if self.provider.is_none() {
            let reached: Vec<_> = self.steps.iter().map(|step| step.name).collect();
            let missing =
                [Check::Shape, Check::Algorithm, Check::Bearer, Check::Provider].into_iter().chain(OF_A_PROVIDER);
            for check in missing.filter(|check| !reached.contains(check)) {
                self.record(check, Outcome::Skipped, NOT_REACHED.into());
            }
        }
        self.steps
    }

    fn skip_the_rest(&mut self) {
        if self.provider.is_none() {
            return;
        }
        let reached: Vec<_> =
            self.steps.iter().filter(|step| step.provider == self.provider).map(|step| step.name).collect();
        for check in OF_A_PROVIDER.into_iter().filter(|check| !reached.contains(check)) {
            self.record(check, Outcome::Skipped, NOT_REACHED.into());
        }
    }
}

const NOT_REACHED: &str = "not reached";

impl Observer for Recorder {
    fn candidate(&mut self, provider: &ProviderName) {
        self.skip_the_rest();
        self.provider = Some(provider.clone());
    }

    fn skip(&mut self, check: Check, why: &str) {
        self.record(check, Outcome::Skipped, why.to_owned());
    }

    fn check<T>(
        &mut self,
        check: Check,
        result: Result<T, VerifyError>,
        detail: impl FnOnce(&T) -> String,
    ) -> Result<T, VerifyError> {
        match &result {
            Ok(value) => self.record(check, Outcome::Passed, detail(value)),
            Err(error) => self.record(check, Outcome::Failed, error.to_string()),
        }
        result
    }
}

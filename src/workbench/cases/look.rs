//! What a tenant's own cases name and nothing declares, without judging them: for `check`.

use cedar_policy::PolicyId;
use chrono::{DateTime, Utc};

use super::plan::NOBODY_KNOWS;
use super::read::{Body, Named, Suite, read_suites};
use super::run::Runner;
use super::shape::ShortOrFull;
use crate::model::{Fault, did_you_mean};
use crate::snapshot::{Snapshot, exact};
use crate::vocabulary::OWN_TYPES;

impl Runner {
    /// Warnings of the cases in a tenant's folder: people, teams, accounts, identities and policies that there are not,
    /// and what keeps the cases from being run at all.
    pub fn unknown_names(&self, snapshot: &Snapshot, now: DateTime<Utc>) -> Vec<Fault> {
        let files = match crate::tree::read_cases(&self.layout.dirs.policies, &snapshot.tenant) {
            Ok(files) => files,
            Err(faults) => return faults.0,
        };
        let files: Vec<_> = files.into_iter().map(|file| (file, Named::No)).collect();
        let suites = match read_suites(&files) {
            Ok(suites) => suites,
            Err(faults) => return faults.0,
        };
        let mut found = Vec::new();
        for suite in &suites {
            match self.plan(snapshot, suite, now) {
                Ok(planned) => found.extend(planned.warnings.into_iter().filter(is_of_directory)),
                Err(faults) => found.extend(faults.0),
            }
            found.extend(unknown_policies(snapshot, suite));
        }
        found
    }
}

/// A request may be about a resource that nobody knows; who asks is in the directory.
fn is_of_directory(warning: &Fault) -> bool {
    let named = warning.message.strip_prefix(NOBODY_KNOWS).map(str::trim_start).unwrap_or_default();
    OWN_TYPES.iter().any(|own| named.strip_prefix(own).is_some_and(|rest| rest.starts_with("::")))
}

/// Determining policies that are expected, and that there are not.
fn unknown_policies(snapshot: &Snapshot, suite: &Suite) -> Vec<Fault> {
    let Body::Own(written) = &suite.body else { return Vec::new() };
    let mut found = Vec::new();
    for case in &written.cases {
        let ShortOrFull::Full(expected) = &case.value.expect.value else { continue };
        for id in expected.policies.iter().chain(&expected.errors).flatten() {
            if snapshot.policies.find(&PolicyId::new(id)).is_some() {
                continue;
            }
            let known: Vec<PolicyId> = snapshot.policies.written.iter().map(|written| written.id()).collect();
            let meant = did_you_mean(id, known.iter().map(exact));
            found.push(suite.fault(case.value.expect.at, format!("there is no policy `{id}`{meant}")));
        }
    }
    found
}

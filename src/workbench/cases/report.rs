//! How a run ended: for programs as JSON, for people as text, for build servers as JUnit XML.

mod junit;
mod text;

pub use junit::to_junit;

use serde::{Serialize, Serializer};

use super::judge::CaseReport;
use super::question::GroupKind;
use crate::model::{Fault, TenantId};
use crate::workbench::coverage::CoverageReport;

/// All suites of a run.
#[derive(Clone, Debug)]
pub struct Report {
    pub suites: Vec<SuiteReport>,
    /// Worth an author's look; most often a name that nobody knows.
    pub warnings: Vec<Fault>,
    pub coverage: Option<CoverageReport>,
}

#[derive(Clone, Debug, Serialize)]
pub struct SuiteReport {
    pub name: String,
    pub file: String,
    pub tenant: TenantId,
    pub groups: Vec<GroupReport>,
}

/// The single cases of a suite, a table, or a list.
#[derive(Clone, Debug, Serialize)]
pub struct GroupReport {
    pub kind: GroupKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub cases: Vec<CaseReport>,
}

impl Report {
    /// Whether every case passed.
    pub fn is_ok(&self) -> bool {
        self.failed() == 0
    }

    pub fn failed(&self) -> usize {
        self.cases().filter(|case| !case.ok).count()
    }

    /// Every case; each place of a table is one, and each list.
    pub fn cases(&self) -> impl Iterator<Item = &CaseReport> {
        self.suites.iter().flat_map(|suite| &suite.groups).flat_map(|group| &group.cases)
    }
}

/// One object.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Whole<'a> {
            ok: bool,
            cases: usize,
            passed: usize,
            failed: usize,
            suites: &'a [SuiteReport],
            warnings: &'a [Fault],
            #[serde(skip_serializing_if = "Option::is_none")]
            coverage: Option<&'a CoverageReport>,
        }
        let (cases, failed) = (self.cases().count(), self.failed());
        let whole = Whole {
            ok: failed == 0,
            cases,
            passed: cases - failed,
            failed,
            suites: &self.suites,
            warnings: &self.warnings,
            coverage: self.coverage.as_ref(),
        };
        whole.serialize(serializer)
    }
}

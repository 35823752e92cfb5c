//! From a tree on disk to a report: the tenants are assembled as the server assembles them, cases are found, read,
//! planned and judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::find::{Selection, tenant_of};
use super::judge::Judge;
use super::people::{People, Verifying};
use super::plan::{Planned, plan, plan_official};
use super::question::{Asks, Check, Group};
use super::read::{Body, Suite, read_suites};
use super::report::{GroupReport, Report, SuiteReport};
use super::shape::Placed;
use crate::assemble::{Layout, assemble_all};
use crate::config::Config;
use crate::decide::{Decider, ServerTime};
use crate::model::{Fault, Faults, TenantId};
use crate::snapshot::Snapshot;
use crate::tree::TreeDirs;
use crate::workbench::coverage::Coverage;

/// Runs cases over the trees of a configuration.
#[derive(Clone, Debug)]
pub struct Runner {
    pub layout: Layout,
    pub decider: Decider,
    pub verifying: Verifying,
    /// Where contexts without a time get the suite's `now`, as from a server its own.
    pub server_time: Option<ServerTime>,
    /// Whether to find out what no case exercised.
    pub covers: bool,
}

impl Runner {
    /// Over two folders, with everything else as a server has it that is not configured otherwise.
    pub fn over(policies: impl AsRef<Path>, schema: impl AsRef<Path>) -> Self {
        let dirs = TreeDirs { policies: policies.as_ref().to_owned(), schema: schema.as_ref().to_owned() };
        let layout = Layout::of(dirs);
        Self { layout, decider: Decider::default(), verifying: Verifying::default(), server_time: None, covers: false }
    }

    /// As a server of this configuration would decide.
    pub fn of(config: &Config) -> Self {
        let verifying = Verifying { tokens: config.tokens, keys: config.keys.of_one_look() };
        let (layout, server_time) = (config.layout.clone(), config.server_time.clone());
        Self { layout, decider: config.decider, verifying, server_time, covers: false }
    }

    /// Runs the cases that are selected; `now` is what time it is for suites that do not say.
    ///
    /// # Errors
    /// Every fault of the tree and of the cases: then nothing was judged.
    pub fn run(&self, selection: &Selection, now: DateTime<Utc>) -> Result<Report, Faults> {
        let suites = read_suites(&selection.files(&self.layout.dirs)?)?;
        let (_, everything) = assemble_all(&self.layout, now);
        let mut snapshots: BTreeMap<TenantId, Snapshot> = BTreeMap::new();
        let (mut wanted, mut faults) = (Vec::new(), Faults::default());
        let mut tenants = everything?.tenants;
        let known: Vec<TenantId> = tenants.keys().cloned().collect();
        for suite in suites {
            match self.tenant_of(&suite, selection, &known) {
                Ok(tenant) => wanted.push((suite, tenant)),
                Err(fault) => faults.push(fault),
            }
        }
        for tenant in wanted.iter().map(|(_, tenant)| tenant).collect::<BTreeSet<_>>() {
            match tenants.remove(tenant) {
                Some(Ok(assembled)) => {
                    snapshots.insert(tenant.clone(), assembled.snapshot);
                }
                Some(Err(found)) => faults.extend(found),
                None => {}
            }
        }
        faults.or(())?;
        self.run_suites(&wanted, &snapshots, selection, now)
    }

    fn run_suites(
        &self,
        wanted: &[(Suite, TenantId)],
        snapshots: &BTreeMap<TenantId, Snapshot>,
        selection: &Selection,
        now: DateTime<Utc>,
    ) -> Result<Report, Faults> {
        let mut report = Report { suites: Vec::new(), warnings: Vec::new(), coverage: None };
        let mut coverage: BTreeMap<&TenantId, Coverage<'_>> = BTreeMap::new();
        let mut faults = Faults::default();
        for (suite, tenant) in wanted {
            let Some(snapshot) = snapshots.get(tenant) else { continue };
            if self.covers {
                let bundle = self.layout.bundle_folder(tenant);
                coverage.entry(tenant).or_insert_with(|| Coverage::of(snapshot, &bundle));
            }
            let planned = match self.plan(snapshot, suite, now) {
                Ok(planned) => planned,
                Err(found) => {
                    faults.extend(found);
                    continue;
                }
            };
            report.warnings.extend(planned.warnings);
            let judge = Judge { snapshot, decider: self.decider };
            let mut groups = Vec::new();
            for group in planned.groups {
                let chosen: Vec<_> =
                    group.checks.iter().filter(|check| is_chosen(selection, suite, &group, check)).collect();
                let mut cases = Vec::new();
                for check in chosen {
                    let judged = judge.judge(check, &mut |staged, principal| {
                        if let Some(coverage) = coverage.get_mut(tenant) {
                            coverage.note(staged, principal);
                        }
                    });
                    match judged {
                        Ok(case) => cases.push(case),
                        Err((at, message)) => faults.push(suite.fault(at, message)),
                    }
                }
                if !cases.is_empty() {
                    groups.push(GroupReport { kind: group.kind, name: group.name, cases });
                }
            }
            if !groups.is_empty() {
                let (name, file) = (suite.name.clone(), suite.file.clone());
                report.suites.push(SuiteReport { name, file, tenant: tenant.clone(), groups });
            }
        }
        faults.or(())?;
        if report.suites.is_empty() {
            return Err(self.nothing(selection).into());
        }
        report.warnings.sort();
        report.coverage = self.covers.then(|| Coverage::report(coverage.into_values()));
        Ok(report)
    }

    pub(super) fn plan(&self, snapshot: &Snapshot, suite: &Suite, now: DateTime<Utc>) -> Result<Planned, Faults> {
        let folder = Path::new(&suite.file).parent().unwrap_or(Path::new(""));
        let misplaced = |found: Vec<(super::shape::At, String)>| {
            Faults(found.into_iter().map(|(at, message)| suite.fault(at, message)).collect())
        };
        match &suite.body {
            Body::Own(written) => {
                let now = written.now.as_ref().map_or(Ok(now), |text| {
                    let parsed = DateTime::parse_from_rfc3339(&text.value).map(|time| time.to_utc());
                    parsed.map_err(|_| {
                        let message = format!("`{}` is not a time: write `2026-11-01T12:00:00Z`", text.value);
                        misplaced(vec![(text.at, message)])
                    })
                })?;
                let mut keys = Vec::new();
                for (provider, file) in written.keys.iter() {
                    let bytes = fs::read(folder.join(&file.value)).map_err(|error| {
                        misplaced(vec![(file.at, format!("`{}` cannot be read: {error}", file.value))])
                    })?;
                    keys.push((provider.to_owned(), Placed { value: bytes, at: file.at }));
                }
                let people = People::of(snapshot, &self.verifying, now, keys).map_err(misplaced)?;
                plan(snapshot, suite, written, &people).map(|planned| self.at(now, snapshot, planned))
            }
            Body::Official(cases) => {
                let people = People::of(snapshot, &self.verifying, now, []).map_err(misplaced)?;
                let planned = plan_official(snapshot, suite, cases, &people, |file| read_entities(folder, file));
                planned.map(|planned| self.at(now, snapshot, planned))
            }
        }
    }

    /// The plan with the time in every context that a server would put its own in.
    fn at(&self, now: DateTime<Utc>, snapshot: &Snapshot, mut planned: Planned) -> Planned {
        let Some(server_time) = &self.server_time else { return planned };
        for check in planned.groups.iter_mut().flat_map(|group| &mut group.checks) {
            match &mut check.asks {
                Asks::One(question, _) => server_time.put_in(snapshot, &mut question.query, now),
                Asks::Only(candidates) => {
                    for candidate in candidates {
                        server_time.put_in(snapshot, &mut candidate.question.query, now);
                    }
                }
            }
        }
        planned
    }

    /// Whose policies decide a suite.
    fn tenant_of(&self, suite: &Suite, selection: &Selection, known: &[TenantId]) -> Result<TenantId, Fault> {
        let of_path = || tenant_of(&suite.file, &self.layout.dirs).filter(|tenant| known.contains(tenant));
        if let Some(named) = &suite.tenant {
            let tenant = TenantId::parse(&named.value).ok().filter(|tenant| known.contains(tenant));
            return tenant.ok_or_else(|| suite.fault(named.at, format!("there is no tenant `{}`", named.value)));
        }
        if let Some(tenant) = of_path().or_else(|| selection.tenant.clone()) {
            let is_known = known.contains(&tenant);
            let missing = || Fault::of_file("--tenant", format!("there is no folder for tenant `{tenant}`"));
            return if is_known { Ok(tenant) } else { Err(missing()) };
        }
        match known {
            [only] => Ok(only.clone()),
            _ => {
                Err(Fault::of_file(&suite.file, "whose policies decide? say `tenant: NAME` in it, or `--tenant NAME`"))
            }
        }
    }

    fn nothing(&self, selection: &Selection) -> Fault {
        if selection.filters.is_empty() {
            return selection.nothing(&self.layout.dirs);
        }
        Fault::of_file("--filter", format!("no case has `{}` in its name", selection.filters.join("` or `")))
    }
}

fn is_chosen(selection: &Selection, suite: &Suite, group: &Group, check: &Check) -> bool {
    let group = group.name.as_ref().map(|name| format!(": {name}")).unwrap_or_default();
    let name = format!("{}{group}: {}", suite.name, check.name);
    selection.filters.is_empty() || selection.filters.iter().any(|filter| name.contains(filter.as_str()))
}

/// The entities of a file beside the cases, and not of one elsewhere.
fn read_entities(folder: &Path, file: &str) -> Result<Vec<Value>, String> {
    let cannot = |error: std::io::Error| format!("`{file}` cannot be read: {error}");
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let path = folder.join(file).canonicalize().map_err(cannot)?;
    if !path.starts_with(folder.canonicalize().map_err(cannot)?) {
        return Err(format!("`{file}` is outside of the folder of its cases"));
    }
    let text = fs::read(path).map_err(cannot)?;
    serde_json::from_slice(&text).map_err(|error| format!("`{file}` is not a list of entities: {error}"))
}

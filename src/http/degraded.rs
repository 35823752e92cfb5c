//! What a node does not do as it should, though it answers: changes that wait to be live, loads with faults, a directory
//! that cannot be read.
//!
//! In: what serves, and how far changes have come. Out: reasons, for `/status` and for `/ready?strict`.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::directory::{Progress, TenantProgress};
use crate::model::{Revision, TenantId};
use crate::snapshot::Tenants;

/// The revision that serves a tenant.
pub(super) fn serving(tenants: &Tenants, tenant: &TenantId) -> Option<Revision> {
    let handle = tenants.get(tenant.as_str())?;
    handle.snapshot().map(|snapshot| snapshot.revision)
}

/// What is not as it should be, a line each, the first of many. A change that waits counts after a while: most are live at once.
pub(super) fn reasons(tenants: &Tenants, progress: &Progress, now: DateTime<Utc>) -> Vec<String> {
    let mut reasons = Vec::new();
    let directory = progress.directory();
    if !directory.ok {
        let error = directory.error.unwrap_or_else(|| "it was not opened".to_owned());
        reasons.push(format!("the directory cannot be read: {error}"));
    }
    if !tenants.shared().ok && tenants.is_listed() {
        reasons.push("the tree has faults that stop every tenant: see `tree`".to_owned());
    }
    let all = tenants.all();
    for (tenant, handle) in all.iter() {
        let last = handle.last_reload();
        // One that was never tried has no fault.
        if !last.ok && last.at.is_some() {
            reasons.push(format!("tenant `{tenant}` has faults: see its `last_reload`"));
        }
    }
    for tenant in progress.tenants() {
        let Some(known) = progress.of(&tenant, serving(tenants, &tenant), now) else { continue };
        reasons.extend(of_tenant(&tenant, &known, now));
    }
    let more = reasons.len().saturating_sub(MOST_TOLD);
    if more > 0 {
        reasons.truncate(MOST_TOLD);
        reasons.push(format!("and {more} more"));
    }
    reasons
}

fn of_tenant(tenant: &TenantId, known: &TenantProgress, now: DateTime<Utc>) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(since) = known.waiting_since.filter(|since| now - *since > MOST_WAITING) {
        let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        reasons.push(format!("changes of tenant `{tenant}` up to revision {} wait since {since}", known.head));
    }
    if known.publish.as_ref().is_some_and(|publish| !publish.ok) {
        reasons.push(format!("changes of tenant `{tenant}` cannot be written to disk: see its `publish`"));
    }
    reasons
}

/// How long a change may wait before something is wrong.
const MOST_WAITING: TimeDelta = TimeDelta::seconds(5);
const MOST_TOLD: usize = 50;

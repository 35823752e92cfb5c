//! How far each tenant's changes have come: the directory's head, since when it waits to be live, and how writing it to
//! disk went.
//!
//! In: heads and outcomes, from whoever changes and publishes. Out: the same, held against the revision that serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::model::{Revision, TenantId};

/// What is known of all tenants, shared by those who change, publish and tell.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    directory: Standing,
    rewound: u64,
    tenants: BTreeMap<TenantId, Tracked>,
}

/// What the server has for a directory, and whether that can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// `sqlite` or `files`.
    pub kind: &'static str,
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How writing a revision to disk ended last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublishOutcome {
    pub ok: bool,
    pub at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One tenant's, held against what serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantProgress {
    pub head: Revision,
    /// When the oldest change that is not live was first seen.
    pub waiting_since: Option<DateTime<Utc>>,
    pub publish: Option<PublishOutcome>,
    pub publish_failures: u64,
}

#[derive(Debug)]
struct Tracked {
    head: Revision,
    /// Heads that were not live when they were last looked at, oldest first.
    waiting: Vec<Head>,
    publish: Option<PublishOutcome>,
    publish_failures: u64,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    revision: Revision,
    seen: DateTime<Utc>,
}

impl Progress {
    /// Notes what a tenant's last revision is.
    pub fn note_head(&self, tenant: &TenantId, revision: Revision, now: DateTime<Utc>) {
        let head = Head { revision, seen: now };
        let mut noted = self.noted();
        let Some(tracked) = noted.tenants.get_mut(tenant) else {
            let tracked = Tracked { head: revision, waiting: vec![head], publish: None, publish_failures: 0 };
            noted.tenants.insert(tenant.clone(), tracked);
            return;
        };
        // Who noted a later one may have been faster.
        if revision > tracked.head {
            tracked.head = revision;
            if tracked.waiting.len() >= MOST_WAITING {
                // Nobody looked for long: half of them say nearly as much.
                let mut is_kept = false;
                tracked.waiting.retain(|_| {
                    is_kept = !is_kept;
                    is_kept
                });
            }
            tracked.waiting.push(head);
        }
    }

    /// Notes how writing a revision to disk ended.
    pub fn note_publish(&self, tenant: &TenantId, failure: Option<&str>, now: DateTime<Utc>) {
        if let Some(tracked) = self.noted().tenants.get_mut(tenant) {
            tracked.publish_failures += u64::from(failure.is_some());
            let error = failure.map(str::to_owned);
            tracked.publish = Some(PublishOutcome { ok: failure.is_none(), at: now, error });
        }
    }

    /// Forgets all tenants but these.
    pub fn retain(&self, tenants: &BTreeSet<TenantId>) {
        self.noted().tenants.retain(|tenant, _| tenants.contains(tenant));
    }

    pub fn forget(&self, tenant: &TenantId) {
        self.noted().tenants.remove(tenant);
    }

    pub fn note_directory(&self, standing: Standing) {
        self.noted().directory = standing;
    }

    /// Notes whether the directory could be read just now.
    pub fn note_reading(&self, failure: Option<&str>) {
        let mut noted = self.noted();
        noted.directory.ok = failure.is_none();
        noted.directory.error = failure.map(str::to_owned);
    }

    pub fn directory(&self) -> Standing {
        self.noted().directory.clone()
    }

    /// Counts a bundle that was of another history than the directory's, whose head may be an earlier one.
    pub fn note_rewound(&self, tenant: &TenantId, head: Revision, now: DateTime<Utc>) {
        let mut noted = self.noted();
        noted.rewound += 1;
        if let Some(tracked) = noted.tenants.get_mut(tenant) {
            (tracked.head, tracked.waiting) = (head, vec![Head { revision: head, seen: now }]);
        }
    }

    pub fn rewound(&self) -> u64 {
        self.noted().rewound
    }

    pub fn tenants(&self) -> Vec<TenantId> {
        self.noted().tenants.keys().cloned().collect()
    }

    /// A tenant's, where the revision `live` serves it.
    pub fn of(&self, tenant: &TenantId, live: Option<Revision>, now: DateTime<Utc>) -> Option<TenantProgress> {
        let mut noted = self.noted();
        let tracked = noted.tenants.get_mut(tenant)?;
        tracked.waiting.retain(|head| live.is_none_or(|live| head.revision > live));
        let since = tracked.waiting.first().map(|head| head.seen);
        Some(TenantProgress {
            head: tracked.head,
            waiting_since: since.filter(|since| now - *since >= AN_INSTANT),
            publish: tracked.publish.clone(),
            publish_failures: tracked.publish_failures,
        })
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No change is live the moment it is made.
const AN_INSTANT: TimeDelta = TimeDelta::milliseconds(250);
/// Heads that are told apart while none of them is live.
const MOST_WAITING: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn the_oldest_change_that_is_not_live_says_since_when_it_waits() {
        let (progress, acme) = (Progress::default(), TenantId::parse("acme").unwrap());
        let waits =
            |live: Option<u64>, now: i64| progress.of(&acme, live.map(Revision), at(now)).unwrap().waiting_since;
        assert_eq!(progress.of(&acme, None, at(0)), None);
        progress.note_head(&acme, Revision(1), at(0));
        assert_eq!((waits(None, 0), waits(None, 9)), (None, Some(at(0))));
        assert_eq!(waits(Some(1), 9), None);
        progress.note_head(&acme, Revision(2), at(10));
        progress.note_head(&acme, Revision(3), at(20));
        progress.note_head(&acme, Revision(2), at(30));
        assert_eq!(waits(Some(1), 30), Some(at(10)));
        assert_eq!(progress.of(&acme, Some(Revision(1)), at(30)).unwrap().head, Revision(3));
        assert_eq!(waits(Some(2), 30), Some(at(20)));
        assert_eq!(waits(Some(3), 30), None);
        // Changes that come all the time and are live soon do not add up.
        for revision in 4..100 {
            progress.note_head(&acme, Revision(revision), at(30 + revision as i64));
            assert_eq!(waits(Some(revision), 1_000), None);
        }
    }
}

//! One tenant: read when its files hold still, assembled, published and made to serve.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::queue::{Looked, Urgency, Waiting};
use super::workers::Next;
use super::{GoodShared, Reloaded, Reloader, Seen};
use crate::assemble::{Outcome, assemble_tenant, publish};
use crate::model::{Faults, TenantId};
use crate::snapshot::{Snapshot, TenantHandle};
use crate::telemetry::ReloadResult;
use crate::tree::{PolicyFolder, read_tenant, stamps_in};

impl Reloader {
    /// Loads a tenant, where anything of it changed. What is being written is not used, since half a file can be a
    /// valid one.
    pub(super) fn load_tenant(&self, tenant: &TenantId, waiting: Waiting) -> Next {
        let Some(handle) = self.tenants.get(tenant.as_str()) else { return Next::Done };
        let known = self.loads.known();
        let Some(good) = known.shared.good.clone() else { return Next::Done };
        let faults_of_all = known.shared.faults.clone();
        let look = self.look(tenant);
        let seen = known.seen.get(tenant);
        let is_same = seen.is_some_and(|seen| seen.look == look && seen.shared == good.serial && seen.is_good);
        let is_moving = seen.is_some_and(|seen| look.needs_stillness_since(&seen.look));
        drop(known);
        if is_same && !waiting.is_forced {
            return Next::Done;
        }
        let again = |pause, still, attempts| {
            let is_forced = waiting.is_forced;
            Next::Again(pause, Waiting { urgency: Urgency::Changed, is_forced, still, attempts })
        };
        if is_moving && let Some((rest, still)) = waiting.stillness(Looked::Tenant(look.clone()), self.debounce) {
            return again(rest, Some(still), waiting.attempts);
        }
        let started = Instant::now();
        let folder = read_tenant(&self.layout.dirs, tenant);
        let mut reloaded = Reloaded::Unsettled;
        if self.look(tenant).is_written_as(&look) {
            // The directory goes on beside the last good schema; that this is not today's stays told.
            let standing = faults_of_all.unwrap_or_default();
            reloaded = self.reload_tenant((&good, &standing), tenant, folder.as_ref(), &handle, started);
        }
        if reloaded == Reloaded::Unsettled && waiting.attempts < MOST_ATTEMPTS {
            return again(A_MOMENT, None, waiting.attempts + 1);
        }
        let seen = Seen { look, shared: good.serial, is_good: reloaded == Reloaded::Good };
        self.loads.known().seen.insert(tenant.clone(), seen);
        Next::Done
    }

    fn reload_tenant(
        &self,
        (good, standing): (&GoodShared, &Faults),
        tenant: &TenantId,
        folder: Result<&PolicyFolder, &Faults>,
        handle: &TenantHandle,
        started: Instant,
    ) -> Reloaded {
        if let Ok(folder) = folder
            && let Err(faults) = self.note_wanted(&good.shared, tenant, folder)
        {
            return self.fail(tenant, handle, faults);
        }
        let publishing = self.under_way.of(tenant);
        if publishing.is_under_way {
            // The event of its last file may come before its end. If it fails, the poll looks again.
            return Reloaded::Unsettled;
        }
        let now = self.clock.now();
        let assemble_with = |platform: &PolicyFolder, folder: Result<&PolicyFolder, &Faults>| {
            let (shared, serving) = (&good.shared, handle.snapshot());
            let folder = folder.map_err(Clone::clone)?;
            assemble_tenant(&self.layout, platform, shared, tenant, folder, serving.as_deref(), now)
        };
        let assemble = |folder| assemble_with(&good.platform, folder);
        let mut assembled = assemble(folder);
        if assembled.is_err() && self.under_way.of(tenant) != publishing {
            return Reloaded::Unsettled;
        }
        if let Err(faults) = &assembled
            && self.is_new_in_bundle(tenant, handle, faults)
        {
            if self.is_being_published(tenant) {
                return Reloaded::Unsettled;
            }
            // Its last file may have come between the reading and the look at it.
            assembled = assemble(folder);
            if assembled.is_err() && self.under_way.of(tenant) != publishing {
                return Reloaded::Unsettled;
            }
            if assembled.is_err() && self.purpose.publishes() {
                self.under_way.suspect(tenant);
            }
        }
        match assembled {
            Ok(outcome) => {
                let reloaded = self.take(tenant, handle, outcome, standing, started);
                if let Some(folder) = folder.ok().filter(|_| reloaded == Reloaded::Good) {
                    self.keep_good(tenant, &good.platform, folder);
                }
                reloaded
            }
            Err(faults) => {
                let kept = self.last_good(tenant, &good.platform, folder, &faults);
                match kept.as_ref().map(|(platform, folder)| assemble_with(platform, Ok(folder))) {
                    Some(Ok(outcome)) => self.take(tenant, handle, outcome, &faults, started),
                    _ => self.fail(tenant, handle, faults),
                }
            }
        }
    }

    /// Makes what was assembled serve, beside the faults of files that the last good ones stand in for.
    fn take(
        &self,
        tenant: &TenantId,
        handle: &TenantHandle,
        outcome: Outcome,
        standing: &Faults,
        started: Instant,
    ) -> Reloaded {
        let now = self.clock.now();
        let is_whole = standing.0.is_empty();
        let assembled = match outcome {
            Outcome::Ready(assembled) => assembled,
            Outcome::Unchanged if is_whole => {
                handle.confirm(now);
                self.metrics.is_ok(tenant.as_str(), true);
                return Reloaded::Good;
            }
            Outcome::Unchanged => return self.fail(tenant, handle, standing.clone()),
        };
        if let Some(bundle) = assembled.bundle.as_ref().filter(|_| self.purpose.publishes())
            && let Err(fault) = publish(&self.layout, tenant, bundle)
        {
            return self.fail(tenant, handle, fault.into());
        }
        let mut snapshot = assembled.snapshot;
        snapshot.built.took = started.elapsed();
        self.metrics.loaded(&snapshot, now);
        let (generation, revision) = (snapshot.generation, snapshot.revision);
        for warning in &snapshot.warnings {
            tracing::warn!(%tenant, %warning, "worth a look");
        }
        // Whoever asks of this very revision finds its providers' keys, or waits for them.
        self.purpose.add_keys(&snapshot);
        if !is_whole {
            self.tell(tenant, handle, standing);
        }
        let replaced = handle.swap(snapshot, standing.0.clone());
        self.metrics.attempted(tenant.as_str(), ReloadResult::ok);
        self.metrics.is_ok(tenant.as_str(), is_whole);
        tracing::info!(%tenant, %generation, %revision, "{}", self.purpose.of_new_snapshot());
        if let Some(replaced) = replaced {
            let_go(replaced);
        }
        if is_whole { Reloaded::Good } else { Reloaded::Faulty }
    }

    pub(super) fn fail(&self, tenant: &TenantId, handle: &TenantHandle, faults: Faults) -> Reloaded {
        self.tell(tenant, handle, &faults);
        self.metrics.is_ok(tenant.as_str(), false);
        handle.fail(self.clock.now(), faults.0);
        Reloaded::Faulty
    }

    /// Logs faults that are news.
    fn tell(&self, tenant: &TenantId, handle: &TenantHandle, faults: &Faults) {
        if is_news(handle, faults) {
            for fault in &faults.0 {
                tracing::error!(%tenant, %fault, "{} has a fault; {}", self.purpose.tree(), self.purpose.meanwhile());
            }
            self.metrics.attempted(tenant.as_str(), ReloadResult::failed);
        }
    }

    /// Whether a bundle's files are just being replaced.
    fn is_being_published(&self, tenant: &TenantId) -> bool {
        let folder = self.layout.bundle_folder(tenant);
        let before = stamps_in(&folder);
        std::thread::sleep(A_MOMENT);
        before != stamps_in(&folder)
    }

    /// Whether a fault that was not there before is the bundle's, which may be half of one.
    fn is_new_in_bundle(&self, tenant: &TenantId, handle: &TenantHandle, faults: &Faults) -> bool {
        let folder = self.layout.bundle_folder(tenant).to_string_lossy().into_owned();
        is_news(handle, faults) && faults.0.iter().any(|fault| fault.file.starts_with(&folder))
    }
}

/// The same faults again are no news: a poll would otherwise repeat them for ever.
fn is_news(handle: &TenantHandle, faults: &Faults) -> bool {
    handle.last_reload().errors != faults.0
}

/// Lets go of a snapshot here, rather than in the last request that it serves: all that it alone has goes with it.
fn let_go(snapshot: Arc<Snapshot>) {
    for _ in 0..MOST_WAITS {
        if Arc::strong_count(&snapshot) == 1 {
            break;
        }
        std::thread::sleep(A_WAIT);
    }
}

/// Some tens of milliseconds: requests take less.
const MOST_WAITS: usize = 20;
const A_WAIT: Duration = Duration::from_millis(2);
/// A tenant that never stops changing is looked at again at the next event.
const MOST_ATTEMPTS: usize = 20;
/// How long files must hold still where there are no digests to tell, or these do not fit.
const A_MOMENT: Duration = Duration::from_millis(50);

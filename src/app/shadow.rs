//! The candidate of a server, loaded and followed as the live tree is. Nothing about it keeps a server from starting.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::AppError;
use crate::apply::Wanted;
use crate::assemble::Layout;
use crate::model::{Fault, with_causes};
use crate::reload::{Purpose, Reloader};
use crate::shadow::{Comparing, Shadow, ShadowSettings};
use crate::snapshot::{ReloadOutcome, Tenants, WatchSettings, Watcher};
use crate::telemetry::Metrics;

/// Starts to load and to follow it, beside the live tree's reloader, and to compare.
pub(super) fn start(
    (layout, settings): (Layout, ShadowSettings),
    (live, watched): (&Reloader, WatchSettings),
    metrics: &Metrics,
    comparing: Comparing,
) -> Result<(Shadow, AbortHandle), AppError> {
    let tenants = Arc::new(Tenants::default());
    let watcher = Watcher::start(layout.folders(), watched);
    let reloader = Reloader {
        rules: watch::Sender::new(None),
        wanted: watch::Sender::new(Wanted::new()),
        layout,
        tenants: Arc::clone(&tenants),
        purpose: Purpose::Compare,
        metrics: metrics.candidate_reloads.clone(),
        loads: Arc::default(),
        // The bundles that it reads may be the live tree's.
        ..live.clone()
    };
    let following = match watcher {
        Ok(watcher) => tokio::spawn(reloader.follow(watcher)),
        Err(error) => {
            let message = with_causes(&error);
            tracing::error!(error = %message, "the candidate cannot be followed: nothing is compared");
            let errors = vec![Fault::of_file(reloader.layout.dirs.policies.to_string_lossy(), message)];
            tenants.note_shared(ReloadOutcome { at: Some(live.clock.now()), errors, ..ReloadOutcome::default() });
            tokio::spawn(async {})
        }
    };
    let shadow = Shadow::start(tenants, settings, comparing).map_err(AppError::CandidateThread)?;
    Ok((shadow, following.abort_handle()))
}

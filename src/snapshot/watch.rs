//! Says when the tree may have changed: by file events, or by the slow poll below them.
//!
//! Follows folders, not files, so an atomic rename and a ConfigMap's swapped `..data` link are seen. Whether
//! anything did change is for digests to decide, and whether writing has ended, for fingerprints.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};

/// How patient the watcher is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchSettings {
    /// Files must have stayed the same for this long.
    pub debounce: Duration,
    /// Looks even when no event came: network file systems and swapped mounts tell nothing.
    pub poll: Duration,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self { debounce: Duration::from_millis(100), poll: Duration::from_secs(5) }
    }
}

/// Why the watcher thinks that something may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The system said so.
    Events,
    /// It is time to look.
    Poll,
}

/// Why the folders cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` cannot be watched", path = .path.display())]
pub struct WatchError {
    path: PathBuf,
    #[source]
    source: notify::Error,
}

/// Watches some folders.
#[derive(Debug)]
pub struct Watcher {
    folders: Vec<PathBuf>,
    settings: WatchSettings,
    events: mpsc::Receiver<()>,
    sender: mpsc::Sender<()>,
    poll: Interval,
    watching: Option<RecommendedWatcher>,
    seen: Vec<Option<(u64, u64)>>,
}

impl Watcher {
    /// Starts to watch; must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start(folders: Vec<PathBuf>, settings: WatchSettings) -> Result<Self, WatchError> {
        // One place is enough: "something happened" need not be said twice.
        let (sender, events) = mpsc::channel(1);
        let mut poll = interval(settings.poll);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        poll.reset();
        let mut watcher = Self { folders, settings, events, sender, poll, watching: None, seen: Vec::new() };
        watcher.watch_again()?;
        Ok(watcher)
    }

    /// Waits until the tree may have changed.
    pub async fn changed(&mut self) -> Cause {
        let cause = tokio::select! {
            _ = self.events.recv() => Cause::Events,
            _ = self.poll.tick() => Cause::Poll,
        };
        self.follow_moves();
        cause
    }

    /// Lets a quiet moment pass, and forgets what happened in it: a fingerprint taken before tells that.
    pub async fn quiet_moment(&mut self) {
        sleep(self.settings.debounce).await;
        let _ = self.events.try_recv();
        self.follow_moves();
    }

    /// Whether nothing happens for a moment.
    pub async fn is_quiet(&mut self) -> bool {
        let is_quiet = timeout(self.settings.debounce, self.events.recv()).await.is_err();
        self.follow_moves();
        is_quiet
    }

    fn follow_moves(&mut self) {
        // A folder that was moved away and replaced is another folder: follow the new one.
        if self.identities() != self.seen
            && let Err(error) = self.watch_again()
        {
            tracing::warn!(error = %error, "a folder cannot be watched; polling goes on");
        }
    }

    fn watch_again(&mut self) -> Result<(), WatchError> {
        let sender = self.sender.clone();
        let tell = move |event: notify::Result<notify::Event>| {
            let is_reading = event.as_ref().is_ok_and(|event| matches!(event.kind, EventKind::Access(_)));
            if !is_reading {
                let _ = sender.try_send(());
            }
        };
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| WatchError { path, source }
        };
        let mut watching = notify::recommended_watcher(tell).map_err(failed(Path::new(".")))?;
        for folder in &self.folders {
            if folder.exists() {
                watching.watch(folder, RecursiveMode::Recursive).map_err(failed(folder))?;
            }
        }
        self.watching = Some(watching);
        self.seen = self.identities();
        Ok(())
    }

    #[cfg(unix)]
    fn identities(&self) -> Vec<Option<(u64, u64)>> {
        use std::os::unix::fs::MetadataExt;
        let identity = |path: &PathBuf| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
        self.folders.iter().map(identity).collect()
    }
}

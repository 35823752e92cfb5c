//! Says when the tree may have changed: by file events, or by the slow poll below them.
//!
//! Follows folders, not files, so an atomic rename and a ConfigMap's swapped `..data` link are seen. Whether
//! anything did change is for digests to decide, and whether writing has ended, for fingerprints.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

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

/// What may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The system named these paths.
    Paths(BTreeSet<PathBuf>),
    /// The system said that something did, or too much to name.
    Anything,
    /// Nobody said anything: it is time to look.
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

/// What events named since the last look.
#[derive(Debug, Default)]
struct Named {
    paths: BTreeSet<PathBuf>,
    too_many: bool,
}

impl Named {
    fn note(&mut self, event: Option<notify::Event>) {
        match event {
            Some(event) if !event.paths.is_empty() && !event.need_rescan() => self.paths.extend(event.paths),
            _ => self.too_many = true,
        }
        if self.paths.len() > MOST_PATHS {
            self.paths.clear();
            self.too_many = true;
        }
    }
}

/// Watches some folders.
#[derive(Debug)]
pub struct Watcher {
    folders: Vec<PathBuf>,
    settings: WatchSettings,
    events: mpsc::Receiver<()>,
    sender: mpsc::Sender<()>,
    named: Arc<Mutex<Named>>,
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
        let named = Arc::default();
        let mut watcher = Self { folders, settings, events, sender, named, poll, watching: None, seen: Vec::new() };
        watcher.watch_again()?;
        Ok(watcher)
    }

    /// Waits until the tree may have changed.
    pub async fn changed(&mut self) -> Moved {
        let is_told = tokio::select! {
            _ = self.events.recv() => true,
            _ = self.poll.tick() => false,
        };
        let replaced = self.follow_moves();
        let named = std::mem::take(&mut *self.named.lock().unwrap_or_else(PoisonError::into_inner));
        match named {
            _ if replaced => Moved::Anything,
            Named { too_many: true, .. } => Moved::Anything,
            Named { paths, .. } if !paths.is_empty() => Moved::Paths(paths),
            _ if is_told => Moved::Anything,
            _ => Moved::Poll,
        }
    }

    /// Lets a quiet moment pass, and forgets what happened in it: a fingerprint taken before tells that.
    pub async fn quiet_moment(&mut self) {
        sleep(self.settings.debounce).await;
        let _ = self.events.try_recv();
        self.follow_moves();
    }

    /// Follows a folder that was moved away and replaced, which is another folder; says whether one was.
    fn follow_moves(&mut self) -> bool {
        if self.identities() == self.seen {
            return false;
        }
        if let Err(error) = self.watch_again() {
            tracing::warn!(error = %error, "a folder cannot be watched; polling goes on");
        }
        true
    }

    fn watch_again(&mut self) -> Result<(), WatchError> {
        let (sender, named) = (self.sender.clone(), Arc::clone(&self.named));
        let tell = move |event: notify::Result<notify::Event>| {
            let is_reading = event.as_ref().is_ok_and(|event| matches!(event.kind, EventKind::Access(_)));
            if !is_reading {
                named.lock().unwrap_or_else(PoisonError::into_inner).note(event.ok());
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

/// Beyond it, everything is looked at.
const MOST_PATHS: usize = 10_000;

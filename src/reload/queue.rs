//! What is to be loaded, in order: what somebody changed before what is loaded for the first time.
//!
//! Each tenant waits at most once and is loaded by one worker at a time; a change that comes while a tenant is being
//! loaded makes it wait again. INVARIANT: `waiting` and the two orders hold the same items.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::TenantId;
use crate::tree::{Stamps, TenantLook};

/// What can be loaded by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    /// The schema, the default roles and the platform's policies.
    Shared,
    /// Which tenants there are.
    Listing,
    Tenant(TenantId),
}

/// How soon an item has its turn among those that are due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// One of many: the first load of everything, or a change of what all share.
    #[default]
    Ordinary,
    /// Somebody changed just this.
    Changed,
}

/// What is known of an item that waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    pub urgency: Urgency,
    /// Look into it though the file system says that nothing changed.
    pub is_forced: bool,
    /// What it must still look like after a while.
    pub still: Option<Still>,
    /// How often it was found half written.
    pub attempts: usize,
}

/// Stillness that is waited for.
#[derive(Clone, Debug)]
pub(super) struct Still {
    pub looked: Looked,
    pub until: Instant,
}

impl Waiting {
    /// How long to wait until files that moved and look like this have held still; nothing once they have.
    pub fn stillness(&self, looked: Looked, debounce: Duration) -> Option<(Duration, Still)> {
        let now = Instant::now();
        match &self.still {
            Some(still) if still.looked == looked => {
                // An event of what was seen already comes before the time is over.
                let rest = still.until.checked_duration_since(now).filter(|rest| !rest.is_zero())?;
                Some((rest, still.clone()))
            }
            _ => Some((debounce, Still { looked, until: now + debounce })),
        }
    }
}

/// What the file system said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    Tenant(TenantLook),
    Shared(Stamps),
}

/// When an item has its turn.
type Turn = (Instant, u64);

#[derive(Default)]
struct State {
    waiting: BTreeMap<Item, (Turn, Waiting)>,
    changed: BTreeMap<Turn, Item>,
    ordinary: BTreeMap<Turn, Item>,
    running: BTreeMap<Item, Instant>,
    count: u64,
    is_closed: bool,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    more: Condvar,
}

impl Queue {
    /// Adds an item, or makes one that waits already as urgent and as early as this.
    pub fn add(&self, item: Item, due: Instant, wanted: Waiting) {
        let mut state = self.state();
        let (turn, waiting) = match state.take(&item) {
            None => ((due, state.next()), wanted),
            Some(((known_due, number), known)) => {
                let waiting = Waiting {
                    urgency: known.urgency.max(wanted.urgency),
                    is_forced: known.is_forced || wanted.is_forced,
                    still: wanted.still.or(known.still),
                    attempts: known.attempts.max(wanted.attempts),
                };
                ((known_due.min(due), number), waiting)
            }
        };
        state.order(waiting.urgency).insert(turn, item.clone());
        state.waiting.insert(item, (turn, waiting));
        drop(state);
        self.more.notify_one();
    }

    /// The next item that is due, once there is one; nothing after the end.
    pub fn next(&self) -> Option<(Item, Waiting)> {
        let mut state = self.state();
        loop {
            if state.is_closed {
                return None;
            }
            let now = Instant::now();
            match state.due(now) {
                Ok(item) => {
                    let waiting = state.take(&item).map(|(_, waiting)| waiting).unwrap_or_default();
                    state.running.insert(item.clone(), now);
                    return Some((item, waiting));
                }
                Err(pause) => {
                    let waited = self.more.wait_timeout(state, pause);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    /// Notes that an item's turn is over.
    pub fn done(&self, item: &Item) {
        self.state().running.remove(item);
        // It, or one that its worker kept from a turn, may wait.
        self.more.notify_all();
    }

    /// Whether nothing waits and nothing is loaded.
    pub fn is_idle(&self) -> bool {
        let state = self.state();
        state.waiting.is_empty() && state.running.is_empty()
    }

    /// What has been loaded for longer than this.
    pub fn running_since(&self, before: Instant) -> Vec<Item> {
        self.state().running.iter().filter(|(_, since)| **since < before).map(|(item, _)| item.clone()).collect()
    }

    /// Ends it: no item has its turn any more.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.more.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// An item that is due, or how long to wait for one.
    fn due(&self, now: Instant) -> Result<Item, Duration> {
        let mut pause = LONGEST_PAUSE;
        for order in [&self.changed, &self.ordinary] {
            for ((due, _), item) in order {
                if *due > now {
                    pause = pause.min(*due - now);
                    break;
                }
                if !self.running.contains_key(item) && !self.is_kept_back(item) {
                    return Ok(item.clone());
                }
            }
        }
        Err(pause)
    }

    /// What all tenants share comes before any of them.
    fn is_kept_back(&self, item: &Item) -> bool {
        let is_first = |first: &Item| self.running.contains_key(first) || self.waiting.contains_key(first);
        matches!(item, Item::Tenant(_)) && self.running.contains_key(&Item::Shared)
            || *item == Item::Listing && is_first(&Item::Shared)
    }

    fn take(&mut self, item: &Item) -> Option<(Turn, Waiting)> {
        let (turn, waiting) = self.waiting.remove(item)?;
        self.order(waiting.urgency).remove(&turn);
        Some((turn, waiting))
    }

    fn order(&mut self, urgency: Urgency) -> &mut BTreeMap<Turn, Item> {
        match urgency {
            Urgency::Changed => &mut self.changed,
            Urgency::Ordinary => &mut self.ordinary,
        }
    }

    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

/// A worker looks again by itself after so long.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> Item {
        Item::Tenant(TenantId::parse(name).unwrap())
    }

    fn ordinary() -> Waiting {
        Waiting::default()
    }

    fn changed() -> Waiting {
        Waiting { urgency: Urgency::Changed, ..Waiting::default() }
    }

    #[test]
    fn what_was_changed_comes_before_what_is_loaded_with_everything_else() {
        let (queue, now) = (Queue::default(), Instant::now());
        for name in ["a", "b", "c"] {
            queue.add(tenant(name), now, ordinary());
        }
        queue.add(tenant("c"), now, changed());
        let order: Vec<_> = (0..3).map(|_| queue.next().unwrap().0).collect();
        assert_eq!(order, [tenant("c"), tenant("a"), tenant("b")]);
        assert!(!queue.is_idle());
        order.iter().for_each(|item| queue.done(item));
        assert!(queue.is_idle());
    }

    #[test]
    fn a_tenant_is_loaded_by_one_worker_at_a_time_and_again_where_it_changed_meanwhile() {
        let (queue, now) = (Queue::default(), Instant::now());
        queue.add(tenant("a"), now, ordinary());
        queue.next().unwrap();
        queue.add(tenant("a"), now, changed());
        queue.add(tenant("b"), now, ordinary());
        assert_eq!(queue.next().unwrap().0, tenant("b"));
        queue.done(&tenant("a"));
        assert_eq!(queue.next().unwrap().0, tenant("a"));
    }

    #[test]
    fn an_item_that_waits_for_stillness_holds_up_no_other() {
        let (queue, now) = (Queue::default(), Instant::now());
        queue.add(tenant("a"), now + Duration::from_millis(30), changed());
        queue.add(tenant("b"), now, ordinary());
        assert_eq!(queue.next().unwrap().0, tenant("b"));
        assert_eq!(queue.next().unwrap().0, tenant("a"));
        assert!(now.elapsed() >= Duration::from_millis(30));
    }

    #[test]
    fn tenants_wait_for_what_they_share() {
        let (queue, now) = (Queue::default(), Instant::now());
        queue.add(Item::Shared, now, ordinary());
        queue.add(Item::Listing, now, changed());
        assert_eq!(queue.next().unwrap().0, Item::Shared);
        queue.add(tenant("a"), now, changed());
        queue.done(&Item::Shared);
        let (one, two) = (queue.next().unwrap().0, queue.next().unwrap().0);
        assert_eq!((one, two), (Item::Listing, tenant("a")));
        queue.close();
        assert!(queue.next().is_none());
    }
}

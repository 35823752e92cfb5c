//! Tokens that wait for the keys of one address: many for one key, as after a rotation, but few keys at once, since
//! strangers can name as many as they like.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How many wait for each key; `None` stands for tokens that name none.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<BTreeMap<Option<String>, usize>>);

/// One that waits.
#[derive(Debug)]
pub(super) struct Waiter<'a> {
    of: &'a Waiting,
    key_id: Option<String>,
}

impl Waiting {
    /// A place to wait for a key, unless too many keys or tokens are waited for.
    pub(super) fn enter(&self, key_id: Option<String>) -> Option<Waiter<'_>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MOST_KEYS && !waiting.contains_key(&key_id) {
            return None;
        }
        let count = waiting.entry(key_id.clone()).or_default();
        if *count >= MOST_TOKENS {
            return None;
        }
        *count += 1;
        Some(Waiter { of: self, key_id })
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiting = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.key_id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                waiting.remove(&self.key_id);
            }
        }
    }
}

const MOST_KEYS: usize = 8;
const MOST_TOKENS: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_keys_are_waited_for_at_once_and_each_by_many() {
        let waiting = Waiting::default();
        let mut held: Vec<_> = (0..MOST_KEYS).map(|key| waiting.enter(Some(key.to_string())).unwrap()).collect();
        assert!(waiting.enter(Some("one more".into())).is_none() && waiting.enter(None).is_none());
        held.extend((1..MOST_TOKENS).map(|_| waiting.enter(Some("0".into())).unwrap()));
        assert!(waiting.enter(Some("0".into())).is_none());
        drop(held);
        assert!(waiting.enter(None).is_some());
        assert!(waiting.0.lock().unwrap().is_empty());
    }
}

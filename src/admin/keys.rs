//! Admin keys: the first one is made when there is none, shown once, and only its hash is kept. Keys that the command
//! line makes or ends in the database are followed by a server that runs.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use tokio::time::{MissedTickBehavior, interval};

use super::Administration;
use crate::authn::{KeyError, new_key};
use crate::digest::sha256;
use crate::directory::KeptAdminKey;
use crate::model::with_causes;

/// All admin keys of a server.
#[derive(Debug, Default)]
pub struct AdminKeys(RwLock<Vec<KeptAdminKey>>);

/// The key that was made at the first start: not to be had again.
pub struct FirstKey(pub String);

impl AdminKeys {
    pub fn of(keys: Vec<KeptAdminKey>) -> Self {
        Self(RwLock::new(keys))
    }

    /// Takes these instead of those that were.
    fn replace(&self, keys: Vec<KeptAdminKey>) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if *current != keys {
            tracing::info!(keys = keys.len(), "the admin keys are others now");
            *current = keys;
        }
    }

    /// A new key and what is kept of it.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate(name: &str) -> Result<(FirstKey, KeptAdminKey), KeyError> {
        let key = new_key("admin")?;
        let kept = KeptAdminKey { name: name.to_owned(), hash: sha256(key.as_bytes()).to_vec() };
        Ok((FirstKey(key), kept))
    }

    /// The name of a key. Every hash is compared, each in constant time.
    pub fn find(&self, text: &str) -> Option<String> {
        let given = sha256(text.as_bytes());
        let mut found = None;
        for key in &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            if verify_slices_are_equal(&given, &key.hash).is_ok() {
                found = Some(key.name.clone());
            }
        }
        found
    }
}

impl Administration {
    /// Takes what becomes of the admin keys in the database, for as long as it is polled.
    pub async fn follow_keys(self) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match self.secrets.admin_keys().await {
                Ok(keys) => self.keys.replace(keys),
                Err(error) => tracing::warn!(error = %with_causes(&error), "the admin keys cannot be read again"),
            }
        }
    }
}

/// How soon a key that was made or ended is one or is none.
const EVERY: Duration = Duration::from_secs(1);

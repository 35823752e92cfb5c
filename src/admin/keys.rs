//! Admin keys: the first one is made when there is none, shown once, and only its hash is kept.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::authn::{KeyError, new_key};
use crate::digest::sha256;
use crate::directory::KeptAdminKey;

/// All admin keys of a server.
#[derive(Debug, Default)]
pub struct AdminKeys(Vec<KeptAdminKey>);

/// The key that was made at the first start: not to be had again.
pub struct FirstKey(pub String);

impl AdminKeys {
    pub fn of(keys: Vec<KeptAdminKey>) -> Self {
        Self(keys)
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
        for key in &self.0 {
            if verify_slices_are_equal(&given, &key.hash).is_ok() {
                found = Some(key.name.clone());
            }
        }
        found
    }
}

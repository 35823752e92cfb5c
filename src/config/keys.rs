//! Caller keys: what each allows, found by the hash that the configuration keeps.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::raw::RawCallerKey;
use crate::digest::read_hex;
use crate::model::TenantId;

/// What a key allows beyond asking with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// To name a principal instead of bringing its token.
    Vouch,
    /// To look at the directory of its tenants and to change it.
    Administer,
    /// To look at the server's state and numbers, those of every tenant.
    Observe,
}

/// A configured key.
#[derive(Clone, Debug)]
pub struct CallerKey {
    pub name: String,
    hash: [u8; 32],
    may: Vec<Permission>,
    /// `None` is all.
    tenants: Option<Vec<TenantId>>,
}

impl CallerKey {
    pub fn may(&self, permission: Permission) -> bool {
        self.may.contains(&permission)
    }

    /// Whether the key counts for every tenant, those to come included.
    pub fn is_for_all(&self) -> bool {
        self.tenants.is_none()
    }

    /// Whether the key counts for a tenant at all.
    pub fn is_for(&self, tenant: &TenantId) -> bool {
        self.tenants.as_ref().is_none_or(|tenants| tenants.contains(tenant))
    }
}

/// All configured keys.
#[derive(Clone, Debug, Default)]
pub struct CallerKeys(Vec<Arc<CallerKey>>);

impl CallerKeys {
    /// The key with this text, if it is one of ours. Every hash is compared, each in constant time.
    pub fn find(&self, text: &str) -> Option<&Arc<CallerKey>> {
        let given = digest(&SHA256, text.as_bytes());
        let mut found = None;
        for key in &self.0 {
            if verify_slices_are_equal(given.as_ref(), &key.hash).is_ok() {
                found = Some(key);
            }
        }
        found
    }

    /// Whether any key allows this.
    pub fn any_may(&self, permission: Permission) -> bool {
        self.0.iter().any(|key| key.may(permission))
    }

    pub(super) fn read(raw: &[RawCallerKey], fault: &mut impl FnMut(&str, String)) -> Self {
        let mut keys: Vec<Arc<CallerKey>> = Vec::new();
        for key in raw {
            if keys.iter().any(|other| other.name == key.name) {
                fault("callers.keys", format!("`{}` is there twice", key.name));
            }
            let Some(hash) = read_hash(&key.hash) else {
                fault("callers.keys", format!("the hash of `{}` is not `sha256:` and 64 hexadecimal digits", key.name));
                continue;
            };
            let tenants = key.tenants.as_ref().map(|names| {
                let parsed = names.iter().map(|name| TenantId::parse(name).map_err(|error| error.to_string()));
                parsed.filter_map(|tenant| tenant.map_err(|error| fault("callers.keys", error)).ok()).collect()
            });
            if tenants.is_some() && key.may.contains(&Permission::Observe) {
                fault(
                    "callers.keys",
                    format!("`{}` may `observe`, which is of every tenant: leave `tenants` out", key.name),
                );
            }
            keys.push(Arc::new(CallerKey { name: key.name.clone(), hash, may: key.may.clone(), tenants }));
        }
        Self(keys)
    }
}

fn read_hash(text: &str) -> Option<[u8; 32]> {
    read_hex(text.strip_prefix("sha256:")?)
}

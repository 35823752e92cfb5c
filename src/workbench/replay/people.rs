//! Principals made again of what the log says of them: each description is read once, and its principal keeps its
//! number, so that slices are kept as they are for a server's.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::Entity;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::logged::LoggedPrincipal;
use super::masked::{Read, take_masked};
use crate::principal::{Principal, PrincipalError, Remembered, resolve_again};
use crate::snapshot::Snapshot;
use crate::vocabulary;

/// Where principals are taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrincipalsFrom {
    /// As they were; who is in an external identity is asked again.
    #[default]
    Log,
    /// As the directory knows them now: their teams and attributes, and who a token's claims stand for.
    Directory,
}

/// A principal, and what the log does not tell of it.
#[derive(Debug)]
pub(super) struct Remade {
    pub principal: Principal,
    /// Names of masked attributes and tags.
    pub masked: BTreeSet<String>,
}

/// Why there is no principal, and of which kind that is.
pub(super) type NoPrincipal = (&'static str, String);

/// The principals of one tenant.
pub(super) struct People<'a> {
    snapshot: &'a Snapshot,
    from: PrincipalsFrom,
    read_in_assuming: Read,
    known: Cache<Box<str>, Arc<Result<Remade, NoPrincipal>>, BySize>,
}

#[derive(Clone, Copy)]
struct BySize;

impl Weighter<Box<str>, Arc<Result<Remade, NoPrincipal>>> for BySize {
    fn weight(&self, description: &Box<str>, _: &Arc<Result<Remade, NoPrincipal>>) -> u64 {
        (description.len() * BYTES_A_BYTE) as u64
    }
}

impl<'a> People<'a> {
    pub fn new(snapshot: &'a Snapshot, from: PrincipalsFrom) -> Self {
        let known = Cache::with_weighter(MOST_BYTES / TYPICAL_BYTES, MOST_BYTES as u64, BySize);
        Self { snapshot, from, read_in_assuming: Read::in_assuming(snapshot), known }
    }

    pub fn get_or_remake(&self, description: &RawValue) -> Arc<Result<Remade, NoPrincipal>> {
        if let Some(known) = self.known.get(description.get()) {
            return known;
        }
        let remade = Arc::new(self.remake(description));
        self.known.insert(description.get().into(), Arc::clone(&remade));
        remade
    }

    fn remake(&self, description: &RawValue) -> Result<Remade, NoPrincipal> {
        let unreadable = |message: String| (NOT_A_RECORD, format!("`principal`: {message}"));
        let mut logged: LoggedPrincipal =
            serde_json::from_str(description.get()).map_err(|error| unreadable(error.to_string()))?;
        let uid = vocabulary::read_uid(&logged.uid)
            .ok_or_else(|| unreadable(format!("`{}` is not an entity", logged.uid)))?;
        let masked = take_masked(&mut logged);
        let is_from_token = logged.attributes.as_ref().is_some_and(|members| members.contains_key(PROVIDER));
        if self.from == PrincipalsFrom::Directory && !is_from_token {
            return Ok(Remade { principal: Principal::named(uid), masked: BTreeSet::new() });
        }
        let entity = json!({
            "uid": vocabulary::entity_ref(&uid),
            "attrs": logged.attributes.unwrap_or_default(),
            "parents": logged.parents,
            "tags": Value::Object(logged.tags),
        });
        // Without the schema: values are written with their types, and a token need not have brought all attributes.
        let entity =
            Entity::from_json_value(entity, None).map_err(|error| unreadable(crate::tree::one_line(&error)))?;
        let hidden = self.read_in_assuming.first_of(&masked);
        let remembered = match (self.from, hidden) {
            (PrincipalsFrom::Log, None) => Remembered::Person,
            (PrincipalsFrom::Log, Some(_)) => Remembered::Everything,
            (PrincipalsFrom::Directory, None) => Remembered::Claims,
            (PrincipalsFrom::Directory, Some(name)) => {
                return Err((
                    MASKED_KIND,
                    format!("who is in an external identity depends on `{name}`, which the log masks"),
                ));
            }
        };
        let principal = resolve_again(&entity, self.snapshot, remembered).map_err(|error| match error {
            PrincipalError::ProviderGone(_) => ("provider-gone", error.to_string()),
            PrincipalError::Deactivated => ("user-deactivated", error.to_string()),
            PrincipalError::NoSuchType(_) => ("principal-invalid", error.to_string()),
        })?;
        Ok(Remade { principal: principal.to_be_kept(), masked })
    }
}

/// Kinds of what cannot be decided.
pub(super) const NOT_A_RECORD: &str = "not-a-record";
pub(super) const MASKED_KIND: &str = "masked";
/// Every principal that a token made has it.
const PROVIDER: &str = "provider";
/// Cedar values take several times what they take as text; both are kept.
const BYTES_A_BYTE: usize = 8;
const MOST_BYTES: usize = 64 * 1024 * 1024;
const TYPICAL_BYTES: usize = 6_000;

//! Of a tenant's providers, at most one is told to find users by their addresses.
//!
//! In: a draft. Out: a refusal for each provider that it puts beside another. Of two, none would find anybody: every
//! person of the directory would be an outsider.

use std::collections::BTreeMap;

use super::{Draft, EditError, Editor, Refusal};
use crate::directory::fact::{Fact, FactKey, Kind};
use crate::directory::store::Listing;
use crate::model::{IdentityProvider, Revision};

impl Editor<'_> {
    pub(super) async fn check_speakers(
        &self,
        draft: &Draft,
        at: Revision,
        refusals: &mut Vec<Refusal>,
    ) -> Result<(), EditError> {
        let put: Vec<&IdentityProvider> = draft.puts().filter_map(speaker).collect();
        if put.is_empty() {
            return Ok(());
        }
        let listing = Listing::of(Kind::IdentityProvider, usize::MAX);
        let mut all: BTreeMap<FactKey, IdentityProvider> = BTreeMap::new();
        for recorded in self.directory.list(self.tenant, &listing, at).await? {
            let key = recorded.fact.key();
            if !draft.after.contains_key(&key)
                && let Some(provider) = speaker(&recorded.fact)
            {
                all.insert(key, provider.clone());
            }
        }
        all.extend(put.iter().map(|provider| (key(provider), (*provider).clone())));
        for provider in put {
            let by = key(provider);
            if let Some(other) = all.values().find(|other| other.name != provider.name) {
                refusals.push(Refusal::Unfit { by, message: another_speaks(other) });
            }
        }
        Ok(())
    }
}

/// What to do about a provider that is told to find users by address, beside another.
fn another_speaks(other: &IdentityProvider) -> String {
    let other = &other.name;
    format!(
        "identity provider `{other}` finds users by address already, and at most one may: write `users: subject` at one \
         of the two"
    )
}

fn speaker(fact: &Fact) -> Option<&IdentityProvider> {
    let Fact::IdentityProvider(provider) = fact else { return None };
    provider.is_told_to_speak_addresses().then_some(provider)
}

fn key(provider: &IdentityProvider) -> FactKey {
    FactKey::new(Kind::IdentityProvider, provider.name.as_str())
}

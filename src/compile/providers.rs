//! Identity providers, with all that a node needs to turn their tokens into principals: a node that only has
//! the files resolves a token exactly like one that has the directory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{
    DirectoryState, ExternalIdentityName, IdentityProvider, ProviderName, TeamMapping, TeamName, VirtualAccountName,
};

/// One provider, its mappings and its external identities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderRecord {
    #[serde(flatten)]
    pub provider: IdentityProvider,
    /// Claim value → the teams it stands for.
    #[serde(default)]
    pub team_mappings: BTreeMap<String, Vec<TeamName>>,
    /// Claim value → the virtual account it stands for.
    #[serde(default)]
    pub virtual_account_mappings: BTreeMap<String, VirtualAccountName>,
    #[serde(default)]
    pub identities: Vec<IdentityRecord>,
}

/// An external identity of a provider: which is more specific is a matter of its number of conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityRecord {
    pub name: ExternalIdentityName,
    pub conditions: usize,
}

/// All providers, sorted by name.
pub fn provider_records(state: &DirectoryState) -> Vec<ProviderRecord> {
    state.identity_providers.values().map(|provider| record(state, provider)).collect()
}

fn record(state: &DirectoryState, provider: &IdentityProvider) -> ProviderRecord {
    let mut team_mappings: BTreeMap<String, Vec<TeamName>> = BTreeMap::new();
    for team in state.teams.values() {
        for mapping in of_provider(&team.mappings, &provider.name) {
            team_mappings.entry(mapping.value.clone()).or_default().push(team.name.clone());
        }
    }
    let virtual_account_mappings = state
        .virtual_accounts
        .values()
        .flat_map(|account| {
            of_provider(&account.mappings, &provider.name).map(|mapping| (mapping.value.clone(), account.name.clone()))
        })
        .collect();
    let identities = state
        .external_identities
        .values()
        .filter(|identity| identity.identity_provider == provider.name)
        .map(|identity| IdentityRecord { name: identity.name.clone(), conditions: identity.claims.len() })
        .collect();
    ProviderRecord { provider: provider.clone(), team_mappings, virtual_account_mappings, identities }
}

fn of_provider<'a>(
    mappings: impl IntoIterator<Item = &'a TeamMapping>,
    provider: &'a ProviderName,
) -> impl Iterator<Item = &'a TeamMapping> {
    mappings.into_iter().filter(move |mapping| mapping.identity_provider == *provider)
}

//! Identity providers, with all that a node needs to turn their tokens into principals: a node that only has
//! the files resolves a token exactly like one that has the directory.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{
    DirectoryState, ExternalIdentityName, IdentityProvider, Pattern, ProviderName, Speaker, TeamMapping, TeamName,
    VirtualAccountName, speaker_of_addresses,
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
    /// Claim path → the patterns that a token's derived tags answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub patterns: BTreeMap<String, BTreeSet<Pattern>>,
    /// Whether its tokens find users by their address: of a tenant's providers, at most one does.
    #[serde(default)]
    pub speaks_addresses: bool,
}

/// An external identity of a provider: which is more specific is a matter of its number of conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityRecord {
    pub name: ExternalIdentityName,
    pub conditions: usize,
}

/// All providers, sorted by name.
pub fn provider_records(state: &DirectoryState) -> Vec<ProviderRecord> {
    let speaker = speaker_of_addresses(state.identity_providers.values());
    state.identity_providers.values().map(|provider| record(state, provider, &speaker)).collect()
}

fn record(state: &DirectoryState, provider: &IdentityProvider, speaker: &Speaker<'_>) -> ProviderRecord {
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
    let of_this = || state.external_identities.values().filter(|identity| identity.identity_provider == provider.name);
    let mut patterns: BTreeMap<String, BTreeSet<Pattern>> = BTreeMap::new();
    for (path, condition) in of_this().flat_map(|identity| &identity.claims) {
        let found = condition.patterns();
        if !found.is_empty() {
            patterns.entry(path.clone()).or_default().extend(found.into_iter().cloned());
        }
    }
    let identities = of_this()
        .map(|identity| IdentityRecord { name: identity.name.clone(), conditions: identity.claims.len() })
        .collect();
    let speaks_addresses = speaker.is(provider);
    let provider = provider.clone();
    ProviderRecord { provider, team_mappings, virtual_account_mappings, identities, patterns, speaks_addresses }
}

fn of_provider<'a>(
    mappings: impl IntoIterator<Item = &'a TeamMapping>,
    provider: &'a ProviderName,
) -> impl Iterator<Item = &'a TeamMapping> {
    mappings.into_iter().filter(move |mapping| mapping.identity_provider == *provider)
}

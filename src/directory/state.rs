//! Facts as the state that compiles, and back.

use super::fact::Fact;
use crate::manifest::DefaultRoles;
use crate::model::DirectoryState;

/// The state that some facts make, with the roles that every tenant has.
pub fn state_of(facts: impl IntoIterator<Item = Fact>, default_roles: &DefaultRoles) -> DirectoryState {
    let mut state = DirectoryState { roles: default_roles.clone(), ..DirectoryState::default() };
    for fact in facts {
        match fact {
            Fact::IdentityProvider(provider) => {
                state.identity_providers.insert(provider.name.clone(), *provider);
            }
            Fact::ExternalIdentity(identity) => {
                state.external_identities.insert(identity.name.clone(), identity);
            }
            Fact::User(user) => {
                state.users.insert(user.email.clone(), user);
            }
            Fact::Team(team) => {
                state.teams.insert(team.name.clone(), team);
            }
            Fact::VirtualAccount(account) => {
                state.virtual_accounts.insert(account.name.clone(), account);
            }
            Fact::Role(role) => {
                state.roles.insert((role.resource_type.clone(), role.name.clone()), role);
            }
            Fact::Resource(resource) => {
                state.resources.insert(resource.entity.clone(), resource);
            }
            Fact::Collaborator(grant) => {
                state.collaborators.insert(grant);
            }
            Fact::Token(token) => {
                state.tokens.insert(token.id.clone(), token);
            }
        }
    }
    state
}

/// The facts of a state; the roles that every tenant has are none.
pub fn facts_of(state: DirectoryState, default_roles: &DefaultRoles) -> impl Iterator<Item = Fact> {
    let providers = state.identity_providers.into_values().map(|provider| Fact::IdentityProvider(Box::new(provider)));
    let identities = state.external_identities.into_values().map(Fact::ExternalIdentity);
    let users = state.users.into_values().map(Fact::User);
    let teams = state.teams.into_values().map(Fact::Team);
    let accounts = state.virtual_accounts.into_values().map(Fact::VirtualAccount);
    let own = state.roles.into_iter().filter(|(key, _)| !default_roles.contains_key(key));
    let roles = own.map(|(_, role)| Fact::Role(role));
    let resources = state.resources.into_values().map(Fact::Resource);
    let tokens = state.tokens.into_values().map(Fact::Token);
    let grants = state.collaborators.into_iter().map(Fact::Collaborator);
    providers
        .chain(identities)
        .chain(users)
        .chain(teams)
        .chain(accounts)
        .chain(roles)
        .chain(resources)
        .chain(grants)
        .chain(tokens)
}

//! One file of a bundle, compiled from just the facts that are in it.
//!
//! A file is what the whole directory would compile to there: the same compiler sees a state of only those facts and
//! of what they are read with.

use crate::bundle::{
    COLLABORATORS_FILE, DEACTIVATED_FILE, ENTITIES_FILE, EXTERNAL_IDENTITIES_FILE, PROVIDERS_FILE, ROLES_FILE,
    Sharding, TOKENS_FILE, cedar_file, items_file,
};
use crate::compile::compile;
use crate::directory::{Directory, Fact, FactKey, Kind, Listing, Part, Rules, StoreError, state_of};
use crate::model::{Revision, TenantId, entity_hash};

use super::PublishFailure;

/// A file, and how many items are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CompiledFile {
    pub name: String,
    pub text: String,
    pub items: usize,
}

/// Compiles files of one tenant at one revision.
pub(super) struct PartCompiler<'a> {
    pub directory: &'a dyn Directory,
    pub rules: &'a Rules,
    pub tenant: &'a TenantId,
    pub at: Revision,
}

impl PartCompiler<'_> {
    /// A shard of the grants.
    pub async fn links(&self, sharding: Sharding, shard: usize) -> Result<CompiledFile, PublishFailure> {
        let mut facts = self.hashed(Part::Links, sharding, shard).await?;
        // Whether a grant counts may depend on whether its user is active.
        let mut users: Vec<FactKey> =
            facts.iter().flat_map(Fact::mentions).filter(|key| key.kind == Kind::User).collect();
        users.sort_unstable();
        users.dedup();
        let users = self.directory.read(self.tenant, &users, self.at).await?;
        facts.extend(users.into_values().map(|recorded| recorded.fact));
        let links = compile(self.tenant, &state_of(facts, &self.rules.default_roles)).links;
        let name = sharding.file(COLLABORATORS_FILE, shard);
        Ok(CompiledFile { name, text: items_file(links.iter())?, items: links.len() })
    }

    /// A shard of the entities.
    pub async fn entities(&self, sharding: Sharding, shard: usize) -> Result<CompiledFile, PublishFailure> {
        let mut facts = self.hashed(Part::Entities, sharding, shard).await?;
        let users: Vec<FactKey> = facts.iter().map(Fact::key).filter(|key| key.kind == Kind::User).collect();
        let teams = self.directory.mentioning(self.tenant, &users, Some(Kind::Team), usize::MAX, self.at).await?;
        facts.extend(teams.into_iter().map(|recorded| recorded.fact));
        let entities = compile(self.tenant, &state_of(facts, &self.rules.default_roles)).entities;
        // The tenant is in every state, and teams of elsewhere are in this one.
        let here = entities.iter().filter(|(uid, _)| sharding.shard_of(entity_hash(uid)) == shard);
        let here: Vec<_> = here.map(|(_, json)| json).collect();
        let name = sharding.file(ENTITIES_FILE, shard);
        Ok(CompiledFile { name, text: items_file(here.iter().copied())?, items: here.len() })
    }

    pub async fn roles(&self) -> Result<CompiledFile, PublishFailure> {
        let roles = self.all(Kind::Role).await?;
        let compiled = compile(self.tenant, &state_of(roles, &self.rules.default_roles)).roles;
        Ok(CompiledFile { name: ROLES_FILE.to_owned(), text: cedar_file(&compiled), items: compiled.len() })
    }

    pub async fn external_identities(&self) -> Result<CompiledFile, PublishFailure> {
        let identities = self.all(Kind::ExternalIdentity).await?;
        let compiled = compile(self.tenant, &state_of(identities, &self.rules.default_roles)).external_identities;
        let (name, text) = (EXTERNAL_IDENTITIES_FILE.to_owned(), cedar_file(&compiled));
        Ok(CompiledFile { name, text, items: compiled.len() })
    }

    /// The providers, with the teams, accounts and identities that are mapped to them.
    pub async fn providers(&self) -> Result<CompiledFile, PublishFailure> {
        let mut facts = self.all(Kind::IdentityProvider).await?;
        let providers: Vec<FactKey> = facts.iter().map(Fact::key).collect();
        let mapped = self.directory.mentioning(self.tenant, &providers, None, usize::MAX, self.at).await?;
        facts.extend(mapped.into_iter().map(|recorded| recorded.fact));
        let compiled = compile(self.tenant, &state_of(facts, &self.rules.default_roles)).providers;
        let text = items_file(compiled.iter())?;
        Ok(CompiledFile { name: PROVIDERS_FILE.to_owned(), text, items: compiled.len() })
    }

    /// Tokens of our own; whether one counts may depend on whether its user is active.
    pub async fn tokens(&self) -> Result<CompiledFile, PublishFailure> {
        let mut facts = self.all(Kind::Token).await?;
        let owners: Vec<FactKey> = facts.iter().flat_map(Fact::mentions).collect();
        let owners = self.directory.read(self.tenant, &owners, self.at).await?;
        facts.extend(owners.into_values().map(|recorded| recorded.fact));
        let compiled = compile(self.tenant, &state_of(facts, &self.rules.default_roles)).tokens;
        let text = items_file(compiled.iter())?;
        Ok(CompiledFile { name: TOKENS_FILE.to_owned(), text, items: compiled.len() })
    }

    pub async fn deactivated(&self) -> Result<CompiledFile, PublishFailure> {
        let users = self.all(Kind::User).await?;
        let off = users.into_iter().filter(|fact| matches!(fact, Fact::User(user) if !user.active));
        let compiled = compile(self.tenant, &state_of(off, &self.rules.default_roles)).deactivated;
        let text = items_file(compiled.iter())?;
        Ok(CompiledFile { name: DEACTIVATED_FILE.to_owned(), text, items: compiled.len() })
    }

    async fn hashed(&self, part: Part, sharding: Sharding, shard: usize) -> Result<Vec<Fact>, StoreError> {
        self.directory.hashed(self.tenant, part, sharding.hashes_of(shard), self.at).await
    }

    async fn all(&self, kind: Kind) -> Result<Vec<Fact>, StoreError> {
        let listed = self.directory.list(self.tenant, &Listing::of(kind, usize::MAX), self.at).await?;
        Ok(listed.into_iter().map(|recorded| recorded.fact).collect())
    }
}

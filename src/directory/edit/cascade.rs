//! What becomes of those that refer to something removed: they refuse it, or go along.

use std::collections::BTreeSet;

use super::refusal::{MOST_CASCADED, MOST_NAMED};
use super::{Draft, EditError, Editor, Refusal};
use crate::directory::fact::{Fact, FactKey, Kind};
use crate::model::Revision;

impl Editor<'_> {
    /// Follows removals to those that refer to what goes.
    pub(super) async fn settle_removals(
        &self,
        draft: &mut Draft,
        cascade: bool,
        at: Revision,
    ) -> Result<(), EditError> {
        let mut settled = BTreeSet::new();
        loop {
            let gone: BTreeSet<FactKey> = draft
                .after
                .iter()
                .filter(|(key, after)| after.is_none() && draft.known.contains_key(*key) && !settled.contains(*key))
                .map(|(key, _)| key.clone())
                .collect();
            if gone.is_empty() {
                return Ok(());
            }
            let keys: Vec<FactKey> = gone.iter().cloned().collect();
            let referring = self.directory.mentioning(self.tenant, &keys, None, MOST_CASCADED + 1, at).await?;
            for recorded in &referring {
                draft.known.entry(recorded.fact.key()).or_insert_with(|| recorded.fact.clone());
            }
            let referring: Vec<FactKey> = referring
                .into_iter()
                .map(|recorded| recorded.fact.key())
                .filter(|key| still_refers(draft, key, &gone))
                .collect();
            // Tokens are their owner's own: nobody else minds that they go.
            if !cascade && referring.iter().any(|key| key.kind != Kind::Token) {
                return Err(EditError::Refused(in_use(draft, &gone, &referring)));
            }
            if let Some(first) = gone.first().filter(|_| referring.len() > MOST_CASCADED) {
                return Err(EditError::Refused(vec![Refusal::TooManyInUse(first.clone())]));
            }
            let mut also_mentioned = BTreeSet::new();
            for key in referring {
                let without = draft.now(&key).and_then(|fact| without(fact, &gone));
                also_mentioned.extend(without.iter().flat_map(Fact::mentions));
                draft.after.insert(key, without);
            }
            // What is left of them is judged as if it were put.
            also_mentioned.retain(|key| !draft.known.contains_key(key));
            let also_mentioned: Vec<FactKey> = also_mentioned.into_iter().collect();
            let found = self.directory.read(self.tenant, &also_mentioned, at).await?;
            draft.known.extend(found.into_iter().map(|(key, recorded)| (key, recorded.fact)));
            settled.extend(gone);
        }
    }
}

fn still_refers(draft: &Draft, key: &FactKey, gone: &BTreeSet<FactKey>) -> bool {
    draft.now(key).is_some_and(|fact| fact.mentions().iter().any(|mentioned| gone.contains(mentioned)))
}

fn in_use(draft: &Draft, gone: &BTreeSet<FactKey>, referring: &[FactKey]) -> Vec<Refusal> {
    let of = |key: &FactKey| {
        let one = BTreeSet::from([key.clone()]);
        let by: Vec<_> = referring.iter().filter(|by| still_refers(draft, by, &one)).cloned().collect();
        let more = by.len() > MOST_NAMED;
        (!by.is_empty()).then(|| Refusal::InUse {
            key: key.clone(),
            by: by.into_iter().take(MOST_NAMED).collect(),
            more,
        })
    };
    gone.iter().filter_map(of).collect()
}

/// What is left of a fact without these, if anything.
fn without(fact: &Fact, gone: &BTreeSet<FactKey>) -> Option<Fact> {
    let is_gone = |kind: Kind, id: &str| gone.contains(&FactKey::new(kind, id));
    let mut fact = fact.clone();
    match &mut fact {
        Fact::Team(team) => {
            team.members.retain(|email| !is_gone(Kind::User, email.as_str()));
            team.managers.retain(|email| !is_gone(Kind::User, email.as_str()));
            team.mappings.retain(|mapping| !is_gone(Kind::IdentityProvider, mapping.identity_provider.as_str()));
        }
        Fact::VirtualAccount(account) => {
            account.mappings.retain(|mapping| !is_gone(Kind::IdentityProvider, mapping.identity_provider.as_str()));
        }
        Fact::Resource(resource) => resource.parents.retain(|parent| !gone.contains(&FactKey::resource(parent))),
        Fact::ExternalIdentity(_) | Fact::Collaborator(_) | Fact::Token(_) => return None,
        Fact::IdentityProvider(_) | Fact::User(_) | Fact::Role(_) => {}
    }
    Some(fact)
}

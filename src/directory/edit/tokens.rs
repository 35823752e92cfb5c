//! Tokens end with what they stand for: a user who is switched off or goes, a token that took their place.
//!
//! In: an edit under way. Out: the same, with the tokens that end by it removed, at this very revision. What ended so
//! does not come back: switching the user on again finds none.

use std::collections::BTreeSet;

use super::refusal::{self, MOST_CASCADED};
use super::{Draft, Edit, EditError, Editor, Operation, Refusal};
use crate::directory::fact::{Fact, FactKey, Kind};
use crate::directory::store::StoreError;
use crate::model::{Revision, Token};

impl Editor<'_> {
    /// Ends what ends by an edit, and refuses new tokens of those who are switched off.
    pub(super) async fn end_tokens(&self, draft: &mut Draft, edit: &Edit, at: Revision) -> Result<(), EditError> {
        let owners = ending_owners(draft, edit);
        let known = self.tokens_of(&owners, at).await?;
        if let Some(first) = owners.first().filter(|_| known.len() > MOST_CASCADED) {
            return Err(EditError::Refused(vec![Refusal::TooManyInUse(first.clone())]));
        }
        for token in known {
            end(draft, token);
        }
        self.end_predecessors(draft, at).await?;
        refusal::or(self.made_for_nobody(draft, at).await?)
    }

    /// A token that was replaced, and is still good for its grace, ends with the one that took its place.
    async fn end_predecessors(&self, draft: &mut Draft, at: Revision) -> Result<(), EditError> {
        let revoked = |draft: &Draft| {
            let gone = draft.after.iter().filter(|(key, after)| key.kind == Kind::Token && after.is_none());
            let tokens = gone.filter_map(|(key, _)| match draft.known.get(key) {
                Some(Fact::Token(token)) => Some(token.clone()),
                _ => None,
            });
            tokens.collect::<Vec<_>>()
        };
        let ended = revoked(draft);
        let owners: BTreeSet<_> = ended.iter().map(|token| FactKey::subject(&token.owner.subject())).collect();
        let mut others = self.tokens_of(&owners, at).await?;
        // What the edit itself makes of them counts.
        for other in &mut others {
            if let Some(Fact::Token(now)) = draft.after.get(&key_of(other)).and_then(Option::as_ref) {
                *other = now.clone();
            }
        }
        let mut gone: BTreeSet<_> = ended.into_iter().map(|token| token.id).collect();
        loop {
            let is_replaced_by_gone = |token: &Token| token.replaced_by.as_ref().is_some_and(|by| gone.contains(by));
            let (next, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(is_replaced_by_gone);
            others = rest;
            if next.is_empty() {
                return Ok(());
            }
            for token in next {
                gone.insert(token.id.clone());
                end(draft, token);
            }
        }
    }

    /// Why tokens that the edit puts stand for nobody.
    async fn made_for_nobody(&self, draft: &mut Draft, at: Revision) -> Result<Vec<Refusal>, StoreError> {
        let put: Vec<Token> = draft
            .puts()
            .filter_map(|fact| match fact {
                Fact::Token(token) => Some(token.clone()),
                _ => None,
            })
            .collect();
        let owners: BTreeSet<_> = put.iter().map(|token| FactKey::subject(&token.owner.subject())).collect();
        let unknown: Vec<_> = owners.into_iter().filter(|owner| draft.now(owner).is_none()).collect();
        let found = self.directory.read(self.tenant, &unknown, at).await?;
        for (key, recorded) in found {
            draft.known.entry(key).or_insert(recorded.fact);
        }
        let is_off = |token: &&Token| {
            let owner = draft.now(&FactKey::subject(&token.owner.subject()));
            matches!(owner, Some(Fact::User(user)) if !user.active)
        };
        let refusal = |token: &Token| Refusal::Unfit {
            by: key_of(token),
            message: format!("{} is deactivated", FactKey::subject(&token.owner.subject())),
        };
        Ok(put.iter().filter(is_off).map(refusal).collect())
    }

    async fn tokens_of(&self, owners: &BTreeSet<FactKey>, at: Revision) -> Result<Vec<Token>, StoreError> {
        if owners.is_empty() {
            return Ok(Vec::new());
        }
        let owners: Vec<_> = owners.iter().cloned().collect();
        let most = MOST_CASCADED + 1;
        let found = self.directory.mentioning(self.tenant, &owners, Some(Kind::Token), most, at).await?;
        let token = |fact| match fact {
            Fact::Token(token) => Some(token),
            _ => None,
        };
        Ok(found.into_iter().filter_map(|recorded| token(recorded.fact)).collect())
    }
}

/// Those whose tokens end: who is removed, though made again by the same edit; who is switched off, though switched on
/// again by it; and who was off before, whatever they had then.
fn ending_owners(draft: &Draft, edit: &Edit) -> BTreeSet<FactKey> {
    let ends = |operation: &&Operation| match operation {
        Operation::Remove(key) => matches!(key.kind, Kind::User | Kind::VirtualAccount),
        Operation::Create(Fact::User(user))
        | Operation::Replace(Fact::User(user))
        | Operation::Put(Fact::User(user)) => {
            let was_off = matches!(draft.known.get(&operation.key()), Some(Fact::User(user)) if !user.active);
            !user.active || was_off
        }
        Operation::Create(_) | Operation::Replace(_) | Operation::Put(_) => false,
    };
    edit.operations.iter().filter(ends).map(Operation::key).collect()
}

/// Removes a token as the directory has it, whatever else the edit makes of it.
fn end(draft: &mut Draft, token: Token) {
    let key = key_of(&token);
    draft.known.entry(key.clone()).or_insert(Fact::Token(token));
    draft.after.insert(key, None);
}

fn key_of(token: &Token) -> FactKey {
    FactKey::new(Kind::Token, token.id.as_str())
}

#[cfg(test)]
mod tests;

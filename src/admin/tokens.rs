//! Tokens of our own: made, replaced and revoked. What is made is shown once; its hash is all that is kept.

use ulid::Ulid;

use super::{AdminError, Administration, Credentials, Made, Occasion, Request, Right};
use crate::authn::mint::MintError;
use crate::authn::{KeyError, digest_of, is_of_our_form, new_key};
use crate::digest::sha256_hex;
use crate::directory::{Edit, EditError, Fact, FactKey, Kind, Operation};
use crate::model::{TenantId, Token, TokenId, TokenOwner};
use crate::snapshot::Snapshot;

/// What a new token is to be.
#[derive(Clone, Debug, Default)]
pub struct TokenTerms {
    pub label: String,
    /// Seconds from now; for ever where it is left out.
    pub expires_in: Option<i64>,
    /// Seconds for which each token that takes the place of the one before is good: whoever holds it must replace it
    /// before that.
    pub rotate_every: Option<i64>,
    /// Asks for a signed JWT for this audience.
    pub audience: Option<String>,
}

/// A token that was just made.
pub struct Minted {
    /// Not to be had again.
    pub secret: String,
    pub token: Token,
    pub made: Made,
}

/// Why there is no new token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Random(#[from] KeyError),
    #[error(transparent)]
    Sign(MintError),
}

impl Administration {
    /// Makes a token for a virtual account, or for the user who asks.
    ///
    /// # Errors
    /// When they may not, or there is no such owner.
    pub async fn mint(
        &self,
        tenant: &TenantId,
        owner: TokenOwner,
        terms: &TokenTerms,
        who: &Credentials,
        occasion: &Occasion,
    ) -> Result<Minted, TokenError> {
        // Or a token that ends could make one that does not.
        if matches!((who, &owner), (Credentials::Token(given), TokenOwner::User(_)) if self.is_own(tenant, given)) {
            let message = "a token of ours makes no others: sign in with your identity provider";
            return Err(AdminError::MayNot(message.to_owned()).into());
        }
        let (secret, token) = self.new_token(tenant, owner, terms).await?;
        let edit = Edit { operations: vec![Operation::Create(Fact::Token(token.clone()))], cascade: false };
        let request = Request { tenant, edit: &edit, precondition: None, dry_run: false, right: Right::Asked };
        Ok(Minted { made: self.make(&request, who, occasion).await?, secret, token })
    }

    /// Makes a token that takes the place of another, which stays good for some seconds more. Whoever holds a token
    /// may do so, for as long as it is good.
    ///
    /// # Errors
    /// When they may not, or there is no such token.
    pub async fn rotate(
        &self,
        tenant: &TenantId,
        id: &TokenId,
        grace: i64,
        who: &Credentials,
        occasion: &Occasion,
    ) -> Result<Minted, TokenError> {
        let old = self.token(tenant, id).await?;
        if let Some(by) = &old.replaced_by {
            // Or whoever finds a token that was replaced could have a new one for it.
            return Err(AdminError::MayNot(format!("token `{id}` was replaced by `{by}` already")).into());
        }
        let is_held = matches!(who, Credentials::Token(given) if sha256_hex(given.as_bytes()) == old.hash);
        // One that is to end, and not to be replaced, ends.
        let right = if is_held && (old.rotate_every.is_some() || old.expires_at.is_none()) {
            Right::HolderOfToken
        } else {
            Right::Asked
        };
        let terms = TokenTerms {
            label: old.label.clone(),
            expires_in: old.lifetime(),
            rotate_every: old.rotate_every,
            audience: old.audience.clone(),
        };
        let (secret, token) = self.new_token(tenant, old.owner.clone(), &terms).await?;
        let until = self.clock.now().timestamp().saturating_add(grace);
        let expires_at = Some(old.expires_at.map_or(until, |at| at.min(until)));
        let ending = Token { expires_at, replaced_by: Some(token.id.clone()), ..old };
        let operations = vec![Operation::Replace(Fact::Token(ending)), Operation::Create(Fact::Token(token.clone()))];
        let edit = Edit { operations, cascade: false };
        let request = Request { tenant, edit: &edit, precondition: None, dry_run: false, right };
        Ok(Minted { made: self.make(&request, who, occasion).await?, secret, token })
    }

    /// The token of an id, as the directory has it.
    ///
    /// # Errors
    /// When there is none.
    pub async fn token(&self, tenant: &TenantId, id: &TokenId) -> Result<Token, AdminError> {
        let key = FactKey::new(Kind::Token, id.as_str());
        let at = self.head(tenant).await?;
        let found = self.directory.read(tenant, std::slice::from_ref(&key), at).await?.remove(&key);
        match found.map(|found| found.fact) {
            Some(Fact::Token(token)) => Ok(token),
            _ => Err(EditError::Refused(vec![crate::directory::Refusal::Missing(key)]).into()),
        }
    }

    fn is_own(&self, tenant: &TenantId, token: &str) -> bool {
        let snapshot = self.tenants.get(tenant.as_str()).and_then(|handle| handle.snapshot());
        let is_known = |snapshot: &Snapshot| snapshot.sign_ins.token(&digest_of(token)).is_some();
        is_of_our_form(token) || snapshot.is_some_and(|snapshot| is_known(&snapshot))
    }

    async fn new_token(
        &self,
        tenant: &TenantId,
        owner: TokenOwner,
        terms: &TokenTerms,
    ) -> Result<(String, Token), TokenError> {
        let kind = match owner {
            TokenOwner::User(_) => "user",
            TokenOwner::VirtualAccount(_) => "va",
        };
        let now = self.clock.now().timestamp();
        let lifetimes = [terms.expires_in, terms.rotate_every];
        let lifetime = lifetimes.into_iter().flatten().min();
        let id = Ulid::generate().to_string().to_ascii_lowercase();
        let mut token = Token {
            // 26 letters and digits: always an id.
            id: TokenId::parse(&id).map_err(|_| KeyError)?,
            owner,
            label: terms.label.clone(),
            hash: String::new(),
            audience: terms.audience.clone(),
            created_at: now,
            expires_at: lifetime.map(|seconds| now.saturating_add(seconds)),
            rotate_every: terms.rotate_every,
            replaced_by: None,
        };
        let secret = match &terms.audience {
            None => new_key(kind)?,
            Some(audience) => self.sign(tenant, &token, audience).await?,
        };
        token.hash = sha256_hex(secret.as_bytes());
        Ok((secret, token))
    }
}

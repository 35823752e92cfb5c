//! Administration: someone wants the directory to be another; it is judged, made and published.
//!
//! In: an edit, and who asks for it. Out: what it came to and at which revision, or why not. `needs` says what one
//! must be allowed to make a change, `gains` what people's own policies give by it, `authority` asks Cedar whether one is: over the very revision that the change is
//! written over, so that nobody acts by what they lost.

mod authority;
mod gains;
mod keys;
mod loads;
mod named;
mod needs;
mod policies;
mod signing;
mod tokens;
mod uses;

pub use keys::{AdminKeys, FirstKey};
pub use named::StillNamed;
pub use policies::{CompiledPolicy, compiled};
pub use signing::MAX_JWT_SECONDS;
pub use tokens::{Minted, TokenError, TokenTerms};

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::ask::{Ask, AskError, Who};
use crate::assemble::Layout;
use crate::clock::SharedClock;
use crate::directory::{
    Author, Change, Directory, Edit, EditError, Editor, FactKey, Planned, Progress, Rules, Secrets, StoreError, Turn,
};
use crate::model::{Revision, TenantId, TokenOwner};
use crate::principal::Principal;
use crate::snapshot::{Snapshot, Tenants};
use crate::vocabulary;
use authority::Authority;
use needs::{Need, needs};

/// Who asks for a change.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A key that may administer the tenant, by its name: the server's operator.
    Key(String),
    /// A token, for whose principal Cedar decides.
    Token(String),
}

/// What someone wants done.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub tenant: &'a TenantId,
    pub edit: &'a Edit,
    /// A fact, and the revision that made it what it must still be; or the tenant's own.
    pub precondition: Option<(FactKey, Revision)>,
    /// Only say what would come of it.
    pub dry_run: bool,
    pub right: Right,
}

/// By what right something is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Right {
    /// Cedar says whether they may.
    #[default]
    Asked,
    /// Whoever holds a token may have another in its place.
    HolderOfToken,
}

impl Right {
    fn needs(self, changes: &[Change]) -> Vec<Need> {
        match self {
            Self::Asked => needs(changes),
            Self::HolderOfToken => Vec::new(),
        }
    }
}

/// Why and in which request a change is asked for.
#[derive(Clone, Debug, Default)]
pub struct Occasion {
    pub reason: Option<String>,
    pub request_id: Option<String>,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error(transparent)]
    Who(#[from] AskError),
    #[error("{0}")]
    MayNot(String),
    #[error("it is at revision {found}, not {wanted}")]
    Precondition { wanted: Revision, found: Revision },
    #[error("tenant `{0}` has its directory in its manifests: change these files")]
    OfFiles(TenantId),
    #[error("tenant `{0}` has files of its own in the policies folder: remove these first")]
    HasFiles(TenantId),
    /// Who may do what is not known before the last change is live.
    #[error("the last change of tenant `{0}` is not live yet: see `/status`")]
    NotLive(TenantId),
    #[error("the schema cannot be read: see `/status`")]
    NoRules,
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Edit(EditError::Store(error))
    }
}

/// Changes directories for those who may.
#[derive(Clone)]
pub struct Administration {
    pub directory: Arc<dyn Directory>,
    pub secrets: Arc<dyn Secrets>,
    pub keys: Arc<AdminKeys>,
    /// What tokens of our own that are signed name as their issuer, before the tenant.
    pub issuer: Option<String>,
    pub rules: watch::Receiver<Option<Arc<Rules>>>,
    /// Of whoever publishes.
    pub wake: Arc<Notify>,
    pub tenants: Arc<Tenants>,
    pub ask: Ask,
    pub layout: Layout,
    /// How far changes have come.
    pub progress: Progress,
    pub clock: SharedClock,
    /// How long it waits for the last change to be live.
    pub patience: Duration,
}

/// What an edit came to.
#[derive(Clone, Debug)]
pub struct Made {
    pub planned: Planned,
    /// What was removed, with all else that went along, though policies or attributes name it.
    pub still_named: Vec<StillNamed>,
    /// The revision that has it; of a dry run, the one that it was judged by.
    pub revision: Revision,
}

impl Administration {
    /// What edits are judged by.
    ///
    /// # Errors
    /// When the schema has faults.
    pub fn rules(&self) -> Result<Arc<Rules>, AdminError> {
        self.rules.borrow().clone().ok_or(AdminError::NoRules)
    }

    /// The last revision of a tenant whose directory this is.
    ///
    /// # Errors
    /// When there is no such tenant, or its files say what it is.
    pub async fn head(&self, tenant: &TenantId) -> Result<Revision, AdminError> {
        if self.layout.is_of_manifests(tenant) {
            return Err(AdminError::OfFiles(tenant.clone()));
        }
        Ok(self.directory.head(tenant).await?)
    }

    /// Makes an edit.
    ///
    /// # Errors
    /// When it does not hold together, or they may not.
    pub async fn make(
        &self,
        request: &Request<'_>,
        who: &Credentials,
        occasion: &Occasion,
    ) -> Result<Made, AdminError> {
        let tenant = request.tenant;
        let rules = self.rules()?;
        let editor = Editor { directory: &*self.directory, rules: &rules, tenant };
        // Nobody else of this process writes between reading and writing; another process may.
        let _turn = if request.dry_run { Turn::default() } else { self.directory.turn(tenant).await? };
        for _ in 0..MOST_ATTEMPTS {
            self.head(tenant).await?;
            if let Credentials::Token(_) = who {
                // Whether it holds together tells of what is there: only those may know who may ask for it.
                let (at, intended) = editor.intended(request.edit).await?;
                self.check_may(tenant, who, request.right, &intended, at, &rules).await?;
            }
            let planned = editor.plan(request.edit).await?;
            let actor = self.check_may(tenant, who, request.right, &planned.changes, planned.at, &rules).await?;
            self.check_precondition(request, planned.at).await?;
            let still_named = self.still_named(tenant, &planned, &rules).await?;
            if !still_named.is_empty() && !request.edit.cascade {
                let refusals = still_named.into_iter().map(StillNamed::refusal).collect();
                return Err(EditError::Refused(refusals).into());
            }
            let refusals = self.load_refusals(tenant, &planned, &rules).await?;
            if !refusals.is_empty() {
                return Err(EditError::Refused(refusals).into());
            }
            if request.dry_run {
                return Ok(Made { revision: planned.at, planned, still_named });
            }
            let author = self.author(actor, occasion);
            match self.directory.apply(tenant, &planned.to_changes(), planned.at, &author).await {
                Ok(revision) => {
                    self.progress.note_head(tenant, revision, self.clock.now());
                    self.wake.notify_one();
                    return Ok(Made { planned, revision, still_named });
                }
                Err(StoreError::Moved { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EditError::Busy.into())
    }

    /// Lets those look who may: the revision that they see.
    ///
    /// # Errors
    /// When they may not.
    pub async fn look(&self, tenant: &TenantId, who: &Credentials) -> Result<Revision, AdminError> {
        self.look_with(tenant, who, Need::OnTenant(vocabulary::VIEW_DIRECTORY)).await
    }

    /// Lets those look at someone's tokens who may: users at their own.
    ///
    /// # Errors
    /// When they may not.
    pub async fn look_at_tokens(
        &self,
        tenant: &TenantId,
        owner: &TokenOwner,
        who: &Credentials,
    ) -> Result<Revision, AdminError> {
        let action = vocabulary::VIEW_DIRECTORY;
        let need = match owner {
            TokenOwner::User(user) => Need::OnTenantOrBeUser { action, user: user.clone() },
            TokenOwner::VirtualAccount(_) => Need::OnTenant(action),
        };
        self.look_with(tenant, who, need).await
    }

    /// Lets those tend identity providers who may manage identities: the revision that they see.
    ///
    /// # Errors
    /// When they may not.
    pub async fn tend_identities(&self, tenant: &TenantId, who: &Credentials) -> Result<Revision, AdminError> {
        self.look_with(tenant, who, Need::OnTenant(vocabulary::MANAGE_IDENTITIES)).await
    }

    async fn look_with(&self, tenant: &TenantId, who: &Credentials, need: Need) -> Result<Revision, AdminError> {
        let head = self.head(tenant).await?;
        self.check_needs(tenant, who, &[need], head, &*self.rules()?).await?;
        Ok(head)
    }

    /// Makes a tenant.
    ///
    /// # Errors
    /// When there is one of that name, in the directory or as a folder.
    pub async fn create_tenant(
        &self,
        tenant: &TenantId,
        key: &str,
        occasion: &Occasion,
    ) -> Result<Revision, AdminError> {
        if self.layout.is_of_manifests(tenant) {
            return Err(AdminError::OfFiles(tenant.clone()));
        }
        // A bundle of an earlier life must not be taken for a later one.
        let above = crate::bundle::recorded_revision(&self.layout.bundle_folder(tenant)).unwrap_or_default();
        let author = self.author(format!("key:{key}"), occasion);
        let revision = self.directory.create_tenant(tenant, above, &author).await?;
        self.layout.provenance.begin(tenant);
        self.progress.note_head(tenant, revision, self.clock.now());
        self.wake.notify_one();
        Ok(revision)
    }

    /// Ends a tenant. What people wrote for it in files must be gone: it would go on deciding.
    ///
    /// # Errors
    /// When it is not there, or has files.
    pub async fn delete_tenant(
        &self,
        tenant: &TenantId,
        key: &str,
        occasion: &Occasion,
    ) -> Result<Revision, AdminError> {
        self.head(tenant).await?;
        let folder = self.layout.dirs.policies.join(tenant.as_str());
        if crate::tree::has_files_of_people(&folder) {
            return Err(AdminError::HasFiles(tenant.clone()));
        }
        let revision = self.directory.delete_tenant(tenant, &self.author(format!("key:{key}"), occasion)).await?;
        // INVARIANT: whoever is told that it is gone finds nothing of it that serves, after a crash either.
        self.layout.provenance.end(tenant);
        self.progress.forget(tenant);
        let bundle = self.layout.bundle_folder(tenant);
        let removed = tokio::task::spawn_blocking(move || crate::bundle::remove(&bundle)).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::warn!(%tenant, "the bundle of a deleted tenant is still there: its removal is tried again");
        }
        self.wake.notify_one();
        Ok(revision)
    }

    /// Whether what is to be changed is still what whoever asks has seen.
    async fn check_precondition(&self, request: &Request<'_>, at: Revision) -> Result<(), AdminError> {
        let Some((key, wanted)) = &request.precondition else { return Ok(()) };
        let wanted = *wanted;
        let read = self.directory.read(request.tenant, std::slice::from_ref(key), at).await?;
        let found = read.get(key).map_or(at, |recorded| recorded.since);
        if wanted == found || wanted == at { Ok(()) } else { Err(AdminError::Precondition { wanted, found }) }
    }

    /// Who it is, as the history names them, if they may make these changes: by what these take, and by what people's
    /// own policies make of those whom they touch.
    async fn check_may(
        &self,
        tenant: &TenantId,
        who: &Credentials,
        right: Right,
        changes: &[Change],
        at: Revision,
        rules: &Rules,
    ) -> Result<String, AdminError> {
        let actor = self.check_needs(tenant, who, &right.needs(changes), at, rules).await?;
        let (Credentials::Token(token), Right::Asked) = (who, right) else { return Ok(actor) };
        let (snapshot, principal) = self.principal(tenant, token, at).await?;
        let authority =
            Authority { snapshot: &snapshot, principal: &principal, directory: &*self.directory, rules, at };
        match gains::lacks(&authority, changes).await? {
            Some(refusal) => Err(AdminError::MayNot(refusal)),
            None => Ok(actor),
        }
    }

    /// The same, of needs alone.
    async fn check_needs(
        &self,
        tenant: &TenantId,
        who: &Credentials,
        needs: &[Need],
        at: Revision,
        rules: &Rules,
    ) -> Result<String, AdminError> {
        let token = match who {
            Credentials::Key(name) => return Ok(format!("key:{name}")),
            Credentials::Token(token) => token,
        };
        let (snapshot, principal) = self.principal(tenant, token, at).await?;
        let authority =
            Authority { snapshot: &snapshot, principal: &principal, directory: &*self.directory, rules, at };
        for need in needs {
            if let Some(refusal) = authority.lacks(need).await? {
                return Err(AdminError::MayNot(refusal));
            }
        }
        Ok(principal.uid.to_string())
    }

    /// The principal of a token, by what is known at a revision.
    async fn principal(
        &self,
        tenant: &TenantId,
        token: &str,
        at: Revision,
    ) -> Result<(Arc<Snapshot>, Arc<Principal>), AdminError> {
        let not_live = || AdminError::NotLive(tenant.clone());
        timeout(self.patience, self.tenants.reached(tenant.as_str(), at)).await.map_err(|_| not_live())?;
        let snapshot = self.tenants.get(tenant.as_str()).and_then(|handle| handle.snapshot()).ok_or_else(not_live)?;
        let principal = self.ask.principal(&snapshot, &Who::Token(token.to_owned())).await?;
        Ok((snapshot, principal))
    }

    fn author(&self, actor: String, occasion: &Occasion) -> Author {
        let Occasion { reason, request_id } = occasion.clone();
        Author { actor, at: self.clock.now(), reason, request_id }
    }
}

/// Another process that always writes between reading and writing is not the only one that would like to.
const MOST_ATTEMPTS: usize = 8;

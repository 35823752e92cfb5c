//! What may be asked of a directory, and all that it answers.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::happened::{ACTORS, key, tenants};
use crate::directory::contract::scene::{Scene, by_key};
use crate::directory::{
    Change, Directory, Entry, Fact, FactKey, History, Kind, Listing, Lives, Part, Recorded, StoreError, Trace,
};
use crate::model::{Revision, TenantId};

/// Two revisions and a few facts, asked about in every way.
#[derive(Clone, Debug)]
pub struct Asked {
    tenant: TenantId,
    /// Both are counted back from the head, which may go behind the first revision.
    since: u64,
    at: u64,
    keys: Vec<FactKey>,
    kind: Kind,
    actor: Option<&'static str>,
    /// Cuts the hashes and the lists in two.
    cut: u64,
    after: Option<FactKey>,
    limit: usize,
}

/// All that a directory answers, comparable.
#[derive(Debug, PartialEq)]
pub struct Answered {
    tenants: Vec<(TenantId, Revision)>,
    /// Whether each of the two revisions has a chain, and that is the head's: no two histories share one.
    traces: [(bool, bool); 2],
    head: Revision,
    read: BTreeMap<FactKey, Recorded>,
    /// Every kind whole, and a page of what mentions the facts.
    lists: Vec<Vec<Recorded>>,
    mentioning: Vec<Fact>,
    hashed: [Vec<Fact>; 4],
    counts: [usize; 2],
    changed: Vec<Change>,
    histories: [Vec<Entry>; 4],
}

pub fn asked() -> impl Strategy<Value = Asked> {
    let revisions = (0..16_u64, 0..8_u64);
    let place = (any::<u64>(), option::of(key()), prop_oneof![Just(1_usize), Just(3), Just(1000)]);
    let which = (vec(key(), 0..3), select(&Kind::ALL), option::of(select(&ACTORS)));
    (tenants(), revisions, which, place).prop_map(|(tenant, (since, at), (keys, kind, actor), (cut, after, limit))| {
        Asked { tenant, since: since.max(at), at, keys, kind, actor, cut, after, limit }
    })
}

impl Asked {
    pub async fn of(&self, directory: &dyn Directory) -> Result<Answered, String> {
        self.answered(directory).await.map_err(|error| format!("{error:?}"))
    }

    async fn answered(&self, directory: &dyn Directory) -> Result<Answered, StoreError> {
        let Self { tenant, keys, .. } = self;
        let head = directory.head(tenant).await?;
        let [since, at] = [self.since, self.at].map(|back| Revision((head.0 + 1).saturating_sub(back)));
        let mut lists = Vec::new();
        for kind in Kind::ALL {
            lists.push(directory.list(tenant, &Listing::of(kind, 1000), at).await?);
        }
        for mentioning in [keys.get(..1).unwrap_or_default(), keys] {
            let after = self.after.as_ref().map(|key| key.id.clone());
            let listing = Listing { kind: self.kind, mentioning: mentioning.to_vec(), after, limit: self.limit };
            lists.push(directory.list(tenant, &listing, at).await?);
        }
        let scene = Scene { directory, tenant: tenant.clone() };
        Ok(Answered {
            tenants: directory.tenants().await?.iter().map(|found| (found.tenant.clone(), found.head)).collect(),
            traces: [self.traced(directory, since).await?, self.traced(directory, at).await?],
            head,
            read: directory.read(tenant, keys, at).await?,
            lists,
            mentioning: scene.mentioning(keys, at).await,
            hashed: [
                by_key(directory.hashed(tenant, Part::Entities, 0..=self.cut, at).await?),
                by_key(directory.hashed(tenant, Part::Entities, self.cut..=u64::MAX, at).await?),
                by_key(directory.hashed(tenant, Part::Links, 0..=self.cut, at).await?),
                by_key(directory.hashed(tenant, Part::Links, self.cut..=u64::MAX, at).await?),
            ],
            counts: [
                directory.count(tenant, Part::Entities, at).await?,
                directory.count(tenant, Part::Links, at).await?,
            ],
            changed: scene.changed(since, at).await,
            histories: [
                self.history(directory, None, &[]).await?,
                self.history(directory, None, keys).await?,
                self.history(directory, Some(self.kind), keys.get(..1).unwrap_or_default()).await?,
                self.history(directory, Some(self.kind), &[]).await?,
            ],
        })
    }

    async fn traced(&self, directory: &dyn Directory, at: Revision) -> Result<(bool, bool), StoreError> {
        let heads = directory.tenants().await?;
        let head = heads.iter().find(|found| found.tenant == self.tenant).map(|found| found.chain);
        match directory.trace(&self.tenant, at).await? {
            Trace::Live(chain) => Ok((chain.is_some(), chain == head)),
            other => Err(StoreError::Damaged(format!("{other:?}"))),
        }
    }

    async fn history(
        &self,
        directory: &dyn Directory,
        kind: Option<Kind>,
        about: &[FactKey],
    ) -> Result<Vec<Entry>, StoreError> {
        let before = self.after.clone().map(|key| (Revision(self.since + 1), key));
        let actor = self.actor.map(str::to_owned);
        let lives = if self.cut.is_multiple_of(2) { Lives::All } else { Lives::Present };
        let history = History { lives, kind, about: about.to_vec(), actor, before, limit: self.limit };
        directory.history(&self.tenant, &history).await
    }
}

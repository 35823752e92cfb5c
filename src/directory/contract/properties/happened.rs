//! What may happen to a directory: tenants come and go, writes over the head or another revision, by few names so
//! that they meet.

use chrono::{DateTime, TimeDelta};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::directory::contract::sample::{
    account, external_identity, grant, left, managed, provider, role, tenant, thing, user,
};
use crate::directory::{Author, Changes, Directory, Fact, FactKey};
use crate::model::{Revision, TenantId};

#[derive(Clone, Debug)]
pub enum Happened {
    Made { tenant: TenantId, above: u64 },
    Ended { tenant: TenantId },
    Written { tenant: TenantId, changes: Changes, behind: u64 },
}

pub fn happened() -> impl Strategy<Value = Happened> {
    prop_oneof![
        2 => (tenants(), 0..15_u64).prop_map(|(tenant, above)| Happened::Made { tenant, above }),
        1 => tenants().prop_map(|tenant| Happened::Ended { tenant }),
        9 => (tenants(), changes(), behind())
            .prop_map(|(tenant, changes, behind)| Happened::Written { tenant, changes, behind }),
    ]
}

impl Happened {
    /// Answers what the directory answers.
    pub async fn to(&self, directory: &dyn Directory, moment: usize) -> Result<Revision, String> {
        let author = author(moment);
        let answer = match self {
            Self::Made { tenant, above } => directory.create_tenant(tenant, Revision(*above), &author).await,
            Self::Ended { tenant } => directory.delete_tenant(tenant, &author).await,
            Self::Written { tenant, changes, behind } => {
                let head = directory.head(tenant).await.unwrap_or_default();
                directory.apply(tenant, changes, Revision(head.0.saturating_sub(*behind)), &author).await
            }
        };
        answer.map_err(|error| format!("{error:?}"))
    }
}

pub const ACTORS: [&str; 2] = ["key:a", "key:b"];

/// The same for both: who it is and why goes by the moment.
fn author(moment: usize) -> Author {
    let at = DateTime::UNIX_EPOCH + TimeDelta::microseconds(1_753_000_000_123_457 * moment as i64);
    let reason = moment.is_multiple_of(3).then(|| format!("reason {moment}"));
    let request_id = moment.is_multiple_of(2).then(|| format!("request {moment}"));
    Author { actor: ACTORS[moment / 2 % 2].to_owned(), at, reason, request_id }
}

/// Mostly the one that most happens to.
pub fn tenants() -> impl Strategy<Value = TenantId> {
    prop_oneof![4 => Just("acme"), 1 => Just("ACME")].prop_map(tenant)
}

/// How far behind the head a write was judged; mostly it was not.
fn behind() -> impl Strategy<Value = u64> {
    prop_oneof![8 => Just(0), 1 => 1..3_u64]
}

fn changes() -> impl Strategy<Value = Changes> {
    let change = fact().prop_flat_map(|fact| {
        let key = fact.key();
        prop_oneof![3 => Just(Some(fact)), 1 => Just(None)].prop_map(move |fact| (key.clone(), fact))
    });
    vec(change, 0..8).prop_map(|changes| changes.into_iter().collect())
}

const EMAILS: [&str; 3] = ["a@acme.com", "a@acme.com.au", "b'%\"\\@acme.com"];
const TEAMS: [&str; 3] = ["ml", "ML", "m"];
const THINGS: [&str; 4] = ["x", "X", "x\0y\n\"", "Thing::x"];
const PROVIDERS: [&str; 2] = ["okta", "okta-2"];
const ROLES: [&str; 2] = ["viewer", "editor"];

/// Of every kind. What it mentions may be there or not.
fn fact() -> impl Strategy<Value = Fact> {
    let some = |from: &'static [&'static str]| subsequence(from, 0..=from.len());
    let subjects = vec![
        "user:a@acme.com",
        "user:a@acme.com.au",
        "team:ml",
        "team:ML",
        "virtual-account:ci",
        "external-identity:partners",
    ];
    prop_oneof![
        1 => select(&PROVIDERS).prop_map(provider),
        1 => (select(&["partners", "Partners"]), select(&PROVIDERS))
            .prop_map(|(name, provider)| external_identity(name, provider)),
        3 => select(&EMAILS).prop_map(user),
        1 => select(&EMAILS).prop_map(left),
        4 => (select(&TEAMS), some(&EMAILS), some(&EMAILS))
            .prop_map(|(name, members, managers)| managed(name, &members, &managers)),
        1 => (select(&["ci", "cd"]), select(&PROVIDERS)).prop_map(|(name, provider)| account(name, provider)),
        1 => (select(&ROLES), subsequence(&["look", "move"], 1..=2)).prop_map(|(name, actions)| role(name, &actions)),
        3 => (select(&THINGS), some(&THINGS)).prop_map(|(id, parents)| thing(id, &parents)),
        4 => (select(subjects), select(&ROLES), select(&THINGS))
            .prop_map(|(subject, role, thing)| grant(subject, role, thing)),
    ]
}

/// Of anything that may have happened, and of anything that it mentions.
pub fn key() -> impl Strategy<Value = FactKey> {
    fact().prop_flat_map(|fact| {
        let mut keys = fact.mentions();
        keys.push(fact.key());
        select(keys)
    })
}

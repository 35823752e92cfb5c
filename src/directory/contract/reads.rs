//! Checks of reads over the sample, all of one revision: what every directory answers, files included.

use std::collections::BTreeMap;

use super::sample::{
    AWKWARD, SAMPLED, acme, grant, provider_key, role_key, sample, team, team_key, thing, thing_key, user_key,
};
use super::scene::{ALL, Scene, by_key, facts, mentioning};
use crate::directory::{Directory, Fact, FactKey, Kind, Listing, Part, Recorded, StoreError};
use crate::model::Revision;

pub async fn the_tenant_is_there_at_its_revision(directory: &dyn Directory) {
    let tenants = directory.tenants().await.unwrap();
    let heads: Vec<_> = tenants.iter().map(|found| (found.tenant.clone(), found.head)).collect();
    assert_eq!(heads, [(acme(), SAMPLED)]);
    assert_eq!(directory.head(&acme()).await.unwrap(), SAMPLED);
    let other = super::sample::tenant("Acme");
    assert!(matches!(directory.head(&other).await, Err(StoreError::NoSuchTenant(_))));
    assert!(matches!(directory.read(&other, &[], SAMPLED).await, Err(StoreError::NoSuchTenant(_))));
}

pub async fn every_fact_comes_back_as_it_was(directory: &dyn Directory) {
    let keys: Vec<_> = sample().iter().map(Fact::key).collect();
    let twice = [keys.as_slice(), &keys, &[user_key("nobody@acme.com")]].concat();
    let found = directory.read(&acme(), &twice, SAMPLED).await.unwrap();
    let recorded = |fact: Fact| (fact.key(), Recorded { fact, since: SAMPLED });
    assert_eq!(found, sample().into_iter().map(recorded).collect::<BTreeMap<_, _>>());
    assert!(directory.read(&acme(), &[], SAMPLED).await.unwrap().is_empty());
}

pub async fn ids_compare_as_exact_bytes(directory: &dyn Directory) {
    let scene = scene(directory);
    for id in AWKWARD {
        assert_eq!(scene.read(&thing_key(id), SAMPLED).await.unwrap().fact, thing(id, &[]), "{id:?}");
        let granted = grant("user:ann@acme.com", "viewer", id);
        let asked = mentioning(Kind::Collaborator, [thing_key(id), user_key("ann@acme.com")]);
        assert_eq!(scene.list(&asked, SAMPLED).await, [granted], "{id:?}");
    }
    let strangers = [
        team_key("Ml"),
        team_key("ml-"),
        team_key("ml\0"),
        team_key("m%"),
        team_key("m_"),
        team_key(""),
        user_key("Ann@acme.com"),
        user_key("ann@acme.com\0"),
        user_key("ann@acme.com\0.au"),
        user_key("ann@acme.co"),
        user_key("%"),
        user_key("jo\u{308}rg@acme.com"),
        role_key("VIEWER"),
        provider_key("OKTA"),
        thing_key("xy"),
        thing_key("É"),
        FactKey::new(Kind::Resource, "Thing::x"),
        FactKey::new(Kind::Team, "ann@acme.com"),
        FactKey::new(Kind::ExternalIdentity, "okta"),
    ];
    assert_eq!(directory.read(&acme(), &strangers, SAMPLED).await.unwrap(), BTreeMap::new());
    assert!(scene.mentioning(&strangers, SAMPLED).await.is_empty());
    assert_eq!(scene.read(&team_key("ML"), SAMPLED).await.unwrap().fact, team("ML", &["ann@acme.com"]));
}

pub async fn every_kind_is_listed_in_the_order_of_its_ids(directory: &dyn Directory) {
    for kind in Kind::ALL {
        let found = directory.list(&acme(), &Listing::of(kind, ALL), SAMPLED).await.unwrap();
        assert!(found.iter().all(|recorded| recorded.since == SAMPLED));
        assert_eq!(facts(found), of_kind(kind), "{kind:?}");
    }
}

pub async fn pages_put_together_are_the_whole_list(directory: &dyn Directory) {
    let scene = scene(directory);
    for (kind, limit) in Kind::ALL.into_iter().flat_map(|kind| [1, 2, 3, 7].map(|limit| (kind, limit))) {
        assert_eq!(in_pages(&scene, Listing::of(kind, limit)).await, of_kind(kind), "{kind:?} by {limit}");
    }
    assert!(scene.list(&Listing::of(Kind::User, 0), SAMPLED).await.is_empty());
    assert_eq!(scene.list(&Listing::of(Kind::User, usize::MAX), SAMPLED).await, of_kind(Kind::User));
}

pub async fn a_page_starts_behind_an_id_that_is_not_there(directory: &dyn Directory) {
    let scene = scene(directory);
    for after in ["", "\0", "M", "ML", "ML\0", "m", "m%", "ml", "ml-", "ml-o", "ml-ops", "z", "\u{10ffff}"] {
        let listing = Listing { after: Some(after.to_owned()), ..Listing::of(Kind::Team, ALL) };
        let behind = of_kind(Kind::Team).into_iter().filter(|team| *team.key().id > *after);
        assert_eq!(scene.list(&listing, SAMPLED).await, behind.collect::<Vec<_>>(), "{after:?}");
    }
}

pub async fn a_list_has_only_what_mentions_all_that_is_asked_for(directory: &dyn Directory) {
    let scene = scene(directory);
    let (ann, bob, ml) = (user_key("ann@acme.com"), user_key("bob@acme.com"), team_key("ml"));
    let asked: [(Kind, &[&FactKey]); 15] = [
        (Kind::Team, &[&ann]),
        (Kind::Team, &[&ann, &bob]),
        (Kind::Team, &[&bob, &ann]),
        (Kind::Team, &[&ann, &ann]),
        (Kind::Team, &[&user_key("cleo@acme.com")]),
        (Kind::Team, &[&ann, &user_key("nobody@acme.com")]),
        (Kind::Collaborator, &[&ann]),
        (Kind::Collaborator, &[&ml, &thing_key("inner")]),
        (Kind::Collaborator, &[&ml, &thing_key("inner"), &role_key("viewer")]),
        (Kind::Collaborator, &[&ml, &ann]),
        (Kind::Collaborator, &[&thing_key("x")]),
        (Kind::Resource, &[&thing_key("x"), &thing_key("X")]),
        (Kind::VirtualAccount, &[&provider_key("okta")]),
        (Kind::ExternalIdentity, &[&provider_key("Okta")]),
        (Kind::User, &[&ml]),
    ];
    for (kind, keys) in asked {
        let listing = mentioning(kind, keys.iter().map(|key| (*key).clone()));
        assert_eq!(scene.list(&listing, SAMPLED).await, with_all(&listing), "{listing:?}");
    }
    let listing = mentioning(Kind::Team, [ann, bob]);
    assert_eq!(scene.list(&listing, SAMPLED).await.len(), 2);
}

pub async fn a_list_of_what_mentions_is_read_in_pages(directory: &dyn Directory) {
    let scene = scene(directory);
    for limit in [1, 2, 5] {
        for (kind, key) in [(Kind::Team, "bob@acme.com"), (Kind::Collaborator, "ann@acme.com")] {
            let listing = Listing { limit, ..mentioning(kind, [user_key(key)]) };
            assert_eq!(in_pages(&scene, listing.clone()).await, with_all(&listing), "{listing:?}");
        }
    }
    let none = Listing { limit: 0, ..mentioning(Kind::Team, [user_key("ann@acme.com")]) };
    assert!(scene.list(&none, SAMPLED).await.is_empty());
}

pub async fn what_mentions_any_is_found_whatever_its_kind(directory: &dyn Directory) {
    let scene = scene(directory);
    let (ann, x, okta) = (user_key("ann@acme.com"), thing_key("x"), provider_key("okta"));
    let asked = [
        vec![],
        vec![ann.clone()],
        vec![x.clone()],
        vec![okta.clone()],
        vec![okta, x, ann.clone(), ann],
        vec![thing_key("X"), role_key("Viewer"), team_key("nobody")],
        vec![team_key("empty")],
    ];
    for keys in &asked {
        let expected = sample().into_iter().filter(|fact| fact.mentions().iter().any(|key| keys.contains(key)));
        let expected = by_key(expected.collect());
        assert_eq!(scene.mentioning(keys, SAMPLED).await, expected, "{keys:?}");
        for limit in [0, 1, 3] {
            let found = directory.mentioning(&acme(), keys, None, limit, SAMPLED).await.unwrap();
            assert_eq!(found.len(), limit.min(expected.len()), "{keys:?} at most {limit}");
            assert!(found.iter().all(|one| expected.contains(&one.fact) && one.since == SAMPLED));
        }
    }
}

pub async fn hashes_part_the_facts_however_they_are_cut(directory: &dyn Directory) {
    let digit = |digit: u64| digit << 60..=(digit << 60) + (u64::MAX >> 4);
    let sixteen: Vec<_> = (0..16).map(digit).collect();
    let (odd, max) = (0x8000_0000_0000_0001, u64::MAX);
    for ranges in [sixteen, vec![0..=max], vec![0..=0, 1..=odd - 1, odd..=odd, odd + 1..=max - 1, max..=max]] {
        for part in [Part::Entities, Part::Links] {
            let mut found = Vec::new();
            for range in ranges.clone() {
                let within = directory.hashed(&acme(), part, range.clone(), SAMPLED).await.unwrap();
                assert!(within.iter().all(|fact| range.contains(&fact.shard_hash().unwrap())));
                found.extend(within);
            }
            assert_eq!(by_key(found), of_part(part));
        }
    }
}

pub async fn a_hash_is_found_by_itself_and_not_beside_it(directory: &dyn Directory) {
    for part in [Part::Entities, Part::Links] {
        let hashes: Vec<_> = of_part(part).iter().filter_map(Fact::shard_hash).collect();
        for hash in hashes.iter().flat_map(|hash| [*hash, hash.wrapping_add(1), hash.wrapping_sub(1)]) {
            let found = directory.hashed(&acme(), part, hash..=hash, SAMPLED).await.unwrap();
            // Grants of two roles to one subject on one resource share theirs.
            let of_hash = of_part(part).into_iter().filter(|fact| fact.shard_hash() == Some(hash));
            assert_eq!(by_key(found), of_hash.collect::<Vec<_>>());
        }
    }
}

pub async fn counts_are_of_what_the_parts_hold(directory: &dyn Directory) {
    let roles = of_kind(Kind::Role).len();
    let (entities, links) = (of_part(Part::Entities).len(), of_kind(Kind::Collaborator).len());
    assert_eq!(entities + links + roles, sample().len());
    assert_eq!(directory.count(&acme(), Part::Entities, SAMPLED).await.unwrap(), entities);
    assert_eq!(directory.count(&acme(), Part::Links, SAMPLED).await.unwrap(), links);
}

pub async fn before_the_first_revision_nothing_is_there(directory: &dyn Directory) {
    let scene = scene(directory);
    for at in [Revision(0), Revision(SAMPLED.0 - 1)] {
        assert!(scene.all(at).await.is_empty());
        assert_eq!(scene.read(&user_key("ann@acme.com"), at).await, None);
        assert!(scene.mentioning(&[user_key("ann@acme.com")], at).await.is_empty());
        assert!(scene.list(&mentioning(Kind::Team, [user_key("ann@acme.com")]), at).await.is_empty());
        assert_eq!(directory.hashed(&acme(), Part::Entities, 0..=u64::MAX, at).await.unwrap(), []);
        assert_eq!(directory.count(&acme(), Part::Links, at).await.unwrap(), 0);
    }
}

pub async fn after_the_last_revision_all_is_as_it_was_last(directory: &dyn Directory) {
    let scene = scene(directory);
    for at in [SAMPLED.next(), Revision(u64::MAX)] {
        assert_eq!(by_key(facts(scene.all(at).await)), by_key(sample()));
        assert!(scene.changed(SAMPLED, at).await.is_empty());
        assert_eq!(scene.changed(Revision(0), at).await.len(), sample().len());
    }
}

pub async fn all_is_new_since_nothing_and_nothing_since_now(directory: &dyn Directory) {
    let scene = scene(directory);
    for since in [Revision(0), Revision(SAMPLED.0 - 1)] {
        let changes = scene.changed(since, SAMPLED).await;
        assert!(changes.iter().all(|change| change.before.is_none()));
        let after: Vec<_> = changes.into_iter().filter_map(|change| change.after).collect();
        assert_eq!(by_key(after), by_key(sample()));
    }
    assert!(scene.changed(SAMPLED, SAMPLED).await.is_empty());
    assert!(scene.changed(Revision(0), Revision(SAMPLED.0 - 1)).await.is_empty());
}

fn scene(directory: &dyn Directory) -> Scene<'_> {
    Scene { directory, tenant: acme() }
}

/// What the sample has of a kind, by id.
fn of_kind(kind: Kind) -> Vec<Fact> {
    by_key(sample().into_iter().filter(|fact| fact.kind() == kind).collect())
}

fn of_part(part: Part) -> Vec<Fact> {
    by_key(sample().into_iter().filter(|fact| part.holds(fact.kind())).collect())
}

fn with_all(listing: &Listing) -> Vec<Fact> {
    let mut found = of_kind(listing.kind);
    found.retain(|fact| listing.mentioning.iter().all(|key| fact.mentions().contains(key)));
    found
}

async fn in_pages(scene: &Scene<'_>, mut listing: Listing) -> Vec<Fact> {
    let mut found = Vec::new();
    loop {
        let page = scene.list(&listing, SAMPLED).await;
        assert!(page.len() <= listing.limit);
        let Some(last) = page.last() else { return found };
        let last = Some(last.key().id);
        assert!(listing.after < last, "a page that starts with what the last one had");
        listing.after = last;
        found.extend(page);
    }
}

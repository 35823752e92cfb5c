//! Checks of the past: every revision reads as it was, and what is different between two of them.

use std::collections::BTreeMap;

use super::sample::{
    author, external_identity, grant, managed, provider, putting, taking, team, thing, user, user_key,
};
use super::scene::{ALL, Scene, by_key, facts, mentioning};
use crate::directory::{Change, Changes, Directory, Fact, FactKey, Kind, Listing, Part};
use crate::model::Revision;

pub async fn every_revision_is_read_as_it_was(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let mut was = vec![(scene.head().await, BTreeMap::new())];
    let both = |put: Vec<Fact>, took: Vec<FactKey>| putting(put).into_iter().chain(taking(took)).collect::<Changes>();
    let steps = [
        both(vec![user("ann@acme.com"), user("bob@acme.com"), thing("box", &[]), provider("okta")], vec![]),
        both(vec![team("ml", &["ann@acme.com"]), grant("team:ml", "viewer", "box")], vec![]),
        both(vec![team("ml", &["bob@acme.com"])], vec![user_key("ann@acme.com")]),
        both(vec![thing("box", &["box"]), external_identity("partners", "okta")], vec![team("ml", &[]).key()]),
        both(vec![team("ml", &["ann@acme.com"]), user("ann@acme.com")], vec![thing("box", &[]).key()]),
        both(vec![thing("box", &[])], vec![grant("team:ml", "viewer", "box").key(), user_key("bob@acme.com")]),
    ];
    for step in steps {
        let mut facts = was.last().unwrap().1.clone();
        for (key, fact) in &step {
            match fact {
                Some(fact) => facts.insert(key.clone(), fact.clone()),
                None => facts.remove(key),
            };
        }
        was.push((scene.write(&step, &author("key:root")).await, facts));
    }
    let mentioned = [user_key("ann@acme.com"), thing("box", &[]).key(), provider("okta").key()];
    for (at, held) in was {
        let held: Vec<_> = held.into_values().collect();
        assert_eq!(facts(scene.all(at).await), held, "at {at}");
        for part in [Part::Entities, Part::Links] {
            let of_part: Vec<_> = held.iter().filter(|fact| part.holds(fact.kind())).cloned().collect();
            assert_eq!(directory.count(&scene.tenant, part, at).await.unwrap(), of_part.len());
            let hashed = directory.hashed(&scene.tenant, part, 0..=u64::MAX, at).await.unwrap();
            assert_eq!(by_key(hashed), of_part, "at {at}");
        }
        for key in &mentioned {
            let found = scene.mentioning(std::slice::from_ref(key), at).await;
            let expected: Vec<_> = held.iter().filter(|fact| fact.mentions().contains(key)).cloned().collect();
            assert_eq!(found, expected, "what mentions {key} at {at}");
            let expected: Vec<_> = expected.into_iter().filter(|fact| fact.kind() == Kind::Team).collect();
            assert_eq!(scene.list(&mentioning(Kind::Team, [key.clone()]), at).await, expected, "{key} at {at}");
        }
    }
}

pub async fn a_team_that_a_user_has_left_mentions_them_no_more(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let (ann, bob) = (user_key("ann@acme.com"), user_key("bob@acme.com"));
    let within = scene.put([managed("ml", &["ann@acme.com", "bob@acme.com"], &["ann@acme.com"])]).await;
    let manages = scene.put([managed("ml", &["bob@acme.com"], &["ann@acme.com"])]).await;
    let gone = scene.put([team("ml", &["bob@acme.com"])]).await;
    let ended = scene.take([team("ml", &[]).key()]).await;
    for (at, has_ann, has_bob) in
        [(within, true, true), (manages, true, true), (gone, false, true), (ended, false, false)]
    {
        for (keys, is_found) in [([&ann].as_slice(), has_ann), (&[&bob], has_bob), (&[&bob, &ann], has_ann)] {
            let keys: Vec<_> = keys.iter().map(|key| (*key).clone()).collect();
            let listing = mentioning(Kind::Team, keys.clone());
            assert_eq!(!scene.list(&listing, at).await.is_empty(), is_found, "{keys:?} at {at}");
            if let [key] = keys.as_slice() {
                assert_eq!(
                    !scene.mentioning(std::slice::from_ref(key), at).await.is_empty(),
                    is_found,
                    "{key} at {at}"
                );
            }
        }
    }
}

pub async fn what_mentioned_once_takes_no_place_in_a_page(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let name = |team: usize| format!("t{team:03}");
    let with = |members: &'static [&'static str]| move |number: usize| team(&name(number), members);
    scene.put((0..600).map(with(&["ann@acme.com"]))).await;
    // Every hundredth keeps her, and so does the last.
    let is_kept = |team: &usize| team.is_multiple_of(100) || *team == 599;
    let at = scene.put((0..600).filter(|team| !is_kept(team)).map(with(&["bob@acme.com"]))).await;
    let kept: Vec<_> = (0..600).filter(is_kept).map(with(&["ann@acme.com"])).collect();
    let ann = [user_key("ann@acme.com")];
    assert_eq!(scene.mentioning(&ann, at).await, kept);
    for limit in [1, 2, 3, 300, ALL] {
        let first = Listing { limit, ..mentioning(Kind::Team, ann.clone()) };
        assert_eq!(scene.list(&first, at).await, kept[..limit.min(kept.len())]);
        let second = Listing { after: Some("t100".into()), ..first };
        assert_eq!(scene.list(&second, at).await, kept[2..kept.len().min(limit.saturating_add(2))]);
        assert_eq!(
            directory.mentioning(&scene.tenant, &ann, None, limit, at).await.unwrap().len(),
            limit.min(kept.len())
        );
    }
}

pub async fn what_changed_has_both_ends_and_each_fact_once(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let start = scene.head().await;
    let first = scene.put([user("ann@acme.com"), team("ml", &[]), thing("box", &[])]).await;
    scene.put([team("ml", &["ann@acme.com"]), user("bob@acme.com")]).await;
    scene.put([team("ml", &["bob@acme.com"]), thing("box", &["box"])]).await;
    let last = scene.take([user_key("ann@acme.com")]).await;
    let changed = [
        change(Some(user("ann@acme.com")), None),
        change(None, Some(user("bob@acme.com"))),
        change(Some(team("ml", &[])), Some(team("ml", &["bob@acme.com"]))),
        change(Some(thing("box", &[])), Some(thing("box", &["box"]))),
    ];
    assert_eq!(scene.changed(first, last).await, changed);
    let all = [
        change(None, Some(user("bob@acme.com"))),
        change(None, Some(team("ml", &["bob@acme.com"]))),
        change(None, Some(thing("box", &["box"]))),
    ];
    assert_eq!(scene.changed(start, last).await, all);
    let joined = change(Some(team("ml", &[])), Some(team("ml", &["ann@acme.com"])));
    assert_eq!(scene.changed(first, first.next()).await, [change(None, Some(user("bob@acme.com"))), joined]);
    // An end in the past is that past, whatever came after it.
    assert_eq!(scene.changed(start, first).await.len(), 3);
}

pub async fn what_came_and_went_or_was_changed_back_did_not_change(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let first = scene.put([user("ann@acme.com"), team("ml", &["ann@acme.com"])]).await;
    scene.put([user("bob@acme.com"), team("ml", &["bob@acme.com"])]).await;
    let between = scene.take([user_key("ann@acme.com")]).await;
    scene.put([user("ann@acme.com"), team("ml", &["ann@acme.com"])]).await;
    let last = scene.take([user_key("bob@acme.com")]).await;
    assert_eq!(scene.changed(first, last).await, []);
    assert_eq!(scene.changed(first, between).await.len(), 3);
    assert_eq!(scene.changed(between, last).await.len(), 3);
    // What it is now, it is since it was changed back.
    assert_eq!(scene.read(&user_key("ann@acme.com"), last).await.unwrap().since, Revision(last.0 - 1));
}

pub async fn what_changed_over_a_tenants_end_is_what_is_different(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let before = scene.put([user("ann@acme.com"), user("bob@acme.com")]).await;
    let ended = directory.delete_tenant(&scene.tenant, &author("key:root")).await.unwrap();
    let again = directory.create_tenant(&scene.tenant, Revision(30), &author("key:root")).await.unwrap();
    let last = scene.put([user("bob@acme.com"), user("cleo@acme.com")]).await;
    let gone = [change(Some(user("ann@acme.com")), None), change(Some(user("bob@acme.com")), None)];
    assert_eq!(scene.changed(before, ended).await, gone);
    assert_eq!(scene.changed(before, again).await, gone);
    assert_eq!(scene.changed(ended, again).await, []);
    let different = [change(Some(user("ann@acme.com")), None), change(None, Some(user("cleo@acme.com")))];
    assert_eq!(scene.changed(before, last).await, different);
}

/// Of a fact that is there before or after.
fn change(before: Option<Fact>, after: Option<Fact>) -> Change {
    let key = before.as_ref().or(after.as_ref()).unwrap().key();
    Change { key, before, after }
}

//! Checks of the history: who changed what, when and why, newest first, in pages, and found again.

use chrono::{DateTime, TimeDelta};

use super::sample::{author, grant, managed, putting, taking, team, thing, user, user_key};
use super::scene::{Scene, whole};
use crate::directory::{Author, Change, Directory, Entry, FactKey, History, Kind, Lives};
use crate::model::Revision;

pub async fn entries_are_newest_first_and_by_key_within_a_revision(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let first = scene.put([user("b@acme.com"), user("a@acme.com"), team("ml", &[]), thing("box", &[])]).await;
    let mut changes = putting([team("ml", &["a@acme.com"]), grant("team:ml", "viewer", "box")]);
    changes.extend(taking([user_key("b@acme.com")]));
    let second = scene.write(&changes, &author("key:other")).await;
    let entries = scene.history(&whole()).await;
    // By text, as databases sort: `collaborator` before `resource`, which it follows elsewhere.
    let places: Vec<_> = entries.iter().map(|entry| (entry.revision, entry.change.key.clone())).collect();
    let expected = [
        (second, grant("team:ml", "viewer", "box").key()),
        (second, team("ml", &[]).key()),
        (second, user_key("b@acme.com")),
        (first, thing("box", &[]).key()),
        (first, team("ml", &[]).key()),
        (first, user_key("a@acme.com")),
        (first, user_key("b@acme.com")),
    ];
    assert_eq!(places, expected);
    let change = |entry: usize| (entries[entry].change.before.clone(), entries[entry].change.after.clone());
    assert_eq!(change(0), (None, Some(grant("team:ml", "viewer", "box"))));
    assert_eq!(change(1), (Some(team("ml", &[])), Some(team("ml", &["a@acme.com"]))));
    assert_eq!(change(2), (Some(user("b@acme.com")), None));
    assert_eq!(change(6), (None, Some(user("b@acme.com"))));
    let actors: Vec<_> = entries.iter().map(|entry| entry.author.actor.as_str()).collect();
    assert_eq!(actors[2..4], ["key:other", "key:root"]);
}

pub async fn pages_put_together_are_the_whole_history(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let named = |number: usize| format!("u{number}@acme.com");
    // More than any backend reads at once.
    scene.put((0..600).map(|number| user(&named(number)))).await;
    scene.put([team("ml", &["u1@acme.com", "u2@acme.com"]), user("ann@acme.com")]).await;
    scene.take((0..300).map(|number| user_key(&named(number)))).await;
    let all = scene.history(&whole()).await;
    assert_eq!(all.len(), 902);
    let about = |about: Vec<FactKey>, limit: usize| History { about, limit, ..whole() };
    for wanted in [
        about(vec![], 100),
        about(vec![], 256),
        about(vec![], 899),
        about(vec![user_key("u1@acme.com")], 1),
        about(vec![user_key("u1@acme.com")], 2),
        History { kind: Some(Kind::User), limit: 64, ..whole() },
        History { kind: Some(Kind::Team), limit: 1, ..whole() },
    ] {
        let expected: Vec<_> = all.iter().filter(|entry| concerns(entry, &wanted)).cloned().collect();
        assert!(!expected.is_empty());
        assert_eq!(in_pages(&scene, wanted).await, expected);
    }
    for limit in [0, 1, 902, usize::MAX] {
        assert_eq!(scene.history(&History { limit, ..whole() }).await, all[..limit.min(902)]);
        let about = about(vec![user_key("u1@acme.com")], limit);
        assert_eq!(scene.history(&about).await.len(), limit.min(3));
    }
}

pub async fn a_page_starts_behind_a_place_that_has_no_entry(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let first = scene.put([user("a@acme.com"), user("c@acme.com"), thing("box", &[])]).await;
    let second = scene.put([user("d@acme.com")]).await;
    let from = |revision: Revision, key: FactKey| History { before: Some((revision, key)), ..whole() };
    let cases = [
        (from(second.next(), user_key("a@acme.com")), 4),
        (from(second, team("ml", &[]).key()), 4),
        (from(second, user_key("d@acme.com")), 3),
        (from(second, user_key("e@acme.com")), 3),
        (from(first, user_key("")), 2),
        (from(first, user_key("a@acme.com")), 1),
        (from(first, user_key("b@acme.com")), 1),
        (from(first, user_key("c@acme.com")), 0),
        (from(Revision(0), user_key("a@acme.com")), 0),
    ];
    let all = scene.history(&whole()).await;
    for (wanted, left) in cases {
        assert_eq!(scene.history(&wanted).await, all[all.len() - left..], "{wanted:?}");
    }
}

pub async fn entries_are_found_by_kind_and_by_actor(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    for (actor, member) in [("key:a", "a@acme.com"), ("key:A", "b@acme.com"), ("key:a%", "c@acme.com")] {
        scene.write(&putting([user(member), team("ml", &[member])]), &author(actor)).await;
    }
    let all = scene.history(&whole()).await;
    for kind in [None, Some(Kind::User), Some(Kind::Team), Some(Kind::Role)] {
        for actor in [None, Some("key:a"), Some("key:A"), Some("key:a%"), Some("key:%"), Some("key:a\0"), Some("")] {
            let wanted = History { kind, actor: actor.map(str::to_owned), ..whole() };
            let expected: Vec<_> = all.iter().filter(|entry| concerns(entry, &wanted)).cloned().collect();
            assert_eq!(scene.history(&wanted).await, expected, "{kind:?} {actor:?}");
        }
    }
    let teams = History { kind: Some(Kind::Team), actor: Some("key:A".into()), ..whole() };
    assert_eq!(scene.history(&teams).await.len(), 1);
}

pub async fn entries_about_a_user_are_also_those_of_teams_that_had_or_have_them(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let ann = user_key("ann@acme.com");
    scene.put([team("ml", &[]), team("ops", &["bob@acme.com"]), thing("box", &[])]).await;
    let came = scene.put([user("ann@acme.com"), user("bob@acme.com")]).await;
    let joined = scene.put([team("ml", &["ann@acme.com"]), thing("box", &["box"])]).await;
    let manages = scene.put([managed("ml", &[], &["ann@acme.com"])]).await;
    let left = scene.put([team("ml", &["bob@acme.com"])]).await;
    scene.put([team("ml", &[])]).await;
    let granted = scene.put([grant("user:ann@acme.com", "viewer", "box"), grant("team:ml", "viewer", "box")]).await;
    let gone = scene.take([ann.clone()]).await;
    let about = History { about: vec![ann.clone()], ..whole() };
    let found = scene.history(&about).await;
    let places: Vec<_> = found.iter().map(|entry| (entry.revision, entry.change.key.kind)).collect();
    let expected = [
        (gone, Kind::User),
        (granted, Kind::Collaborator),
        (left, Kind::Team),
        (manages, Kind::Team),
        (joined, Kind::Team),
        (came, Kind::User),
    ];
    assert_eq!(places, expected);
    let teams = History { kind: Some(Kind::Team), ..about.clone() };
    assert_eq!(scene.history(&teams).await, found[2..5]);
    for limit in 1..4 {
        assert_eq!(in_pages(&scene, History { limit, ..about.clone() }).await, found);
    }
    let nobody = History { about: vec![user_key("nobody@acme.com")], ..whole() };
    assert_eq!(scene.history(&nobody).await, []);
    // One who is only spoken of has a history as well.
    let scene = Scene::new(directory, "other").await;
    scene.put([team("ml", &["ann@acme.com"])]).await;
    assert_eq!(scene.history(&about).await.len(), 1);
}

pub async fn entries_about_two_facts_concern_both(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    scene.put([user("ann@acme.com"), user("bob@acme.com"), team("ml", &["ann@acme.com"])]).await;
    let swapped = scene.put([team("ml", &["bob@acme.com"])]).await;
    let both = scene.put([team("ops", &["ann@acme.com", "bob@acme.com"])]).await;
    let history = |about: &[FactKey]| History { about: about.to_vec(), ..whole() };
    let (ann, bob, ml) = (user_key("ann@acme.com"), user_key("bob@acme.com"), team("ml", &[]).key());
    // One before and the other after is both.
    let found = scene.history(&history(&[ann.clone(), bob.clone()])).await;
    assert_eq!(found.iter().map(|entry| entry.revision).collect::<Vec<_>>(), [both, swapped]);
    let found = scene.history(&history(&[ml.clone(), bob.clone()])).await;
    assert_eq!(found.iter().map(|entry| entry.revision).collect::<Vec<_>>(), [swapped]);
    assert_eq!(scene.history(&history(&[ml.clone(), ml, ann.clone()])).await.len(), 2);
    assert!(scene.history(&history(&[ann, user_key("nobody@acme.com")])).await.is_empty());
}

pub async fn who_when_and_why_come_back_as_they_were_given(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let at = |micros: i64| DateTime::UNIX_EPOCH + TimeDelta::microseconds(micros);
    let author = |actor: &str, at, reason: Option<&str>, request_id: Option<&str>| Author {
        actor: actor.to_owned(),
        at,
        reason: reason.map(str::to_owned),
        request_id: request_id.map(str::to_owned),
    };
    let authors = [
        author("key:root", at(0), None, None),
        author("User::\"o'neil@acme.com\"", at(1_753_000_000_123_456), Some("because"), None),
        author("key:\0x", at(1_753_000_000_000_001), Some("a\0b\n\"'\\ 100% 🦀"), Some("01J9Z3")),
        author("", at(1_753_000_000_999_999), Some(""), Some("")),
        author("key:past", at(-1), None, Some("r")),
        author("key:later", at(253_402_300_799_999_999), Some("the last moment of the year 9999"), None),
    ];
    for (number, author) in authors.iter().enumerate() {
        scene.write(&putting([user(&format!("u{number}@acme.com"))]), author).await;
    }
    let found: Vec<_> = scene.history(&whole()).await.into_iter().rev().map(|entry| entry.author).collect();
    assert_eq!(found, authors);
    for author in authors {
        let wanted = History { actor: Some(author.actor.clone()), ..whole() };
        let found: Vec<_> = scene.history(&wanted).await.into_iter().map(|entry| entry.author).collect();
        assert_eq!(found, [author]);
    }
}

pub async fn a_tenants_end_is_in_the_history_of_the_next(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    scene.put([user("ann@acme.com"), team("ml", &["ann@acme.com"])]).await;
    let ended = directory.delete_tenant(&scene.tenant, &author("key:end")).await.unwrap();
    directory.create_tenant(&scene.tenant, Revision(0), &author("key:root")).await.unwrap();
    let again = scene.put([user("ann@acme.com")]).await;
    let entries = scene.history(&whole()).await;
    assert_eq!(entries.len(), 5);
    assert_eq!((entries[0].revision, entries[0].change.before.clone()), (again, None));
    let ended_by = |entry: &Entry| entry.revision == ended && entry.author == author("key:end");
    assert!(entries[1..3].iter().all(ended_by));
    let gone = Change { key: user_key("ann@acme.com"), before: Some(user("ann@acme.com")), after: None };
    assert_eq!(entries[2].change, gone);
    let about = History { about: vec![user_key("ann@acme.com")], ..whole() };
    assert_eq!(scene.history(&about).await, entries);
}

pub async fn a_life_of_a_tenant_has_a_history_of_its_own(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let of_present = History { lives: Lives::Present, ..whole() };
    let first = scene.put([user("ann@acme.com"), team("ml", &["ann@acme.com"])]).await;
    assert_eq!(scene.history(&of_present).await, scene.history(&whole()).await);
    for life in 0..3 {
        directory.delete_tenant(&scene.tenant, &author("key:end")).await.unwrap();
        // An end of nothing has no entry: the life after it is known all the same.
        if life == 1 {
            directory.create_tenant(&scene.tenant, Revision(0), &author("key:root")).await.unwrap();
            directory.delete_tenant(&scene.tenant, &author("key:end")).await.unwrap();
        }
        directory.create_tenant(&scene.tenant, Revision(0), &author("key:root")).await.unwrap();
        assert_eq!(scene.history(&of_present).await, [], "life {life}");
        let again = scene.put([user("ann@acme.com")]).await;
        let found = scene.history(&of_present).await;
        assert_eq!(found.iter().map(|entry| entry.revision).collect::<Vec<_>>(), [again]);
        let about = History { about: vec![user_key("ann@acme.com")], ..of_present.clone() };
        assert_eq!(scene.history(&about).await, found);
        let page = History { before: Some((again, user_key("ann@acme.com"))), ..of_present.clone() };
        assert_eq!(scene.history(&page).await, []);
        let all = scene.history(&whole()).await;
        assert!(all.iter().any(|entry| entry.revision == first) && all.len() > found.len());
    }
}

/// Whether a history that starts at the head has an entry.
fn concerns(entry: &Entry, wanted: &History) -> bool {
    wanted.kind.is_none_or(|kind| entry.change.key.kind == kind)
        && wanted.actor.as_ref().is_none_or(|actor| entry.author.actor == *actor)
        && wanted.about.iter().all(|about| entry.change.concerns(about))
}

async fn in_pages(scene: &Scene<'_>, mut wanted: History) -> Vec<Entry> {
    let mut found = Vec::new();
    loop {
        let page = scene.history(&wanted).await;
        assert!(page.len() <= wanted.limit);
        let Some(last) = page.last() else { return found };
        assert!(!found.contains(last), "a page that has what the last one had");
        wanted.before = Some((last.revision, last.change.key.clone()));
        found.extend(page);
    }
}

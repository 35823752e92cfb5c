//! Checks of writes: whole or not at all, over exactly the revision that they were judged by.

use std::collections::BTreeSet;

use super::sample::{author, grant, managed, putting, sample, taking, team, tenant, thing, user, user_key};
use super::scene::{Scene, by_key, facts, whole};
use crate::directory::{Author, Changes, Directory, FactKey, Part, StoreError};
use crate::model::Revision;

pub async fn a_write_answers_the_next_revision_and_all_of_it_is_there(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let first = scene.head().await;
    let second = scene.put(sample()).await;
    assert_eq!((second, scene.head().await), (first.next(), first.next()));
    let found = scene.all(second).await;
    assert!(found.iter().all(|recorded| recorded.since == second));
    assert_eq!(by_key(facts(found)), by_key(sample()));
    // Some come, some go, some are changed, in one revision.
    let mut changes = putting([team("ml", &["o'neil@acme.com"]), user("new@acme.com")]);
    changes.extend(taking([user_key("bob@acme.com")]));
    let third = scene.write(&changes, &author("key:root")).await;
    assert_eq!(third, second.next());
    assert_eq!(scene.changed(second, third).await.len(), 3);
    assert_eq!(scene.all(third).await.len(), sample().len());
}

pub async fn a_write_over_another_revision_writes_nothing(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    scene.put([user("ann@acme.com")]).await;
    let head = scene.put([user("bob@acme.com")]).await;
    let (before, entries) = (scene.all(head).await, scene.history(&whole()).await);
    // A write that would change nothing was judged by another state, too.
    for changes in [putting([user("cleo@acme.com")]), taking([user_key("ann@acme.com")]), Changes::new()] {
        for expected in [Revision(0), Revision(1), Revision(2), head.next(), Revision(1_000_000)] {
            let refused = directory.apply(&scene.tenant, &changes, expected, &author("key:late")).await;
            let Err(StoreError::Moved { expected: said, found }) = refused else { panic!("{refused:?}") };
            assert_eq!((said, found), (expected, head));
        }
    }
    assert_eq!(scene.head().await, head);
    assert_eq!(scene.all(head.next()).await, before);
    assert_eq!(scene.history(&whole()).await, entries);
    assert!(scene.changed(head, head.next()).await.is_empty());
}

pub async fn changes_that_change_nothing_leave_the_revision(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let head = scene.put(sample()).await;
    let entries = scene.history(&whole()).await;
    for changes in [Changes::new(), putting(sample()), taking([user_key("nobody@acme.com")])] {
        assert_eq!(scene.write(&changes, &author("key:idle")).await, head);
    }
    assert_eq!(scene.head().await, head);
    assert_eq!(scene.history(&whole()).await, entries);
    assert!(scene.all(head).await.iter().all(|recorded| recorded.since == head));
    // What is not there may be taken away where it was spoken of, and where it once was.
    scene.put([managed("ops", &["ghost@acme.com"], &[])]).await;
    let head = scene.take([user_key("ann@acme.com")]).await;
    assert_eq!(scene.take([user_key("ghost@acme.com"), user_key("ann@acme.com")]).await, head);
}

pub async fn what_changes_nothing_is_left_out_of_a_write(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let first = scene.put([user("ann@acme.com"), team("ml", &["ann@acme.com"])]).await;
    let mut changes = putting([user("ann@acme.com"), team("ml", &[])]);
    changes.extend(taking([user_key("nobody@acme.com")]));
    let second = scene.write(&changes, &author("key:root")).await;
    assert_eq!(second, first.next());
    assert_eq!(scene.read(&user_key("ann@acme.com"), second).await.unwrap().since, first);
    let written: Vec<_> = scene.history(&whole()).await.into_iter().filter(|entry| entry.revision == second).collect();
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].change.after, Some(team("ml", &[])));
}

pub async fn a_changed_fact_is_all_new_and_since_now(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let first = scene.put([managed("ml", &["ann@acme.com"], &["bob@acme.com"]), user("ann@acme.com")]).await;
    let changed = team("ml", &["cleo@acme.com"]);
    let second = scene.put([changed.clone()]).await;
    let found = scene.read(&changed.key(), second).await.unwrap();
    assert_eq!((found.fact, found.since), (changed, second));
    assert_eq!(scene.read(&user_key("ann@acme.com"), second).await.unwrap().since, first);
}

pub async fn a_fact_that_comes_back_is_since_now(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let ann = user_key("ann@acme.com");
    let came = scene.put([user("ann@acme.com")]).await;
    let went = scene.take([ann.clone()]).await;
    let returned = scene.put([user("ann@acme.com")]).await;
    assert_eq!(scene.read(&ann, came).await.unwrap().since, came);
    assert_eq!(scene.read(&ann, went).await, None);
    assert_eq!(scene.read(&ann, returned).await.unwrap().since, returned);
}

pub async fn a_fact_may_mention_what_is_not_there(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let (granted, inner) = (grant("team:ml", "viewer", "box"), thing("box", &["shelf", "box"]));
    let first = scene.put([granted.clone(), inner.clone()]).await;
    // What is only spoken of is not there: not to be read, listed, counted or changed.
    assert_eq!(scene.all(first).await.len(), 2);
    assert_eq!(scene.mentioning(&inner.mentions(), first).await, by_key(vec![granted.clone(), inner.clone()]));
    assert_eq!(scene.changed(Revision(0), first).await.len(), 2);
    // It may come later, and is found by its hash as any other.
    let shelf = thing("shelf", &[]);
    let second = scene.put([shelf.clone(), team("ml", &[])]).await;
    let hash = shelf.shard_hash().unwrap();
    let part = Part::Entities;
    assert_eq!(directory.hashed(&scene.tenant, part, hash..=hash, second).await.unwrap(), [shelf]);
    assert!(directory.hashed(&scene.tenant, part, hash..=hash, first).await.unwrap().is_empty());
}

pub async fn of_two_writes_over_one_revision_one_wins(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    for round in 0..8 {
        let head = scene.head().await;
        let member = format!("round{round}@acme.com");
        let (ml, ops) = (putting([team("ml", &[&member])]), putting([team("ops", &[&member])]));
        let (one, other) = (author("key:one"), author("key:other"));
        let (left, right) = tokio::join!(
            directory.apply(&scene.tenant, &ml, head, &one),
            directory.apply(&scene.tenant, &ops, head, &other)
        );
        assert_eq!(scene.head().await, head.next());
        let (winner, lost, changed) = if left.is_ok() { (left, right, ml) } else { (right, left, ops) };
        assert_eq!(winner.unwrap(), head.next());
        assert!(matches!(&lost, Err(StoreError::Moved { found, .. }) if *found == head.next()), "{lost:?}");
        let changes = scene.changed(head, head.next()).await;
        assert_eq!(changes.into_iter().map(|change| (change.key, change.after)).collect::<Changes>(), changed);
    }
}

pub async fn of_many_writes_over_one_revision_one_wins(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let head = scene.head().await;
    let writers: Vec<_> = (0..12).map(named_writer).collect();
    let writes = writers.iter().map(|(changes, author)| directory.apply(&scene.tenant, changes, head, author));
    let answers = all_at_once(writes).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    let lost = |answer: &&Result<Revision, StoreError>| matches!(answer, Err(StoreError::Moved { .. }));
    assert_eq!(answers.iter().filter(lost).count(), 11);
    assert_eq!((scene.head().await, scene.all(head.next()).await.len()), (head.next(), 1));
    let winner = answers.iter().position(Result::is_ok).unwrap();
    assert_eq!(scene.history(&whole()).await[0].author, writers[winner].1);
}

pub async fn a_tenant_is_made_once_by_many(directory: &dyn Directory) {
    let (acme, author) = (tenant("acme"), author("key:root"));
    let answers = all_at_once((0..8).map(|_| directory.create_tenant(&acme, Revision(0), &author))).await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(Revision(1)))).count(), 1, "{answers:?}");
    let lost = |answer: &&Result<Revision, StoreError>| matches!(answer, Err(StoreError::TenantExists(_)));
    assert_eq!(answers.iter().filter(lost).count(), 7, "{answers:?}");
}

fn named_writer(writer: usize) -> (Changes, Author) {
    (putting([user(&format!("u{writer}@acme.com"))]), author(&format!("key:{writer}")))
}

/// Waits for all, started together.
async fn all_at_once<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, answer) in waiting.iter_mut().filter(|(_, answer)| answer.is_none()) {
            if let std::task::Poll::Ready(ready) = future.as_mut().poll(context) {
                *answer = Some(ready);
            }
        }
        let is_done = waiting.iter().all(|(_, answer)| answer.is_some());
        if is_done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, answer)| answer).collect()
}

pub async fn what_manifests_say_is_kept_with_what_they_change(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let other = Scene::new(directory, "other").await;
    let said = |emails: &[&str]| emails.iter().map(|email| user_key(email)).collect::<BTreeSet<_>>();
    let of_manifests = async || directory.of_manifests(&scene.tenant).await.unwrap();
    let apply = async |changes: Changes, said: BTreeSet<FactKey>, expected: Revision| {
        directory.apply_of_manifests(&scene.tenant, &changes, &said, expected, &author("manifests")).await
    };
    assert_eq!(of_manifests().await, said(&[]));
    let (ann, both) = (said(&["ann@acme.com"]), said(&["ann@acme.com", "bob@acme.com"]));
    let first = apply(putting([user("ann@acme.com")]), ann.clone(), Revision(1)).await.unwrap();
    assert_eq!((first, of_manifests().await), (Revision(2), ann.clone()));
    // What others write is not theirs, until they say it too: then nothing changes but that.
    let second = scene.put([user("bob@acme.com")]).await;
    assert_eq!(of_manifests().await, ann);
    assert_eq!(apply(putting([user("bob@acme.com")]), both.clone(), second).await.unwrap(), second);
    assert_eq!(of_manifests().await, both);
    // Over another revision nothing is kept.
    let late = apply(taking([user_key("bob@acme.com")]), ann, first).await;
    assert!(matches!(late, Err(StoreError::Moved { .. })), "{late:?}");
    assert_eq!((of_manifests().await, scene.head().await), (both, second));
    assert_eq!(directory.of_manifests(&other.tenant).await.unwrap(), said(&[]));
    // A tenant of the same name is another.
    directory.delete_tenant(&scene.tenant, &author("key:root")).await.unwrap();
    directory.create_tenant(&scene.tenant, Revision(0), &author("key:root")).await.unwrap();
    assert_eq!(of_manifests().await, said(&[]));
}

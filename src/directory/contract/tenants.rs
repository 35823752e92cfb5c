//! Checks of tenants: made, ended, made again, and apart from each other.

use super::sample::{author, putting, team, tenant, user, user_key};
use super::scene::{ALL, Scene, facts, whole};
use crate::directory::{Directory, History, Kind, Listing, Part, StoreError};
use crate::model::{Revision, TenantId};

pub async fn a_new_tenant_is_listed_and_holds_nothing(directory: &dyn Directory) {
    assert!(directory.tenants().await.unwrap().is_empty());
    let acme = tenant("acme");
    let first = directory.create_tenant(&acme, Revision(0), &author("key:root")).await.unwrap();
    assert_eq!(first, Revision(1));
    assert_eq!(heads(directory).await, [("acme".to_owned(), 1)]);
    let scene = Scene { directory, tenant: acme };
    assert_eq!(scene.head().await, first);
    assert!(scene.all(first).await.is_empty());
    assert!(scene.history(&whole()).await.is_empty());
    for part in [Part::Entities, Part::Links] {
        assert_eq!(directory.count(&scene.tenant, part, first).await.unwrap(), 0);
    }
}

pub async fn a_first_revision_is_above_what_it_must_be_above(directory: &dyn Directory) {
    let first = directory.create_tenant(&tenant("acme"), Revision(41), &author("key:root")).await.unwrap();
    assert_eq!(first, Revision(42));
    let scene = Scene { directory, tenant: tenant("acme") };
    assert_eq!(scene.put([user("ann@acme.com")]).await, Revision(43));
    assert!(scene.all(first).await.is_empty());
}

pub async fn a_tenant_that_is_there_is_not_made_again(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let head = scene.put([user("ann@acme.com")]).await;
    let again = directory.create_tenant(&scene.tenant, Revision(9), &author("key:root")).await;
    assert!(matches!(again, Err(StoreError::TenantExists(tenant)) if tenant == scene.tenant));
    assert_eq!(scene.head().await, head);
    assert_eq!(facts(scene.all(head).await), [user("ann@acme.com")]);
}

pub async fn a_tenant_that_never_was_answers_nothing(directory: &dyn Directory) {
    Scene::new(directory, "acme").await.put([user("ann@acme.com")]).await;
    // The name is another one where case, a prefix or a pattern would make it the same.
    for name in ["ACME", "acm", "acme-", "acme2"] {
        answers_nothing(directory, &tenant(name)).await;
    }
    assert_eq!(heads(directory).await, [("acme".to_owned(), 2)]);
}

pub async fn a_deleted_tenant_answers_nothing(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let head = scene.put([user("ann@acme.com"), team("ml", &["ann@acme.com"])]).await;
    let last = directory.delete_tenant(&scene.tenant, &author("key:root")).await.unwrap();
    assert_eq!(last, head.next());
    answers_nothing(directory, &scene.tenant).await;
    assert!(directory.tenants().await.unwrap().is_empty());
}

pub async fn a_tenant_made_again_goes_on_from_its_last_revision_and_holds_nothing(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let (acme, author) = (scene.tenant.clone(), author("key:root"));
    assert_eq!(scene.put([user("ann@acme.com")]).await, Revision(2));
    assert_eq!(directory.delete_tenant(&acme, &author).await.unwrap(), Revision(3));
    assert_eq!(directory.create_tenant(&acme, Revision(1), &author).await.unwrap(), Revision(4));
    assert!(scene.all(Revision(4)).await.is_empty());
    assert_eq!(scene.read(&user_key("ann@acme.com"), Revision(4)).await, None);
    let stale = directory.apply(&acme, &putting([user("bob@acme.com")]), Revision(2), &author).await;
    assert!(matches!(stale, Err(StoreError::Moved { found: Revision(4), .. })), "{stale:?}");

    // Also one that held nothing.
    assert_eq!(directory.delete_tenant(&acme, &author).await.unwrap(), Revision(5));
    assert_eq!(directory.create_tenant(&acme, Revision(5), &author).await.unwrap(), Revision(6));
    assert_eq!(directory.delete_tenant(&acme, &author).await.unwrap(), Revision(7));
    assert_eq!(directory.create_tenant(&acme, Revision(20), &author).await.unwrap(), Revision(21));
    assert_eq!(scene.put([user("ann@acme.com")]).await, Revision(22));
    assert_eq!(scene.read(&user_key("ann@acme.com"), Revision(22)).await.unwrap().since, Revision(22));
    assert_eq!(heads(directory).await, [("acme".to_owned(), 22)]);
}

pub async fn what_an_earlier_tenant_of_the_name_held_stays_in_the_past(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let held = scene.put([user("ann@acme.com"), team("ml", &["ann@acme.com"])]).await;
    let ended = directory.delete_tenant(&scene.tenant, &author("key:root")).await.unwrap();
    directory.create_tenant(&scene.tenant, Revision(0), &author("key:root")).await.unwrap();
    scene.put([user("bob@acme.com")]).await;
    assert_eq!(facts(scene.all(held).await), [user("ann@acme.com"), team("ml", &["ann@acme.com"])]);
    assert!(scene.all(ended).await.is_empty());
    assert_eq!(scene.mentioning(&[user_key("ann@acme.com")], held).await, [team("ml", &["ann@acme.com"])]);
    assert!(scene.mentioning(&[user_key("ann@acme.com")], ended).await.is_empty());
}

pub async fn tenants_are_listed_by_the_bytes_of_their_names(directory: &dyn Directory) {
    for name in ["b", "a", "Z", "a-1", "0", "B", "a1"] {
        Scene::new(directory, name).await;
    }
    let names: Vec<_> = heads(directory).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["0", "B", "Z", "a", "a-1", "a1", "b"]);
}

pub async fn tenants_with_the_same_names_in_them_know_nothing_of_each_other(directory: &dyn Directory) {
    let (acme, other) = (Scene::new(directory, "acme").await, Scene::new(directory, "other").await);
    let ours = [user("ann@acme.com"), team("ml", &["ann@acme.com"]), team("ops", &["ann@acme.com"])];
    acme.put(ours.clone()).await;
    other.put([user("ann@acme.com")]).await;
    other.put([team("ml", &[]), user("bob@acme.com")]).await;
    assert_eq!((acme.head().await, other.head().await), (Revision(2), Revision(3)));

    let at = Revision(3);
    assert_eq!(facts(acme.all(at).await), ours);
    assert_eq!(facts(other.all(at).await), [user("ann@acme.com"), user("bob@acme.com"), team("ml", &[])]);
    let ann = [user_key("ann@acme.com")];
    assert_eq!(acme.mentioning(&ann, at).await, ours[1..]);
    assert!(other.mentioning(&ann, at).await.is_empty());
    assert_eq!(directory.count(&other.tenant, Part::Entities, at).await.unwrap(), 3);
    assert_eq!(directory.hashed(&other.tenant, Part::Entities, 0..=u64::MAX, at).await.unwrap().len(), 3);
    assert_eq!((acme.changed(Revision(0), at).await.len(), other.changed(Revision(0), at).await.len()), (3, 3));
    assert_eq!(other.changed(Revision(1), Revision(2)).await.len(), 1);
    let about = History { about: ann.to_vec(), ..whole() };
    assert_eq!((acme.history(&about).await.len(), other.history(&about).await.len()), (3, 1));

    directory.delete_tenant(&acme.tenant, &author("key:root")).await.unwrap();
    assert_eq!((other.head().await, other.all(at).await.len()), (at, 3));
    assert_eq!(heads(directory).await, [("other".to_owned(), 3)]);
}

/// Every method says that the tenant is not there.
async fn answers_nothing(directory: &dyn Directory, tenant: &TenantId) {
    let (author, at, keys) = (author("key:root"), Revision(2), [user_key("ann@acme.com")]);
    let refusals = [
        directory.delete_tenant(tenant, &author).await.err(),
        directory.apply(tenant, &putting([user("bob@acme.com")]), at, &author).await.err(),
        directory.apply(tenant, &putting([]), Revision(0), &author).await.err(),
        directory.head(tenant).await.err(),
        directory.read(tenant, &keys, at).await.err(),
        directory.list(tenant, &Listing::of(Kind::User, ALL), at).await.err(),
        directory.mentioning(tenant, &keys, None, ALL, at).await.err(),
        directory.hashed(tenant, Part::Entities, 0..=u64::MAX, at).await.err(),
        directory.count(tenant, Part::Entities, at).await.err(),
        directory.changed_since(tenant, Revision(0), at).await.err(),
        directory.history(tenant, &whole()).await.err(),
    ];
    for refusal in refusals {
        assert!(matches!(&refusal, Some(StoreError::NoSuchTenant(named)) if named == tenant), "{refusal:?}");
    }
}

async fn heads(directory: &dyn Directory) -> Vec<(String, u64)> {
    let tenants = directory.tenants().await.unwrap();
    tenants.iter().map(|found| (found.tenant.to_string(), found.head.0)).collect()
}

//! Checks of chains: each revision of each life has one of its own, and numbers that come again have another.

use std::collections::BTreeSet;

use super::sample::{author, tenant, user, user_key};
use super::scene::Scene;
use crate::directory::{Directory, MemoryDirectory, Trace};
use crate::model::{Chain, Revision};

pub async fn every_revision_has_a_chain_of_its_own_that_never_changes(directory: &dyn Directory) {
    let (acme, other) = (Scene::new(directory, "acme").await, Scene::new(directory, "other").await);
    let mut seen: Vec<(&Scene<'_>, Revision, Chain)> = Vec::new();
    for round in 0..6 {
        for scene in [&acme, &other] {
            // The same changes by the same author at the same time.
            let at = match round % 2 {
                0 => scene.put([user("ann@acme.com")]).await,
                _ => scene.take([user_key("ann@acme.com")]).await,
            };
            let Trace::Live(Some(chain)) = directory.trace(&scene.tenant, at).await.unwrap() else { panic!("{at}") };
            seen.push((scene, at, chain));
            let heads = directory.tenants().await.unwrap();
            let head = heads.iter().find(|found| found.tenant == scene.tenant).unwrap();
            assert_eq!((head.head, head.chain), (at, chain));
        }
    }
    let chains: BTreeSet<_> = seen.iter().map(|(_, _, chain)| *chain).collect();
    assert_eq!(chains.len(), seen.len());
    for (scene, at, chain) in seen {
        assert_eq!(directory.trace(&scene.tenant, at).await.unwrap(), Trace::Live(Some(chain)));
    }
    // Nor does another directory in which all the same happens share any.
    let elsewhere = MemoryDirectory::default();
    let scene = Scene::new(&elsewhere, "acme").await;
    let at = scene.put([user("ann@acme.com")]).await;
    let Trace::Live(Some(chain)) = elsewhere.trace(&scene.tenant, at).await.unwrap() else { panic!("no chain") };
    assert!(!chains.contains(&chain));
}

pub async fn a_revision_that_is_not_there_has_no_chain(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let head = scene.put([user("ann@acme.com")]).await;
    assert_eq!(scene.put([user("ann@acme.com")]).await, head, "nothing changed");
    for at in [Revision(0), head.next(), Revision(u64::MAX)] {
        assert_eq!(directory.trace(&scene.tenant, at).await.unwrap(), Trace::Live(None), "{at}");
    }
    assert_eq!(directory.trace(&tenant("ACME"), head).await.unwrap(), Trace::Unknown);
    // Numbers that were left out are nobody's.
    directory.create_tenant(&tenant("late"), Revision(40), &author("key:root")).await.unwrap();
    assert_eq!(directory.trace(&tenant("late"), Revision(40)).await.unwrap(), Trace::Live(None));
    assert!(matches!(directory.trace(&tenant("late"), Revision(41)).await.unwrap(), Trace::Live(Some(_))));
}

pub async fn each_life_of_a_tenant_has_a_chain_of_its_own(directory: &dyn Directory) {
    let scene = Scene::new(directory, "acme").await;
    let first = scene.put([user("ann@acme.com")]).await;
    let ended = directory.delete_tenant(&scene.tenant, &author("key:end")).await.unwrap();
    for at in [first, ended] {
        assert_eq!(directory.trace(&scene.tenant, at).await.unwrap(), Trace::Ended);
    }
    let born = directory.create_tenant(&scene.tenant, Revision(0), &author("key:root")).await.unwrap();
    for at in [first, ended] {
        assert_eq!(directory.trace(&scene.tenant, at).await.unwrap(), Trace::Live(None), "of an earlier life: {at}");
    }
    assert!(matches!(directory.trace(&scene.tenant, born).await.unwrap(), Trace::Live(Some(_))));
}

//! A copy is the whole of a database at one moment, and nothing else is taken for one.

use tempfile::TempDir;

use super::*;
use crate::directory::contract::sample::{acme, author, putting, sample, tenant, user};
use crate::model::Revision;

async fn filled(folder: &TempDir) -> SqliteDirectory {
    let directory = SqliteDirectory::open(&folder.path().join("directory.db")).await.unwrap();
    directory.create_tenant(&acme(), Revision(0), &author("key:root")).await.unwrap();
    directory.apply(&acme(), &putting(sample()), Revision(1), &author("key:root")).await.unwrap();
    directory
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_beside_a_writer_is_whole_and_of_one_moment() {
    let folder = TempDir::new().unwrap();
    let directory = filled(&folder).await;
    let writing = tokio::spawn({
        let directory = directory.clone();
        async move {
            for number in 0..200_u64 {
                let one = putting([user(&format!("u{number}@acme.com"))]);
                directory.apply(&acme(), &one, Revision(2 + number), &author("key:root")).await.unwrap();
            }
        }
    });
    let to = folder.path().join("copy.db");
    while directory.head(&acme()).await.unwrap() < Revision(20) {
        tokio::task::yield_now().await;
    }
    let copied = copy_database(&folder.path().join("directory.db"), &to).await.unwrap();
    writing.await.unwrap();
    let head = copied.tenants[0].head;
    assert!(head >= Revision(20) && head <= Revision(202), "{head}");
    assert_eq!((copied.tenants.len(), copied.revisions, copied.epoch), (1, head.0, directory.epoch().await.unwrap()));
    let copy = SqliteDirectory::open(&to).await.unwrap();
    for at in [Revision(2), head] {
        let changed = directory.changed_since(&acme(), Revision(0), at).await.unwrap();
        assert_eq!(copy.changed_since(&acme(), Revision(0), at).await.unwrap(), changed);
    }
}

#[tokio::test]
async fn what_is_damaged_or_not_ours_is_not_copied() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    filled(&folder).await.close().await;
    std::fs::write(path("text"), "not a database ".repeat(500)).unwrap();
    std::fs::write(path("empty"), "").unwrap();
    let options = SqliteConnectOptions::new().filename(path("theirs")).create_if_missing(true);
    let mut theirs = options.connect().await.unwrap();
    sqlx::query("CREATE TABLE tenants (number INTEGER)").execute(&mut theirs).await.unwrap();
    theirs.close().await.unwrap();
    for name in ["text", "empty", "theirs"] {
        let copied = copy_database(&path(name), &path(&format!("{name}.copy"))).await;
        assert!(matches!(copied, Err(CopyError::NotOurs)), "{name}: {copied:?}");
    }
    let whole = std::fs::read(path("directory.db")).unwrap();
    let mut refused = 0;
    for (number, at) in (100..whole.len()).step_by(whole.len() / 40).enumerate() {
        let mut damaged = whole.clone();
        damaged[at..(at + 64).min(whole.len())].fill(0xa5);
        std::fs::write(path("damaged"), damaged).unwrap();
        refused += usize::from(copy_database(&path("damaged"), &path(&format!("{number}.copy"))).await.is_err());
    }
    // The rest fell on texts and on what no page uses, which a database does not look into.
    assert!(refused > 5, "{refused}");
}

#[tokio::test]
async fn another_epoch_changes_nothing_else_and_a_database_in_use_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("directory.db");
    let directory = filled(&folder).await;
    assert!(matches!(settle_unused(&path).await, Err(CopyError::InUse)));
    directory.create_tenant(&tenant("other"), Revision(0), &author("key:root")).await.unwrap();
    let before = directory.copied().await.unwrap();
    directory.close().await;
    settle_unused(&path).await.unwrap();
    let begun = begin_epoch(&path).await.unwrap();
    assert_ne!(begun.epoch, before.epoch);
    // No head is in the chain that a bundle may be of.
    let heads = |copied: &Copied| copied.tenants.iter().map(|one| (one.tenant.clone(), one.head)).collect::<Vec<_>>();
    assert!(begun.tenants.iter().zip(before.tenants.iter()).all(|(begun, before)| begun.chain != before.chain));
    assert_eq!((heads(&begun), begun.revisions), (heads(&before), before.revisions));
}
